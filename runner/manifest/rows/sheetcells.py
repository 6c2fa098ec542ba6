"""The value of a workbook's cell as JSON."""

from __future__ import annotations

import math
from datetime import date, datetime, time, timedelta
from typing import Any, Protocol

from runner.core.spec import Json

#: up to here a number of a spreadsheet is exact
_EXACT = 2**53


class CellError(Exception):
    """A cell that holds no value."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Cell(Protocol):
    """What openpyxl gives."""

    @property
    def value(self) -> Any: ...

    @property
    def data_type(self) -> str: ...


def cell_value(cell: Cell) -> Json:
    """Text, a number, true or false, None for an empty cell; dates and times as ISO 8601 text.

    Raises:
        CellError: the result of a formula that failed, a number that none is.
    """
    value = cell.value
    if cell.data_type == "e":
        raise CellError(f"the cell holds an error: `{value}`", hint="mend its formula")
    match value:
        case str():
            return None if not value or value.isspace() else value
        case float():
            return _number(value)
        case None | bool() | int():
            return value
        case datetime() if value.time() == time():
            return value.date().isoformat()
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return _duration(value)
        case _:
            raise CellError(
                f"the cell holds a {type(value).__name__}", hint="write text or a number"
            )


def column_letters(index: int) -> str:
    """`A` for 0, `AA` for 26."""
    letters = ""
    while index >= 0:
        letters = chr(ord("A") + index % 26) + letters
        index = index // 26 - 1
    return letters


def _number(value: float) -> Json:
    if not math.isfinite(value):
        raise CellError("the cell holds a number too large to be held", hint="write another")
    return int(value) if value.is_integer() and abs(value) <= _EXACT else value


def _duration(value: timedelta) -> str:
    """`1292:00:00`: hours are not turned into days."""
    minutes, seconds = divmod(round(value.total_seconds()), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
