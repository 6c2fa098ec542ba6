"""Files of separated cells: csv and tsv, as spreadsheets and people write them."""

from __future__ import annotations

import csv
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from runner.manifest.rows.datafile import DataFile
from runner.manifest.rows.separator import Writing, writing_of
from runner.manifest.rows.table import Row, RowProblem, checked_columns
from runner.manifest.rows.textlines import text_lines

#: characters of one cell
MAX_CELL = 10 * 1024 * 1024

Record = tuple[int, list[str]]  # the line it begins in, 1-based, and its cells


@dataclass(frozen=True, kw_only=True, slots=True)
class Delimited:
    """A table of text. A row has as many cells as the header; lines without any are skipped."""

    file: DataFile
    folder: str
    writing: Writing
    columns: tuple[str, ...]
    is_text: bool = True

    def __iter__(self) -> Iterator[Row]:
        with closing(_records(self.file, self.writing)) as records:
            if _header(self.file, records) != self.columns:
                message = f"`{self.file.name}` was changed while it was read"
                raise RowProblem(message, hint="start again")
            name, columns, width = self.file.name, self.columns, len(self.columns)
            for line, cells in records:
                if len(cells) != width:
                    raise self._ragged(line, len(cells))
                values = {
                    column: cell
                    for column, cell in zip(columns, cells, strict=True)
                    if cell and not cell.isspace()
                }
                yield Row(values, f"{name}:{line}")

    def _ragged(self, line: int, count: int) -> RowProblem:
        separator = self.writing.shown
        hint = f"write {separator} for each empty cell too"
        if count > len(self.columns):
            hint = f"put a cell that holds {separator} in quotes"
        return RowProblem(
            f"the row has {_cells(count)}, the header {len(self.columns)}",
            hint=hint,
            place=f"{self.file.name}:{line}",
        )


def open_delimited(file: DataFile, *, default: str) -> Delimited:
    """Read the header.

    Args:
        default: the separator of a file whose header has none.

    Raises:
        RowProblem: the file or its header cannot be read.
    """
    with closing(text_lines(file)) as lines:
        writing = writing_of(lines, default)
    with closing(_records(file, writing)) as records:
        columns = _header(file, records)
    return Delimited(file=file, folder=file.folder, writing=writing, columns=columns)


def _header(file: DataFile, records: Iterator[Record]) -> tuple[str, ...]:
    line, cells = next(records, (0, []))
    if not cells:
        raise RowProblem(f"`{file.name}` is empty", hint="its first line names the columns")
    return checked_columns(cells, f"{file.name}:{line}")


def _records(file: DataFile, writing: Writing) -> Generator[Record, None, None]:
    """Everything but blank lines."""
    csv.field_size_limit(max(csv.field_size_limit(), MAX_CELL))  # of the process: never lowered
    with closing(text_lines(file)) as lines:
        above = 1 if writing.is_declared and next(lines, "") else 0
        reader = csv.reader(
            lines, delimiter=writing.separator, skipinitialspace=writing.is_spaced, strict=True
        )
        first = above + 1
        try:
            for cells in reader:
                if not _is_blank(cells):
                    yield first, cells
                first = above + reader.line_num + 1
        except csv.Error as error:
            raise _unreadable(file.name, first, above + reader.line_num, str(error)) from None


def _is_blank(cells: Sequence[str]) -> bool:
    """Spreadsheets write lines of nothing but separators below a table."""
    return not any(cells) or not "".join(cells).strip()


def _unreadable(name: str, first: int, last: int, reason: str) -> RowProblem:
    """What the csv module cannot make sense of; nearly always it is a matter of quotes."""
    hint = 'write a quote inside a quoted cell twice: `"12"" pipe"`'
    if "unexpected end" in reason:
        message = "a quote is opened in this row and never closed"
    elif "limit" in reason:
        message = f"a cell is longer than {MAX_CELL // 1024**2} million characters"
        hint = "is a quote closed that the row opens?"
    elif "expected after" in reason:
        rows = f"line {last}" if first == last else f"the row of lines {first} to {last}"
        message = f"{rows} goes on after a closing quote"
    else:
        message, hint = f"the row cannot be read: {reason}", ""
    return RowProblem(message, hint=hint, place=f"{name}:{first}")


def _cells(count: int) -> str:
    return f"{count} cell{'' if count == 1 else 's'}"
