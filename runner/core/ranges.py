"""Figures that may not be known exactly: the arithmetic under `estimate.py`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, kw_only=True, slots=True)
class Range:
    """A figure between `low` and `worst`; `worst` is None where it has no limit."""

    low: Fraction
    likely: Fraction
    worst: Fraction | None
    notes: tuple[str, ...] = ()  # what was assumed, for people

    def __add__(self, other: Range) -> Range:
        return Range(
            low=self.low + other.low,
            likely=self.likely + other.likely,
            worst=None if self.worst is None or other.worst is None else self.worst + other.worst,
            notes=self.notes + other.notes,
        )

    def __mul__(self, other: Range) -> Range:
        return Range(
            low=self.low * other.low,
            likely=self.likely * other.likely,
            worst=None if self.worst is None or other.worst is None else self.worst * other.worst,
            notes=self.notes + other.notes,
        )


def exactly(number: float) -> Range:
    value = as_fraction(number)
    return Range(low=value, likely=value, worst=value)


def between(low: float, worst: float | None, note: str = "") -> Range:
    """Budgeted at its upper end; where it has none, only the lower end is known."""
    least = as_fraction(low)
    most = None if worst is None else max(least, as_fraction(worst))
    notes = (note,) if note and most != least else ()
    return Range(low=least, likely=least if most is None else most, worst=most, notes=notes)


def total(ranges: Iterable[Range]) -> Range:
    return sum(ranges, start=exactly(0))


def as_fraction(number: float) -> Fraction:
    """The decimal that a float was written as: 6.71 s x 12 is 80.52 and not a bit more."""
    return Fraction(str(number))


def is_number(value: object) -> bool:
    """A finite number, as JSON knows them: not a bool, not NaN, not beyond what a float holds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
