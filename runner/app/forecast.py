"""What the money and the account allow of a plan, as far as it is known: asks nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from runner.clock import Clock, SystemClock
from runner.core.ledger import Caps
from runner.core.limits import UNLIMITED_SLOTS, Bounds
from runner.core.outlook import Limit, Outlook, Parents, outlook
from runner.core.plan import Plan
from runner.core.quota import DailyQuota, last_start
from runner.core.standing import Standing, without_history
from runner.core.task import Reading
from runner.store.reader import StateReader

from .capcheck import CapCheck, check_caps
from .project import Project, bounds_of, caps_of

NO_BOUNDS = Bounds()


@dataclass(frozen=True, kw_only=True, slots=True)
class QuotaForecast:
    """A model's quota, and what the plan asks of it."""

    quota: DailyQuota
    starting: int  # jobs that a run would send
    last_start: datetime | None  # of the last of them; None: the quota holds none of them up

    @property
    def within_a_day(self) -> int | None:
        """Creates in the next 24 hours, if others create as many as in the last; None: no limit.

        Ours of the last 24 hours have all left the window by then.
        """
        quota = self.quota
        return None if quota.most is None else max(0, quota.most - quota.by_others)


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneSlots:
    """How many tasks of a lane may be at Runway at once."""

    account: int | None  # None: unlimited
    bound: int | None  # of the manifest

    @property
    def most(self) -> int:
        account = UNLIMITED_SLOTS if self.account is None else self.account
        return account if self.bound is None else min(account, self.bound)


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """What a plan meets."""

    now: datetime
    caps: Sequence[CapCheck]
    standing: Standing
    kept: int | None  # credits: the balance that our spending never goes below
    spendable: int | None  # credits of the balance beyond that; None: it is not known
    quotas: Sequence[QuotaForecast]  # of every model of the plan with a daily limit
    slots: Mapping[str, LaneSlots]  # of the lanes that start and that the account lists
    total_slots: int | None  # a bound of the manifest on all tasks at Runway
    outlook: Outlook

    def quota(self, lane: str) -> QuotaForecast | None:
        return next((found for found in self.quotas if found.quota.lane == lane), None)


async def forecast(
    project: Project, plan: Plan, *, run_cap: int | None = None, fresh: Reading | None = None,
    clock: Clock | None = None,
) -> Forecast:  # fmt: skip
    """Hold a plan against what its state file knows of the account.

    Args:
        project: the manifest.
        plan: of it.
        run_cap: credits of the run's own cap.
        fresh: the account as it was just read; None: the newest reading of the state file counts.
        clock: tells what is past.
    """
    now = (clock or SystemClock()).now()
    return foresee(
        plan,
        caps=caps_of(project, run_cap=run_cap),
        bounds=bounds_of(project, {}),
        standing=await _standing(project, fresh, now),
        parents=lambda: project.expander().template_parents(),
        now=now,
    )


def foresee(
    plan: Plan, *, caps: Caps, standing: Standing, now: datetime, bounds: Bounds = NO_BOUNDS,
    parents: Callable[[], Parents] = dict,
) -> Forecast:  # fmt: skip
    """Hold a plan against caps, balance, slots and daily quotas."""
    used = {"day": standing.used_day, "month": standing.used_month}
    checks = check_caps(plan, caps, used)
    quotas = list(_quotas(plan, standing, now))
    spendable = _spendable(standing.balance, caps.keep_balance)
    return Forecast(
        now=now,
        caps=checks,
        standing=standing,
        kept=caps.keep_balance,
        spendable=spendable,
        quotas=quotas,
        slots=_slots(plan, standing.reading, bounds),
        total_slots=bounds.total,
        outlook=outlook(plan, list(_limits(checks, spendable, quotas)), parents),
    )


async def _standing(project: Project, fresh: Reading | None, now: datetime) -> Standing:
    if not project.state.is_file():
        return without_history(fresh, now)
    async with await StateReader.read(project.state) as reader:
        return await reader.standing(project.service, now=now, fresh=fresh)


def _spendable(balance: int | None, kept: int | None) -> int | None:
    return None if balance is None else max(0, balance - (kept or 0))


def _quotas(plan: Plan, standing: Standing, now: datetime) -> Iterator[QuotaForecast]:
    for lane, found in plan.lanes.items():
        quota = standing.quotas.get(lane)
        if found.starting and quota is not None and quota.most is not None:
            last = last_start(quota, found.starting, now)
            yield QuotaForecast(quota=quota, starting=found.starting, last_start=last)


def _limits(
    caps: Sequence[CapCheck], spendable: int | None, quotas: Sequence[QuotaForecast]
) -> Iterator[Limit]:
    for cap in caps:
        kind, _, name = cap.name.partition(":")
        # what counts under the cap of a day has left it 24 hours from now
        used = 0 if kind == "day" else cap.used
        yield Limit(
            name=cap.name,
            room=max(0, cap.limit - used),
            lane=name if kind == "model" else None,
            tag=name if kind == "tag" else None,
        )
    if spendable is not None:
        yield Limit(name="balance", room=spendable)
    for found in quotas:
        if found.within_a_day is not None:
            lane = found.quota.lane
            yield Limit(name=f"quota:{lane}", room=found.within_a_day, is_quota=True, lane=lane)


def _slots(plan: Plan, reading: Reading | None, bounds: Bounds) -> Mapping[str, LaneSlots]:
    models = {} if reading is None else reading.organization.models
    return {
        lane: LaneSlots(account=models[lane].max_concurrent, bound=bounds.lanes.get(lane))
        for lane, found in plan.lanes.items()
        if found.starting and lane in models
    }
