"""Would a plan's worst case pass a cap? Seen before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass

from runner.core.ledger import Caps
from runner.core.plan import Plan, PlanEntry


@dataclass(frozen=True, kw_only=True, slots=True)
class CapCheck:
    """A cap against what is used already and what the plan may add, in credits."""

    name: str  # batch, run, model:M, tag:T
    limit: int
    used: int
    worst: int  # of the jobs that a run would send

    @property
    def passes(self) -> bool:
        """Whether the worst case passes the cap."""
        return self.used + self.worst > self.limit


def check_caps(plan: Plan, caps: Caps) -> list[CapCheck]:
    """Every cap, those that no job is counted under included."""
    limits = {"batch": caps.batch, "run": caps.run}
    limits |= {f"model:{model}": limit for model, limit in caps.models.items()}
    limits |= {f"tag:{tag}": limit for tag, limit in caps.tags.items()}
    return [
        CapCheck(
            name=name,
            limit=limit,
            used=0 if name == "run" else sum(_used(e) for e in plan.entries if _counts(e, name)),
            worst=sum(entry.spec.reserve for entry in plan.starting if _counts(entry, name)),
        )
        for name, limit in limits.items()
        if limit is not None
    ]


def _used(entry: PlanEntry) -> int:
    return entry.stored.charged + entry.stored.hold if entry.stored else 0


def _counts(entry: PlanEntry, cap: str) -> bool:
    """Whether a job is counted under a cap."""
    kind, _, name = cap.partition(":")
    if kind == "model":
        return entry.spec.lane == name
    return kind != "tag" or name in entry.spec.tags
