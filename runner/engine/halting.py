"""Holds what fails too often: a lane, a group, or the whole batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from runner.core.breaker import Breaker, Trip, group_trip, too_many_failures
from runner.core.events import (
    Event,
    GaveUp,
    Held,
    RetryScheduled,
    SubmitUnknown,
    TaskSucceeded,
)
from runner.core.groups import is_moderation
from runner.core.halting import HaltLimits
from runner.core.job import Job, JobStatus
from runner.core.outcome import Reason

from .tools import Tools

#: product.md, exit codes: halted by an error limit or breaker
HALTED_EXIT = 7


class Halter:
    """Counts failures as they are recorded; acts on them between two turns of the scheduler."""

    def __init__(self, tools: Tools, limits: HaltLimits, stop: Callable[[Reason], None]) -> None:
        self._tools = tools
        self._limits = limits
        self._stop = stop
        self._breaker = Breaker(limits)
        self._trips: list[Trip] = []
        self._suspects: list[Job] = []  # failed in a way that their groups may share
        self._failed = True  # look once at the beginning: an earlier run may have reached the limit
        self.reasons: list[Reason] = []

    def note(self, job: Job, event: Event) -> None:
        """Learn from what happened to a job."""
        trip = self._breaker.note(job, event)
        if trip is not None:
            self._trips.append(trip)
        if isinstance(event, GaveUp):
            self._failed = True
        if _is_suspect(event):
            self._suspects.append(job)

    def suspect(self, job: Job) -> None:
        """A group of the job is full: jobs of another batch may have found out why."""
        self._suspects.append(job)

    async def act(self) -> Sequence[Reason]:
        """Hold what has tripped, stop where too much has failed; returns what was held."""
        known = len(self.reasons)
        suspects, self._suspects = self._suspects, []
        for job in suspects:
            states = await self._tools.store.group_states(job)
            trip = group_trip(states, self._limits.refusals)
            if trip is not None:
                self._trips.append(trip)
        while self._trips:
            await self._hold(self._trips[0])
            self._trips.pop(0)  # not before: a full disk may have refused it
        if self._failed:
            self._failed = False
            await self._judge_batch()
        return self.reasons[known:]

    async def _hold(self, trip: Trip) -> None:
        event = Held(
            at=self._tools.clock.now(), code=trip.code, reason=trip.reason, group=trip.group or ""
        )
        held = await self._tools.store.hold(
            self._tools.batch, event, lane=trip.lane, group=trip.group
        )
        if held:
            jobs = "1 job" if held == 1 else f"{held:,} jobs"
            message = f"{trip.reason}; {jobs} held"
            self.reasons.append(Reason(exit_code=HALTED_EXIT, message=message, hint=trip.hint))

    async def _judge_batch(self) -> None:
        if self._limits.failures is None and self._limits.failures_share is None:
            return
        counts = Counter(await self._tools.store.counts(self._tools.batch))
        counts.subtract(await self._tools.store.orphans(self._tools.batch))  # nobody retries them
        why = too_many_failures(counts, self._limits)
        if why and counts.get(JobStatus.PENDING):
            hint = "fix the cause and `runway-batch retry`, or raise `halt.failures`"
            self._stop(Reason(exit_code=HALTED_EXIT, message=why, hint=hint))


def _is_suspect(event: Event) -> bool:
    """Whether what the job shares with others may be the cause."""
    if isinstance(event, GaveUp | RetryScheduled):
        return is_moderation(event.code) or event.credits is None
    # a price that is a guess may not be told by the task, nor by a create in doubt
    is_untold = isinstance(event, TaskSucceeded) and event.credits is None
    return is_untold or isinstance(event, SubmitUnknown)
