"""What a budget caps: written the same way in a manifest and in a policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class BudgetSpec:
    """Caps in credits; None = no such cap."""

    credits: int | None = None  # for the life of the batch
    per_job: int | None = None
    per_day: int | None = None  # any 24 hours, all batches of the state file
    per_month: int | None = None  # any 30 days, likewise
    keep_balance: int | None = None  # of the account, never spent
    models: Mapping[str, int] = field(default_factory=dict)
    tags: Mapping[str, int] = field(default_factory=dict)

    @property
    def overall(self) -> int | None:
        """The lowest cap over everything; None = nothing bounds what is spent."""
        return lowest(self.credits, self.per_day, self.per_month)


def stricter(one: BudgetSpec, other: BudgetSpec) -> BudgetSpec:
    """Both at once: of caps the lower, of balances to keep the higher."""
    return BudgetSpec(
        credits=lowest(one.credits, other.credits),
        per_job=lowest(one.per_job, other.per_job),
        per_day=lowest(one.per_day, other.per_day),
        per_month=lowest(one.per_month, other.per_month),
        keep_balance=highest(one.keep_balance, other.keep_balance),
        models=_lowest_each(one.models, other.models),
        tags=_lowest_each(one.tags, other.tags),
    )


def lowest(*amounts: int | None) -> int | None:
    """Of those that are set."""
    return min((amount for amount in amounts if amount is not None), default=None)


def highest(*amounts: int | None) -> int | None:
    """Of those that are set."""
    return max((amount for amount in amounts if amount is not None), default=None)


def _lowest_each(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    names = {**one, **other}
    return {name: min(caps[name] for caps in (one, other) if name in caps) for name in names}
