"""Single values of an answer, as our types. Pure; a value that is odd counts as missing."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeGuard

from runner.core.spec import Json

from .redact import clean

#: an id becomes part of paths and is shown: printable ASCII without spaces and slashes
_ID = re.compile(r"[!-.0-\[\]-~]{1,100}")
_MOST_CREDITS = 10**12  # more than that is no amount


def is_task_id(value: Json) -> TypeGuard[str]:
    """Whether it can be the id of a task: printable ASCII, no spaces or slashes, 1..100."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def as_object(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def as_text(value: Json, *, most: int = 500) -> str:
    return clean(value, most=most) if isinstance(value, str) else ""


def as_number(value: Json) -> float | None:
    """A finite number of sane size; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if -_MOST_CREDITS < value < _MOST_CREDITS else None


def as_credits(value: Json) -> int | None:
    """`{"credits": n}`; fractions round up, but not what only floating point added."""
    amount = as_number(as_object(value).get("credits"))
    return None if amount is None or amount < 0 else math.ceil(amount - 1e-9)


def as_limit(value: Json) -> int | None:
    amount = as_number(value)
    return None if amount is None or amount < 0 else math.floor(amount)


def as_time(value: Json) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at
