"""Prices and rules of the catalogue in words, for `models`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runner.core.catalog import ModelInfo
from runner.core.price import Price, RateTable, Source
from runner.manifest.words import listed

_UNITS = {"second": "s", "image": "image", "frame": "frame", "characters": "characters"}
_NO_PRICE = {"router": "the chosen model's", "workflow": "its nodes' together"}


def price_words(price: Price) -> str:
    """The price in a few words: `10–40/s + extras`; the page has the formula."""
    if not price.is_known:
        return _NO_PRICE.get(price.unit, "not published")
    rates = _rates(price)
    if price.quantity.source is Source.CONSTANT and price.quantity.value != 1:
        text = _span([rate * price.quantity.value for rate in rates])
    elif price.per != 1:
        text = f"{_span(rates)} per {price.per:g} {_UNITS[price.unit]}"
    else:
        text = f"{_span(rates)}/{_UNITS[price.unit]}"
    if price.base:
        text = f"{price.base:g} + {text}"
    if price.add or price.surcharges:
        text += " + extras"
    return f"{text}, at least {price.minimum:g}" if price.minimum > 1 else text


def _rates(price: Price) -> Sequence[float]:
    if isinstance(price.by, RateTable):
        return list(price.by.rates.values())
    return [price.rate or 0] if price.by is None else [price.by.up_to, price.by.above]


def _span(rates: Sequence[float]) -> str:
    low, high = min(rates), max(rates)
    return f"{low:g}" if low == high else f"{low:g}–{high:g}"


# Input files

_INPUTS = {
    "image_aspect_w_over_h": "images: width by height from {0:g} to {1:g}",
    "image_min_side_px": "images: each side at least {0:,} px",
    "image_side_px": "images: each side from {0:,} to {1:,} px",
    "video_seconds": "videos: {0:g} to {1:g} s long",
    "video_seconds_max": "videos: at most {0:g} s long",
    "reference_video_seconds": "the reference video: {0:g} to {1:g} s long",
    "reference_audio_seconds": "the reference audio: {0:g} to {1:g} s long",
    "video_max_side_px": "videos: at most {0:,} px on the longer side",
    "audio_seconds_exclusive": "audio: longer than {0:g} s and shorter than {1:g} s",
    "output_seconds_max": "only the first {0:g} s are used",
    "output_megapixels_max": "the result: at most {0:g} megapixels",
    "max_fps": "at most {0:g} frames a second",
    "note": "{0}",
}


def input_words(info: ModelInfo) -> list[str]:
    """What the service asks of input files; where it refuses others, that too."""
    refused = info.input_rules.get("refused", ())
    return [
        f"{text}; others are refused" if key in refused else text
        for key, value in info.input_rules.items()
        if key != "refused"
        for text in _input(key, value)
    ]


def _input(key: str, value: Any) -> list[str]:
    if key == "reference_total_seconds_max":
        return [f"reference {media}: together at most {most:g} s" for media, most in value.items()]
    pattern = _INPUTS.get(key)
    if pattern is None:
        return [f"{key.replace('_', ' ')}: {value}"]
    return [pattern.format(*value) if isinstance(value, list) else pattern.format(value)]


# Rules of several fields together


def rule_words(rule: Mapping[str, Any]) -> str:
    """A rule of a body as the catalogue writes it, in a sentence."""
    text = _rule(rule)
    return f"{text} (not sure)" if rule.get("severity") == "warning" else text


def _rule(rule: Mapping[str, Any]) -> str:
    match rule["rule"]:
        case "when":
            wanted = (" or " if rule.get("any") else " and ").join(_asked(rule["then"]))
            given = " and ".join(_asked(rule.get("if", {})))
            return f"where {given}: {wanted}" if given else wanted
        case "alone":
            return f"`{rule['field']}`: no other field beside it"
        case "renamed":
            names = [f"`{new}` instead of `{old}`" for old, new in rule["values"].items()]
            return f"`{rule['field']}`: write {', '.join(names)}"
        case "pixels":
            return f"`{rule['field']}`: {rule['min']:,} to {rule['max']:,} pixels"
        case "form":
            return f"`{rule['field']}`: written like `{rule['like']}`"
    return _list_rule(rule)


def _list_rule(rule: Mapping[str, Any]) -> str:
    items, key = f"`{rule.get('list')}`", f"`{rule.get('key')}`"
    match rule["rule"]:
        case "unique":
            return f"{items}: each item with a {key} of its own"
        case "at_most":
            counts = [f"{most} with `{value}`" for value, most in rule["counts"].items()]
            return f"{items}: at most {', '.join(counts)} as {key}"
        case "needs_item":
            return f"{items}: `{rule['value']}` as {key} needs another with `{rule['needs']}`"
        case "all_or_none":
            return f"{items}: all items have {key}, or none"
        case "total" if "equals" in rule:
            return f"{items}: {key} of all items adds up to `{rule['equals']}`"
        case "total":
            return f"{items}: {key} of all items adds up to {rule['min']} to {rule['max']}"
        case "inside":
            return f"{items}: {key} lies within the item's own `{rule['range']}`"
        case "count":
            fields = " and ".join(f"`{name}`" for name in rule["fields"])
            return f"{fields}: at most {rule['max']} together"
    return str(rule["rule"]).replace("_", " ")


def _asked(conditions: Mapping[str, Any]) -> list[str]:
    return [f"`{field}` {_wanted(wanted)}" for field, wanted in conditions.items()]


def _wanted(wanted: Any) -> str:
    match wanted:
        case "given":
            return "is given"
        case "absent":
            return "is not given"
        case {"not": choices}:
            return f"is not {listed(choices)}"
        case {"items": least}:
            return f"has at least {least} items"
        case {"some": item}:
            return f"has an item with {_item(item)}"
    return f"is {listed(wanted)}"


def _item(item: str | Mapping[str, Any]) -> str:
    if isinstance(item, str):
        return f"`{item}`"
    return " and ".join(f"`{key}: {value}`" for key, value in item.items())
