"""A named job to a draft: its body rendered, its parents known, their keys not yet."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from runner.core.catalog import DEFAULT, WORKFLOWS, Catalog, Endpoint, ModelInfo, closest
from runner.core.spec import Json
from runner.manifest.bodyplan import BodyPlan, Rendering
from runner.manifest.hints import Hint
from runner.manifest.instances import Instance
from runner.manifest.jobkeys import KeyMaker, Named
from runner.manifest.known_later import AllJobs, TemplateProblem
from runner.manifest.merging import merged_defaults
from runner.manifest.model import Manifest
from runner.manifest.problems import Problems
from runner.manifest.records import Records
from runner.manifest.rows.cells import cell_reader
from runner.manifest.rows.table import Table
from runner.manifest.template import render

#: tables whose cells have no type of their own, or one that a person did not choose
_OF_CELLS = frozenset({"csv", "tsv", "xlsx"})
#: the ids of workflows: the name becomes part of an address
_WORKFLOW = re.compile(WORKFLOWS + "[A-Za-z0-9-]+")
CellReader = Callable[[str], Json]


@dataclass(kw_only=True, slots=True)
class Draft:
    """A job before its parents' keys and the digests of its files are in the body."""

    id: str
    take: int
    named: Named
    plan: BodyPlan
    body: dict[str, Json]
    names: Mapping[str, Any]  # what its expressions may name
    parents: tuple[str, ...]  # whose outputs it consumes
    failed: frozenset[str]  # fields that could not be rendered: reported already

    @property
    def media(self) -> str:
        """What it makes, as far as known."""
        info = self.plan.info
        return self.plan.endpoint.media if info is None else info.media


@dataclass(slots=True)
class DraftMaker:
    """Drafts of one template. Plans of bodies are made as models turn up."""

    manifest: Manifest
    catalog: Catalog
    keys: KeyMaker
    records: Records
    problems: Problems
    table: Table | None
    row_folder: str  # what local files in rows are relative to, from the manifest's folder
    _names: Mapping[str, Any] = field(init=False)
    _plans: dict[tuple[str, str | None], BodyPlan] = field(init=False, default_factory=dict)
    _default_models: dict[str, Json] = field(init=False, default_factory=dict)
    _filled: set[str] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self._names = {**self.keys.names, "jobs": AllJobs(self.records)}

    @property
    def filled(self) -> frozenset[str]:
        """Columns that may fill a body."""
        return frozenset(self._filled)

    def draft(self, named: Named, take: int) -> Draft | None:
        """One job of a template; None where it has no known endpoint, which is reported."""
        instance, job_id = named.instance, named.job_id(take)
        names = {**self._names, **instance.names, "job": job_id}
        if named.keys.takes > 1 or "take" not in names:
            names["take"] = take
        name = self._endpoint_name(names, instance)
        endpoint = None if name is None else self.catalog.endpoint(name)
        if name is None or endpoint is None:
            return None
        plan = self._plan(endpoint, name, self._model(endpoint, names, instance))
        rendering = Rendering(names=names, coordinates=instance.coordinates, place=instance.place)
        body = plan.body(rendering, instance)
        parents = dict.fromkeys(rendering.parents)
        if instance.source is not None:
            parents.setdefault(instance.source.id)
        return Draft(
            id=job_id,
            take=take,
            named=named,
            plan=plan,
            body=body,
            names=names,
            parents=tuple(parents),
            failed=frozenset(rendering.failed),
        )

    def _endpoint_name(self, names: Mapping[str, Any], instance: Instance) -> str | None:
        """`text_to_image`, `workflows/<id>`; None where nobody knows it, which is reported."""
        name: Json = self.keys.template.endpoint
        if "${{" in name:
            try:
                name = render(name, names)
            except TemplateProblem as problem:
                self._refuse_endpoint(problem.message, problem.later_hint, instance)
                return None
        if isinstance(name, str) and self._is_known(name):
            return name
        near = closest(str(name), list(self.catalog.endpoints))
        hint = f"did you mean `{near}`?" if near else "`runway-batch models` lists them"
        self._refuse_endpoint(f"unknown endpoint `{name}`", hint, instance)
        return None

    def _is_known(self, name: str) -> bool:
        if name.startswith(WORKFLOWS):
            return _WORKFLOW.fullmatch(name) is not None
        return name in self.catalog.endpoints

    def _refuse_endpoint(self, message: str, hint: Hint, instance: Instance) -> None:
        template = self.keys.template
        origin = (template.document, template.body_path[:-1])
        self.problems.error(origin, message, hint, row=instance.place)

    def _model(
        self, endpoint: Endpoint, names: Mapping[str, Any], instance: Instance
    ) -> str | None:
        """What chooses the model; a template that fails is reported with the body."""
        choice = endpoint.discriminator
        if choice is None:
            return None
        value = self.keys.template.body.get(choice)
        if value is None and self.keys.fill and instance.row is not None:
            value = instance.row.get(choice)
        if value is None:
            value = self._default_model(endpoint, choice)
        try:
            value = render(value, names) if isinstance(value, str) and "${{" in value else value
        except TemplateProblem:
            return None
        return value if isinstance(value, str) else None

    def _default_model(self, endpoint: Endpoint, choice: str) -> Json:
        if endpoint.name not in self._default_models:
            defaults, _ = merged_defaults(self.manifest, self.keys.template, endpoint.name, None)
            self._default_models[endpoint.name] = defaults.get(choice)
        return self._default_models[endpoint.name]

    def _plan(self, endpoint: Endpoint, name: str, model: str | None) -> BodyPlan:
        plan = self._plans.get((name, model))
        if plan is None:
            plan = self._plans[name, model] = self._new_plan(endpoint, name, model)
        return plan

    def _new_plan(self, endpoint: Endpoint, name: str, model: str | None) -> BodyPlan:
        template = self.keys.template
        defaults, layers = merged_defaults(self.manifest, template, name, model)
        chosen_by_model = endpoint.discriminator == "model"
        info = _variant(endpoint, model)
        plan = BodyPlan(
            keys=self.keys,
            endpoint=endpoint,
            name=name,
            model=model if chosen_by_model else None,
            info=info,
            layers=layers,
            records=self.records,
            problems=self.problems,
            fill=self._fill(endpoint, info),
            row_folder=self.row_folder,
            cells_are_text=self._are_cells_text(),
        )
        plan.prepare(defaults, template.body)
        return plan

    def _are_cells_text(self) -> bool:
        foreach = self.keys.template.foreach
        rows = None if foreach is None else foreach.rows
        return rows is not None and rows.kind in _OF_CELLS

    def _fill(self, endpoint: Endpoint, info: ModelInfo | None) -> Mapping[str, CellReader]:
        """How to read a cell of each field of the model, and of those that only others have."""
        if not self.keys.fill or self.table is None:
            return {}
        every = {name: schema for each in endpoint.models.values()
                 for name, schema in each.fields.items()}  # fmt: skip
        schemas = every if info is None else {**every, **info.fields}
        self._filled |= schemas.keys()
        return {name: cell_reader(schema) for name, schema in schemas.items()}


def _variant(endpoint: Endpoint, model: str | None) -> ModelInfo | None:
    """What the catalogue knows of the body; None where it does not know the model."""
    if endpoint.discriminator is None:
        return endpoint.models.get(DEFAULT)
    return endpoint.models.get(model) if model is not None else None
