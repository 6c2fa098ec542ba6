"""Tables of plain text: columns as wide as their words, never wider together than the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rich.cells import cell_len

from .wrapping import folded, longest_word

#: cells between two columns
GAP = 2
#: a column that is not whole is narrower than its longest word only down to this
_LEAST = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column's cells and what they ask for."""

    name: str
    cells: Sequence[str]
    to_right: bool = False  # numbers
    is_whole: bool = False  # on one line

    @classmethod
    def of(cls, header: str, cells: Sequence[str]) -> Column:
        """`>name` is a column of numbers, `!name` is never broken, `>!name` is both."""
        name = header.lstrip(">!")
        marks = header.removesuffix(name)
        return cls(name=name, cells=cells, to_right=">" in marks, is_whole="!" in marks)

    @property
    def widest(self) -> int:
        """Cells that keep everything on one line."""
        return max(map(cell_len, (self.name, *self.cells)))

    @property
    def narrowest(self) -> int:
        """Cells that break no word."""
        if self.is_whole:
            return self.widest
        return max(cell_len(longest_word(text)) for text in (self.name, *self.cells))


def columns_of(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[Column]:
    cells = zip(*rows, strict=True) if rows else [()] * len(headers)
    return [Column.of(header, each) for header, each in zip(headers, cells, strict=True)]


def gaps(columns: Sequence[Column]) -> int:
    return GAP * (len(columns) - 1)


def fit(columns: Sequence[Column], width: int) -> list[int]:
    """Widths of the columns.

    Words stay whole as long as there is room, and columns that are whole stay so longest; numbers
    are never broken.
    """
    room = width - gaps(columns)
    wanted = [column.widest for column in columns]
    if sum(wanted) <= room:
        return wanted
    widths = [column.narrowest for column in columns]
    _narrow(widths, [n for n, column in enumerate(columns) if not column.is_whole], room)
    _narrow(widths, [n for n, column in enumerate(columns) if not column.to_right], room)
    while sum(widths) < room and (
        open_ := [n for n, each in enumerate(widths) if each < wanted[n]]
    ):
        widths[min(open_, key=lambda n: widths[n])] += 1
    return widths


def _narrow(widths: list[int], places: Sequence[int], room: int) -> None:
    """Take cells from the widest of some columns until all of them fit."""
    while sum(widths) > room:
        widest = max(places, key=lambda place: widths[place], default=None)
        if widest is None or widths[widest] <= _LEAST:
            return
        widths[widest] -= 1


def lines_of(columns: Sequence[Column], width: int) -> tuple[list[str], list[str]]:
    """The lines of the header, and those of all rows."""
    widths = fit(columns, width)
    header = _row(columns, widths, [column.name for column in columns])
    rows = zip(*(column.cells for column in columns), strict=True)
    return header, [line for cells in rows for line in _row(columns, widths, cells)]


def _row(columns: Sequence[Column], widths: Sequence[int], cells: Sequence[str]) -> list[str]:
    parts = [
        [text] if cell_len(text) <= width else folded(text, width)
        for text, width in zip(cells, widths, strict=True)
    ]
    return [
        (" " * GAP).join(map(_padded, columns, widths, texts)).rstrip()
        for texts in zip_longest(*parts, fillvalue="")
    ]


def _padded(column: Column, width: int, text: str) -> str:
    blanks = " " * (width - cell_len(text))
    return blanks + text if column.to_right else text + blanks
