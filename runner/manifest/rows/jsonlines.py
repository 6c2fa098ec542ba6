"""JSON lines: one object on each line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from runner.manifest.rows.datafile import DataFile
from runner.manifest.rows.strict_json import strict_json
from runner.manifest.rows.table import Row, RowProblem
from runner.manifest.rows.textlines import text_lines

_KINDS = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}


@dataclass(frozen=True, kw_only=True, slots=True)
class JsonLines:
    """A table whose rows name their own columns. `null` is an empty cell."""

    file: DataFile
    folder: str
    columns: tuple[str, ...] = ()
    is_text: bool = False

    def __iter__(self) -> Iterator[Row]:
        for number, line in enumerate(text_lines(self.file), start=1):
            if line.isspace():
                continue
            place = f"{self.file.name}:{number}"
            try:
                value = strict_json(line)
            except ValueError as error:
                message = f"the line is not JSON: {error}"
                raise RowProblem(
                    message, hint="write one object on each line", place=place
                ) from None
            if not isinstance(value, dict):
                kind = _KINDS.get(type(value), "a number")
                raise RowProblem(
                    f"the line is {kind}, not an object",
                    hint='write `{"name": value}`',
                    place=place,
                )
            yield Row({name: item for name, item in value.items() if item is not None}, place)
