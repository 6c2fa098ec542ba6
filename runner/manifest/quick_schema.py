"""The schema of a field as a quick yes or no, without a word about why.

What it lets pass breaks no rule of the schema and no rule for media. What it refuses may still be
fine, in odd cases (a text that is a subclass of `str`): then `check_body` decides.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from jsonschema import FormatChecker

from runner.core.catalog import Schema, is_marker, takes_media
from runner.core.spec import ASSET, OUTPUT, Json
from runner.manifest.breaches import utf16_length
from runner.manifest.uris import MAX_CHARS, MIN_CHARS, complaint

Fits = Callable[[Json], bool]
ContentTypes = Mapping[str, Sequence[str]]

#: a URL whose host cannot be an address of a server, and which holds no blank
_PLAIN_URL = re.compile(r"https://(?:[A-Za-z0-9-]+\.)+[A-Za-z][A-Za-z0-9-]*(?:[/?#][!-~]*)?")
_UPLOADED = "runway://"
_ANY_MEDIA = ("", "any")
_UUID = FormatChecker(formats=["uuid"])
#: data URIs are long, and decoded to be judged: the last ones are remembered
_REMEMBERED = 4
#: a greater number cannot be written in JSON that others read
_GREATEST = sys.float_info.max


def quick_test(schema: Schema, types: ContentTypes) -> Fits:
    """The test of one schema.

    Args:
        types: the content types of data URIs, by media.
    """
    if media := takes_media(schema):
        return _media(media, types)
    tests = [_any_of(schema["anyOf"], types)] if "anyOf" in schema else [_typed(schema, types)]
    if "anyOf" in schema and ("minItems" in schema or "maxItems" in schema):
        tests.append(_size(schema))
    if len(tests) == 1:
        return tests[0]
    return lambda value: all(test(value) for test in tests)


def _any_of(branches: Sequence[Schema], types: ContentTypes) -> Fits:
    tests = [quick_test(branch, types) for branch in branches]
    if len(tests) == 2:
        first, second = tests
        return lambda value: first(value) or second(value)
    return lambda value: any(test(value) for test in tests)


def _typed(schema: Schema, types: ContentTypes) -> Fits:
    if "enum" in schema:
        return _choice(schema)
    match schema.get("type"):
        case "string":
            return _text(schema)
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return lambda value: value is True or value is False
        case "array":
            return _list(schema, types)
        case "object":
            return _mapping(schema, types)
    return lambda value: False


# Values


def _choice(schema: Schema) -> Fits:
    if schema["type"] == "string":
        words = frozenset(schema["enum"])
        return lambda value: type(value) is str and value in words
    numbers = frozenset(schema["enum"])
    return lambda value: (type(value) is int or type(value) is float) and value in numbers


def _text(schema: Schema) -> Fits:
    least, most = schema.get("minLength", 0), schema.get("maxLength", math.inf)
    pattern, form = schema.get("pattern"), schema.get("format")

    def sized(value: Json) -> bool:
        if type(value) is not str:
            return False
        length = len(value)
        if least <= length and length * 2 <= most:  # at most two units for each character
            return True
        return bool(length <= most and least <= utf16_length(value) <= most)

    if pattern is None and form is None:
        return sized
    search = re.compile(pattern or "").search
    return lambda value: (
        sized(value) and search(value) is not None and (form is None or _UUID.conforms(value, form))
    )


def _number(schema: Schema) -> Fits:
    least, most = schema.get("minimum", -_GREATEST), schema.get("maximum", _GREATEST)
    above = schema.get("exclusiveMinimum", -math.inf)
    is_whole = schema["type"] == "integer"

    def number(value: Json) -> bool:
        if type(value) is float:
            if not math.isfinite(value) or (is_whole and not value.is_integer()):
                return False
        elif type(value) is not int:
            return False
        return bool(least <= value <= most and value > above)

    return number


def _list(schema: Schema, types: ContentTypes) -> Fits:
    has_size, item = _size(schema), quick_test(schema["items"], types)

    def items(value: Json) -> bool:
        return type(value) is list and has_size(value) and all(map(item, value))

    return items


def _size(schema: Schema) -> Fits:
    """Of a list; anything else has no size to judge."""
    least, most = schema.get("minItems", 0), schema.get("maxItems", math.inf)
    return lambda value: type(value) is not list or least <= len(value) <= most


def _mapping(schema: Schema, types: ContentTypes) -> Fits:
    properties: Mapping[str, Any] = schema.get("properties", {})
    known = {name: quick_test(inner, types) for name, inner in properties.items()}
    required, more = frozenset(schema.get("required", ())), schema.get("additionalProperties")
    other = quick_test(more, types) if isinstance(more, Mapping) else _nothing

    def fields(value: Json) -> bool:
        if type(value) is not dict or not required <= value.keys() or is_marker(value):
            return False
        return all(known.get(name, other)(item) for name, item in value.items())

    return fields


def _nothing(value: Json) -> bool:
    return False


# Media


def _media(media: str, types: ContentTypes) -> Fits:
    @lru_cache(maxsize=_REMEMBERED)
    def data(value: str) -> bool:
        return complaint(value, media, types) is None

    def fits(value: Json) -> bool:
        if type(value) is not str:
            return type(value) is dict and _is_of(media, value)
        if value.startswith("https://") and _PLAIN_URL.fullmatch(value):
            return MIN_CHARS <= len(value) <= MAX_CHARS["https"]
        if value.startswith(_UPLOADED):
            return MIN_CHARS <= len(value) <= MAX_CHARS["runway"]
        return data(value) if value.startswith("data:") else complaint(value, media, types) is None

    return fits


def _is_of(media: str, value: Mapping[str, Json]) -> bool:
    """Whether a marker stands for a file or an output of that media."""
    if not is_marker(value):
        return False
    ref = value[OUTPUT] if OUTPUT in value else value[ASSET]
    found = ref.get("media", "")
    return found == media or found in _ANY_MEDIA
