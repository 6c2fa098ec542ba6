"""Rows that stand in the manifest itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from runner.core.spec import Json
from runner.manifest.rows.table import Row


@dataclass(frozen=True, kw_only=True, slots=True)
class InlineRows:
    """`rows: [...]`; the cells have the types that YAML gave them, null is an empty cell."""

    rows: Sequence[Mapping[str, Json]]
    columns: tuple[str, ...]  # those of all rows, in the order in which they appear
    is_text: bool = False
    folder: str = ""

    def __iter__(self) -> Iterator[Row]:
        for row in self.rows:
            yield Row({name: value for name, value in row.items() if value is not None}, "")


def inline_rows(rows: Sequence[Mapping[str, Json]]) -> InlineRows:
    """The table of these rows."""
    columns = dict.fromkeys(name for row in rows for name in row)
    return InlineRows(rows=rows, columns=tuple(columns))
