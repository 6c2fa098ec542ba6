"""Decisions about time: when to try again, when to look again, when to give up.

Every default with a number is here, with its unit in its name.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from runner.core.events import Cancelled, GaveUp, RetryScheduled
from runner.core.job import Job
from runner.core.task import Task, TaskStatus


class Retry(StrEnum):
    """Whether a task that failed at no cost is worth a new attempt."""

    NEVER = "never"  # the same request fails again, and may harm the account
    ONCE = "once"
    YES = "yes"  # up to `retry.attempts`


#: by prefix of the failure code, first match wins (Runway's task-failure page; dossier section 9)
FAILURE_CODES: Mapping[str, Retry] = {
    "SAFETY": Retry.NEVER,
    "INPUT_PREPROCESSING.SAFETY": Retry.NEVER,
    "ASSET.INVALID": Retry.NEVER,
    "INTERNAL.BAD_OUTPUT": Retry.ONCE,
    "INTERNAL": Retry.YES,
    "INPUT_PREPROCESSING.INTERNAL": Retry.YES,
    "THIRD_PARTY": Retry.YES,
}


def retry_of(failure_code: str) -> Retry:
    """What the table says; no code at all is worth another try, an unknown one is not."""
    if not failure_code:
        return Retry.YES
    for prefix, verdict in FAILURE_CODES.items():
        if failure_code == prefix or failure_code.startswith(prefix + "."):
            return verdict
    return Retry.NEVER


@dataclass(frozen=True, kw_only=True, slots=True)
class Backoff:
    """Exponential, with full jitter in its upper half; a server's own wish is a lower bound."""

    first_s: float
    most_s: float

    def delay(self, tries: int, rng: random.Random, *, retry_after_s: float | None = None) -> float:
        """Seconds to wait after `tries` failures in a row (1 = the first)."""
        full = min(self.most_s, self.first_s * 2.0 ** min(max(tries, 1) - 1, 32))
        wait = full * (0.5 + 0.5 * rng.random())
        return max(wait, retry_after_s or 0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryPolicy:
    """New attempts of a task that failed at no cost."""

    attempts: int = 3
    backoff: Backoff = Backoff(first_s=30, most_s=600)

    def delay(self, tries: int, failure_code: str, rng: random.Random) -> float | None:
        """Seconds until the next attempt, None to give up. `tries` counts tasks so far."""
        verdict = retry_of(failure_code)
        most = {Retry.NEVER: 1, Retry.ONCE: min(2, self.attempts), Retry.YES: self.attempts}
        return None if tries >= most[verdict] else self.backoff.delay(tries, rng)


@dataclass(frozen=True, kw_only=True, slots=True)
class PollPolicy:
    """When to read a task again: never more often than every `interval_s`."""

    interval_s: float = 5.0  # Runway asks for at least 5 s per task
    jitter: float = 0.3  # of the interval, on top of it

    def delay(self, rng: random.Random) -> float:
        return self.interval_s * (1 + self.jitter * rng.random())


@dataclass(frozen=True, kw_only=True, slots=True)
class HealthPolicy:
    """When a lane is in trouble, and how it comes out of it."""

    #: each probe that gets no answer may cost what it makes: rarer than where failures are free
    doubt: Backoff = Backoff(first_s=30, most_s=3600)
    outage: Backoff = Backoff(first_s=60, most_s=900)
    #: jobs in a row, different ones, that fail like an outage until it is one
    failures: int = 3
    #: an outage that lasts longer is no excuse any more: failures count as the jobs' own
    longest_s: float = 12 * 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Policies:
    """All of them, as a run uses them."""

    retry: RetryPolicy = RetryPolicy()
    poll: PollPolicy = PollPolicy()
    #: a create that was refused for now (429, 503) or never left; also pauses its lane
    refusal: Backoff = Backoff(first_s=5, most_s=300)
    #: reads that fail while a task is polled
    reading: Backoff = Backoff(first_s=5, most_s=60)
    downloading: Backoff = Backoff(first_s=2, most_s=60)
    health: HealthPolicy = HealthPolicy()
    #: fetches of one job in a run before it is left for the next run
    download_tries: int = 8
    downloads_at_once: int = 8
    #: without any answer from Runway for so long, the run ends; tasks go on there
    patience_s: float = 6 * 3600.0
    #: after a stop by signal: creates and downloads under way may end within this time
    drain_s: float = 60.0
    #: after a stop by time: what is at Runway may end and be collected within this time
    time_drain_s: float = 900.0
    #: the account is read again so often, and so often where a balance is to be kept
    account_s: float = 600.0
    balance_s: float = 45.0
    #: a reading of the balance counts for so long
    balance_age_s: float = 60.0
    #: finished tasks whose links die within this time are fetched before anything new is sent
    near_expiry_s: float = 3600.0
    #: before submitting is tried again on a full disk
    disk_pause_s: float = 30.0


def after_failure(
    job: Job,
    task: Task,
    policy: RetryPolicy,
    now: datetime,
    rng: random.Random,
    *,
    outage: bool = False,
    wanted: bool = True,
) -> RetryScheduled | GaveUp | Cancelled:
    """What follows from a task that ended without outputs.

    Retries spend nothing: a failure that cost credits, or whose cost the API does not name, is
    left to a person. In an outage of the service failures use up no tries. What a person wants
    cancelled is not tried again.
    """
    code = task.failure_code or task.status.value
    reason = task.failure or f"the task ended as {task.status.value}"
    cost = task.cost_credits
    delay = None
    excused = outage and retry_of(task.failure_code) is Retry.YES
    if task.status is TaskStatus.FAILED and cost == 0:
        delay = policy.delay(0 if excused else job.tries, task.failure_code, rng)
    if delay is None:
        return GaveUp(at=now, code=code, reason=reason, credits=cost)
    if not wanted:
        return Cancelled(at=now, reason=f"its task failed, and it was cancelled: {reason}",
                         credits=cost)  # fmt: skip
    again = now + timedelta(seconds=delay)
    return RetryScheduled(
        at=now, not_before=again, code=code, reason=reason, credits=cost, counted=not excused
    )


class Patience:
    """Time without any answer from Runway, over all requests of a run."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._silent_since_s: float | None = None
        self._failed_s = 0.0  # when an answer was missed last
        #: nothing was heard for the whole limit
        self.exhausted = False

    def answered(self) -> None:
        """Runway answered, whatever it said."""
        self._silent_since_s = None

    def failed(self, now_s: float) -> bool:
        """No answer; True once patience has run out."""
        nothing_asked = now_s - self._failed_s > self._limit_s  # a sleep is no silence
        if self._silent_since_s is None or nothing_asked:
            self._silent_since_s = now_s
        self._failed_s = now_s
        if now_s - self._silent_since_s >= self._limit_s:
            self.exhausted = True
        return self.exhausted
