"""What a body may cost, from the catalogue's prices. `worst` is an upper bound, in credits.

What is not known yet (an absent field without documented default, the length of an input) enters
as a range: `low` takes its lower end, `worst` its upper end, or None where nothing limits it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

from runner.core.catalog import ModelInfo, takes_media
from runner.core.credits import CostBand
from runner.core.price import Price, RateTable, Source, Threshold
from runner.core.price_shape import (
    NOTHING_MEASURED,
    Key,
    Measured,
    is_sure,
    media_in,
    shape_digest,
    shape_key,
)
from runner.core.ranges import Range, exactly, total
from runner.core.rates import Request, add_on, rate_of, surcharge
from runner.core.spec import Body
from runner.core.units import units_of

#: from worst to best
CONFIDENCES = ("none", "low", "medium", "high", "user")
#: bodies whose price is remembered, for each model
MOST_SHAPES = 5000
_MODELS = 1024


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


def quick_estimate(info: ModelInfo, body: Body, measured: Measured = NOTHING_MEASURED) -> CostBand:
    """The same with the shape, worked out once for all bodies that cannot differ in price."""
    bands = _bands(info)
    key = (shape_key(info, body), measured.key)
    band = bands.get(key)
    if band is None:
        if len(bands) >= MOST_SHAPES:
            bands.clear()
        band = bands[key] = _shaped(info, body, measured, key[0])
    return band


@lru_cache(maxsize=_MODELS)
def _bands(info: ModelInfo) -> dict[tuple[Key, Key], CostBand]:
    return {}


def _shaped(info: ModelInfo, body: Body, measured: Measured, key: Key) -> CostBand:
    band = estimate(info, body, measured.values)
    why = ", ".join(measured.missing)
    note = f"{band.note} ({why})" if why and band.note and band.worst != band.low else band.note
    return replace(band, note=note, shape=shape_digest(info, key, measured))


@lru_cache(maxsize=_MODELS)
def deciding_inputs(info: ModelInfo) -> Mapping[str, frozenset[str]]:
    """The kinds of media to measure in each field, before the shape of a body is known.

    Where the price is a guess, the length of any video or sound may decide it.
    """
    every = frozenset({"image", "video", "audio"})
    priced = dict.fromkeys(priced_inputs(info), every)
    if is_sure(info):
        return priced
    long = {name: media_in(schema) - {"image"} for name, schema in info.fields.items()}
    return {name: media for name, media in long.items() if media} | priced


@lru_cache(maxsize=_MODELS)
def needed_measures(info: ModelInfo) -> frozenset[str]:
    """What has to be known of the deciding inputs, before the shape of a body is known."""
    price = info.price
    needed = {price.quantity.measure} if price.quantity.source is Source.INPUT else set()
    needed |= {"seconds" for add in price.add if add.seconds_of}
    if isinstance(price.by, Threshold):
        needed.add(price.by.measure)
    if any(item.above_4_megapixels != item.per_second for item in price.surcharges):
        needed.add("megapixels")
    return frozenset(needed if is_sure(info) else {*needed, "seconds"})


@lru_cache(maxsize=_MODELS)
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
