"""How much one unit costs for a body, and what comes on top."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.core.catalog import ModelInfo
from runner.core.price import AddOn, RateTable, Surcharge, Threshold
from runner.core.ranges import Range, as_fraction, between, exactly, is_number
from runner.core.spec import Body, Json

Cell = tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What a price depends on: the model, the body and what is known of its files."""

    info: ModelInfo
    body: Body
    measures: Mapping[str, float] = field(default_factory=dict)

    def given(self, name: str) -> Json:
        """The field's value, else its documented default, else None."""
        value = self.body.get(name)
        return self.info.fields.get(name, {}).get("default") if value is None else value


def rate_of(request: Request) -> Range:
    """Credits per unit."""
    by = request.info.price.by
    if by is None:
        return exactly(request.info.price.rate or 0)
    if isinstance(by, Threshold):
        return _by_size(request, by)
    low, likely, worst = (as_fraction(by.rates[cell]) for cell in cells_of(request, by))
    notes = (by.default_note,) if low != worst and by.default_note else ()
    return Range(low=low, likely=likely, worst=worst, notes=notes)


def cells_of(request: Request, by: RateTable) -> tuple[Cell, Cell, Cell]:
    """The cheapest, likely and dearest cell of the table that the body may mean.

    An absent field is budgeted as the catalogue says; a value that the table does not know could
    be charged as anything in it.
    """
    wanted = [_choice(request, by, index) for index in range(len(by.fields))]
    cells = [
        cell
        for cell in by.rates
        if all(want in (None, part) for want, part in zip(wanted, cell, strict=True))
    ] or list(by.rates)
    low, dearest = min(cells, key=by.rates.__getitem__), max(cells, key=by.rates.__getitem__)
    if not by.default or any(
        want is None and request.given(name) is not None
        for want, name in zip(wanted, by.fields, strict=True)
    ):
        return low, dearest, dearest
    usual = tuple(want or default for want, default in zip(wanted, by.default, strict=True))
    return (low, usual, usual) if usual in by.rates else (low, dearest, dearest)


def _choice(request: Request, by: RateTable, index: int) -> str | None:
    """The part of a cell that a field's value stands for; None where it is not known."""
    value = request.given(by.fields[index])
    if value is None:
        return None
    text = str(value).lower() if isinstance(value, bool) else str(value)
    is_tiered = bool(by.tiers) and index == len(by.fields) - 1
    part = by.tiers.get(text) if is_tiered else text
    return part if any(cell[index] == part for cell in by.rates) else None


def _by_size(request: Request, by: Threshold) -> Range:
    size = request.measures.get(by.measure)
    factor = request.given(by.times_field) if by.times_field else 1
    if size is None or not is_number(factor):
        unit = "px" if by.measure == "longest_side_px" else by.measure
        return between(by.up_to, by.above, f"size not known: above {by.limit:g} {unit} budgeted")
    return exactly(by.above if size * factor > by.limit else by.up_to)


def surcharge(request: Request, item: Surcharge) -> Range:
    """Credits per second on top of the rate."""
    if request.given(item.field) not in item.values:
        return exactly(0)
    size = request.measures.get("megapixels")
    if size is None:
        note = "size not known: above 4 megapixels budgeted"
        return between(item.per_second, item.above_4_megapixels, note)
    return exactly(item.above_4_megapixels if size > 4 else item.per_second)


def add_on(request: Request, add: AddOn) -> Range:
    """Credits of one kind of extra, for the whole task."""
    times = request.given(add.times_field) if add.times_field else 1
    factor = exactly(times if is_number(times) else 1)
    if add.seconds_of:
        return _extra_seconds(request, add) * factor
    count = sum(_items(request.body.get(name), add.without) for name in add.items_of)
    return exactly(count) * exactly(add.credits or 0) * factor


def _items(value: Json, without: str) -> int:
    """Entries of a list; a single value is one; those with the key `without` are free."""
    if value is None:
        return 0
    items = value if isinstance(value, list) else [value]
    return sum(not (without and isinstance(item, dict) and without in item) for item in items)


def _extra_seconds(request: Request, add: AddOn) -> Range:
    named = [name for name in add.seconds_of if request.body.get(name)]
    if not named:
        return exactly(0)
    seconds = request.measures.get("seconds")
    if seconds is None:
        counted = between(0, add.cap, f"length of `{named[0]}` not known")
    else:
        counted = exactly(seconds if add.cap is None else min(seconds, add.cap))
    return counted * _extra_rate(request, add)


def _extra_rate(request: Request, add: AddOn) -> Range:
    by = request.info.price.by
    if not add.by_tier or not isinstance(by, RateTable):
        return rate_of(request) if add.credits is None else exactly(add.credits)
    low, likely, worst = (as_fraction(add.by_tier[cell[-1]]) for cell in cells_of(request, by))
    return Range(low=low, likely=likely, worst=worst)
