"""One job from submit to file, top to bottom.

A resume needs no code of its own: the ladder is entered at the rung that the job's status names.
"""

from __future__ import annotations

from collections.abc import Callable

from runner.core.job import AT_RUNWAY, Job, JobStatus
from runner.core.limits import Terms
from runner.core.task import Task
from runner.errors import PermanentApiError, TransientApiError

from .collecting import Collector
from .inputs import Inputs
from .polling import Poller
from .submitting import Submitter
from .tools import Tools


class Worker:
    """Works on any number of jobs of a batch, one call of `run` each."""

    def __init__(
        self,
        tools: Tools,
        *,
        seen: Callable[[Job, Task], None],
        disk_full: Callable[[str], None],
        terms: Callable[[Job], Terms],
        in_outage: Callable[[str], bool],
    ) -> None:
        self._tools = tools
        self._inputs = Inputs(tools)
        self._collector = Collector(tools, disk_full)
        self.poller = Poller(tools, seen, in_outage=in_outage)
        self.submitter = Submitter(tools, terms)

    async def run(self, job: Job) -> Job:
        """Take the job as far as it goes: to its files, to a later try, or to its end.

        Raises:
            NotNow: the intent did not fit; nothing was sent.
            AccountError: key refused or no credits; the job waits for a run that may.
        """
        task: Task | None = None
        resumed = job.status is not JobStatus.PENDING
        if not resumed:
            job = await self._submit(job)
        if job.status in AT_RUNWAY:
            job, task = await self.poller.follow(job, at_once=resumed)
        if job.status is JobStatus.DOWNLOADING:
            job = await self._collector.collect(job, task)
        return job

    async def _submit(self, job: Job) -> Job:
        reserve = await self.submitter.reserve_for(job)
        await self._tools.store.check_room(job, reserve)
        try:
            body = await self._inputs.body_of(job.spec)
        except TransientApiError as error:
            return await self._tools.recorder.record(job, self.submitter.refused(job, error))
        except PermanentApiError as error:
            return await self._tools.recorder.record(job, self.submitter.gave_up(error))
        return await self.submitter.submit(job, body, reserve)
