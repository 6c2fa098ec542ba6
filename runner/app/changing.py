"""Short commands change jobs by conditional transactions: whoever changed one first wins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from runner.core.events import Event
from runner.core.job import Job
from runner.core.ledger import ledger_move
from runner.core.lifecycle import transition
from runner.errors import StaleJob
from runner.store.planning import pages
from runner.store.store import JobStore
from runner.store.writer import GROUP


async def change(store: JobStore, job: Job, event: Event) -> Job:
    """One event.

    Raises:
        StaleJob: somebody else changed the job first; nothing was written.
    """
    after = transition(job, event)
    await store.save(job, after, event, ledger_move(job, event))
    return after


async def change_all(
    store: JobStore, jobs: Sequence[Job], event_of: Callable[[Job], Event]
) -> list[Job]:
    """The same to many, as many in a commit as go; those that others changed first are left out."""

    async def one(job: Job) -> Job | None:
        try:
            return await change(store, job, event_of(job))
        except StaleJob:
            return None

    changed: list[Job] = []
    for some in pages(jobs, GROUP):
        found = await asyncio.gather(*(one(job) for job in some))
        changed += [job for job in found if job is not None]
    return changed
