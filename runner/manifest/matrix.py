"""A matrix: every combination of the values of its axes, some taken away, some added."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from runner.core.catalog import closest
from runner.core.spec import Json
from runner.manifest.known_later import TemplateProblem
from runner.manifest.places import Path
from runner.manifest.template import render

#: cells of one matrix; more are a slip of the pen, and belong into a table
MAX_CELLS = 100_000
_RANGE = re.compile(r"(-?\d+)-(-?\d+)(?:/(\d+))?")
_NOT_AXES = ("zip", "exclude", "include")

Cell = Mapping[str, Json]
_Values = tuple[tuple[str, str], ...]


class MatrixProblem(Exception):
    """A matrix that cannot be; its place is below the matrix."""

    def __init__(self, path: Path, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.path, self.message, self.hint = path, message, hint


@dataclass(frozen=True, kw_only=True, slots=True)
class Matrix:
    """As written; values may be expressions over `vars`."""

    path: Path
    raw: Mapping[str, Json] = field(repr=False)


def cells(matrix: Matrix, names: Mapping[str, Json]) -> list[Cell]:
    """All cells, the last axis changing fastest, those of `include` last.

    Raises:
        MatrixProblem: an axis without values, or something that fits no axis.
    """
    steps = list(_steps(matrix.raw, names))
    axes = [name for step in steps for name in step[0]]
    if math.prod(len(step) for step in steps) > MAX_CELLS:
        raise MatrixProblem((), f"more than {MAX_CELLS:,} cells", "use a table: `foreach`")
    found = [_joined(parts) for parts in itertools.product(*steps)] if steps else []
    found = _without(found, matrix.raw.get("exclude", ()), axes, names)
    found += _included(matrix.raw.get("include", ()), axes, names)
    if not found:
        raise MatrixProblem((), "the matrix has no cell", "name an axis with a list of values")
    return found


def _steps(raw: Mapping[str, Json], names: Mapping[str, Json]) -> Iterator[list[Cell]]:
    """The cells of each axis, and of each group of axes that go in step, in written order."""
    for name, values in raw.items():
        if name == "zip":
            groups = values if isinstance(values, list) else [values]
            for index, group in enumerate(groups):
                path = ("zip", index) if isinstance(values, list) else ("zip",)
                yield _zipped(group, path, names)
        elif name not in _NOT_AXES:
            yield [{name: value} for value in _values(values, (name,), names)]


def _zipped(group: Mapping[str, Json], path: Path, names: Mapping[str, Json]) -> list[Cell]:
    columns = {name: _values(group[name], (*path, name), names) for name in group}
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"`{name}` has {count}" for name, count in lengths.items())
        raise MatrixProblem(path, f"axes in step need equally many values: {counts}")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _values(written: Json, path: Path, names: Mapping[str, Json]) -> Sequence[Json]:
    if isinstance(written, Mapping):
        return _range(str(written["range"]), path)
    found = _rendered(written, path, names)
    if not isinstance(found, list) or not found:
        raise MatrixProblem(path, f"`{path[-1]}` is no list of values", "write `[a, b]`")
    if found is not written:
        return found  # what a variable holds is data
    return [_rendered(value, (*path, index), names) for index, value in enumerate(found)]


def _rendered(value: Json, path: Path, names: Mapping[str, Json]) -> Json:
    try:
        return render(value, names) if isinstance(value, str) else value
    except TemplateProblem as problem:
        raise MatrixProblem(path, problem.message, problem.hint) from None


def _range(text: str, path: Path) -> Sequence[int]:
    match = _RANGE.fullmatch(text)
    low, high, step = (int(match[1]), int(match[2]), int(match[3] or 1)) if match else (0, 0, 0)
    if not step or high < low:
        hint = "write the lower end first: `1-10`, or `0-100/10` with a step"
        raise MatrixProblem((*path, "range"), f"`{text}` is no range", hint)
    if (high - low) // step >= MAX_CELLS:
        raise MatrixProblem((*path, "range"), f"`{text}` has more than {MAX_CELLS:,} values")
    return range(low, high + 1, step)


def _joined(parts: Sequence[Cell]) -> Cell:
    cell: dict[str, Json] = {}
    for part in parts:
        cell |= part
    return cell


def _without(
    found: list[Cell], excluded: Sequence[Cell], axes: Sequence[str], names: Mapping[str, Json]
) -> list[Cell]:
    """The cells that no pattern means, in one pass however many there are."""
    patterns = [_cell(each, ("exclude", n), axes, names) for n, each in enumerate(excluded)]
    sought: dict[tuple[str, ...], dict[_Values, bool]] = {}  # by axes: whether a cell was met
    for pattern in patterns:
        sought.setdefault(tuple(pattern), {})[_values_of(pattern, tuple(pattern))] = False
    kept = [cell for cell in found if not _is_meant(cell, sought)]
    for n, pattern in enumerate(patterns):
        if not sought[tuple(pattern)][_values_of(pattern, tuple(pattern))]:
            raise MatrixProblem(("exclude", n), "there is no such cell to leave out")
    return kept


def _is_meant(cell: Cell, sought: Mapping[tuple[str, ...], dict[_Values, bool]]) -> bool:
    """Whether a pattern means the cell; each that does is marked as met."""
    is_meant = False
    for axes, patterns in sought.items():
        values = _values_of(cell, axes)
        if values in patterns:
            patterns[values] = is_meant = True
    return is_meant


def _values_of(cell: Cell, axes: tuple[str, ...]) -> _Values:
    """To compare cells by; `1` is not `true` here."""
    return tuple(
        (type(value := cell[axis]).__name__, value if isinstance(value, str) else json.dumps(value))
        for axis in axes
    )


def _included(
    included: Sequence[Cell], axes: Sequence[str], names: Mapping[str, Json]
) -> Iterator[Cell]:
    wanted = list(axes)
    for index, written in enumerate(included):
        path: Path = ("include", index)
        wanted = wanted or list(written)  # a matrix of nothing but cells
        cell = _cell(written, path, wanted, names)
        missing = [name for name in wanted if name not in cell]
        if missing:
            raise MatrixProblem(path, f"the cell has no `{missing[0]}`", "give every axis a value")
        yield {name: cell[name] for name in wanted}


def _cell(written: Cell, path: Path, axes: Sequence[str], names: Mapping[str, Json]) -> Cell:
    for name in written:
        if name not in axes:
            near = closest(name, axes)
            hint = f"did you mean `{near}`?" if near else f"its axes: {', '.join(axes)}"
            raise MatrixProblem((*path, name), f"the matrix has no axis `{name}`", hint)
    return {name: _rendered(value, (*path, name), names) for name, value in written.items()}
