"""Sheets of workbooks (.xlsx), read by openpyxl, which the extra `xlsx` installs."""

from __future__ import annotations

import io
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from typing import Any, TypeVar

from runner.core.catalog import closest
from runner.manifest.rows.archive import check_archive, uncalculated
from runner.manifest.rows.datafile import DataFile
from runner.manifest.rows.sheetcells import Cell, CellError, cell_value, column_letters
from runner.manifest.rows.table import Row, RowProblem, checked_columns
from runner.manifest.words import listed

#: rows of a sheet, by the format
MAX_ROWS = 1_048_576

_T = TypeVar("_T")
_CHUNK_ROWS = 256
#: what openpyxl and the archive's reader raise at files that are broken or made to break them
_BROKEN = (
    zipfile.BadZipFile, zlib.error, LookupError, ValueError, TypeError, AttributeError, SyntaxError,
    ArithmeticError, RuntimeError, EOFError, AssertionError,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Workbook:
    """One sheet. Its first row that is not empty names the columns; cells have types."""

    file: DataFile
    folder: str
    sheet: str
    columns: tuple[str, ...]
    is_text: bool = False

    def __iter__(self) -> Iterator[Row]:
        with _opened(self.file) as book:
            records = _records(self.file, book[self.sheet])
            if _header(self.file, self.sheet, records) != self.columns:
                message = f"`{self.file.name}` was changed while it was read"
                raise RowProblem(message, hint="start again")
            for number, cells in records:
                values = self._values(number, cells)
                if values:
                    yield Row(values, f"{_place(self.file, self.sheet)}{number}")

    def _values(self, number: int, cells: Sequence[Cell]) -> dict[str, Any]:
        width = len(self.columns)
        values = {}
        for index, cell in enumerate(cells):
            value = _value(self.file, self.sheet, number, index, cell)
            if value is None:
                continue
            if index >= width:
                raise RowProblem(
                    f"column {column_letters(index)} has a cell here and no name in the header",
                    hint="name the column, or clear the cell",
                    place=f"{_place(self.file, self.sheet)}{column_letters(index)}{number}",
                )
            values[self.columns[index]] = value
        return values


def open_workbook(file: DataFile, sheet: str | None) -> Workbook:
    """Find the sheet and read its header.

    Args:
        sheet: its name; None: the only one that is not hidden.

    Raises:
        RowProblem: the extra is not installed, or the workbook, the sheet or the header cannot
            be read.
    """
    if find_spec("openpyxl") is None:
        raise RowProblem(
            f"`{file.name}` is a workbook: reading it needs the package `openpyxl`",
            hint="pip install 'runway-batch[xlsx]', or save the sheet as CSV UTF-8",
        )
    with _opened(file) as book:
        title = _chosen(file, book, sheet)
        _check_formulas(file, book, title)
        columns = _header(file, title, _records(file, book[title]))
    return Workbook(file=file, folder=file.folder, sheet=title, columns=columns)


def _chosen(file: DataFile, book: Any, name: str | None) -> str:
    titles = [sheet.title for sheet in book.worksheets]
    if name in titles:
        return str(name)
    if name is not None:
        near = closest(name, titles)
        known = f"it has {listed(titles, last='and')}" if titles else ""
        hint = f"did you mean `{near}`?" if near else known
        raise RowProblem(f"`{file.name}` has no sheet `{name}`", hint=hint)
    shown = [sheet.title for sheet in book.worksheets if sheet.sheet_state == "visible"]
    if len(shown) != 1:
        raise RowProblem(
            f"`{file.name}` has {len(shown)} sheets: {listed(shown, last='and')}"
            if shown
            else f"`{file.name}` has no sheet with cells",
            hint="choose one with `sheet: NAME`",
        )
    return str(shown[0])


def _check_formulas(file: DataFile, book: Any, title: str) -> None:
    part = book[title]._worksheet_path
    with file.open() as raw:
        cell = _guarded(file, lambda: uncalculated(raw, part))
    if cell:
        raise RowProblem(
            "the cell has a formula without a result",
            hint=f"open `{file.name}` in a spreadsheet and save it again",
            place=f"{file.name}:{title}!{cell}",
        )


@contextmanager
def _opened(file: DataFile) -> Iterator[Any]:
    """openpyxl's workbook, which reads its sheets as they are asked for."""
    from openpyxl import load_workbook

    try:
        with file.open() as raw:
            _guarded(file, lambda: check_archive(file.name, raw))
            yield _guarded(file, lambda: load_workbook(raw, read_only=True, data_only=True))
    except OSError as error:
        raise _unreadable(file, error.strerror or str(error)) from error


def _records(file: DataFile, sheet: Any) -> Iterator[tuple[int, Sequence[Cell]]]:
    """Rows with a cell that is not empty, and their numbers."""
    sheet.reset_dimensions()  # what a file says of its own size is often wrong
    rows = sheet.iter_rows()
    first = 1
    while chunk := _guarded(file, lambda: list(islice(rows, _CHUNK_ROWS))):
        for number, cells in enumerate(chunk, start=first):
            if any(cell.value is not None for cell in cells):
                yield number, cells
        first += len(chunk)
        if first > MAX_ROWS + 1:
            raise _unreadable(file, f"it has more than {MAX_ROWS:,} rows")


def _header(
    file: DataFile, title: str, records: Iterator[tuple[int, Sequence[Cell]]]
) -> tuple[str, ...]:
    for number, cells in records:
        values = [_value(file, title, number, index, cell) for index, cell in enumerate(cells)]
        while values and values[-1] is None:
            values.pop()
        if values:
            names = ["" if value is None else str(value) for value in values]
            return checked_columns(names, f"{_place(file, title)}{number}")
    raise RowProblem(
        f"the sheet `{title}` of `{file.name}` is empty", hint="its first row names the columns"
    )


def _value(file: DataFile, title: str, number: int, index: int, cell: Cell) -> Any:
    try:
        return cell_value(cell)
    except CellError as error:
        place = f"{_place(file, title)}{column_letters(index)}{number}"
        raise RowProblem(str(error), hint=error.hint, place=place) from None


def _place(file: DataFile, title: str) -> str:
    return f"{file.name}:{title}!"


def _guarded(file: DataFile, step: Callable[[], _T]) -> _T:
    """One step of reading: its warnings and prints are about looks, its failures about the file."""
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            return step()
    except _BROKEN as error:
        raise _unreadable(file, "it is damaged, protected or of another format") from error


def _unreadable(file: DataFile, reason: str) -> RowProblem:
    return RowProblem(
        f"`{file.name}` cannot be read as a workbook: {reason}",
        hint="open it, save it as .xlsx without a password or as CSV UTF-8",
    )
