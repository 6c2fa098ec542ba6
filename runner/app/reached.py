"""Which cap left work undone, as it stands at the end of a run.

A run is told that a cap is full when it asks for a job; cheaper jobs may have used what was left.
"""

from __future__ import annotations

from collections.abc import Sequence

from runner.core.job import Job, JobStatus
from runner.core.outcome import Reason
from runner.errors import CapReached, NotNow
from runner.store.store import JobStore


async def up_to_date(store: JobStore, batch: str, reasons: Sequence[Reason]) -> list[Reason]:
    """Reasons of a run, those of a full cap with what is left of it now."""
    if not any(reason.exit_code == CapReached.exit_code for reason in reasons):
        return list(reasons)
    now = await _of_first(store, batch)
    found = [now if now and each.exit_code == now.exit_code else each for each in reasons]
    return list(dict.fromkeys(found))


async def _of_first(store: JobStore, batch: str) -> Reason | None:
    """Why the first job that waits has no room; None where it has by now."""
    async for job in store.jobs(batch):
        if job.status is JobStatus.PENDING and not job.orphaned:
            error = await _refusal(store, job)
            if error is not None:
                return Reason(exit_code=error.exit_code, message=error.message, hint=error.hint)
    return None


async def _refusal(store: JobStore, job: Job) -> CapReached | None:
    try:
        await store.check_room(job)
    except CapReached as error:
        return error
    except NotNow:
        return None
    return None
