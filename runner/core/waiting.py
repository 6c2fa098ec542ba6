"""Why a pending job does not move: every wait has a reason, and where it is known an end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo

from runner.core.commands import Wait
from runner.core.credits import format_credits
from runner.core.groups import groups_of
from runner.core.job import Job, JobStatus
from runner.core.ledger import Cap
from runner.core.quota import DailyQuota

#: of a wait that holds only the jobs of one group
GROUP = "group"
_CAP_WORDS = {
    "run": "this run's cap", "day": "the cap of 24 hours", "month": "the cap of 30 days",
    "balance": "the balance to spare",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What stands around the jobs of a batch at one moment."""

    now: datetime
    local: tzinfo = UTC  # of the person who asks
    is_live: bool = True  # a run works on the batch
    is_paused: bool = False
    waits: Sequence[Wait] = ()  # as the live run last said them
    quotas: Mapping[str, DailyQuota] = field(default_factory=dict)
    caps: Sequence[Cap] = ()


def why_waiting(job: Job, needs: Sequence[Job], around: Surroundings) -> str:
    """Why a pending job does not move, for people; empty where it is not pending.

    Args:
        job: the job.
        needs: the jobs it needs.
        around: everything else.
    """
    if job.status is not JobStatus.PENDING:
        return ""
    return (
        _of_the_job(job, needs, around)
        or _of_the_batch(job, around)
        or no_room(job, around.caps, of_run=around.is_live)
        or ("slot" if around.is_live else "no run works on it")
    )


def _of_the_job(job: Job, needs: Sequence[Job], around: Surroundings) -> str:
    if job.orphaned:
        return "no longer in the manifest"
    if job.stale:
        return "the manifest says something else now"
    for parent in needs:
        if parent.status is not JobStatus.DONE:
            return f"needs `{parent.id}` ({parent.status})"
        if not parent.feeds:
            return f"parent is stale: `{parent.id}`"
    if job.not_before is not None and job.not_before > around.now:
        cause = f": {job.error.message}" if job.error else ""
        return f"back-off until {time_words(job.not_before, around)}{cause}"
    return ""


def _of_the_batch(job: Job, around: Surroundings) -> str:
    if around.is_paused:
        return "paused: `runway-batch resume` goes on"
    if around.is_live:
        wait = next((wait for wait in around.waits if _concerns(wait, job)), None)
        if wait is not None:
            return wait_words(wait, around)
    quota = around.quotas.get(job.lane)
    if quota is not None and quota.frees_at is not None and quota.frees_at > around.now:
        until = time_words(quota.frees_at, around)
        return f"daily quota until {until}: {quota.used:,} of {quota.most or 0:,} used"
    return ""


def _concerns(wait: Wait, job: Job) -> bool:
    """A wait without a lane is everybody's; one of a group that of the jobs it names."""
    if wait.lane not in {"", job.lane}:
        return False
    if wait.code != GROUP:
        return True
    return any(group.label in wait.reason for group in groups_of(job.batch, job.spec))


def wait_words(wait: Wait, around: Surroundings) -> str:
    """`outside of the window until 22:00`."""
    if wait.until is None or wait.until <= around.now:
        return wait.reason
    kind, colon, detail = wait.reason.partition(": ")
    return f"{kind} until {time_words(wait.until, around)}{colon}{detail}"


def time_words(at: datetime, around: Surroundings) -> str:
    """`22:00`, with the date where it is not within a day."""
    is_soon = at - around.now < timedelta(hours=20)
    return f"{at.astimezone(around.local):{'%H:%M' if is_soon else '%Y-%m-%d %H:%M'}}"


def no_room(job: Job, caps: Sequence[Cap], *, of_run: bool = False) -> str:
    """Which cap leaves no room for a job's reserve, for people; empty where it fits.

    Args:
        job: the job.
        caps: of its batch.
        of_run: a run is live, so its own cap counts.
    """
    for cap in caps:
        if _covers(cap.name, job, of_run=of_run) and job.spec.reserve > cap.available:
            need, left = format_credits(job.spec.reserve), format_credits(cap.available)
            return f"budget: {need} do not fit under {_cap_words(cap.name)}: {left} left"
    return ""


def _cap_words(name: str) -> str:
    """A cap's name for people: those of runs carry an id that says nothing to them."""
    return _CAP_WORDS.get(name.partition(":")[0], name)


def _covers(name: str, job: Job, *, of_run: bool) -> bool:
    kind, _, value = name.partition(":")
    match kind:
        case "run":
            return of_run
        case "model":
            return value == job.lane
        case "tag":
            return value in job.spec.tags
    return True
