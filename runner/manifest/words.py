"""Schemas and values in words, for messages about bodies."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence

from runner.core.catalog import DEFAULT, ModelInfo, Schema, closest, is_marker, takes_media
from runner.core.ranges import is_number
from runner.core.spec import Json

#: more choices than this are listed in the hint, not in the message
FEW = 6
_LONG = 60
_READS_AS_TEXT = re.compile(
    r"(?!(?:true|false|null)$)[^\W\d][^\n]*|\d+:\d+|\d+[a-zA-Z](?<![eExXoO])\w*"
)
_MOST_PIXELS = 1e6  # of a side; what has more digits is no ratio
_RATIO = re.compile(r"(\d+(?:\.\d+)?):(\d+(?:\.\d+)?)")


def listed(choices: Sequence[Json], *, last: str = "or") -> str:
    """`4, 6 or 8`."""
    words = [_word(item) for item in choices]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def _word(choice: Json) -> str:
    if isinstance(choice, bool):
        return str(choice).lower()
    return str(choice) if isinstance(choice, int | float) else f"`{choice}`"


def shown(value: Json) -> str:
    """A value as it would be written, cut where it is long; `"5"` keeps its quotes."""
    if is_marker(value):
        return "a file"
    is_plain = isinstance(value, str) and _READS_AS_TEXT.fullmatch(value)
    text = value if is_plain else json.dumps(value, ensure_ascii=False, default=str)
    return f"`{text if len(text) <= _LONG else text[: _LONG - 1] + '…'}`"


def expected(schema: Schema) -> str:
    """What a schema takes: `4, 6 or 8`, `a whole number from 2 to 10`, `an image`."""
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(expected(branch) for branch in schema["anyOf"]))
    if "enum" in schema:
        choices = schema["enum"]
        return listed(choices) if len(choices) <= FEW else f"one of {len(choices)} values"
    if media := takes_media(schema):
        return f"{some(media)} (a local file or an https URL)"
    match schema.get("type"):
        case "integer":
            return f"a whole number{_range(schema)}"
        case "number":
            return f"a number{_range(schema)}"
        case "boolean":
            return "true or false"
        case "array":
            return _items(schema)
        case "object":
            return "a mapping"
        case _:
            return f"a text{_lengths(schema)}"


def suggestion(value: Json, choices: Sequence[Json]) -> str:
    """The choice that was probably meant, in a sentence; empty where none looks alike."""
    if not isinstance(value, str):
        return ""
    words = [item for item in choices if isinstance(item, str)]
    near = _same_shape(value, words) or closest(value, words)
    return f"did you mean `{near}`?" if near else ""


def hint_for(value: Json, choices: Sequence[Json]) -> str:
    """A suggestion, and the whole list where the message does not hold it."""
    parts = [suggestion(value, choices)]
    if len(choices) > FEW:
        parts.append(f"it takes {listed(choices)}")
    return "; ".join(part for part in parts if part)


def _same_shape(value: str, choices: Sequence[str]) -> str | None:
    """For a ratio, the choice of the same width to height within 6 percent, nearest in size."""
    wanted = _shape(value)
    if wanted is None:
        return None
    near = [
        (difference, abs(math.log(wanted[1] / found[1])), choice)
        for choice in choices
        if (found := _shape(choice)) is not None
        and (difference := round(abs(math.log(wanted[0] / found[0])), 2)) < 0.06
    ]
    return min(near)[2] if near else None


def _shape(text: str) -> tuple[float, float] | None:
    """Width to height, and width."""
    match = _RATIO.fullmatch(text)
    width, height = (float(match[1]), float(match[2])) if match else (0.0, 0.0)
    is_shape = 0 < width <= _MOST_PIXELS and 0 < height <= _MOST_PIXELS
    return (width / height, width) if is_shape else None


def plain(value: Json) -> str:
    """A value in a message: numbers bare, all else as it would be written."""
    return str(value) if is_number(value) else shown(value)


def field_words(field: str, value: Json) -> str:
    """`duration: 5`, in the backticks of code."""
    return f"`{field}: {plain(value).strip('`')}`"


def name_of(info: ModelInfo) -> str:
    """The model, or the endpoint where there is none."""
    return f"`{info.endpoint}`" if info.model == DEFAULT else f"`{info.model}`"


def page_of(info: ModelInfo) -> str:
    """The command that shows all fields of a model, with their ranges."""
    wanted = f"--endpoint {info.endpoint}" if info.model == DEFAULT else info.model
    return f"see: runway-batch models {wanted}"


def some(media: str) -> str:
    """`an image`, `a video`, `audio`."""
    return {"image": "an image", "video": "a video"}.get(media, media)


def _range(schema: Mapping[str, Json]) -> str:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum")
    above = "above" if "exclusiveMinimum" in schema else "from"
    if low is not None and high is not None:
        return f" {above} {low} to {high}"
    if low is not None:
        return f" {above} {low}" + (" up" if above == "from" else "")
    return "" if high is None else f" up to {high}"


def _lengths(schema: Mapping[str, Json]) -> str:
    low, high = schema.get("minLength"), schema.get("maxLength")
    if high is not None:
        return f" of {low or 0:,} to {high:,} characters"
    return "" if low is None else f" of at least {low:,} characters"


def _items(schema: Mapping[str, Json]) -> str:
    low, high = schema.get("minItems", 0), schema.get("maxItems")
    if high is None:
        return "a list"
    count = f"{high}" if low == high else f"{low} to {high}"
    return f"a list with {count} item{'' if high == 1 else 's'}"
