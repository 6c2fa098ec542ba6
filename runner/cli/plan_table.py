"""The two tables of a plan, by template and by model, in as many columns as the page has room for.

Figures are never broken: where a page is narrow, first dollars and then whole columns go, and names
are folded last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from runner.app.forecast import Forecast
from runner.core.credits import format_credits
from runner.core.plan import Plan, PlanRow

from .output import Output, page_width
from .tables import columns_of, gaps

#: rows of a table; `--json` has all of them
MOST_ROWS = 60
#: names of models in one cell
MOST_MODELS = 2
#: cells of a name that is not worth a column of money
_LONG = 32
#: below so many cells a page has no room for models beside templates
_NARROW = 72
_NONE = "-"

#: headers and cells
Table: TypeAlias = tuple[Sequence[str], Sequence[Sequence[str]]]


@dataclass(slots=True)
class Sums:
    """Jobs that are shown in one row."""

    jobs: int = 0
    starting: int = 0
    low: int = 0
    expected: int = 0
    worst: int = 0
    words: Counter[str] = field(default_factory=Counter)
    lanes: dict[str, None] = field(default_factory=dict)  # in order

    def add(self, row: PlanRow) -> None:
        self.jobs += row.jobs
        self.starting += row.starting
        self.low += row.low
        self.expected += row.expected
        self.worst += row.worst
        self.words.update(row.words)
        self.lanes[lane_of(row)] = None

    @property
    def is_certain(self) -> bool:
        return self.low == self.expected == self.worst


def lane_of(row: PlanRow) -> str:
    """The model, or the endpoint where there is none."""
    return row.model or row.endpoint


def by_template(plan: Plan) -> Mapping[str, Sums]:
    """In the order of the manifest, orphans last."""
    return _grouped(plan.rows, lambda row: row.template)


def by_model(plan: Plan) -> Mapping[str, Sums]:
    """Of the jobs that start."""
    return _grouped((row for row in plan.rows if row.starting), lane_of)


def _grouped(rows: Iterable[PlanRow], name: Callable[[PlanRow], str]) -> Mapping[str, Sums]:
    found: dict[str, Sums] = {}
    for row in rows:
        found.setdefault(name(row), Sums()).add(row)
    return found


def show_tables(plan: Plan, forecast: Forecast, out: Output) -> None:
    """By template; by model too where that says something else."""
    templates, models = by_template(plan), by_model(plan)
    if templates:
        moneys = _moneys(templates.values())
        tables = [_template_table(templates, money) for money in moneys]
        if page_width() < _NARROW or _least_width(tables[-1]) > page_width():
            tables.append(_without_models(tables[-1]))
        _show(tables, out)
        _say_hidden(templates, "templates", out)
    if len(models) > 1 and (forecast.slots or not _is_one_to_one(plan)):
        out.data()
        moneys = _moneys(models.values())
        tables = [_model_table(models, money, forecast) for money in moneys]
        _show([*tables, _without_account(tables[-1])], out)
        _say_hidden(models, "models", out)


def words_of(words: Mapping[str, int]) -> str:
    """`2 new, 1 in doubt`."""
    return ", ".join(f"{count:,} {word.replace('_', ' ')}" for word, count in words.items())


def _is_one_to_one(plan: Plan) -> bool:
    """Whether each template that starts has a model of its own."""
    pairs = {(row.template, lane_of(row)) for row in plan.rows if row.starting}
    return len(pairs) == len({name for name, _ in pairs}) == len({lane for _, lane in pairs})


# columns of money


@dataclass(frozen=True, kw_only=True, slots=True)
class _Money:
    """How the credits of a row are told."""

    headers: tuple[str, ...]
    cells: Callable[[Sums], tuple[str, ...]]

    def of(self, sums: Sums) -> tuple[str, ...]:
        return self.cells(sums) if sums.starting else (_NONE,) * len(self.headers)


_COST = _Money(headers=(">!cost",), cells=lambda sums: (format_credits(sums.worst),))
_WORST = _Money(headers=(">!at worst",), cells=lambda sums: (format_credits(sums.worst),))
_NUMBERS = _Money(
    headers=(">!at best", ">!expected", ">!at worst"),
    cells=lambda sums: (f"{sums.low:,}", f"{sums.expected:,}", format_credits(sums.worst)),
)
_ALL = _Money(
    headers=_NUMBERS.headers,
    cells=lambda sums: tuple(map(format_credits, (sums.low, sums.expected, sums.worst))),
)


def _moneys(rows: Iterable[Sums]) -> Sequence[_Money]:
    """The richest first."""
    return (_COST,) if all(sums.is_certain for sums in rows) else (_ALL, _NUMBERS, _WORST)


def _show(tables: Sequence[Table], out: Output) -> None:
    """The first that fits; the last where none does, with its names folded."""
    width = page_width()
    headers, cells = next((table for table in tables if _width(table) <= width), tables[-1])
    out.table(headers, cells, most=width)


def _width(table: Table) -> int:
    """Cells of a table whose long names are folded."""
    columns = columns_of(*table)
    wanted = (each.widest if each.is_whole else min(each.widest, _LONG) for each in columns)
    return sum(wanted) + gaps(columns)


def _least_width(table: Table) -> int:
    """Cells of a table in which no word is broken."""
    columns = columns_of(*table)
    return sum(min(each.narrowest, _LONG) for each in columns) + gaps(columns)


# the tables


def _template_table(rows: Mapping[str, Sums], money: _Money) -> Table:
    lines = [
        (name, f"{sums.jobs:,}", _models(sums), words_of(sums.words), *money.of(sums))
        for name, sums in _first(rows)
    ]
    if len(rows) > 1:
        total = _total(rows.values())
        lines.append(("total", f"{total.jobs:,}", "", words_of(total.words), *money.of(total)))
    return ("template", ">!jobs", "model", "what", *money.headers), lines


def _without_models(table: Table) -> Table:
    headers, rows = table
    return (*headers[:2], *headers[3:]), [(*row[:2], *row[3:]) for row in rows]


def _model_table(rows: Mapping[str, Sums], money: _Money, forecast: Forecast) -> Table:
    more = [
        (header, cell)
        for header, cell, is_known in (
            (">!at once", slots_words, bool(forecast.slots)),
            (">!left today", _left_words, bool(forecast.quotas)),
        )
        if is_known
    ]
    lines = [
        (name, f"{sums.starting:,}", *money.of(sums), *(cell(forecast, name) for _, cell in more))
        for name, sums in _first(rows)
    ]
    return ("model", ">!starting", *money.headers, *(header for header, _ in more)), lines


def slots_words(forecast: Forecast, lane: str) -> str:
    """`5`, `3 of 5` where the manifest allows less, `no limit`."""
    slots = forecast.slots.get(lane)
    if slots is None:
        return "?"
    account = "no limit" if slots.account is None else f"{slots.account:,}"
    if slots.bound is None or (slots.account is not None and slots.account <= slots.bound):
        return account
    return f"{slots.bound:,}" if slots.account is None else f"{slots.bound:,} of {account}"


def _left_words(forecast: Forecast, lane: str) -> str:
    """`152 of 200` creates."""
    found = forecast.quota(lane)
    if found is not None:
        return f"{found.quota.left or 0:,} of {found.quota.most or 0:,}"
    return "no limit" if lane in forecast.slots else "?"


def _without_account(table: Table) -> Table:
    """Model, jobs and one figure."""
    headers, rows = table
    return headers[:3], [row[:3] for row in rows]


def _models(sums: Sums) -> str:
    if len(sums.lanes) > MOST_MODELS:
        return f"{len(sums.lanes):,} models"
    return ", ".join(sums.lanes)


def _first(rows: Mapping[str, Sums]) -> Iterator[tuple[str, Sums]]:
    for number, (name, sums) in enumerate(rows.items()):
        if number == MOST_ROWS:
            return
        yield name, sums


def _total(rows: Iterable[Sums]) -> Sums:
    total = Sums()
    for sums in rows:
        total.jobs += sums.jobs
        total.starting += sums.starting
        total.low += sums.low
        total.expected += sums.expected
        total.worst += sums.worst
        total.words.update(sums.words)
    return total


def _say_hidden(rows: Mapping[str, Sums], what: str, out: Output) -> None:
    if len(rows) > MOST_ROWS:
        out.data(f"and {len(rows) - MOST_ROWS:,} more {what}: `--json` has all")
