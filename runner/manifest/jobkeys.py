"""The keys of a job beside its body: takes, needs, tags, priority, limits, file name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runner.core.credits import parse_credits
from runner.core.naming import UnsafeName, check_id
from runner.core.spec import Json
from runner.errors import UsageError
from runner.manifest.known_later import TemplateProblem
from runner.manifest.merging import Layers, merged_keys
from runner.manifest.model import JobTemplate, Manifest
from runner.manifest.problems import Problems
from runner.manifest.template import has_expression, render, render_text

MAX_TAKES = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Named:
    """A template with its id and keys rendered: what other templates may refer to."""

    template: JobTemplate
    name: str  # the id up to its first expression
    id: str  # of take 1
    takes: int = 1
    needs: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    priority: int = 0
    max_credits: int | None = None
    unchecked: bool = False
    output: str = ""  # a template; empty: the manifest's
    layers: Layers = field(repr=False)  # of these keys

    @property
    def job_ids(self) -> list[str]:
        """`ID`, `ID-t2`, `ID-t3` …"""
        return [self.id, *(f"{self.id}-t{take}" for take in range(2, self.takes + 1))]


def name_template(
    manifest: Manifest, template: JobTemplate, names: Mapping[str, Any], problems: Problems
) -> Named:
    """Render the id and the keys; what cannot be rendered is reported and left at its default."""
    keys, layers = merged_keys(manifest, template)
    reader = _Reader(keys, layers, names, problems, template.id)
    job_id, name = _identify(template, names, problems)
    return Named(
        template=template,
        name=name,
        id=job_id,
        takes=reader.number("takes", 1, low=1, high=MAX_TAKES),
        needs=reader.texts("needs"),
        tags=reader.texts("tags"),
        priority=reader.number("priority", 0, low=-(10**6), high=10**6),
        max_credits=reader.credits("max_credits"),
        unchecked=bool(keys.get("unchecked", False)),
        output=keys.get("output", ""),
        layers=layers,
    )


def _identify(
    template: JobTemplate, names: Mapping[str, Any], problems: Problems
) -> tuple[str, str]:
    """The job id, and the template's name."""
    try:
        job_id = check_id(render_text(template.id, names))
        if not has_expression(template.id):
            return job_id, job_id
        return job_id, check_id(template.id.partition("${{")[0].rstrip("-_./") or job_id)
    except TemplateProblem as problem:
        problems.error((*template.path, "id"), problem.message, problem.hint)
    except UnsafeName as unsafe:
        problems.error((*template.path, "id"), str(unsafe))
    return f"jobs[{template.index}]", f"jobs[{template.index}]"


@dataclass(frozen=True, slots=True)
class _Reader:
    keys: Mapping[str, Json]
    layers: Layers
    names: Mapping[str, Any]
    problems: Problems
    job: str

    def number(self, key: str, default: int, *, low: int, high: int) -> int:
        value = self._rendered(key, default)
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        self._refuse((key,), f"`{key}` is a whole number from {low} to {high}, not `{value}`")
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
                texts[render_text(item, self.names)] = None
            except TemplateProblem as problem:
                self._refuse((key, index), problem.message, problem.hint)
        return tuple(texts)

    def _rendered(self, key: str, default: Json) -> Json:
        value = self.keys.get(key, default)
        try:
            return render(value, self.names) if isinstance(value, str) else value
        except TemplateProblem as problem:
            self._refuse((key,), problem.message, problem.hint)
            return default

    def _refuse(self, path: tuple[str | int, ...], message: str, hint: str = "") -> None:
        self.problems.in_layers(self.layers, path, self.job, message, hint)
