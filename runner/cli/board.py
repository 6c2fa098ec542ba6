"""What a run's display shows: counts per lane and credits, kept up with every event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from runner.core.credits import format_credits
from runner.core.job import ACTIVE, AT_RUNWAY, Job, JobStatus
from runner.core.plan import Plan
from runner.core.summary import LaneSum

from .show_status import orphan_words

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
    """Begins with a plan, then hears of every event.

    Of single jobs it remembers those under way; of all others only how many there are.
    """

    def __init__(self) -> None:
        self._live: dict[str, _Seen] = {}
        self._counts: Counter[tuple[str, JobStatus]] = Counter()
        self.spent = 0  # credits
        self.reserved = 0  # credits, in doubt included
        #: jobs that are no longer in the manifest; they are not counted among those to make
        self.orphans: Mapping[JobStatus, int] = {}
        self.cap: int | None = None  # credits; the lowest that applies to the whole run

    def begin(self, plan: Plan, cap: int | None) -> None:
        """The batch as the run finds it."""
        self.cap, self.orphans = cap, plan.orphans
        self._live = {
            job.id: _Seen(job.lane, job.status, job.hold, job.charged) for job in plan.under_way
        }
        self.correct(
            LaneSum(lane=name, status=status, jobs=jobs)
            for name, lane in plan.lanes.items()
            for status, jobs in lane.statuses.items()
        )
        self.spent = sum(lane.spent for lane in plan.lanes.values())
        self.reserved = sum(lane.reserved for lane in plan.lanes.values())

    def correct(self, sums: Iterable[LaneSum]) -> None:
        """What the state file says, where others have changed it."""
        self._counts.clear()
        self.spent = self.reserved = 0
        for found in sums:
            self._counts[found.lane, found.status] += found.jobs
            self.spent += found.charged
            self.reserved += found.hold

    def note(self, job: Job) -> None:
        """A job has changed; what is older than what is known says nothing."""
        before = self._live.get(job.id)
        if before is None:  # it waited until now: the rest is corrected from the state file
            before = _Seen(job.lane, JobStatus.PENDING, 0, job.charged)
        if job.version < before.version:
            return
        after = _Seen(job.lane, job.status, job.hold, job.charged, job.version)
        self._add(before, -1)
        self._add(after, 1)
        if job.status in ACTIVE:
            self._live[job.id] = after
        else:
            self._live.pop(job.id, None)

    def _add(self, seen: _Seen, sign: int) -> None:
        self._counts[seen.lane, seen.status] += sign
        self.spent += sign * seen.charged
        self.reserved += sign * seen.hold

    @property
    def jobs(self) -> int:
        return sum(self.statuses().values())

    def count(self, *statuses: JobStatus) -> int:
        return sum(n for (_, status), n in self._counts.items() if status in statuses)

    @property
    def wanted(self) -> int:
        """Jobs of the manifest."""
        return self.jobs - sum(self.orphans.values())

    def count_wanted(self, *statuses: JobStatus) -> int:
        """Without those that are no longer in the manifest."""
        return self.count(*statuses) - sum(self.orphans.get(status, 0) for status in statuses)

    def statuses(self) -> dict[JobStatus, int]:
        """Jobs by status; a status that no job has is left out."""
        found: Counter[JobStatus] = Counter()
        for (_, status), number in self._counts.items():
            found[status] += number
        return {status: number for status, number in found.items() if number > 0}

    @property
    def settled(self) -> int:
        """Jobs that this run will not change any more."""
        return self.count_wanted(JobStatus.DONE, JobStatus.IN_DOUBT, *_LOST, *_RESTING)

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
            "running": self.count_wanted(JobStatus.RUNNING),
            "queued": self.count_wanted(*_QUEUED),
            "downloading": self.count_wanted(JobStatus.DOWNLOADING),
            "waiting": self.count_wanted(JobStatus.PENDING),
            "failed": self.count_wanted(*_LOST),
            "in doubt": self.count_wanted(JobStatus.IN_DOUBT),
            "held": self.count_wanted(JobStatus.HELD),
            "cancelled": self.count_wanted(JobStatus.CANCELLED),
        }
        some = "".join(f", {number} {word}" for word, number in counts.items() if number)
        gone = f", {orphan_words(self.orphans)}" if self.orphans else ""
        done = self.count_wanted(JobStatus.DONE)
        return f"{done} of {self.wanted} done{some}{gone}; {self.money()}"
