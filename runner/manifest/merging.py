"""Defaults under a job's own values, and which of them a value came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from runner.core.spec import Json
from runner.manifest.model import JobTemplate, Manifest
from runner.manifest.places import Document, Path

#: where something is written
Origin: TypeAlias = tuple[Document, Path]


@dataclass(frozen=True, kw_only=True, slots=True)
class Layers:
    """Where the parts of a merged value stand, the job's own first."""

    own: Origin
    under: tuple[Origin, ...] = ()  # defaults, the nearest first

    def origin(self, path: Path) -> Origin:
        """The place that a place in the merged value came from; what is nowhere is the job's."""
        return max(
            ((document, (*base, *path)) for document, base in (self.own, *self.under)),
            key=lambda found: max(0, found[0].depth(found[1]) - (len(found[1]) - len(path))),
        )

    def is_own(self, path: Path) -> bool:
        """Whether the job wrote the value itself."""
        document, base = self.own
        return document.node((*base, *path)) is not None

    def is_shared(self, origin: Origin) -> bool:
        """Whether the place belongs to other jobs, too."""
        document, path = origin
        return document is not self.own[0] or path[:2] != self.own[1][:2]


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
    base: Json = {}
    under: list[Origin] = []
    for layer in manifest.defaults if template.uses_defaults else ():
        base = merge(base, layer.job)
        under.insert(0, (layer.document, ("defaults", "job")))
    own = (template.document, template.path)
    return merge(base, template.keys), Layers(own=own, under=tuple(under))


def merged_defaults(
    manifest: Manifest, template: JobTemplate, endpoint: str, model: str | None
) -> tuple[Mapping[str, Json], Layers]:
    """What lies under the body: the endpoint's defaults of all files, then those of the model."""
    base: Json = {}
    under: list[Origin] = []
    layers = manifest.defaults if template.uses_defaults else ()
    for layer in layers:
        base = merge(base, layer.endpoints.get(endpoint, {}))
        under.insert(0, (layer.document, ("defaults", endpoint)))
    for layer in layers:
        if model is not None and model in layer.models:
            base = merge(base, layer.models[model])
            under.insert(0, (layer.document, ("defaults", "models", model)))
    own = (template.document, template.body_path)
    return base, Layers(own=own, under=tuple(under))
