"""Where an account stands at one moment, as far as its newest reading and our own ledger tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from runner.core.quota import DailyQuota, OwnCreates, daily_quota
from runner.core.task import Reading

_NONE_OF_OURS = OwnCreates(since_reading=0, left_since=0, in_window=0, oldest=None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """Of all batches that share the account and the state file; in credits."""

    reading: Reading | None = None  # the newest; None: the account was never looked at
    unread: int = 0  # asked for by us, and not in the reading's balance yet
    quotas: Mapping[str, DailyQuota] = field(default_factory=dict)  # of the lanes in the reading
    #: spent, reserved or in doubt
    used_day: int = 0  # in the last 24 hours
    used_month: int = 0  # in the last 30 days

    @property
    def balance(self) -> int | None:
        """What may be left of the prepaid credits by now."""
        if self.reading is None:
            return None
        return self.reading.organization.credit_balance - self.unread


def without_history(reading: Reading | None, now: datetime) -> Standing:
    """Where there is no state file: all that was created is of others."""
    models = {} if reading is None else reading.organization.models
    return Standing(
        reading=reading,
        quotas={
            lane: daily_quota(lane, limits, _NONE_OF_OURS, now=now)
            for lane, limits in models.items()
        },
    )
