"""Breakers: limits on failures, after which a group is held or the batch stops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runner.core.events import Event, GaveUp, TaskSucceeded
from runner.core.groups import GroupKind, GroupState, is_moderation
from runner.core.halting import HaltLimits
from runner.core.job import Job, JobStatus

#: a share of failures says nothing before so many jobs have ended
LEAST_ENDED = 10
#: a share is a float: 29 of 100 are not more than 29 %
_ROUNDING = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class Trip:
    """A group that is held, and why."""

    code: str
    reason: str
    hint: str
    lane: str | None = None
    group: str | None = None


class Breaker:
    """Failures in a row with the same error, lane by lane."""

    def __init__(self, limits: HaltLimits) -> None:
        self._limits = limits
        self._streaks: dict[str, tuple[str, int]] = {}

    def note(self, job: Job, event: Event) -> Trip | None:
        """Count a failure; a trip once the limit is reached."""
        if isinstance(event, TaskSucceeded):
            self._streaks.pop(job.lane, None)
        if not isinstance(event, GaveUp) or is_moderation(event.code):
            return None  # moderation has a breaker of its own, by what the jobs share
        code, times = self._streaks.get(job.lane, (event.code, 0))
        times = times + 1 if code == event.code else 1
        self._streaks[job.lane] = (event.code, times)
        if times < self._limits.same_error:
            return None
        del self._streaks[job.lane]
        return Trip(
            code="SAME_ERROR",
            reason=f"{times} jobs of `{job.lane}` in a row failed with"
            f" {event.code}: {event.reason}",
            hint="fix the cause, then `runway-batch retry` releases what is held",
            lane=job.lane,
        )


def group_trip(states: Sequence[GroupState], refusals: int) -> Trip | None:
    """The narrowest group of a failed job that has failed too often without a success."""
    for kind in GroupKind:
        for state in states:
            group = state.group
            is_over = state.refused >= group.most_refused(refusals) and not state.succeeded
            if group.kind is kind and is_over:
                return _price_trip(state) if kind is GroupKind.PRICE else _moderation_trip(state)
    return None


def too_many_failures(counts: Mapping[JobStatus, int], limits: HaltLimits) -> str:
    """Why the batch stops, empty where it goes on. Judged over the whole batch, not one run."""
    failed, done = counts.get(JobStatus.FAILED, 0), counts.get(JobStatus.DONE, 0)
    if limits.failures is not None and failed >= limits.failures:
        return f"{failed:,} jobs have failed, and `halt.failures` is {limits.failures:,}"
    share, ended = limits.failures_share, failed + done
    is_many = share is not None and failed - share * ended > _ROUNDING
    if share is not None and ended >= LEAST_ENDED and is_many:
        return f"{failed:,} of {ended:,} jobs have failed, and `halt.failures` is {share:.0%}"
    return ""


def _moderation_trip(state: GroupState) -> Trip:
    return Trip(
        code="MODERATION",
        reason=f"moderation refused {state.refused} jobs that share {state.group.label},"
        " and none succeeded",
        hint="change what they share, or `runway-batch retry` to try them again as they are",
        group=state.group.id,
    )


def _price_trip(state: GroupState) -> Trip:
    return Trip(
        code="PRICE_UNKNOWN",
        reason=f"{state.refused} jobs ended, and none told the {state.group.label}",
        hint="`runway-batch retry` tries again",
        group=state.group.id,
    )
