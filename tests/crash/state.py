"""What a state file says, read as `doctor` and `status` read it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.core.events import Event
from runner.core.job import Job, JobStatus
from runner.core.ledger import LedgerTotals
from runner.store.connection import version_of
from runner.store.reader import StateReader
from runner.store.version import SCHEMA_VERSION


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """One batch."""

    jobs: Mapping[str, Job]
    past: Mapping[str, Sequence[Event]]
    totals: LedgerTotals
    problems: Sequence[str]  # of `check`

    def of(self, *statuses: JobStatus) -> list[Job]:
        return [job for job in self.jobs.values() if job.status in statuses]

    @property
    def task_ids(self) -> set[str]:
        """Of all attempts of all jobs."""
        return {task_id for job in self.jobs.values() for task_id in job.task_ids}


NOTHING = Stored(jobs={}, past={}, totals=LedgerTotals(), problems=())


def read(path: Path, batch: str) -> Stored:
    """The batch with its past; nothing where there is no such batch yet."""
    is_ready = path.is_file() and version_of(path) == SCHEMA_VERSION
    return asyncio.run(_read(path, batch)) if is_ready else NOTHING


async def _read(path: Path, batch: str) -> Stored:
    async with await StateReader.read(path) as reader:
        if await reader.batch(batch) is None:
            return NOTHING
        jobs = {job.id: job async for job in reader.jobs(batch)}
        past = await asyncio.gather(*(reader.events(batch, job_id) for job_id in jobs))
        return Stored(
            jobs=jobs,
            past=dict(zip(jobs, past, strict=True)),
            totals=await reader.totals(batch),
            problems=await reader.check(batch),
        )
