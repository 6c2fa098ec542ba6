"""How many units of a price a body asks for: seconds, images, characters or frames."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from runner.core.catalog import ModelInfo
from runner.core.price import Price, Quantity, Source
from runner.core.ranges import Range, as_fraction, between, exactly, is_number
from runner.core.rates import Request

#: rules for input files that limit their length: a figure at most, or a window
SECONDS_AT_MOST = ("video_seconds_max", "output_seconds_max")
SECONDS_WINDOW = ("video_seconds", "reference_video_seconds", "audio_seconds_exclusive")


def units_of(request: Request) -> Range:
    """How often the rate is charged; parts of a unit round up unless the catalogue knows better."""
    price = request.info.price
    counted = _counted(request, price.quantity)
    per = as_fraction(price.per)
    low, likely = counted.low / per, counted.likely / per
    worst = None if counted.worst is None else counted.worst / per
    if not price.quantity.fractional:
        low, likely = _rounded(price, counted.low), _rounded(price, counted.likely)
        worst = None if worst is None else _up(worst)
    return Range(low=low, likely=likely, worst=worst, notes=counted.notes)


def _rounded(price: Price, count: Fraction) -> Fraction:
    whole = Fraction(round(count)) if price.quantity.nearest else count
    return _up(whole / as_fraction(price.per))


def _up(number: Fraction) -> Fraction:
    return Fraction(math.ceil(number))


def _counted(request: Request, quantity: Quantity) -> Range:
    match quantity.source:
        case Source.CONSTANT:
            return exactly(quantity.value)
        case Source.LENGTH:
            return _length(str(request.body.get(quantity.field) or ""))
        case Source.FIELD:
            return _from_field(request, quantity)
        case Source.OUTPUT:
            return between(0, None, "depends on the length of the output")
        case Source.INPUT if quantity.measure == "frames":
            return _frames(request, quantity)
        case Source.INPUT:
            return _seconds(request, quantity)


def _length(text: str) -> Range:
    """Characters; at worst counted as the API counts lengths, in UTF-16 units."""
    return between(len(text), utf16_length(text))


def utf16_length(text: str) -> int:
    """As the API counts: a character beyond the first 65,536 is two."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _from_field(request: Request, quantity: Quantity) -> Range:
    name, value = quantity.field, request.given(quantity.field)
    if is_number(value):
        return exactly(value)
    least, most = _bounds(request.info.fields.get(name, {}))
    if value is None and quantity.fallback is not None:
        why = quantity.fallback_note or f"{quantity.fallback:g} budgeted"
        low = quantity.fallback if least is None else least
        return between(low, quantity.fallback, f"`{name}` not given: {why}")
    limit = quantity.auto_max if value == "auto" else most
    return between(least or 0, limit, f"`{name}` is chosen by the service")


def _seconds(request: Request, quantity: Quantity) -> Range:
    """Of the input, else what its rules allow; a measured length counts even if refused."""
    seconds = request.measures.get("seconds")
    if seconds is not None:
        charged = seconds if quantity.cap is None else min(seconds, quantity.cap)
        return exactly(max(quantity.least, charged))
    least, most = _limits(request.info, quantity)
    limit = "" if most is None else f": at most {most:g} s"
    return between(least, most, f"length of `{quantity.field}` not known{limit}")


def _frames(request: Request, quantity: Quantity) -> Range:
    frames = request.measures.get("frames")
    if frames is not None:
        return exactly(frames)
    fps = request.measures.get("fps", request.info.input_rules.get("max_fps"))
    if fps is None:
        return between(1, None, f"frames per second of `{quantity.field}` not known")
    return _seconds(request, quantity) * exactly(fps)


def _limits(info: ModelInfo, quantity: Quantity) -> tuple[float, float | None]:
    """The shortest and longest input, by the price and by the rules for inputs."""
    rules = info.input_rules
    windows = [rules[name] for name in SECONDS_WINDOW if name in rules]
    limits = [rules[name] for name in SECONDS_AT_MOST if name in rules]
    limits += [most for _, most in windows]
    limits += [most for most in (quantity.most, quantity.cap) if most is not None]
    return max([quantity.least, *(least for least, _ in windows)]), min(limits, default=None)


def _bounds(schema: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """The least and greatest number a field may hold."""
    choices = [schema, *schema.get("anyOf", ())]
    numbers = [n for item in choices for n in item.get("enum", ()) if is_number(n)]
    lows = [item["minimum"] for item in choices if "minimum" in item] + numbers
    highs = [item["maximum"] for item in choices if "maximum" in item] + numbers
    return min(lows, default=None), max(highs, default=None)
