"""The filters of `${{ … | filter }}`. None can be made to work long or to return much."""

from __future__ import annotations

import functools
import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jinja2.filters import FILTERS as JINJA

from runner.manifest.known_later import Late, Reference, TemplateProblem

#: characters that an expression may make; values that are only passed on have no bound
MAX_TEXT = 100_000
_MAX_PAD = 20

#: Jinja2's own that neither grow their input nor look into objects
_HARMLESS = (
    "abs", "capitalize", "count", "first", "float", "int", "last", "length",
    "lower", "max", "min", "sort", "string", "sum", "title", "trim", "truncate", "upper",
    "wordcount",
)  # fmt: skip


def pad(value: Any, width: int = 2) -> str | Late:
    """`7 | pad(3)` is `007`."""
    if not isinstance(width, int) or not 1 <= width <= _MAX_PAD:
        raise TemplateProblem(f"`pad` takes a width from 1 to {_MAX_PAD}")
    if isinstance(value, Late):
        return value.padded(width)
    return str(value).zfill(width)


def slug(value: Any) -> str:
    """`"Hero, Shot 1" | slug` is `hero-shot-1`: letters, digits and `-` only."""
    plain = unicodedata.normalize("NFKD", str(value)).casefold()
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    return re.sub(r"[^\w]+", "-", plain).strip("-_")


def shard(value: Any, digits: int = 2) -> str:
    """A short folder name made from text, the same each time: spreads many files evenly."""
    if not isinstance(digits, int) or not 1 <= digits <= 8:
        raise TemplateProblem("`shard` takes a number of digits from 1 to 8")
    return hashlib.sha256(str(value).encode()).hexdigest()[:digits]


def join(values: Iterable[Any], separator: str = "") -> str:
    """The items of a list as one text."""
    texts = [str(value) for value in values]
    check_size(sum(len(text) for text in texts) + len(separator) * len(texts))
    return separator.join(texts)


def replace(value: Any, old: str, new: str) -> str:
    """Every `old` in a text as `new`."""
    text = str(value)
    check_size(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


def round_number(value: float, digits: int = 0) -> float:
    """To so many digits; a whole number where there are none."""
    return round(value, digits) if digits else round(value)


def check_size(characters: int) -> None:
    """Refuse to make a text of that length."""
    if characters > MAX_TEXT:
        raise TemplateProblem(f"the result is longer than {MAX_TEXT:,} characters")


def _of_values(name: str) -> Callable[..., Any]:
    """Jinja2's filter, kept from what is not known yet: it would quietly make 0 or "" of it."""
    original = JINJA[name]

    @functools.wraps(original)
    def filtered(*args: Any, **named: Any) -> Any:
        for value in args:
            if isinstance(value, Late | Reference):
                str(value)  # raises
        return original(*args, **named)

    return filtered


FILTERS: Mapping[str, Callable[..., Any]] = {
    **{name: _of_values(name) for name in _HARMLESS},
    **{name: JINJA[name] for name in ("d", "default")},
    "join": join, "pad": pad, "replace": replace, "round": round_number, "shard": shard,
    "slug": slug,
}  # fmt: skip
