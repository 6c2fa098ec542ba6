"""Adopt a task for a job in doubt: only one that Runway knows and that no other job has."""

from __future__ import annotations

import random

from runner.clock import Clock, SystemClock
from runner.core.events import Verdict
from runner.core.job import Job, JobStatus
from runner.errors import PermanentApiError, UsageError
from runner.runway.client import RunwayClient
from runner.runway.fields import is_task_id
from runner.runway.retrying import RepeatPolicy, RetryingApi
from runner.runway.wire import marked
from runner.settings import Settings
from runner.store.reader import StateReader

from .batch import BatchRef
from .settling import resolve
from .toolbox import api_settings

_GONE = 404
#: somebody waits at the terminal
_REPEATS = RepeatPolicy(attempts=3, first_s=0.5, most_s=2.0, most_retry_after_s=10.0)


async def adopt(
    ref: BatchRef, job_id: str, task_id: str, settings: Settings, *, clock: Clock | None = None
) -> Job:
    """Settle a create in doubt as the task that it became; the next run collects that.

    Nothing is changed where the task cannot be read.

    Raises:
        UsageError: no such job, it is not in doubt, not an id, the task of another job, or a task
            that Runway does not know.
        ApiError: Runway does not say.
    """
    if not is_task_id(task_id):
        raise UsageError(
            "not the id of a task",
            hint="at most 100 printable ASCII characters, without spaces and slashes",
        )
    async with await StateReader.read(ref.state) as reader:
        job = await reader.job(ref.name, job_id)
        if job is not None and job.status is JobStatus.IN_DOUBT:
            task_id = marked(task_id, job.spec.endpoint)
            await _check_free(reader, task_id)
            await _check_known(task_id, settings, clock or SystemClock())
    return await resolve(ref, job_id, Verdict.ADOPTED, task_id)


async def _check_free(reader: StateReader, task_id: str) -> None:
    """One task for two jobs would be one file too few, and its charge counted twice."""
    for batch in await reader.batches():
        async for job in reader.jobs(batch.name):
            if task_id in job.task_ids:
                raise UsageError(
                    f"task {task_id} belongs to job `{job.id}` of batch `{batch.name}`",
                    hint="look for another one in Runway's list of tasks",
                )


async def _check_known(task_id: str, settings: Settings, clock: Clock) -> None:
    async with RunwayClient(api_settings(settings), clock=clock) as client:
        api = RetryingApi(client, clock=clock, rng=random.Random(), repeats=_REPEATS)
        try:
            await api.get_task(task_id)
        except PermanentApiError as error:
            if error.status != _GONE:
                raise
            raise UsageError(
                f"Runway does not know task {task_id} under this key",
                hint="nothing was changed; is it the id, and the account that sent it?",
            ) from error
