"""A plan for people: two tables, what the money and the account allow, and what to know."""

from __future__ import annotations

from collections.abc import Iterator

from runner.app.forecast import Forecast
from runner.core.credits import CostBand, format_credits
from runner.core.plan import Plan
from runner.core.summary import jobs_word

from .output import Output
from .plan_limits import limit_remarks
from .plan_notes import job_remarks, price_remarks
from .plan_table import show_tables
from .remarks import Remark, show_remarks


def show_plan(plan: Plan, forecast: Forecast, out: Output) -> None:
    """Everything on stdout."""
    show_tables(plan, forecast, out)
    if plan.rows:
        out.data()
    show_remarks(_remarks(plan, forecast), out)


def _remarks(plan: Plan, forecast: Forecast) -> Iterator[Remark]:
    yield from _cost(plan)
    yield from limit_remarks(plan, forecast)
    yield from job_remarks(plan)
    yield from price_remarks(plan)


def _cost(plan: Plan) -> Iterator[Remark]:
    if not plan.starting:
        yield Remark(label="to make", text="nothing new to make")
        return
    yield Remark(label="to make", text=f"{plan.starting:,} of {jobs_word(plan.wanted)}")
    yield Remark(label="cost", text=band_words(plan.cost))


def band_words(cost: CostBand) -> str:
    """`180 cr ($1.80) at best, 200 cr ($2.00) expected, 299 cr ($2.99) at worst`; equals once."""
    names: dict[int, list[str]] = {}
    figures = (("at best", cost.low), ("expected", cost.expected), ("at worst", cost.worst or 0))
    for name, credits in figures:
        names.setdefault(credits, []).append(name)
    if len(names) == 1:
        return format_credits(cost.expected)
    return ", ".join(
        f"{format_credits(credits)} {' and '.join(found)}" for credits, found in names.items()
    )
