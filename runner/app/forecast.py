"""What the money and the account allow of a plan, as far as it is known: asks nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
    def name(self) -> str:
        return f"quota:{self.quota.lane}"

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
    outlook: Outlook  # in the next 24 hours
    at_once: Outlook  # now, before anything has left the windows of the last 24 hours
    room_at: datetime | None = None  # when more may start than now, as far as that is known

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
    found = foresee(
        plan,
        caps=caps_of(project, run_cap=run_cap),
        bounds=bounds_of(project, {}),
        standing=await _standing(project, fresh, now),
        parents=lambda: project.expander().template_parents(),
        now=now,
    )
    if found.at_once.tight[:1] == ("day",) and project.state.is_file():
        return replace(found, room_at=await _room_under_day(project, plan, found))
    return found


def foresee(
    plan: Plan, *, caps: Caps, standing: Standing, now: datetime, bounds: Bounds = NO_BOUNDS,
    parents: Callable[[], Parents] = dict,
) -> Forecast:  # fmt: skip
    """Hold a plan against caps, balance, slots and daily quotas."""
    used = {"day": standing.used_day, "month": standing.used_month}
    checks = check_caps(plan, caps, used)
    quotas = list(_quotas(plan, standing, now))
    spendable = _spendable(standing.balance, caps.keep_balance)
    at_once = outlook(plan, list(_limits(checks, spendable, quotas, at_once=True)), parents)
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
        at_once=at_once,
        room_at=next((q.quota.frees_at for q in quotas if at_once.tight[:1] == (q.name,)), None),
    )


async def _standing(project: Project, fresh: Reading | None, now: datetime) -> Standing:
    if not project.state.is_file():
        return without_history(fresh, now)
    async with await StateReader.read(project.state) as reader:
        return await reader.standing(project.service, now=now, fresh=fresh)


async def _room_under_day(project: Project, plan: Plan, found: Forecast) -> datetime | None:
    """When the cap of a day has room for one job more than now; None: nobody knows."""
    [cap] = [cap for cap in found.caps if cap.name == "day"]
    prices = [-(-row.worst // row.starting) for row in plan.rows if row.starting and row.worst]
    price = min(prices)  # something costs, or no cap would be tight
    wanted = (max(0, cap.limit - cap.used) // price + 1) * price
    async with await StateReader.read(project.state) as reader:
        return await reader.room_at(project.service, cap.limit, wanted, now=found.now)


def _spendable(balance: int | None, kept: int | None) -> int | None:
    return None if balance is None else max(0, balance - (kept or 0))


def _quotas(plan: Plan, standing: Standing, now: datetime) -> Iterator[QuotaForecast]:
    for lane, found in plan.lanes.items():
        quota = standing.quotas.get(lane)
        if found.starting and quota is not None and quota.most is not None:
            last = last_start(quota, found.starting, now)
            yield QuotaForecast(quota=quota, starting=found.starting, last_start=last)


def _limits(
    caps: Sequence[CapCheck], spendable: int | None, quotas: Sequence[QuotaForecast], *,
    at_once: bool = False,
) -> Iterator[Limit]:  # fmt: skip
    """Of the next 24 hours, or of this moment."""
    for cap in caps:
        kind, _, name = cap.name.partition(":")
        # what counts under the cap of a day has left it 24 hours from now
        used = 0 if kind == "day" and not at_once else cap.used
        yield Limit(
            name=cap.name,
            room=max(0, cap.limit - used),
            lane=name if kind == "model" else None,
            tag=name if kind == "tag" else None,
        )
    if spendable is not None:
        yield Limit(name="balance", room=spendable)
    for found in quotas:
        room = found.quota.left if at_once else found.within_a_day
        if room is not None:
            yield Limit(name=found.name, room=room, is_quota=True, lane=found.quota.lane)


def _slots(plan: Plan, reading: Reading | None, bounds: Bounds) -> Mapping[str, LaneSlots]:
    models = {} if reading is None else reading.organization.models
    return {
        lane: LaneSlots(account=models[lane].max_concurrent, bound=bounds.lanes.get(lane))
        for lane, found in plan.lanes.items()
        if found.starting and lane in models
    }
