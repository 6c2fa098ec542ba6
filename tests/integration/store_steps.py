"""What the tests of the state file do over and over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from runner.core.events import (
    Downloaded,
    Event,
    GaveUp,
    Running,
    SubmitStarted,
    TaskAccepted,
    TaskSucceeded,
)
from runner.core.job import Job
from runner.core.ledger import ledger_move
from runner.core.lifecycle import transition
from runner.core.limits import Terms
from runner.core.spec import JobSpec
from runner.core.task import ModelLimits, Organization, Reading
from runner.store.store import JobStore
from runner.testing import START, make_spec
from tests.plans import changes

#: terms that leave room for everything
ROOMY = Terms(slots=99, refusals=99)


async def add(store: JobStore, *specs: JobSpec, batch: str = "b") -> list[Job]:
    """Plan and add jobs as a run does."""
    stored = {job.id: job async for job in store.jobs(batch)}
    await store.apply_plan(batch, changes(batch, specs, stored, START))
    return [job async for job in store.jobs(batch)]


async def happen(store: JobStore, job: Job, *events: Event) -> Job:
    """One event after the other; the job as it is then."""
    for event in events:
        after = transition(job, event)
        await store.save(job, after, event, ledger_move(job, event))
        job = after
    return job


def started(reserve: int = 25) -> Event:
    return SubmitStarted(at=START, reserve=reserve)


def accepted(task_id: str = "t", estimated: int | None = None) -> Event:
    return TaskAccepted(at=START, task_id=task_id, estimated=estimated)


def gave_up(credits: int | None = 0) -> Event:
    return GaveUp(at=START, code="HTTP_400", reason="no", credits=credits)


def finished(at: datetime = START, credits: int = 25) -> Sequence[Event]:
    """From pending to done."""
    return (
        SubmitStarted(at=at, reserve=25),
        TaskAccepted(at=at, task_id="t", estimated=None),
        Running(at=at),
        TaskSucceeded(at=at, credits=credits),
        Downloaded(at=at),
    )


async def start(
    store: JobStore, job: Job, *, at: datetime = START, reserve: int = 25,
    terms: Terms | None = ROOMY,
) -> Job:  # fmt: skip
    """An intent, judged by its terms."""
    event = SubmitStarted(at=at, reserve=reserve)
    after = transition(job, event)
    await store.save(job, after, event, ledger_move(job, event), terms)
    return after


def reading(
    at: datetime = START, *, balance: int = 1000, most: int | None = None, used: int = 0
) -> Reading:
    """The account, with one lane."""
    limits = ModelLimits(max_concurrent=5, max_daily=most, daily_used=used)
    return Reading(
        asked_at=at,
        answered_at=at + timedelta(seconds=1),
        organization=Organization(credit_balance=balance, models={"gen4_turbo": limits}),
    )


async def in_other_batch(
    store: JobStore, *specs: JobSpec, service: str = "https://one"
) -> list[Job]:
    """Jobs of a second batch of the file."""
    await store.upsert_batch("other", base_url=service)
    return await add(store, *specs, batch="other")


async def nothing_written(store: JobStore, job: Job) -> None:
    """What was refused left no trace."""
    assert await store.job(job.batch, job.id) == job
    assert await store.check(job.batch) == []


def same_prompt(name: str) -> JobSpec:
    """A job that shares its prompt with others."""
    return make_spec(name, body={"promptText": "a cat"})
