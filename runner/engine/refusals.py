"""Jobs whose intent the store refused, and when it is worth asking again.

A refusal stands for others like it: where a cap has no room for 25 credits it has none for 30, and
a group that is full is full for all its jobs. So the store is not asked for each of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

from runner.core.admission import ReadyQueue
from runner.core.commands import Wait
from runner.core.groups import groups_of
from runner.core.job import Job
from runner.core.outcome import Reason
from runner.errors import BalanceTooOld, CapReached, GroupFull

#: seconds after which full groups are asked for again: other runs may have emptied them
OTHERS_S = 5.0
#: pages of a lane looked through for a job that what keeps back the others does not concern
PAGES_OF_SOME = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class _NoRoom:
    """A reserve that did not fit."""

    error: CapReached | BalanceTooOld
    job: Job

    @property
    def until(self) -> datetime | None:
        """When there is room by itself."""
        return self.error.until

    @property
    def stops_lane(self) -> bool:
        """Whether every job of the lane counts against what is full."""
        return not (isinstance(self.error, CapReached) and self.error.cap.startswith("tag:"))

    def stops(self, job: Job) -> bool:
        """Whether the same cap leaves no room for another job either."""
        if not isinstance(self.error, CapReached):
            return False
        kind, _, name = self.error.cap.partition(":")
        covers = {"model": name == job.lane, "tag": name in job.spec.tags}.get(kind, True)
        return covers and job.spec.reserve > self.error.available


class Refusals:
    """What waits for a cap or a group."""

    def __init__(self) -> None:
        self._no_room: dict[str, _NoRoom] = {}
        self._walls: dict[str, _NoRoom] = {}  # by cap, the last refusal
        self._full: dict[str, str] = {}  # group: why
        self._parked: dict[str, Job] = {}  # wait for a group
        self._ask_at: datetime | None = None  # when full groups are asked for again

    def no_room(self, job: Job, error: CapReached | BalanceTooOld) -> None:
        """The job's reserve did not fit."""
        refusal = _NoRoom(error=error, job=job)
        self._no_room[job.id] = refusal
        if isinstance(error, CapReached):
            self._walls[error.cap] = refusal

    def group_full(self, job: Job, error: GroupFull, now: datetime) -> None:
        """One of the job's groups has enough jobs in flight."""
        self._full[error.group] = error.message
        self._parked[job.id] = job
        self._ask_at = self._ask_at or now + timedelta(seconds=OTHERS_S)

    def lets_start(self, job: Job) -> bool:
        """Whether nothing known stands against the job; False keeps it here."""
        refusal = next((r for r in self._walls.values() if r.stops(job)), None)
        if refusal is not None:
            self._no_room[job.id] = replace(refusal, job=job)
            return False
        if self._why_full(job):
            self._parked[job.id] = job
            return False
        return True

    @property
    def wants_balance(self) -> bool:
        """Whether a job waits for the account to be read."""
        return any(isinstance(r.error, BalanceTooOld) for r in self._no_room.values())

    def held_back(self) -> Collection[str]:
        """Ids of all that wait here."""
        return self._no_room.keys() | self._parked.keys()

    def crowded(self, page: int) -> Collection[str]:
        """Lanes of which so many jobs wait here that no more need be read."""
        waiting = Counter(job.lane for job in self._parked.values())
        waiting.update(refusal.job.lane for refusal in self._no_room.values())
        # others of the lane may have another tag, or none of the groups: further is looked for them
        all_alike = Counter(r.job.lane for r in self._no_room.values() if r.stops_lane)
        return {
            lane
            for lane, count in waiting.items()
            if all_alike[lane] >= page or count >= page * PAGES_OF_SOME
        }

    def credits_released(self) -> None:
        """A hold has shrunk, or the balance was read: caps are worth asking again."""
        self._keep(lambda refusal: refusal.until is not None)

    def group_left(self, at: datetime) -> None:
        """A job ended: its groups may have room."""
        if self._full:
            self._ask_at = at

    def forget(self, ready: ReadyQueue) -> None:
        """Limits or the manifest were changed: nothing that was refused counts any more."""
        self._keep(lambda _refusal: False)
        self._unpark(ready)

    def open_again(self, ready: ReadyQueue, now: datetime) -> None:
        """Let go of what may be asked for again by now."""
        self._keep(lambda refusal: refusal.until is None or refusal.until > now)
        if self._ask_at is not None and self._ask_at <= now:
            self._unpark(ready)

    def times(self) -> Iterator[datetime]:
        """When something is worth asking again."""
        if self._parked and self._ask_at is not None:
            yield self._ask_at
        yield from (r.until for r in self._no_room.values() if r.until is not None)

    def waits(self) -> list[Wait]:
        """Why the groups and caps keep jobs waiting, once a lane."""
        found: dict[str, Wait] = {}
        for job in self._parked.values():
            if job.lane not in found:
                why = self._why_full(job)
                found[job.lane] = Wait(lane=job.lane, code="group", reason=why)
        timed = {r.job.lane: r for r in self._no_room.values() if r.until is not None}
        caps = [
            Wait(lane=lane, code="budget", reason=f"budget: {r.error.message}", until=r.until)
            for lane, r in timed.items()
        ]
        return [*found.values(), *caps, *self._balance_waits()]

    def _balance_waits(self) -> list[Wait]:
        old = (r.error for r in self._no_room.values() if isinstance(r.error, BalanceTooOld))
        return [Wait(lane="", code="balance", reason=error.message) for error in islice(old, 1)]

    def reason(self) -> Reason | None:
        """A cap that leaves work undone."""
        errors = (r.error for r in self._no_room.values() if isinstance(r.error, CapReached))
        error = next(errors, None)
        if error is None:
            return None
        return Reason(exit_code=error.exit_code, message=error.message, hint=error.hint)

    def _why_full(self, job: Job) -> str:
        if not self._full:
            return ""
        ids = (group.id for group in groups_of(job.batch, job.spec))
        return next((self._full[group] for group in ids if group in self._full), "")

    def _keep(self, kept: Callable[[_NoRoom], bool]) -> None:
        self._no_room = {key: r for key, r in self._no_room.items() if kept(r)}
        self._walls = {cap: r for cap, r in self._walls.items() if kept(r)}

    def _unpark(self, ready: ReadyQueue) -> None:
        self._ask_at = None
        self._full.clear()
        for job in self._parked.values():
            ready.add(job)
        self._parked.clear()
