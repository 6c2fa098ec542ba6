"""Reading a task until it ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from runner.clock import Clock
from runner.core.events import (
    Cancelled,
    CancelRequested,
    GaveUp,
    PollSuspended,
    Running,
    TaskSucceeded,
)
from runner.core.job import ACTIVE, Job, JobStatus
from runner.core.links import expires_at
from runner.core.policy import after_failure
from runner.core.task import Task, TaskStatus
from runner.errors import PermanentApiError, TransientApiError

from .tools import Tools

#: readings in a row that must say so before a paid task counts as gone
READS_UNTIL_GONE = 3
#: readings in a row without a usable answer before the job says so
FAILURES_UNTIL_SAID = 2


class Poller:
    """Polls one task at a time for its callers, never more often than the policy allows."""

    def __init__(
        self,
        tools: Tools,
        seen: Callable[[Job, Task], None],
        *,
        in_outage: Callable[[str], bool] = lambda _lane: False,
    ) -> None:
        self._tools = tools
        self._seen = seen
        self._in_outage = in_outage
        #: jobs that a person wants cancelled: whether also where they run, and are paid
        self.unwanted: dict[str, bool] = {}

    async def follow(self, job: Job, *, at_once: bool) -> tuple[Job, Task | None]:
        """Read the task until it has ended, or patience runs out.

        Args:
            job: queued or running, with its task id.
            at_once: read before waiting, for a job that an earlier run left.

        Returns:
            The job, no longer at Runway unless patience ran out, and the last reading.
        """
        failures = missing = 0
        wait = 0.0 if at_once else self._tools.policies.poll.delay(self._tools.rng)
        while True:
            await self._tools.clock.sleep(wait)
            try:
                task = await self._read(job)
            except TransientApiError as error:
                failures += 1
                exhausted = self._tools.patience.failed(self._tools.clock.monotonic())
                if exhausted or failures == FAILURES_UNTIL_SAID:
                    suspended = PollSuspended(at=self._tools.clock.now(), reason=error.message)
                    job = await self._tools.recorder.record(job, suspended)
                if exhausted:
                    return job, None
                wait = self._tools.policies.reading.delay(
                    failures, self._tools.rng, retry_after_s=error.retry_after_s
                )
                continue
            failures = 0
            missing = 0 if task else missing + 1
            wait = self._tools.policies.poll.delay(self._tools.rng)
            if 0 < missing < READS_UNTIL_GONE:
                continue
            job = await self._apply(job, task)
            if job.status not in ACTIVE or job.status is JobStatus.DOWNLOADING:
                self.unwanted.pop(job.id, None)  # another try is a new wish
                return job, task

    async def read_once(self, job: Job) -> Job:
        """One reading, with what follows from it: also the DELETE of a job in `unwanted`.

        Raises:
            TransientApiError: there was no usable answer.
        """
        task = await self._read(job)
        return job if task is None and not job.cancel_requested else await self._apply(job, task)

    async def _read(self, job: Job) -> Task | None:
        """The task, or None where Runway does not know it."""
        assert job.task_id is not None, "a job at Runway has a task id"  # noqa: S101 - our bug
        try:
            task = await self._tools.api.get_task(job.task_id)
        except PermanentApiError as error:
            if error.status != 404:
                raise TransientApiError(error.message, status=error.status) from error
            task = None
        self._tools.patience.answered()
        return task

    async def _apply(self, job: Job, task: Task | None) -> Job:
        now = self._tools.clock.now()
        if task is None:
            gone = cancelled(self._tools.clock) if job.cancel_requested else None
            ended = gone or task_gone(job, self._tools.clock)
            return await self._tools.recorder.record(job, ended)
        self._seen(job, task)
        match task.status:
            case TaskStatus.PENDING | TaskStatus.THROTTLED:
                return await self._cancel(job) if self._is_unwanted(job) else job
            case TaskStatus.RUNNING:
                if job.status is not JobStatus.RUNNING:
                    job = await self._tools.recorder.record(job, Running(at=now))
                return await self._cancel(job) if self.unwanted.get(job.id) else job
            case TaskStatus.SUCCEEDED:
                succeeded = TaskSucceeded(
                    at=now,
                    credits=task.cost_credits,
                    outputs=len(task.output) or None,
                    collect_by=_first_expiry(task),
                )
                return await self._tools.recorder.record(job, succeeded)
            case TaskStatus.FAILED | TaskStatus.CANCELLED:
                outage = self._in_outage(job.lane)
                retry, rng = self._tools.policies.retry, self._tools.rng
                wanted = not self._is_unwanted(job)
                failed = after_failure(job, task, retry, now, rng, outage=outage, wanted=wanted)
                return await self._tools.recorder.record(job, failed)

    def _is_unwanted(self, job: Job) -> bool:
        return job.cancel_requested or job.id in self.unwanted

    async def _cancel(self, job: Job) -> Job:
        """DELETE a task that was read a moment ago; what it cost nobody can say afterwards."""
        if not job.cancel_requested:
            now = self._tools.clock.now()
            job = await self._tools.recorder.record(job, CancelRequested(at=now))
        assert job.task_id is not None, "a job at Runway has a task id"  # noqa: S101 - our bug
        try:
            await self._tools.api.cancel_task(job.task_id)
        except PermanentApiError as error:
            if error.status != 404:
                return job  # read again, and tried again
        except TransientApiError:
            return job
        self.unwanted.pop(job.id, None)
        return await self._tools.recorder.record(job, cancelled(self._tools.clock))


def cancelled(clock: Clock) -> Cancelled:
    """The task is gone, and its charge with it: the estimate stays booked."""
    return Cancelled(
        at=clock.now(),
        reason="cancelled at Runway; the estimate stays booked, as its refund cannot be read",
    )


def _first_expiry(task: Task) -> datetime | None:
    """When the first of a task's links dies, where all of them say so."""
    times = [expires_at(link) for link in task.output]
    known = [time for time in times if time is not None]
    return min(known) if known and len(known) == len(times) else None


def task_gone(job: Job, clock: Clock) -> GaveUp:
    """Runway answers 404 for a task of ours: its charge is kept, nothing is tried again."""
    return GaveUp(
        at=clock.now(),
        code="TASK_GONE",
        reason=f"Runway no longer knows task {job.task_id}",
        credits=None,
    )
