"""Daily quotas, waits and moments, for people and for scripts."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from runner.app.local_zone import LocalZone
from runner.core.commands import Wait
from runner.core.quota import DailyQuota
from runner.core.waiting import Surroundings, wait_words


def quota_json(quota: DailyQuota) -> dict[str, Any]:
    return {
        "lane": quota.lane,
        "most": quota.most,
        "used": quota.used,
        "by_others": quota.by_others,
        "left": quota.left,
        "frees_at": iso(quota.frees_at),
    }


def quota_words(quota: DailyQuota) -> str:
    """`48 of 50 used in 24 hours, 3 by others, the next one at 2026-01-02 03:10`."""
    others = f", {quota.by_others:,} by others" if quota.by_others else ""
    due = f", the next one at {local_time(quota.frees_at)}" if quota.frees_at else ""
    return f"{quota.used:,} of {quota.most or 0:,} used in 24 hours{others}{due}"


def wait_line(wait: Wait, now: datetime) -> str:
    """`daily quota until 2026-01-03 03:10: 50 of 50 used`, where the person is."""
    return wait_words(wait, Surroundings(now=now, local=LocalZone()))


def short_wait(wait: Wait) -> Wait:
    """Without the figures: `daily quota`, `budget`."""
    return replace(wait, reason=wait.reason.partition(": ")[0])


def local_time(at: datetime) -> str:
    """Where the person is, to the minute."""
    return f"{at.astimezone():%Y-%m-%d %H:%M}"


def iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
