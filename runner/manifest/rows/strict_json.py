"""JSON without what other readers would take in silence."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from runner.core.spec import Json
from runner.manifest.anchors import MAX_DEPTH


def strict_json(text: str) -> Json:
    """The value that `text` writes.

    Raises:
        ValueError: no JSON, a key written twice, a number no computer holds, half a character.
    """
    try:
        value = _DECODER.decode(text)
        if text.count("[") + text.count("{") > MAX_DEPTH:
            _check_depth(value)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at character {error.pos + 1}") from None
    except UnicodeEncodeError:
        raise ValueError("half of a character (`\\ud800` to `\\udfff`)") from None
    except RecursionError:
        raise ValueError("too many brackets in each other") from None
    return value


def _check_depth(value: Json) -> None:
    """Raise RecursionError where nobody else could follow."""
    inner = [value]
    for _ in range(MAX_DEPTH):
        values = (each.values() if isinstance(each, dict) else each for each in inner)
        inner = [item for each in values for item in each if isinstance(item, dict | list)]
    if inner:
        raise RecursionError


def _unique(pairs: Sequence[tuple[str, Json]]) -> Json:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key `{twice}` is written twice")
    return value


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number too large to be held")
    return number


def _refuse(word: str) -> Json:
    raise ValueError(f"`{word}` is no number of JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_finite, parse_constant=_refuse)
