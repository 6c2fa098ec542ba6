"""What a body may cost, from the catalogue's prices. `worst` is an upper bound, in credits.

What is not known yet (an absent field without documented default, the length of an input) enters
as a range: `low` takes its lower end, `worst` its upper end, or None where nothing limits it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

from runner.core.catalog import ModelInfo, takes_media
from runner.core.credits import CostBand
from runner.core.price import Price, RateTable, Source, Threshold
from runner.core.ranges import Range, exactly, total
from runner.core.rates import Request, add_on, rate_of, surcharge
from runner.core.spec import Body
from runner.core.units import units_of

#: from worst to best
CONFIDENCES = ("none", "low", "medium", "high")


def estimate(info: ModelInfo, body: Body, measures: Mapping[str, float] | None = None) -> CostBand:
    """Credits of one task.

    Args:
        measures: of the files in `priced_inputs(info)`, as far as known: `seconds` (summed up),
            `frames`, `fps`, `megapixels`, `longest_side_px`.
    """
    request = Request(info=info, body=body, measures=measures or {})
    price = info.price
    confidence, doubts = _confidence(request)
    if not price.is_known:
        note = price.note or price.formula or "the price is not published"
        return CostBand(low=0, expected=0, worst=None, confidence="none", note=note)
    cost = _cost(request)
    has_bound = cost.worst is not None and confidence != "none"
    return CostBand(
        low=_credits(price, cost.low),
        expected=_credits(price, cost.likely),
        worst=_credits(price, cost.worst) if has_bound and cost.worst is not None else None,
        confidence=confidence,
        note="; ".join(dict.fromkeys((*cost.notes, *doubts))),
    )


def priced_inputs(info: ModelInfo) -> tuple[str, ...]:
    """The fields whose media decide the price: worth measuring before a plan."""
    price = info.price
    names = [price.quantity.field] if price.quantity.source is Source.INPUT else []
    names += [name for add in price.add for name in add.seconds_of]
    if isinstance(price.by, Threshold):
        names += [name for name in info.required if takes_media(info.fields[name])]
    return tuple(dict.fromkeys(name for name in names if name in info.fields))


def ratio_tier(info: ModelInfo, ratio: str) -> str | None:
    """The tier a ratio is charged as (`1280:720` is 720p), where the price depends on one."""
    return info.price.by.tiers.get(ratio) if isinstance(info.price.by, RateTable) else None


def _cost(request: Request) -> Range:
    price = request.info.price
    extras = total(add_on(request, item) for item in price.add)
    if price.quantity.flat is not None and request.given(price.quantity.field) is None:
        return exactly(price.quantity.flat) + extras
    rates = total([rate_of(request), *(surcharge(request, item) for item in price.surcharges)])
    return exactly(price.base) + units_of(request) * rates + extras


def _credits(price: Price, amount: Fraction) -> int:
    return max(math.ceil(amount), math.ceil(price.minimum))


def _confidence(request: Request) -> tuple[str, tuple[str, ...]]:
    """The price's confidence for this body, and what makes it lower than the table's."""
    levels, notes = [request.info.price.confidence], []
    for doubt in request.info.price.unsure:
        value = request.body.get(doubt.field)
        if value is not None and (doubt.values is None or value in doubt.values):
            levels.append(doubt.confidence)
            notes.append(doubt.note)
    return min(levels, key=CONFIDENCES.index), tuple(notes)
