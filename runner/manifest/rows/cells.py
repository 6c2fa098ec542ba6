"""The text of a cell to the type that a field of a body has."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from runner.core.spec import Json
from runner.manifest.rows.strict_json import strict_json
from runner.manifest.scalars import MAX_NUMBER
from runner.manifest.words import expected, shown

_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_WITH_COMMAS = re.compile(r"[-+]?[0-9][0-9.]*(,[0-9]+)+(\.[0-9]+)?")
#: up to here a number with a decimal point is exact
_EXACT = 2**53


class CellProblem(Exception):
    """A cell that its field cannot take: what is wrong, and what to write instead."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def cell_reader(schema: Mapping[str, Any]) -> Callable[[str], Json]:
    """A reader of cells for one field, to be made once for each column.

    Text stays exactly as it is. A word or a number outside of what the field allows is read all
    the same: the check of the body says which are allowed.

    Returns:
        A function that raises CellProblem where no type of the field fits.
    """
    reader = _Reader(schema)
    return str if reader.takes_only_text else reader.read


class _Reader:
    def __init__(self, schema: Mapping[str, Any]) -> None:
        branches = list(_branches(schema))
        types = {kind for branch in branches for kind in _types(branch)}
        self._schema = schema
        self._words = {word: word for branch in branches for word in _words(branch)}
        self._is_whole = "number" not in types
        self._takes_number = not types.isdisjoint({"number", "integer"})
        self._takes_boolean = "boolean" in types
        self._takes_json = not types.isdisjoint({"array", "object"})
        # alone, another word is left to the body's check; beside a number it is no number
        self._takes_text = "text" in types or types == {"word"}
        self.takes_only_text = types == {"text"}

    def read(self, text: str) -> Json:
        cell = text.strip()
        if cell in self._words:
            return self._words[cell]
        if self._takes_json and cell[:1] in {"[", "{"}:
            return _from_json(cell)
        if self._takes_number and (number := self._number(cell)) is not None:
            return number
        if self._takes_boolean and (truth := _BOOLEANS.get(cell.lower())) is not None:
            return truth
        if self._takes_text:
            return text
        raise CellProblem(
            f"the cell must be {expected(self._schema)}, got {shown(text)}", hint=self._hint(cell)
        )

    def _number(self, cell: str) -> Json:
        """None where it is no number, or not a whole one for a field that takes no other."""
        if not _NUMBER.fullmatch(cell) or len(cell) > MAX_NUMBER:
            return None
        try:
            return int(cell)
        except ValueError:
            number = float(cell)
        is_exact = number.is_integer() and abs(number) <= _EXACT
        if self._is_whole and (_is_shortened(cell) or not is_exact):
            return None
        if is_exact:
            return int(number)
        return number if math.isfinite(number) else None

    def _hint(self, cell: str) -> str:
        if self._takes_number and _WITH_COMMAS.fullmatch(cell):
            return "write numbers with a decimal point and without separators of thousands"
        if self._takes_number and _NUMBER.fullmatch(cell) and _is_shortened(cell):
            return "the spreadsheet has shortened it: format the column as a number, save again"
        if self._takes_json:
            return 'write it as JSON, `[…]` or `{"name": …}`'
        return ""


def _from_json(cell: str) -> Json:
    try:
        return strict_json(cell)
    except ValueError as error:
        raise CellProblem(
            f"{shown(cell)} is not JSON: {error}",
            hint="a cell of a list or mapping that begins with `[` or `{` is JSON",
        ) from None


def _branches(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    choices = schema.get("anyOf", schema.get("oneOf"))
    if choices is None:
        yield schema
    else:
        for choice in choices:
            yield from _branches(choice)


def _types(schema: Mapping[str, Any]) -> set[str]:
    """`word` for a text of fixed choices; what nothing is said of is a text."""
    if "enum" in schema:
        return {"word" if isinstance(item, str) else "number" for item in schema["enum"]}
    kind = str(schema.get("type", "string"))
    return {"text" if kind == "string" else kind}


def _words(schema: Mapping[str, Any]) -> Iterator[str]:
    return (item for item in schema.get("enum", ()) if isinstance(item, str))


def _is_shortened(cell: str) -> bool:
    """`4.29E+09`: what a spreadsheet makes of a long number that it was not told to keep."""
    return "e" in cell.lower()
