"""A template and a take to a draft: defaults merged, expressions rendered, parents named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runner.core.catalog import DEFAULT, Catalog, Endpoint, ModelInfo
from runner.core.spec import ASSET, OUTPUT, Json, OutputRef
from runner.manifest.jobkeys import Named
from runner.manifest.known_later import Reference, TemplateProblem
from runner.manifest.merging import Layers, endpoint_layer, merge, merged_body
from runner.manifest.model import Manifest
from runner.manifest.places import Path
from runner.manifest.problems import Problems
from runner.manifest.references import JobNames
from runner.manifest.template import render

#: a body must not forge what stands for a checked file or for a parent's output
_RESERVED = frozenset({ASSET, OUTPUT})


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A job before its parents' keys and the digests of its files are in the body."""

    id: str
    take: int
    named: Named
    endpoint: Endpoint
    model: str | None  # None where the endpoint has no model
    info: ModelInfo | None  # None: not in the catalogue
    body: Mapping[str, Json]  # `Reference`s still in it
    parents: tuple[str, ...]  # whose outputs it consumes
    failed: frozenset[str]  # fields that could not be rendered: reported already
    layers: Layers = field(repr=False)

    @property
    def media(self) -> str:
        """What it makes, as far as known."""
        return self.endpoint.media if self.info is None else self.info.media


@dataclass(frozen=True, slots=True)
class DraftMaker:
    """What all drafts of one manifest have in common."""

    manifest: Manifest
    catalog: Catalog
    names: JobNames
    context: Mapping[str, Any]  # vars, batch, jobs
    problems: Problems

    def draft(self, named: Named, take: int) -> Draft | None:
        """One job of a template; None where the catalogue does not know the endpoint at all."""
        template = named.template
        endpoint = self.catalog.endpoint(template.endpoint)
        if endpoint is None:
            self.problems.error(template.path, f"unknown endpoint `{template.endpoint}`")
            return None
        job_id = named.job_ids[take - 1]
        context = {**self.context, "job": job_id}
        model = self._model(named, context)
        merged, layers = merged_body(self.manifest, template, model)
        merged = self._without_foreign_defaults(
            merged, layers, _variant(endpoint, model, merged), named.name
        )
        rendering = _Rendering(self, layers, context, named.name)
        body = merge({}, {key: rendering.value(item, (key,)) for key, item in merged.items()})
        return Draft(
            id=job_id,
            take=take,
            named=named,
            endpoint=endpoint,
            model=model if endpoint.discriminator == "model" else None,
            info=_variant(endpoint, model, body),
            body=body,
            parents=tuple(dict.fromkeys(rendering.parents)),
            failed=frozenset(rendering.failed),
            layers=layers,
        )

    def _model(self, named: Named, context: Mapping[str, Any]) -> str | None:
        """The model that the body names; a template that fails is reported with the body."""
        value = endpoint_layer(self.manifest, named.template).get("model")
        try:
            value = render(value, context) if isinstance(value, str) else value
        except TemplateProblem:
            return None
        return value if isinstance(value, str) else None

    def _without_foreign_defaults(
        self, body: Mapping[str, Json], layers: Layers, info: ModelInfo | None, job: str
    ) -> Mapping[str, Json]:
        """Drop defaults that the job's model has no field for, and say so."""
        if info is None or not info.fields:
            return body
        foreign = [key for key in body if key not in info.fields and not layers.is_own((key,))]
        for key in foreign:
            message = f"the default `{key}` is dropped: `{info.lane}` has no such field"
            self.problems.in_layers(layers, (key,), job, message, severity="warning")
        return {key: value for key, value in body.items() if key not in foreign}


def _variant(endpoint: Endpoint, model: str | None, body: Mapping[str, Json]) -> ModelInfo | None:
    """What the catalogue knows of the body; None where it does not know the model."""
    if endpoint.discriminator is None:
        return endpoint.models.get(DEFAULT)
    value = model if endpoint.discriminator == "model" else body.get(endpoint.discriminator)
    return endpoint.models.get(value) if isinstance(value, str) else None


class _Rendering:
    """The values of one body. What fails is reported at its place and becomes null."""

    def __init__(
        self, maker: DraftMaker, layers: Layers, context: Mapping[str, Any], job: str
    ) -> None:
        self._maker = maker
        self._layers = layers
        self._context = context
        self._job = job
        self.parents: list[str] = []
        self.failed: list[str] = []

    def value(self, value: Json, path: Path) -> Json:
        """A copy of `value`, rendered, with every reference as `$output` markers."""
        if isinstance(value, Mapping) and _RESERVED.isdisjoint(value):
            return {key: self.value(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item, (*path, index)) for index, item in enumerate(value)]
        try:
            rendered = render(value, self._context) if isinstance(value, str) else value
            return self._resolved(rendered)
        except TemplateProblem as problem:
            self.failed.append(str(path[0]))
            self._maker.problems.in_layers(
                self._layers, path, self._job, problem.message, problem.hint
            )
            return None

    def _resolved(self, value: Json) -> Json:
        if isinstance(value, Reference):
            markers = [self._marker(job) for job in self._maker.names.resolve(value)]
            return markers if value.every else markers[0]
        if isinstance(value, Mapping):
            if not _RESERVED.isdisjoint(value):
                raise TemplateProblem(f"`{ASSET}` and `{OUTPUT}` are reserved for the runner")
            return {key: self._resolved(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._resolved(item) for item in value]
        return value

    def _marker(self, job: str) -> Json:
        self.parents.append(job)
        return OutputRef(job=job, key="").to_json()
