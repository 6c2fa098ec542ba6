"""How long the daily quotas make a plan take, as far as the last reading of the account tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from runner.clock import Clock, SystemClock
from runner.core.plan import Plan
from runner.core.quota import DailyQuota, last_start
from runner.settings import Settings
from runner.store.reader import StateReader

from .project import Project


@dataclass(frozen=True, kw_only=True, slots=True)
class QuotaForecast:
    """A model's quota, and what the plan asks of it."""

    quota: DailyQuota
    starting: int  # jobs that a run would send
    last_start: datetime | None  # of the last of them; None: the quota holds none of them up


async def forecast(
    project: Project, plan: Plan, settings: Settings, *, clock: Clock | None = None
) -> Sequence[QuotaForecast]:
    """For every model of the plan with a daily limit; empty where no reading is known."""
    if not project.state.is_file():
        return ()
    now = (clock or SystemClock()).now()
    async with await StateReader.read(project.state) as reader:
        known = [b.name for b in await reader.batches() if b.base_url == settings.service]
        quotas = await reader.quotas(known[-1], now=now) if known else {}
    starting = Counter(entry.spec.lane for entry in plan.starting)
    return [
        QuotaForecast(quota=quota, starting=count, last_start=last_start(quota, count, now))
        for lane, count in starting.items()
        if (quota := quotas.get(lane)) is not None and quota.most is not None
    ]
