"""The filters of `${{ … | filter }}`. None can be made to work long or to return much."""

from __future__ import annotations

import functools
import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jinja2 import Environment, pass_environment
from jinja2.filters import FILTERS as JINJA

from runner.manifest.known_later import Late, Reference, TemplateProblem

#: characters that an expression may make; values that are only passed on have no bound
MAX_TEXT = 100_000
_MAX_PAD = 20

_MAX_DIGITS = 300  # of a text that is read as a number

#: Jinja2's own that neither grow their input nor look into objects
_HARMLESS = ("abs", "count", "first", "float", "last", "length", "max", "min", "sort")
_OF_TEXT = ("capitalize", "lower", "string", "title", "trim", "upper", "wordcount")


def pad(value: Any, width: int = 2) -> str | Late:
    """`7 | pad(3)` is `007`."""
    if not isinstance(width, int) or not 1 <= width <= _MAX_PAD:
        raise TemplateProblem(f"`pad` takes a width from 1 to {_MAX_PAD}")
    if isinstance(value, Late):
        return value.padded(width)
    return text_of(value).zfill(width)


def slug(value: Any) -> str:
    """`"Hero, Shot 1" | slug` is `hero-shot-1`: letters, digits and `-` only."""
    plain = unicodedata.normalize("NFKD", text_of(value)).casefold()
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    return re.sub(r"[^\w]+", "-", plain).strip("-_")


def shard(value: Any, digits: int = 2) -> str:
    """A short folder name made from text, the same each time: spreads many files evenly."""
    if not isinstance(digits, int) or not 1 <= digits <= 8:
        raise TemplateProblem("`shard` takes a number of digits from 1 to 8")
    return hashlib.sha256(text_of(value).encode()).hexdigest()[:digits]


def join(values: Iterable[Any], separator: str = "") -> str:
    """The items of a list as one text."""
    texts = [text_of(value) for value in values]
    check_size(sum(len(text) for text in texts) + len(separator) * len(texts))
    return separator.join(texts)


def replace(value: Any, old: str, new: str) -> str:
    """Every `old` in a text as `new`."""
    text = text_of(value)
    check_size(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


def round_number(value: float, digits: int = 0) -> float:
    """To so many digits; a whole number where there are none."""
    if not is_number(value) or not is_number(digits) or not -_MAX_PAD <= digits <= _MAX_PAD:
        raise TemplateProblem(f"`round` takes a number, and at most {_MAX_PAD} digits")
    return round(value, digits) if digits else round(value)


def whole_number(value: Any, other: int = 0, base: int = 10) -> Any:
    """A text or number as a whole number; `other` where it is none."""
    if isinstance(value, str) and len(value) > _MAX_DIGITS:
        raise TemplateProblem("the number is too large")
    return JINJA["int"](value, other, base)


def total(values: Iterable[Any], start: float = 0) -> float:
    """The sum of numbers."""
    numbers: list[float] = [start, *values]
    if not all(map(is_number, numbers)):
        raise TemplateProblem("`sum` takes a list of numbers")
    return sum(numbers)


@pass_environment
def truncate(
    environment: Environment, value: Any, length: int = 255, killwords: bool = False,
    end: str = "...", leeway: int = 5,
) -> str:  # fmt: skip
    """The beginning of a text that is longer than `length` and `leeway`, cut between words."""
    text = text_of(value)
    if not isinstance(end, str) or length < len(end) or leeway < 0:
        raise TemplateProblem("`truncate` takes a length, which includes what stands at the end")
    cut: str = JINJA["truncate"](environment, text, length, killwords, end, leeway)
    return cut


def text_of(value: Any) -> str:
    """A value as it stands in a text.

    Raises:
        TemplateProblem: a list, a mapping or nothing: Python's spelling of them is no text.
    """
    if value is None or isinstance(value, list | tuple | Mapping):
        kind = "a mapping" if isinstance(value, Mapping) else "a list"
        kind = "nothing" if value is None else kind
        raise TemplateProblem(f"{kind} cannot be put into text")
    return str(value).lower() if isinstance(value, bool) else str(value)


def is_number(value: Any) -> bool:
    """Whether it is one; `true` is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def weight(value: Any) -> int:
    """Characters and items of a value, with all that is in it; not counted far past MAX_TEXT."""
    found = 0
    waiting = [value]
    while waiting and found <= MAX_TEXT:
        item = waiting.pop()
        if isinstance(item, str):
            found += len(item)
        elif isinstance(item, Mapping | list | tuple):
            inner = item.values() if isinstance(item, Mapping) else item
            found += len(item)
            waiting.extend(inner if len(item) <= MAX_TEXT else ())
    return found


def check_size(size: int) -> None:
    """Refuse to make so many characters or items."""
    if size > MAX_TEXT:
        raise TemplateProblem(f"the result is longer than {MAX_TEXT:,} characters or items")


def default(value: Any, other: Any = "", boolean: bool = False) -> Any:
    """`other` for what is unknown or nothing, as an empty cell is; with `boolean` also for false.

    A name that nobody has stays an error: the filter is for what may be absent.
    """
    return other if value is None else JINJA["default"](value, other, boolean)


def _of_values(original: Callable[..., Any]) -> Callable[..., Any]:
    """A filter kept from what is not known yet: it would quietly make 0 or "" of it."""

    @functools.wraps(original)
    def filtered(*args: Any, **named: Any) -> Any:
        for value in args:
            if isinstance(value, Late | Reference):
                str(value)  # raises
        return original(*args, **named)

    return filtered


def _of_text(name: str) -> Callable[..., Any]:
    """Jinja2's filter, for what can be put into text."""
    original = JINJA[name]

    @functools.wraps(original)
    def filtered(value: Any, *args: Any, **named: Any) -> Any:
        return original(text_of(value), *args, **named)

    return filtered


FILTERS: Mapping[str, Callable[..., Any]] = {
    **{name: _of_values(JINJA[name]) for name in _HARMLESS},
    **{name: _of_text(name) for name in _OF_TEXT},
    "d": default, "default": default, "int": _of_values(whole_number), "join": join,
    "pad": pad, "replace": replace, "round": round_number, "shard": shard, "slug": slug,
    "sum": total, "truncate": truncate,
}  # fmt: skip
