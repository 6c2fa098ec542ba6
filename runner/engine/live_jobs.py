"""The jobs that a run works on, a coroutine each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from runner.clock import Clock
from runner.core.job import ACTIVE, Job, JobStatus

from .waiting import all_ended

#: seconds between two looks at how long may still be waited
LOOK_S = 1.0

#: takes a job as far as it goes; raises nothing but bugs
Work = Callable[[Job], Coroutine[None, None, None]]


@dataclass(slots=True)
class _Live:
    """A job under way."""

    job: Job
    coroutine: asyncio.Task[None]


class LiveJobs:
    """Starts, remembers and ends them; what is on disk is the truth."""

    def __init__(self, work: Work, clock: Clock) -> None:
        self._work = work
        self._clock = clock
        self._live: dict[str, _Live] = {}

    def __len__(self) -> int:
        return len(self._live)

    @property
    def ids(self) -> list[str]:
        return list(self._live)

    @property
    def jobs(self) -> list[Job]:
        return [live.job for live in self._live.values()]

    @property
    def any_moves(self) -> bool:
        """Whether Runway works on one, or one downloads; a create refused again is no progress."""
        moving = ACTIVE - {JobStatus.SUBMITTING}
        return any(live.job.status in moving for live in self._live.values())

    def get(self, job_id: str) -> Job | None:
        """The job as it was last recorded."""
        live = self._live.get(job_id)
        return None if live is None else live.job

    def start(self, group: asyncio.TaskGroup, job: Job) -> None:
        """Work on the job, unless that is done already."""
        if job.id not in self._live:
            coroutine = group.create_task(self._work(job), name=job.id)
            self._live[job.id] = _Live(job, coroutine)

    def ended(self, job: Job) -> Job:
        """The job is no longer worked on; returns it as it was last recorded."""
        return self._live.pop(job.id).job

    def note(self, job: Job) -> None:
        """The job has changed."""
        if job.id in self._live:
            self._live[job.id].job = job

    def cancel(self, which: Callable[[Job], bool] = lambda _job: True) -> None:
        """Leave jobs where they are; creates already sent are not cancelled by it."""
        for live in self._live.values():
            if which(live.job):
                live.coroutine.cancel()

    async def wait(self, until_s: Callable[[], float]) -> None:
        """Until all have ended, or the time is over; which time may change meanwhile."""
        coroutines = [live.coroutine for live in self._live.values()]
        while (left_s := until_s() - self._clock.monotonic()) > 0:
            await all_ended(self._clock, coroutines, min(left_s, LOOK_S))
            if all(coroutine.done() for coroutine in coroutines):
                return
