"""The check of what the state file keeps twice: jobs against events, money against jobs."""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Connection

from runner.core.events import Added, Event
from runner.core.job import Job
from runner.core.ledger import totals_of
from runner.core.lifecycle import create, transition
from runner.store import budget, caps, group_rows, reading, windows
from runner.store.account import service_of
from runner.store.saving import WAITING, batch_row

_WAITING_OFF = (
    f"SELECT jobs.id FROM jobs WHERE jobs.batch = ? AND jobs.waiting <> {WAITING}"  # noqa: S608
    " ORDER BY jobs.position"
)


def rebuild(db: Connection, batch: str) -> list[Job]:
    """The jobs of a batch replayed from their events, in manifest order."""
    jobs = [_replay(batch, past) for past in reading.histories(db, batch)]
    return sorted(jobs, key=lambda job: job.position)


def check(db: Connection, batch: str) -> list[str]:
    """What does not agree, a sentence each; nothing unless there is a bug or a damaged file."""
    number = batch_row(db, batch)
    rebuilt = {job.id: job for job in rebuild(db, batch)}
    stored = {job.id: job for job in _all_jobs(db, batch)}
    found = [
        f"job `{job_id}` differs from its events"
        for job_id in sorted(rebuilt.keys() | stored.keys())
        if rebuilt.get(job_id) != stored.get(job_id)
    ]
    kept, expected = budget.totals(db, number), totals_of(rebuilt.values())
    if kept != expected:
        found.append(f"the ledger has {kept}, the jobs have {expected}")
    found += [f"cap `{name}` is not the sum of its entries" for name in caps.caps_off(db, number)]
    found += [
        f"job `{row['id']}` counts its needs wrongly" for row in db.execute(_WAITING_OFF, (number,))
    ]
    return found + _check_account(db, service_of(db, number))


def _check_account(db: Connection, service: str) -> list[str]:
    """What the batches of one service share."""
    found = [f"{label} counts its jobs in flight wrongly" for label in group_rows.off(db, service)]
    hours = windows.hours_off(db, service)
    found += [f"the spending of {hour:%Y-%m-%d %H} UTC is not its entries' sum" for hour in hours]
    return found


def _replay(batch: str, past: Sequence[Event]) -> Job:
    first = past[0]
    assert isinstance(first, Added), "a job begins with being added"  # noqa: S101 - our own bug
    job = create(batch, first)
    for event in past[1:]:
        job = transition(job, event)
    return job


def _all_jobs(db: Connection, batch: str) -> list[Job]:
    found: list[Job] = []
    cursor = reading.FIRST
    while True:
        jobs, cursor = reading.page(db, batch, cursor, 1000)
        if not jobs:
            return found
        found += jobs
