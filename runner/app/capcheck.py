"""Would a plan's worst case pass a cap? Seen before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from runner.core.ledger import Cap, Caps
from runner.core.plan import Plan, PlanEntry

#: caps under which more is counted than the jobs of the plan, or less
_APART = frozenset({"run", "day", "month"})


@dataclass(frozen=True, kw_only=True, slots=True)
class CapCheck:
    """A cap against what is used already and what the plan may add, in credits."""

    name: str  # batch, run, model:M, tag:T, day, month
    limit: int
    used: int
    worst: int  # of the jobs that a run would send

    @property
    def passes(self) -> bool:
        """Whether the worst case passes the cap."""
        return self.used + self.worst > self.limit


def named(caps: Caps) -> dict[str, int]:
    """Every cap that is set, by its name."""
    limits = {"batch": caps.batch, "run": caps.run}
    limits |= {f"model:{model}": limit for model, limit in caps.models.items()}
    limits |= {f"tag:{tag}": limit for tag, limit in caps.tags.items()}
    limits |= {"day": caps.day, "month": caps.month, "balance": caps.keep_balance}
    return {name: limit for name, limit in limits.items() if limit is not None}


def check_caps(plan: Plan, caps: Caps, in_force: Iterable[Cap] = ()) -> list[CapCheck]:
    """Every cap, those that no job is counted under included.

    Args:
        in_force: the caps as the state file has them: what other batches used of a day or month.

    The balance to keep is left out: nothing here knows the balance.
    """
    shared = {cap.name: cap.used for cap in in_force if cap.name in _APART}
    return [
        CapCheck(
            name=name,
            limit=limit,
            used=shared.get(name, 0) if name in _APART else _used_of(plan, name),
            worst=sum(entry.spec.reserve for entry in plan.starting if _counts(entry, name)),
        )
        for name, limit in named(caps).items()
        if name != "balance"
    ]


def _used_of(plan: Plan, name: str) -> int:
    return sum(_used(entry) for entry in plan.entries if _counts(entry, name))


def _used(entry: PlanEntry) -> int:
    return entry.stored.charged + entry.stored.hold if entry.stored else 0


def _counts(entry: PlanEntry, cap: str) -> bool:
    """Whether a job is counted under a cap."""
    kind, _, name = cap.partition(":")
    if kind == "model":
        return entry.spec.lane == name
    return kind != "tag" or name in entry.spec.tags
