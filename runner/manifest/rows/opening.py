"""From what a manifest wrote to a table that can be read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import BinaryIO

from runner.manifest.rows.datafile import DataFile, data_file, spooled
from runner.manifest.rows.delimited import open_delimited
from runner.manifest.rows.globbing import open_files
from runner.manifest.rows.inline import inline_rows
from runner.manifest.rows.jsonlines import JsonLines
from runner.manifest.rows.pattern import is_pattern
from runner.manifest.rows.table import RowProblem, RowSource, Table
from runner.manifest.rows.workbook import open_workbook

STDIN = "-"

_KINDS = {
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl",
    ".xlsx": "xlsx", ".xlsm": "xlsx",
}  # fmt: skip
_OTHERS = {
    ".xls": "save it as .xlsx",
    ".ods": "save it as .xlsx or CSV UTF-8",
    ".numbers": "export it as CSV",
    ".json": "write one object on each line, in a .jsonl file",
}


def source_kind(path: str) -> str | None:
    """What a path names, by its ending; a path with `*`, `?` or `[` is a glob. None: unknown."""
    return "glob" if is_pattern(path) else _KINDS.get(PurePath(path).suffix.lower())


def open_table(
    source: RowSource, *, base: Path, allow: Sequence[Path], stdin: BinaryIO | None = None
) -> Table:
    """Find the file and read its header.

    Args:
        base: the manifest's folder.
        allow: other folders that inputs may lie in.
        stdin: what the path `-` reads, once and to its end.

    Raises:
        RowProblem: there is no such file, or it cannot be read.
    """
    if source.kind == "rows":
        return inline_rows(source.rows)
    if source.kind == "glob":
        return open_files(source.path, base=base, allow=allow)
    if source.path == STDIN and stdin is not None:
        return _table(source, spooled(stdin))
    return _table(source, data_file(source.path, base=base, allow=allow))


def _table(source: RowSource, file: DataFile) -> Table:
    match source.kind:
        case "csv":
            return open_delimited(file, default=",")
        case "tsv":
            return open_delimited(file, default="\t")
        case "jsonl":
            return JsonLines(file=file, folder=file.folder)
        case "xlsx":
            return open_workbook(file, source.sheet)
    ending = PurePath(source.path).suffix.lower()
    raise RowProblem(
        f"`{source.path}` is no table that can be read",
        hint=_OTHERS.get(ending, "rows come from .csv, .tsv, .jsonl and .xlsx files"),
    )
