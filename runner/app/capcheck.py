"""Would a plan's worst case pass a cap? Seen before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runner.core.ledger import Caps
from runner.core.plan import Plan

#: caps under which more is counted than the jobs of the plan, or less
_APART = frozenset({"run", "day", "month"})
_NOTHING: Mapping[str, int] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class CapCheck:
    """A cap against what is used already and what the plan may add, in credits."""

    name: str  # batch, run, model:M, tag:T, day, month
    limit: int
    used: int
    worst: int  # of the jobs that a run would send

    @property
    def passes(self) -> bool:
        """Whether the worst case exceeds the cap."""
        return self.used + self.worst > self.limit


def named(caps: Caps) -> dict[str, int]:
    """Every cap that is set, by its name."""
    limits = {"batch": caps.batch, "run": caps.run}
    limits |= {f"model:{model}": limit for model, limit in caps.models.items()}
    limits |= {f"tag:{tag}": limit for tag, limit in caps.tags.items()}
    limits |= {"day": caps.day, "month": caps.month, "balance": caps.keep_balance}
    return {name: limit for name, limit in limits.items() if limit is not None}


def check_caps(
    plan: Plan, caps: Caps, elsewhere: Mapping[str, int] = _NOTHING
) -> Sequence[CapCheck]:
    """Every cap, those that no job is counted under included.

    Args:
        plan: what would start.
        caps: that apply to it.
        elsewhere: credits used under `day` and `month`, by all batches that share them.

    The balance to keep is left out: nothing here knows the balance.
    """
    found = []
    for name, limit in named(caps).items():
        if name != "balance":
            worst, used = _sums(plan, name)
            used = elsewhere.get(name, 0) if name in _APART else used
            found.append(CapCheck(name=name, limit=limit, used=used, worst=worst))
    return found


def _sums(plan: Plan, cap: str) -> tuple[int, int]:
    """Credits that the starting jobs under a cap may cost, and that its jobs have used."""
    kind, _, name = cap.partition(":")
    if kind == "tag":
        tag = plan.tags.get(name)
        return (0, 0) if tag is None else (tag.worst, tag.used)
    lanes = [lane for key, lane in plan.lanes.items() if kind != "model" or key == name]
    return sum(lane.worst for lane in lanes), sum(lane.spent + lane.reserved for lane in lanes)
