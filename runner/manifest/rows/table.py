"""Rows, where they stand, and what every source of rows can do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

from runner.core.spec import Json

#: characters of a column's name
MAX_NAME = 1000


class RowProblem(Exception):
    """Rows that cannot be read: what is wrong, what to do, and where."""

    def __init__(self, message: str, *, hint: str = "", place: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.place = place  # `shots.csv:17`; empty where no line is to blame


class FileName(str):
    """A path as a manifest writes it, relative to its folder, with forward slashes."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """`intro.png`."""
        return PurePosixPath(self).name

    @property
    def stem(self) -> str:
        """`intro`."""
        return PurePosixPath(self).stem

    @property
    def suffix(self) -> str:
        """`.png`."""
        return PurePosixPath(self).suffix

    @property
    def folder(self) -> str:
        """`plates`; empty for a file beside the manifest."""
        return folder_of(self)


def folder_of(path: str) -> str:
    """The folder that a written path names; empty where it names none."""
    folder = PurePosixPath(path).parent.as_posix()
    return "" if folder == "." else folder


def checked_columns(cells: Sequence[str], place: str) -> tuple[str, ...]:
    """The names of a header, without the spaces around them.

    Raises:
        RowProblem: a column without a name, or two of one name.
    """
    first: dict[str, int] = {}
    for number, name in enumerate((cell.strip() for cell in cells), start=1):
        if not name:
            raise RowProblem(
                f"column {number} has no name", hint="name it in the header", place=place
            )
        if len(name) > MAX_NAME:
            raise RowProblem(
                f"the name of column {number} has {len(name):,} characters, at most {MAX_NAME:,}",
                hint="the first row names the columns",
                place=place,
            )
        if first.setdefault(name, number) != number:
            raise RowProblem(
                f"columns {first[name]} and {number} are both named `{name}`",
                hint="give each column a name of its own",
                place=place,
            )
    return tuple(first)


@dataclass(frozen=True, slots=True)
class Row:
    """One row; the expansion makes a job of it."""

    values: Mapping[str, Json]  # by column; empty cells are left out
    place: str  # its first line, `shots.csv:17` or `shots.xlsx:Sheet1!17`; a file; or empty


@dataclass(frozen=True, kw_only=True, slots=True)
class RowSource:
    """What a manifest wrote under `foreach`."""

    kind: str  # csv, tsv, jsonl, xlsx, glob or rows
    path: str = ""  # of a file, or a pattern, as written; `-` is the standard input
    rows: Sequence[Mapping[str, Json]] = ()
    sheet: str | None = None


class Table(Protocol):
    """Rows that can be read as often as needed, without holding them all."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Known before the rows are read; empty where each row names its own."""
        ...

    @property
    def is_text(self) -> bool:
        """Whether every cell is text, to be converted to the type of its field."""
        ...

    @property
    def folder(self) -> str:
        """What local files named in its cells are relative to, from the manifest's folder."""
        ...

    def __iter__(self) -> Iterator[Row]:
        """The rows from the first on.

        Raises:
            RowProblem: what cannot be read.
        """
        ...
