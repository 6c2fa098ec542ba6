"""The body of one template for one model: what is the same for all its jobs is worked out once.

From the bottom: the endpoint's defaults, the model's, the columns of the row, the body as written.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runner.core.catalog import Endpoint, ModelInfo
from runner.core.spec import ASSET, OUTPUT, Json, OutputRef
from runner.manifest.hints import Hint
from runner.manifest.instances import Instance
from runner.manifest.jobkeys import KeyMaker
from runner.manifest.known_later import Reference, TemplateProblem
from runner.manifest.merging import Layers, merge
from runner.manifest.places import Path
from runner.manifest.problems import Problems
from runner.manifest.records import Coordinates, Output, Records
from runner.manifest.rows.cells import CellProblem, cell_reader
from runner.manifest.template import Text, compile_text

#: a body must not forge what stands for a checked file or for a parent's output
_RESERVED = frozenset({ASSET, OUTPUT})
_RESERVED_WORDS = f"`{ASSET}` and `{OUTPUT}` are reserved for the runner"
_CELLS = frozenset({str, int, float})
#: what a local path in a row is relative to is the file that the row is in
_OF_ROWS = frozenset({"row", "file"})

Names = Mapping[str, Any]
Render = Callable[["Rendering"], Json]


@dataclass(slots=True)
class Rendering:
    """One body while it is rendered. What fails is reported at its place and becomes null."""

    names: Names
    coordinates: Coordinates
    place: str  # of the row
    parents: list[str] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)  # fields that are reported already


@dataclass(slots=True)
class BodyPlan:
    """Bodies of one template with one model."""

    keys: KeyMaker
    endpoint: Endpoint
    name: str  # of the endpoint: `workflows/<id>` as written
    model: str | None  # None where the endpoint has no model
    info: ModelInfo | None  # None: not in the catalogue
    layers: Layers
    records: Records
    problems: Problems
    fill: Mapping[str, Callable[[str], Json]]  # column: how its cells are read
    row_folder: str  # what paths in rows are relative to
    cells_are_text: bool  # or numbers of a sheet: to be read as the field wants them
    media: frozenset[str] = field(init=False)  # fields that may hold media
    _render: Render = field(init=False)
    _defaults: Mapping[str, Json] = field(init=False)
    _own: Mapping[str, Json] = field(init=False)
    _of_row: set[str] = field(init=False, default_factory=set)  # fields whose paths are of the row
    _told: set[str] = field(init=False, default_factory=set)

    def prepare(self, defaults: Mapping[str, Json], own: Mapping[str, Json]) -> None:
        """Take in what lies under the rows and what the template wrote."""
        self._defaults = self._without_foreign(defaults)
        self._own = own
        self.media = frozenset() if self.info is None else _media_of(self.info)
        merged: Mapping[str, Json] = merge(self._defaults, own)
        self._render = self._compile(merged, ())

    def body(self, rendering: Rendering, instance: Instance) -> dict[str, Json]:
        """The body of a job, references in it as `$output` markers without a key."""
        made: dict[str, Json] = self._render(rendering) or {}
        if self.fill and instance.row is not None:
            cells = self._cells(instance.row, rendering)
            if cells:
                made = {**cells, **{key: made[key] for key in made if key not in cells}}
        return made

    def folder(self, field_name: str) -> str:
        """What a local path in a field is relative to, from the manifest's folder."""
        if field_name in self._of_row or (field_name in self.fill and field_name not in self._own):
            return self.row_folder
        template = self.keys.template
        document, _ = self.layers.origin((field_name,))
        return template.folder if document is template.document else ""

    def _cells(self, row: Mapping[str, Json], rendering: Rendering) -> dict[str, Json]:
        """What the columns give to fields that the template did not write."""
        found: dict[str, Json] = {}
        for column, value in row.items():
            read = self.fill.get(column)
            if read is None or column in self._own:
                continue
            if self.info is not None and self.info.fields and column not in self.info.fields:
                self._say_foreign("column", column)
                continue
            try:
                found[column] = self._checked(self._cell(value, read))
            except (CellProblem, TemplateProblem) as problem:
                message = f"the cell of column `{column}`: {problem.message}"
                rendering.failed.add(column)
                self._report((), message, problem.hint, rendering.place)
        return found

    def _cell(self, value: Json, read: Callable[[str], Json]) -> Json:
        """A cell as its field wants it: a sheet knows numbers, but not which of them are names."""
        if isinstance(value, str) or (self.cells_are_text and type(value) in _CELLS):
            return read(str(value))
        return value

    def _without_foreign(self, defaults: Mapping[str, Json]) -> Mapping[str, Json]:
        """Drop defaults that the job's model has no field for, and say so."""
        if self.info is None or not self.info.fields:
            return defaults
        foreign = [key for key in defaults if key not in self.info.fields]
        for key in foreign:
            if not self.layers.is_own((key,)):
                self._say_foreign("default", key)
        return {key: value for key, value in defaults.items() if key not in foreign}

    def _say_foreign(self, what: str, key: str) -> None:
        if key in self._told or self.info is None:
            return
        self._told.add(key)
        message = f"the {what} `{key}` is dropped: `{self.info.lane}` has no such field"
        path: Path = (key,) if what == "default" else ()
        self.problems.in_layers(self.layers, path, self.keys.name, message, severity="warning")

    # A body as functions: what has no expression in it is made once

    def _compile(self, value: Json, path: Path) -> Render:
        if isinstance(value, Mapping):
            return self._mapping(value, path)
        if isinstance(value, list):
            return self._list(value, path)
        if isinstance(value, str) and "${{" in value:
            return self._text(value, path)
        return lambda _: value

    def _mapping(self, value: Mapping[str, Json], path: Path) -> Render:
        if not _RESERVED.isdisjoint(value):
            return self._failing(TemplateProblem(_RESERVED_WORDS), path)
        fixed = {key: item for key, item in value.items() if item is not None}
        moving = {
            key: self._compile(item, (*path, key))
            for key, item in value.items()
            if _has_expression(item)
        }
        if not moving:
            return lambda _: fixed if path else dict(fixed)
        order = list(value)
        optional = not path  # a field that comes out as nothing is left out

        def render(rendering: Rendering) -> Json:
            made: dict[str, Json] = {}
            for key in order:
                found = moving[key](rendering) if key in moving else fixed.get(key)
                if found is not None or (key in moving and not optional):
                    made[key] = found
            return made

        return render

    def _list(self, value: Sequence[Json], path: Path) -> Render:
        if not _has_expression(value):
            return lambda _: value
        items = [self._compile(item, (*path, index)) for index, item in enumerate(value)]
        return lambda rendering: [item(rendering) for item in items]

    def _text(self, value: str, path: Path) -> Render:
        try:
            text = compile_text(value)
        except TemplateProblem as problem:
            return self._failing(problem, path)
        if text.whole is not None and _OF_ROWS.intersection(text.whole.roots):
            self._of_row.add(str(path[0]))
        read = self._cell_reader(text, path)

        def render(rendering: Rendering) -> Json:
            try:
                found = text.render(rendering.names)
                if read is not None and type(found) in _CELLS:
                    return self._checked(read(str(found)))
                return found if type(found) is str else self._resolved(found, rendering)
            except (CellProblem, TemplateProblem) as problem:
                return self._fail(problem, path, rendering)

        return render

    def _cell_reader(self, text: Text, path: Path) -> Callable[[str], Json] | None:
        """How to read a cell that is all that a field holds, where cells are text."""
        plain = text.whole.plain if text.whole is not None else ()
        is_cell = plain[:1] == ("row",) and len(plain) == 2 and len(path) == 1
        schema = self.info.fields.get(str(path[0])) if self.info is not None else None
        return cell_reader(schema) if is_cell and self.cells_are_text and schema else None

    def _failing(self, problem: TemplateProblem, path: Path) -> Render:
        return lambda rendering: self._fail(problem, path, rendering)

    def _fail(
        self, problem: CellProblem | TemplateProblem, path: Path, rendering: Rendering
    ) -> None:
        rendering.failed.update(map(str, path[:1]))
        hint = problem.later_hint if isinstance(problem, TemplateProblem) else problem.hint
        self._report(path, problem.message, hint, rendering.place)

    def _report(self, path: Path, message: str, hint: Hint, row: str) -> None:
        self.problems.in_layers(self.layers, path, self.keys.name, message, hint, row=row)

    def _resolved(self, value: Json, rendering: Rendering) -> Json:
        if isinstance(value, Reference):
            found = self.records.resolve(value, rendering.coordinates)
            markers = [_marker(output, value.frame, rendering) for output in found]
            return markers if value.every else markers[0]
        if isinstance(value, list):
            return [self._resolved(item, rendering) for item in value]
        if isinstance(value, Mapping):
            inner = {key: self._resolved(item, rendering) for key, item in value.items()}
            return self._checked(inner)
        return value

    def _checked(self, value: Json) -> Json:
        """`value`, unless it forges a marker of ours."""
        if isinstance(value, Mapping):
            if not _RESERVED.isdisjoint(value):
                raise TemplateProblem(_RESERVED_WORDS)
            for item in value.values():
                if not isinstance(item, Mapping) or _RESERVED.isdisjoint(item):
                    self._checked(item)
        elif isinstance(value, list):
            for item in value:
                self._checked(item)
        return value


@functools.lru_cache(maxsize=1024)
def _media_of(info: ModelInfo) -> frozenset[str]:
    return frozenset(name for name, schema in info.fields.items() if "media-uri" in str(schema))


def _marker(output: Output, frame: str, rendering: Rendering) -> Json:
    rendering.parents.append(output.job.id)
    return OutputRef(job=output.job.id, key="", index=output.index, frame=frame).to_json()


def _has_expression(value: Json) -> bool:
    if isinstance(value, str):
        return "${{" in value
    if isinstance(value, Mapping):
        return any(map(_has_expression, value.values())) or not _RESERVED.isdisjoint(value)
    return isinstance(value, list) and any(map(_has_expression, value))
