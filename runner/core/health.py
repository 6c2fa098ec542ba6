"""Health of each lane: after doubtful answers, or failures of the service, one job goes first.

A lane in trouble is closed for a while, then one job probes it. A bad night so makes a handful of
jobs in doubt and burns no retries, instead of hundreds.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from runner.core.events import (
    Event,
    GaveUp,
    RetryScheduled,
    SubmitRefused,
    SubmitUnknown,
    TaskAccepted,
    TaskSucceeded,
)
from runner.core.job import AT_RUNWAY, Job
from runner.core.limits import Pause
from runner.core.policy import HealthPolicy, Retry, retry_of


class Trouble(StrEnum):
    """What is wrong with a lane."""

    DOUBT = "doubt"  # a create's answer was lost
    OUTAGE = "outage"  # tasks of several jobs in a row failed through no fault of theirs


@dataclass(kw_only=True, slots=True)
class _Lane:
    trouble: Trouble | None = None
    times: int = 0  # failures that made the wait longer, in a row
    until: datetime | None = None  # nothing starts before
    probe: str | None = None  # id of the job that tries
    failed: set[str] = field(default_factory=set)  # jobs in a row, without a success
    outage_since: datetime | None = None


class LaneHealth:
    """What a run has seen of the service, lane by lane."""

    def __init__(self, policy: HealthPolicy, rng: random.Random) -> None:
        self._policy = policy
        self._rng = rng
        self._lanes: dict[str, _Lane] = {}

    def allowance(self, lane: str, now: datetime) -> int | None:
        """Jobs that may start in the lane: None = as many as there are slots."""
        state = self._lanes.get(lane)
        if state is None or state.trouble is None:
            return None
        if state.probe is not None or (state.until is not None and state.until > now):
            return 0
        return 1

    def closed(self, lane: str, now: datetime) -> Pause | None:
        """Why the lane starts nothing, until when it does not even probe."""
        state = self._lanes.get(lane)
        if state is None or state.trouble is None or self.allowance(lane, now) != 0:
            return None
        words = {
            Trouble.DOUBT: "the answer to a create was lost",
            Trouble.OUTAGE: f"{len(state.failed)} jobs in a row failed through the service",
        }[state.trouble]
        if state.probe is not None:
            return Pause(until=now, reason=f"{words}; `{state.probe}` goes first")
        return Pause(until=state.until or now, reason=f"{words}; one job tries then")

    def in_outage(self, lane: str, now: datetime) -> bool:
        """Whether failures are the service's fault, so that they cost the job no try."""
        state = self._lanes.get(lane)
        if state is None or state.outage_since is None:
            return False
        return (now - state.outage_since).total_seconds() < self._policy.longest_s

    def admitted(self, job: Job) -> None:
        """A job starts: in a lane in trouble it is the probe."""
        state = self._lanes.get(job.lane)
        if state is not None and state.trouble is not None and state.probe is None:
            state.probe = job.id

    def not_sent(self, job: Job) -> None:
        """The run works on the job no more, and learnt nothing: another one may probe."""
        state = self._lanes.get(job.lane)
        if state is not None and state.probe == job.id:
            state.probe = None

    def doubted_before(self, lane: str, now: datetime) -> None:
        """An earlier run left jobs of the lane in doubt: begin with one."""
        self._lanes[lane] = _Lane(trouble=Trouble.DOUBT, until=now)

    def note(self, job: Job, event: Event) -> None:
        """Learn from what happened to a job."""
        state = self._lanes.setdefault(job.lane, _Lane())
        is_probe = state.probe == job.id
        match event:
            case SubmitUnknown():
                self._in_trouble(state, Trouble.DOUBT, event.at, is_probe=is_probe)
            case SubmitRefused() if is_probe and state.trouble is not None:
                self._in_trouble(state, state.trouble, event.at, is_probe=True)
            case TaskAccepted() if is_probe and state.trouble is Trouble.DOUBT:
                self._answered(state)
            case TaskSucceeded():
                self._succeeded(state)
            case RetryScheduled() | GaveUp():
                self._ended(state, job, event, is_probe=is_probe)
            case _ if is_probe and job.status not in AT_RUNWAY:
                state.probe = None

    def _answered(self, state: _Lane) -> None:
        """Only the probe was sent after the doubt: its answer says that answers come again."""
        if state.outage_since is not None:
            state.trouble = Trouble.OUTAGE  # and it goes on as the probe of that
        else:
            _recover(state)

    def _succeeded(self, state: _Lane) -> None:
        """Tasks are made again. A task of an earlier create says nothing about new creates."""
        state.failed.clear()
        state.outage_since = None
        if state.trouble is Trouble.OUTAGE:
            _recover(state)

    def _ended(
        self, state: _Lane, job: Job, event: RetryScheduled | GaveUp, *, is_probe: bool
    ) -> None:
        if is_service_failure(event):
            state.failed.add(job.id)
            if len(state.failed) >= self._policy.failures:
                state.outage_since = state.outage_since or event.at
                self._in_trouble(state, Trouble.OUTAGE, event.at, is_probe=is_probe)
        elif state.outage_since is None and _had_task(job, event):
            state.failed.clear()  # it was judged: the service works
        if is_probe:
            state.probe = None  # neither proof nor failure: the next one may try at once

    def _in_trouble(self, state: _Lane, trouble: Trouble, at: datetime, *, is_probe: bool) -> None:
        is_new = state.trouble is not trouble
        waits = state.probe is not None or (state.until is not None and state.until > at)
        if waits and not is_new and not is_probe:
            return  # was under way with the first that failed, and says the same
        if is_new and state.trouble is Trouble.DOUBT:
            return  # a doubt is dearer: answers first, then tasks
        state.trouble = trouble
        state.probe = None
        state.times += 1
        backoff = self._policy.doubt if trouble is Trouble.DOUBT else self._policy.outage
        state.until = at + timedelta(seconds=backoff.delay(state.times, self._rng))


def _recover(state: _Lane) -> None:
    """All slots are open again."""
    state.trouble, state.times, state.until, state.probe = None, 0, None, None


def _had_task(job: Job, event: RetryScheduled | GaveUp) -> bool:
    """Whether a task ended, and not a create or an input was refused."""
    return isinstance(event, RetryScheduled) or job.task_id is not None


def is_service_failure(event: RetryScheduled | GaveUp) -> bool:
    """A task that failed at no cost for a reason that lies with the service."""
    if event.credits != 0 or event.code.startswith("HTTP_"):
        return False
    return retry_of("" if event.code == "FAILED" else event.code) is Retry.YES
