"""Credits: Runway's unit of money. 1 credit = 0.01 USD, prepaid (Runway's pricing page)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

from runner.errors import UsageError

CREDITS_PER_DOLLAR = 100
#: ten million dollars: a larger amount is a slip
MOST_CREDITS = 1_000_000_000
MOST_DIGITS = 40

_WHOLE = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9][0-9_]*)"  # a comma only between thousands
_AMOUNT = re.compile(rf"(?P<dollar>\$)?\s*(?P<number>{_WHOLE}(?:\.[0-9]+)?)\s*(?:cr|credits)?")


@dataclass(frozen=True, kw_only=True, slots=True)
class CostBand:
    """What a job may cost, in credits, before it runs. `worst` is None where nobody knows."""

    low: int
    expected: int
    worst: int | None
    #: how sure the price is: high, medium, low, none (catalogue), user (the manifest)
    confidence: str = "high"
    #: what was assumed where the price depends on something not known yet
    note: str = ""
    #: what jobs of this price have in common; empty where nobody can say: see price_shape.py
    shape: str = ""
    #: the most that Runway has asked for the shape, where that is not what is expected
    asked: int = 0


def format_credits(credits: int) -> str:
    """`1,250 cr ($12.50)`: every figure people see is in both units."""
    sign = "-" if credits < 0 else ""
    size = abs(credits)
    return f"{sign}{size:,} cr ({sign}${size / CREDITS_PER_DOLLAR:,.2f})"


def parse_credits(text: str | int) -> int:
    """`1500`, `"1,500"`, `"$15"` or `"1500 cr"` as whole credits; a cap is never rounded up.

    Raises:
        UsageError: not an amount.
    """
    match = _AMOUNT.fullmatch(str(text).strip()) if len(str(text)) <= MOST_DIGITS else None
    if isinstance(text, bool) or match is None:
        raise UsageError(
            f"not an amount of credits: `{str(text)[:MOST_DIGITS]}`",
            hint='write credits as `1500` or dollars as `"$15"`',
        )
    number = Fraction(match["number"].replace(",", "").replace("_", ""))
    credits = math.floor(number * (CREDITS_PER_DOLLAR if match["dollar"] else 1))
    if credits > MOST_CREDITS:
        raise UsageError(f"more than {MOST_CREDITS:,} credits", hint="is there a digit too many?")
    return credits
