"""Frozen dataclasses to JSON text and back, by their field types.

Times are whole microseconds since 1970 in UTC: they sort, and nothing is rounded. Text is ASCII
with JSON escapes, so that whatever a server put into a message can be stored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")
Convert = Callable[[Any], Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
#: looked at no further: bodies stay as they are
_PLAIN = frozenset({str, int, float, bool, NoneType, dict, list})
_ENCODE = json.JSONEncoder(separators=(",", ":")).encode


def to_micros(at: datetime) -> int:
    """Microseconds since 1970; the time must be aware."""
    return (at - _EPOCH) // _MICROSECOND


def from_micros(value: int) -> datetime:
    """An aware time in UTC."""
    return _EPOCH + timedelta(microseconds=value)


def optional_micros(at: datetime | None) -> int | None:
    return None if at is None else to_micros(at)


def optional_time(value: int | None) -> datetime | None:
    return None if value is None else from_micros(value)


def to_text(value: Any) -> str:
    """Compact JSON of a dataclass, a tuple of them, or plain data."""
    return _ENCODE(to_plain(value))


def to_plain(value: Any) -> Any:
    """Dataclasses to objects, tuples to arrays, times to microseconds; bodies stay as they are."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is tuple:
        return [to_plain(item) for item in value]
    if isinstance(value, datetime):
        return to_micros(value)
    return {name: to_plain(getattr(value, name)) for name in _names(kind)} or value  # type: ignore[arg-type]


@cache
def _names(cls: type[Any]) -> tuple[str, ...]:
    """The fields of a dataclass; none of anything else."""
    return tuple(field.name for field in fields(cls)) if is_dataclass(cls) else ()


def from_plain(cls: type[T], data: Mapping[str, Any]) -> T:
    """The dataclass that `to_plain` took apart; a field that is not there takes its default."""
    known = _converters(cls)  # type: ignore[arg-type]  # a class is hashable
    return cls(**{name: convert(data[name]) for name, convert in known.items() if name in data})


def from_text(cls: type[T], text: str) -> T:
    return from_plain(cls, json.loads(text))


@cache
def _converters(cls: type[Any]) -> Mapping[str, Convert]:
    hints = get_type_hints(cls)
    return {field.name: _converter(hints[field.name]) for field in fields(cls)}


def _converter(hint: Any) -> Convert:
    if isinstance(hint, UnionType):
        (inner,) = (arm for arm in get_args(hint) if arm is not NoneType)
        convert = _converter(inner)
        return lambda value: None if value is None else convert(value)
    if get_origin(hint) is tuple:
        item = _converter(get_args(hint)[0])
        return lambda value: tuple(item(part) for part in value)
    if hint is datetime:
        return from_micros
    if is_dataclass(hint):
        return lambda value: from_plain(hint, value)  # type: ignore[arg-type]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    return lambda value: value
