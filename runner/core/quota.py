"""The rolling 24 hours of a lane: how many creates are left, and when the next one is due.

Runway counts the creates of the last 24 hours and answers 429 beyond the limit. Its count is as old
as the last reading of the account; our own creates since then, and those of ours that have left
the window, are known from the ledger. Those of others are known only by the next reading.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from runner.core.task import ModelLimits

DAY = timedelta(hours=24)
#: our clock, Runway's and the way between them: a slot is taken to free this much later
MARGIN = timedelta(seconds=5)
#: while a quota is used up by others, the account is read again so often
READ_AGAIN = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnCreates:
    """Our creates of one lane that count, or may count, as the ledger has them."""

    since_reading: int  # not in the reading's count: unanswered, or answered after it was asked for
    left_since: int  # in the reading's count, out of the window by now
    in_window: int  # of the last 24 hours
    oldest: datetime | None  # intent of the oldest of the last 24 hours


@dataclass(frozen=True, kw_only=True, slots=True)
class DailyQuota:
    """A lane's rolling quota at one moment."""

    lane: str
    most: int | None  # None = unlimited
    used: int
    by_others: int  # of `used`, as far as the last reading knows
    frees_at: datetime | None  # when the next create is due; None: now

    @property
    def left(self) -> int | None:
        return None if self.most is None else max(0, self.most - self.used)


def daily_quota(lane: str, limits: ModelLimits, own: OwnCreates, *, now: datetime) -> DailyQuota:
    """Where the lane stands.

    Args:
        lane: the model.
        limits: of the last reading.
        own: our creates.
        now: the service's time.
    """
    used = max(0, limits.daily_used - own.left_since) + own.since_reading
    frees_at = None
    if limits.max_daily is not None and used >= limits.max_daily:
        frees_at = _frees_at(own, by_others=_others(used, own), now=now)
    return DailyQuota(
        lane=lane,
        most=limits.max_daily,
        used=used,
        by_others=_others(used, own),
        frees_at=frees_at,
    )


def last_start(quota: DailyQuota, jobs: int, now: datetime) -> datetime | None:
    """When the last of so many jobs can start, if the quota is all that holds them up.

    A forecast: each full window takes 24 hours. None where the quota does not hold them up.
    """
    if quota.most is None or quota.left is None or jobs <= quota.left:
        return None
    if quota.most == 0:
        return None
    days = -(-(jobs - quota.left) // quota.most)
    first = quota.frees_at or now + DAY
    return first + DAY * (days - 1)


def _frees_at(own: OwnCreates, *, by_others: int, now: datetime) -> datetime:
    """When our oldest create leaves the window; those of others are only seen by reading again."""
    due = [own.oldest + DAY + MARGIN] if own.oldest is not None else []
    if by_others or not due:
        due.append(now + READ_AGAIN)
    return min(due)


def _others(used: int, own: OwnCreates) -> int:
    return max(0, used - own.in_window)
