"""What must hold after a soak, counted at the server, in the state file and in the folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from runner.core.job import Job, JobStatus
from runner.store.accounting import By
from tests.engine_rig import OUT
from tests.soak.soak import CLOSES, OPENS, PARIS, Soak

#: a create that leaves in the last moment of the window arrives after it
ON_ITS_WAY = timedelta(seconds=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Figures of a soak whose promises held."""

    jobs: Mapping[str, int]  # by status
    creates: int
    charged: int
    ledger_spent: int
    ledger_in_doubt: int
    virtual_days: float
    change_of_clocks: bool


async def judge(soak: Soak) -> Verdict:
    """Raise AssertionError where a promise was broken."""
    jobs = await soak.rig.jobs()
    creates = soak.service.creates()
    await _check_state(soak)
    _check_explained(jobs)
    _check_files(soak, jobs)
    arrived = _check_paid_once(soak, jobs, creates)
    _check_refusals(soak)
    _check_window(soak, creates)
    await _check_charges(soak, jobs, arrived)
    totals = await soak.rig.store.totals("b")
    return Verdict(
        jobs={status.value: n for status, n in (await soak.rig.store.counts("b")).items()},
        creates=len(creates),
        charged=soak.service.totals()["charged"],
        ledger_spent=totals.spent,
        ledger_in_doubt=totals.in_doubt,
        virtual_days=soak.clock.monotonic() / 86_400,
        change_of_clocks=len({at.astimezone(PARIS).utcoffset() for at in soak.intents}) == 2,
    )


async def _check_state(soak: Soak) -> None:
    """Jobs rebuilt from events are the jobs stored; ledger and caps are their sums."""
    store = soak.rig.store
    assert list(await store.check("b")) == []
    stored = [job async for job in store.jobs("b")]
    assert list(await store.rebuild("b")) == stored
    assert soak.rig.rescued == []


def _check_explained(jobs: Mapping[str, Job]) -> None:
    """Each job is done, or says why not."""
    ended = {JobStatus.DONE, JobStatus.FAILED, JobStatus.IN_DOUBT}
    assert {job.status for job in jobs.values()} <= ended
    unfinished = [job for job in jobs.values() if job.status is not JobStatus.DONE]
    assert all(job.error is not None and job.error.message for job in unfinished)


def _check_files(soak: Soak, jobs: Mapping[str, Job]) -> None:
    """Every output is there under a name of its own, and nothing half-done."""
    files = soak.rig.downloader.files
    named = {
        str(OUT / output.path): output.sha256 for job in jobs.values() for output in job.outputs
    }
    done = [job for job in jobs.values() if job.status is JobStatus.DONE]
    assert all(job.outputs for job in done)
    assert len(named) == len(done)
    assert {path: digest for path, digest in files.items() if ".part" not in path} == named


def _check_paid_once(
    soak: Soak, jobs: Mapping[str, Job], creates: list[Any]
) -> Mapping[str, list[Any]]:
    """Tasks at the server by job: at most one of each job cost anything.

    Those that no job knows belong to jobs in doubt.
    """
    tasks = soak.service.backend.state.tasks
    by_job: dict[str, list[Any]] = {job: [] for job in jobs}
    for create in creates:
        by_job[str(tasks[create["id"]].body["promptText"])].append(create)
    for name, made in by_job.items():
        job = jobs[name]
        paid = [create for create in made if create["charged"]]
        assert len(paid) <= 1, name
        unknown = [create for create in made if create["id"] not in job.task_ids]
        assert not unknown or job.status is JobStatus.IN_DOUBT, name
    return by_job


def _check_refusals(soak: Soak) -> None:
    """The backend turned nothing down: no 429, no slot or credit asked for that was not there.

    What the scenario refuses it refuses before the backend sees it.
    """
    totals = soak.service.totals()
    assert totals["refused"] == 0
    assert totals["most_alive"] <= soak.scale.slots + soak.rig.bounds.queue_ahead


def _check_window(soak: Soak, creates: list[Any]) -> None:
    """Intents and arrivals by the clock on a wall in Paris."""
    arrivals = [datetime.fromtimestamp(create["at"], UTC) for create in creates]
    assert len(soak.intents) >= len(arrivals)
    assert all(_is_open(at) for at in soak.intents)
    assert all(_is_open(at) or _is_open(at - ON_ITS_WAY) for at in arrivals)


def _is_open(at: datetime) -> bool:
    wall = at.astimezone(PARIS).time()
    return wall >= OPENS or wall < CLOSES


async def _check_charges(
    soak: Soak, jobs: Mapping[str, Job], by_job: Mapping[str, list[Any]]
) -> None:
    """Charge at the server == ledger, job by job; of jobs in doubt at most what is held."""
    entries = {row.name: row for row in await soak.rig.store.ledger("b", By.JOB)}
    for name, made in by_job.items():
        charged, row = sum(create["charged"] for create in made), entries[name]
        doubtful = sum(c["charged"] for c in made if c["id"] not in jobs[name].task_ids)
        assert charged == row.spent + doubtful, name
        assert row.reserved == 0
        assert doubtful <= row.in_doubt
    assert soak.service.totals()["charged"] == sum(
        create["charged"] for made in by_job.values() for create in made
    )
