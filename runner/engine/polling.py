"""Reading a task until it ends."""

from __future__ import annotations

from collections.abc import Callable

from runner.clock import Clock
from runner.core.events import GaveUp, PollSuspended, Running, TaskSucceeded
from runner.core.job import ACTIVE, Job, JobStatus
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

    def __init__(self, tools: Tools, seen: Callable[[Job, Task], None]) -> None:
        self._tools = tools
        self._seen = seen

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
                return job, task

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
            return await self._tools.recorder.record(job, task_gone(job, self._tools.clock))
        self._seen(job, task)
        match task.status:
            case TaskStatus.PENDING | TaskStatus.THROTTLED:
                return job
            case TaskStatus.RUNNING:
                if job.status is JobStatus.RUNNING:
                    return job
                return await self._tools.recorder.record(job, Running(at=now))
            case TaskStatus.SUCCEEDED:
                ended = TaskSucceeded(
                    at=now, credits=task.cost_credits, outputs=len(task.output) or None
                )
                return await self._tools.recorder.record(job, ended)
            case TaskStatus.FAILED | TaskStatus.CANCELLED:
                failed = after_failure(job, task, self._tools.policies.retry, now, self._tools.rng)
                return await self._tools.recorder.record(job, failed)


def task_gone(job: Job, clock: Clock) -> GaveUp:
    """Runway answers 404 for a task of ours: its charge is kept, nothing is tried again."""
    return GaveUp(
        at=clock.now(),
        code="TASK_GONE",
        reason=f"Runway no longer knows task {job.task_id}",
        credits=None,
    )
