"""The keys of a job beside its body: id, takes, needs, tags, priority, limits, file name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from runner.core.credits import parse_credits
from runner.core.naming import UnsafeName, check_id
from runner.core.spec import Json
from runner.errors import UsageError
from runner.manifest.hints import Hint
from runner.manifest.instances import NOTHING, Instance, id_part
from runner.manifest.known_later import TemplateProblem
from runner.manifest.merging import Layers, merged_keys
from runner.manifest.model import JobTemplate, Manifest
from runner.manifest.problems import Problems
from runner.manifest.rows.cells import CellProblem, cell_reader
from runner.manifest.template import as_text, has_expression, render, render_text
from runner.manifest.words import shown

MAX_TAKES = 1000
_WHOLE = cell_reader({"type": "integer"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Keys:
    """The keys that may differ from job to job of a template."""

    takes: int = 1
    needs: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    priority: int = 0
    max_credits: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Named:
    """A job before its takes: its id, its keys, and what it is made of."""

    name: str  # of the template: the id up to its first expression
    id: str  # of take 1
    keys: Keys
    instance: Instance

    def job_id(self, take: int) -> str:
        """`ID`, `ID-t2`, `ID-t3` …"""
        return self.id if take == 1 else f"{self.id}-t{take}"


@dataclass(slots=True)
class KeyMaker:
    """Renders the keys of one template; what is the same for all its jobs is worked out once."""

    manifest: Manifest
    template: JobTemplate
    names: Mapping[str, Any]  # vars and batch
    problems: Problems
    name: str = field(init=False)  # of the template
    raw: Mapping[str, Json] = field(init=False)
    layers: Layers = field(init=False)
    unchecked: bool = field(init=False)
    unpack: bool = field(init=False)
    fill: bool = field(init=False)
    output: str = field(init=False)  # a template; empty: the manifest's
    line: int = field(init=False)  # of the template, 1-based
    _common: Keys = field(init=False)
    _per_job: tuple[str, ...] = field(init=False)
    is_id_rendered: bool = field(init=False)
    _written_id: str = field(init=False, default="")

    def __post_init__(self) -> None:
        self.raw, self.layers = merged_keys(self.manifest, self.template)
        self.unchecked = bool(self.raw.get("unchecked", False))
        self.unpack = bool(self.raw.get("unpack", False))
        self.fill = bool(self.raw.get("fill", True))
        self.output = self.raw.get("output", "")
        self.line = self.template.document.place(self.template.path).line
        self.is_id_rendered = has_expression(self.template.id)
        self.name = self._template_name()
        self._per_job = tuple(key for key in _READERS if _is_rendered(self.raw.get(key)))
        reader = _Reader(self.raw, self.layers, self.names, self.problems, self.name, "")
        same = {key: _READERS[key](reader) for key in _READERS if key not in self._per_job}
        self._common = Keys(**same)

    @property
    def begins_with_name(self) -> bool:
        """Whether its jobs' ids begin with the template's name."""
        return not self.template.id.startswith("${{")

    def named(self, instance: Instance) -> Named | None:
        """The job of an instance; None where it has no usable id, which is reported."""
        names = {**self.names, **instance.names}
        keys = self._keys(names, instance.place) if self._per_job else self._common
        try:
            job_id = self._id(instance, names)
        except (TemplateProblem, UnsafeName) as problem:
            message = getattr(problem, "message", str(problem))
            path = (*self.template.path, "id")
            hint = getattr(problem, "hint", "")
            self.problems.error((self.template.document, path), message, hint, row=instance.place)
            if instance is not NOTHING:
                return None
            job_id = self.name  # so that what else is wrong with it is told as well
        return Named(name=self.name, id=job_id, keys=keys, instance=instance)

    def _id(self, instance: Instance, names: Mapping[str, Any]) -> str:
        if self.is_id_rendered:
            return check_id(render_text(self.template.id, names))
        return check_id("-".join((self._written_id, *map(id_part, instance.parts))))

    def _template_name(self) -> str:
        """The id up to its first expression; where it begins with one, what that stands for."""
        try:
            if not self.is_id_rendered:
                self._written_id = render_text(self.template.id, {})
                return check_id(self._written_id)
            head = self.template.id.partition("${{")[0].rstrip("-_./")
            return check_id(head) if head else self._rendered_name()
        except (TemplateProblem, UnsafeName):
            return f"jobs[{self.template.index}]"  # reported with its first job

    def _rendered_name(self) -> str:
        try:
            return check_id(render_text(self.template.id, self.names))
        except TemplateProblem:
            return self.template.endpoint

    def _keys(self, names: Mapping[str, Any], row: str) -> Keys:
        reader = _Reader(self.raw, self.layers, names, self.problems, self.name, row)
        return replace(self._common, **{key: _READERS[key](reader) for key in self._per_job})


def _from_cell(text: str) -> Json:
    """A number as a cell of a table has it; itself where it is none."""
    try:
        return _WHOLE(text)
    except CellProblem:
        return text


def _is_rendered(value: Json) -> bool:
    values: Sequence[Json] = value if isinstance(value, list) else [value]
    return any(isinstance(item, str) and has_expression(item) for item in values)


@dataclass(frozen=True, slots=True)
class _Reader:
    keys: Mapping[str, Json]
    layers: Layers
    names: Mapping[str, Any]
    problems: Problems
    job: str
    row: str

    def number(self, key: str, default: int, *, low: int, high: int) -> int:
        value = self._rendered(key, default)
        if isinstance(value, str):
            value = _from_cell(value)
        if value is None:
            return default
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        self._refuse((key,), f"`{key}` is a whole number from {low} to {high}, not {shown(value)}")
        return default

    def credits(self, key: str) -> int | None:
        value = self._rendered(key, None)
        try:
            return None if value is None else parse_credits(value)
        except UsageError as error:
            self._refuse((key,), error.message, error.hint)
            return None

    def texts(self, key: str) -> tuple[str, ...]:
        texts: dict[str, None] = {}
        for index, item in enumerate(self.keys.get(key, ())):
            try:
                if (found := render(item, self.names)) is not None:
                    texts[as_text(found, item)] = None
            except TemplateProblem as problem:
                self._refuse((key, index), problem.message, problem.later_hint)
        return tuple(texts)

    def _rendered(self, key: str, default: Json) -> Json:
        value = self.keys.get(key, default)
        try:
            return render(value, self.names) if isinstance(value, str) else value
        except TemplateProblem as problem:
            self._refuse((key,), problem.message, problem.later_hint)
            return default

    def _refuse(self, path: tuple[str | int, ...], message: str, hint: Hint = "") -> None:
        self.problems.in_layers(self.layers, path, self.job, message, hint, row=self.row)


_READERS: Mapping[str, Callable[[_Reader], Any]] = {
    "takes": lambda reader: reader.number("takes", 1, low=1, high=MAX_TAKES),
    "needs": lambda reader: reader.texts("needs"),
    "tags": lambda reader: reader.texts("tags"),
    "priority": lambda reader: reader.number("priority", 0, low=-(10**6), high=10**6),
    "max_credits": lambda reader: reader.credits("max_credits"),
}
