"""Credits: Runway's unit of money. 1 credit = 0.01 USD, prepaid (Runway's pricing page)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from runner.errors import UsageError

CREDITS_PER_DOLLAR = 100

_AMOUNT = re.compile(r"(?P<dollar>\$)?\s*(?P<number>\d[\d,_]*(?:\.\d+)?)\s*(?:cr|credits)?")


@dataclass(frozen=True, kw_only=True, slots=True)
class CostBand:
    """What a job may cost, in credits, before it runs. `worst` is None where nobody knows."""

    low: int
    expected: int
    worst: int | None
    #: how sure the price is: high, medium, low, none (catalogue)
    confidence: str = "high"
    #: what was assumed where the price depends on something not known yet
    note: str = ""


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
    match = _AMOUNT.fullmatch(str(text).strip())
    if isinstance(text, bool) or match is None:
        raise UsageError(
            f"not an amount of credits: `{text}`",
            hint='write credits as `1500` or dollars as `"$15"`',
        )
    number = float(match["number"].replace(",", "").replace("_", ""))
    factor = CREDITS_PER_DOLLAR if match["dollar"] else 1
    return math.floor(number * factor + 1e-6)
