"""The question before a run spends: what it may cost, and whether somebody agreed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from runner.core.credits import format_credits
from runner.core.plan import Plan
from runner.core.spending import Consent, Spending, decide_spending
from runner.core.summary import jobs_word
from runner.errors import UsageError

from .output import Output
from .plan_notes import stale_words

#: asks a yes-or-no question at the terminal
Ask = Callable[[str], bool]


@dataclass(frozen=True, kw_only=True, slots=True)
class Purse:
    """What was said about money before the run."""

    budget: int | None  # credits: the manifest's lowest cap over everything
    max_credits: int | None  # credits: the run's cap, of flag and variable the lower
    confirm_over: int  # credits
    yes: bool
    interactive: bool
    require_budget: bool = False  # by the policy


def agree(plan: Plan, purse: Purse, out: Output, ask: Ask) -> int | None:
    """The run's own cap in credits, None where only the manifest's caps apply.

    Raises:
        UsageError: nobody agreed; nothing was spent.
    """
    worst = plan.cost.worst or 0
    spending = decide_spending(
        worst,
        budget=purse.budget,
        max_credits=purse.max_credits,
        confirm_over=purse.confirm_over,
        yes=purse.yes,
        interactive=purse.interactive,
        require_budget=purse.require_budget,
    )
    out.say(cost_line(plan))
    if plan.stale:
        out.say(f"stale: {stale_words(plan.stale)}")
    if spending.consent is Consent.REFUSED:
        raise UsageError(spending.message, hint=spending.hint)
    if spending.consent is Consent.ASK:
        _ask(spending, worst, ask)
    elif spending.message:
        out.say(f"{spending.message}: {format_credits(worst)}")
    return spending.run_cap


def show_warnings(out: Output, plan: Plan) -> None:
    """What is odd about the manifest, said before anybody is asked to spend."""
    if not out.json and not out.quiet:
        out.problems("warning", [each for each in plan.warnings if not each.is_note])


def _ask(spending: Spending, worst: int, ask: Ask) -> None:
    if not ask(f"{spending.message}; spend up to {format_credits(worst)}?"):
        raise UsageError("aborted, nothing spent", hint="")


def cost_line(plan: Plan) -> str:
    """`12 jobs to make: 340 cr ($3.40) expected, 520 cr ($5.20) at worst`."""
    cost, count = plan.cost, plan.starting
    if not count:
        under_way = len(plan.under_way)
        return "nothing new to make" + (f"; {under_way:,} to collect" if under_way else "")
    jobs = jobs_word(count)
    expected, worst = format_credits(cost.expected), format_credits(cost.worst or 0)
    if expected == worst:
        return f"{jobs} to make: {worst}"
    return f"{jobs} to make: {expected} expected, {worst} at worst"
