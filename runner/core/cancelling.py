"""What `cancel` does to each job, by where it stands, and what became of it in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from runner.core.job import AT_RUNWAY, Job, JobStatus

#: never sent: dropped at once, at no cost
UNSENT = frozenset({JobStatus.PENDING, JobStatus.HELD, JobStatus.SKIPPED})


class Fate(StrEnum):
    """What became of a job that somebody wanted cancelled."""

    DROPPED = "dropped"  # was never sent, costs nothing
    CANCELLED = "cancelled"  # deleted at Runway; its estimate stays booked
    ABANDONED = "abandoned"  # deleted while it ran: its credits are lost
    KEPT = "kept"  # runs or is generated: paid, so it is collected
    IN_DOUBT = "in_doubt"  # nobody has its task id, so nothing can be cancelled
    OPEN = "open"  # asked for, and not known yet
    ENDED = "ended"  # done, failed or cancelled before


@dataclass(frozen=True, kw_only=True, slots=True)
class CancelPlan:
    """The jobs of a selection, by what has to be done."""

    unsent: Sequence[Job]
    at_runway: Sequence[Job]
    others: Sequence[Job]  # nothing is done to them

    @property
    def running(self) -> list[Job]:
        return [job for job in self.at_runway if job.status is JobStatus.RUNNING]

    @property
    def lost(self) -> int:
        """Credits lost at worst by giving up what runs, or may run by the time it is read."""
        return sum(job.hold for job in self.at_runway)


def plan_cancel(jobs: Iterable[Job]) -> CancelPlan:
    """Sort them out; changes nothing."""
    found = list(jobs)
    return CancelPlan(
        unsent=[job for job in found if job.status in UNSENT],
        at_runway=[job for job in found if job.status in AT_RUNWAY],
        others=[job for job in found if job.status not in UNSENT | AT_RUNWAY],
    )


def fate_of(job: Job, *, before: JobStatus, abandon_running: bool) -> Fate:
    """What became of a job, as it is now.

    Args:
        job: as it is.
        before: its status when it was asked for.
        abandon_running: also what runs was to be given up.
    """
    match job.status:
        case JobStatus.CANCELLED:
            if before in UNSENT:
                return Fate.DROPPED
            if before is JobStatus.CANCELLED:
                return Fate.ENDED
            return Fate.ABANDONED if before is JobStatus.RUNNING else Fate.CANCELLED
        case JobStatus.RUNNING:
            return Fate.OPEN if abandon_running or job.cancel_requested else Fate.KEPT
        case JobStatus.DOWNLOADING:
            return Fate.KEPT
        case JobStatus.IN_DOUBT:
            return Fate.IN_DOUBT
        case JobStatus.DONE | JobStatus.FAILED:
            return Fate.ENDED
    return Fate.OPEN
