"""What a run's display shows: counts per lane and credits, kept up with every event."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from runner.core.credits import format_credits
from runner.core.job import AT_RUNWAY, Job, JobStatus
from runner.core.plan import Plan

_LOST = frozenset({JobStatus.FAILED, JobStatus.SKIPPED})
_RESTING = frozenset({JobStatus.HELD, JobStatus.CANCELLED})  # until a person says otherwise
_QUEUED = AT_RUNWAY - {JobStatus.RUNNING}


@dataclass(frozen=True, slots=True)
class _Seen:
    lane: str
    status: JobStatus
    hold: int
    charged: int
    version: int = 0  # events of the job so far


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneCount:
    """Jobs of one lane, by what a person wants to know."""

    lane: str
    waiting: int
    queued: int
    running: int
    downloading: int
    done: int
    failed: int
    in_doubt: int


class Board:
    """Begins with a plan, then hears of every event."""

    def __init__(self) -> None:
        self._jobs: dict[str, _Seen] = {}
        self._counts: Counter[tuple[str, JobStatus]] = Counter()
        self.spent = 0  # credits
        self.reserved = 0  # credits, in doubt included
        self.cap: int | None = None  # credits; the lowest that applies to the whole run

    def begin(self, plan: Plan, cap: int | None) -> None:
        """The batch as the run finds it."""
        self.cap = cap
        for entry in plan.entries:
            stored = entry.stored
            hold, charged = (stored.hold, stored.charged) if stored else (0, 0)
            self._put(entry.spec.id, _Seen(entry.spec.lane, entry.status, hold, charged))

    def note(self, job: Job) -> None:
        """A job has changed; what is older than what is known says nothing."""
        before = self._jobs.get(job.id)
        if before is None or job.version >= before.version:
            self._put(job.id, _Seen(job.lane, job.status, job.hold, job.charged, job.version))

    def _put(self, job_id: str, seen: _Seen) -> None:
        before = self._jobs.get(job_id)
        if before is not None:
            self._add(before, -1)
        self._jobs[job_id] = seen
        self._add(seen, 1)

    def _add(self, seen: _Seen, sign: int) -> None:
        self._counts[seen.lane, seen.status] += sign
        self.spent += sign * seen.charged
        self.reserved += sign * seen.hold

    @property
    def jobs(self) -> int:
        return len(self._jobs)

    def count(self, *statuses: JobStatus) -> int:
        return sum(n for (_, status), n in self._counts.items() if status in statuses)

    def statuses(self) -> dict[JobStatus, int]:
        """Jobs by status; a status that no job has is left out."""
        found: Counter[JobStatus] = Counter()
        for (_, status), number in self._counts.items():
            found[status] += number
        return {status: number for status, number in found.items() if number}

    @property
    def settled(self) -> int:
        """Jobs that this run will not change any more."""
        return self.count(JobStatus.DONE, JobStatus.IN_DOUBT, *_LOST, *_RESTING)

    def lanes(self) -> list[LaneCount]:
        """In the order in which the lanes appeared."""
        names = dict.fromkeys(lane for lane, _ in self._counts)
        return [self._lane(name) for name in names]

    def _lane(self, name: str) -> LaneCount:
        def count(*statuses: JobStatus) -> int:
            return sum(self._counts[name, status] for status in statuses)

        return LaneCount(
            lane=name,
            waiting=count(JobStatus.PENDING),
            queued=count(*_QUEUED),
            running=count(JobStatus.RUNNING),
            downloading=count(JobStatus.DOWNLOADING),
            done=count(JobStatus.DONE),
            failed=count(*_LOST),
            in_doubt=count(JobStatus.IN_DOUBT),
        )

    def money(self) -> str:
        """`340 cr ($3.40) spent, 50 cr ($0.50) reserved, of 600 cr ($6.00)`."""
        parts = [f"{format_credits(self.spent)} spent"]
        if self.reserved:
            parts.append(f"{format_credits(self.reserved)} reserved")
        if self.cap is not None:
            parts.append(f"of {format_credits(self.cap)}")
        return ", ".join(parts)

    def line(self) -> str:
        """All numbers in one line."""
        counts = {
            "running": self.count(JobStatus.RUNNING),
            "queued": self.count(*_QUEUED),
            "downloading": self.count(JobStatus.DOWNLOADING),
            "waiting": self.count(JobStatus.PENDING),
            "failed": self.count(*_LOST),
            "in doubt": self.count(JobStatus.IN_DOUBT),
            "held": self.count(JobStatus.HELD),
            "cancelled": self.count(JobStatus.CANCELLED),
        }
        some = "".join(f", {number} {word}" for word, number in counts.items() if number)
        return f"{self.count(JobStatus.DONE)} of {self.jobs} done{some}; {self.money()}"
