"""Defaults under a job's own values, and which of them a value came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runner.core.spec import Json
from runner.manifest.model import JobTemplate, Manifest
from runner.manifest.places import Document, Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Layers:
    """Where the parts of a merged value stand in the document, nearest first."""

    document: Document
    paths: tuple[Path, ...]

    def origin(self, path: Path) -> Path:
        """The place in the document that a place in the merged value came from."""
        return max(
            ((*base, *path) for base in self.paths),
            key=lambda full: self.document.depth(full) - (len(full) - len(path)),
        )

    def is_own(self, path: Path) -> bool:
        """Whether the job wrote the value itself."""
        return self.document.node((*self.paths[0], *path)) is not None


def merge(base: Json, over: Json) -> Json:
    """`over` on top of `base`, mappings deeply; lists and scalars replace, null removes."""
    if not isinstance(over, Mapping):
        return over
    merged = dict(base) if isinstance(base, Mapping) else {}
    for key, value in over.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def merged_keys(manifest: Manifest, template: JobTemplate) -> tuple[Mapping[str, Json], Layers]:
    """The keys of a job (takes, tags …) over `defaults.job`."""
    base = manifest.defaults.job if template.uses_defaults else {}
    paths: tuple[Path, ...] = (template.path, ("defaults", "job"))
    return merge(merge({}, base), template.keys), Layers(document=manifest.document, paths=paths)


def endpoint_layer(manifest: Manifest, template: JobTemplate) -> Mapping[str, Json]:
    """The body over the endpoint's defaults: enough to know the model."""
    found = manifest.defaults.endpoints.get(template.endpoint, {})
    base = found if template.uses_defaults else {}
    merged: Mapping[str, Json] = merge(merge({}, base), template.body)
    return merged


def merged_body(
    manifest: Manifest, template: JobTemplate, model: str | None
) -> tuple[Mapping[str, Json], Layers]:
    """The body over the model's defaults over the endpoint's."""
    own: Path = (*template.path, template.endpoint)
    if not template.uses_defaults:
        return merge({}, template.body), Layers(document=manifest.document, paths=(own,))
    defaults = manifest.defaults
    merged = merge({}, defaults.endpoints.get(template.endpoint, {}))
    paths: tuple[Path, ...] = (own, ("defaults", template.endpoint))
    if model is not None and model in defaults.models:
        merged = merge(merged, defaults.models[model])
        paths = (own, ("defaults", "models", model), ("defaults", template.endpoint))
    return merge(merged, template.body), Layers(document=manifest.document, paths=paths)
