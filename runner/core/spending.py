"""May this run spend? Decided from the plan's worst case and the caps, before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from runner.core.credits import format_credits

_SET_ONE = "set `budget:` in the manifest, or give `--max-credits N`"


class Consent(StrEnum):
    """What is needed before a run may spend."""

    GIVEN = "given"
    ASK = "ask"  # on a terminal
    REFUSED = "refused"  # nobody there to ask, and no cap


@dataclass(frozen=True, kw_only=True, slots=True)
class Spending:
    consent: Consent
    #: the run's own cap in credits; None = only the manifest's caps apply
    run_cap: int | None
    #: for people: why it asks or refuses, or which cap was taken
    message: str = ""
    hint: str = ""


def decide_spending(
    worst: int,
    *,
    budget: int | None,
    max_credits: int | None,
    confirm_over: int,
    yes: bool,
    interactive: bool,
    require_budget: bool = False,
) -> Spending:
    """What a run that could cost `worst` credits needs.

    Args:
        worst: the plan's worst case in credits.
        budget: the manifest's lowest cap over everything.
        max_credits: the run's cap from flag and environment.
        confirm_over: ask above this worst case, in credits.
        yes: `--yes` was given.
        interactive: somebody is at a terminal.
        require_budget: the policy takes no consent for a budget.
    """
    capped = budget is not None or max_credits is not None
    if worst == 0:
        # nothing to send; what a retry would cost was not agreed to
        return Spending(consent=Consent.GIVEN, run_cap=max_credits if capped else 0)
    if require_budget and not capped:
        return _refused("the policy requires a budget, and none is set", _SET_ONE)
    if yes:
        if capped:
            return Spending(consent=Consent.GIVEN, run_cap=max_credits)
        return Spending(
            consent=Consent.GIVEN, run_cap=worst, message="no budget: the worst case is the cap"
        )
    if interactive:
        if not capped:
            return Spending(consent=Consent.ASK, run_cap=worst, message="no budget is set")
        if worst > confirm_over:
            return Spending(
                consent=Consent.ASK,
                run_cap=max_credits,
                message=f"the worst case exceeds {format_credits(confirm_over)}",
            )
        return Spending(consent=Consent.GIVEN, run_cap=max_credits)
    if capped:
        return Spending(consent=Consent.GIVEN, run_cap=max_credits)
    why = "no budget is set, and nobody is at a terminal to ask"
    return _refused(why, f"{_SET_ONE} or `--yes`")


def _refused(message: str, hint: str) -> Spending:
    return Spending(consent=Consent.REFUSED, run_cap=None, message=message, hint=hint)
