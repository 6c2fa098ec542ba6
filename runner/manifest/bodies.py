"""Request bodies against the catalogue, before anything is sent or paid.

A body is held against the schema of its endpoint *and* model, so that a message never speaks of
another model. Values that are local paths are not judged here: `assets.local_asset` does that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from runner.core.catalog import (
    Catalog,
    Endpoint,
    MediaField,
    ModelInfo,
    closest,
    is_marker,
    media_fields,
)
from runner.core.ranges import is_number
from runner.core.spec import AssetRef, Body, Json, OutputRef, as_ref, map_refs
from runner.manifest.body_errors import schema_findings
from runner.manifest.body_rules import rule_findings
from runner.manifest.findings import Finding, Path, dotted
from runner.manifest.uris import complaint
from runner.manifest.words import listed, some, suggestion

#: stands for a marker while the schema is checked: any URI would do
_PLACEHOLDER = "https://output.example/file"


def check_body(
    catalog: Catalog, endpoint: str, body: Body, *, unchecked: bool = False
) -> list[Finding]:
    """Everything wrong with a body, and what the service is known to refuse today.

    Args:
        unchecked: the job asked not to be held against the catalogue: a model it does not know
            passes, and what the schema refuses is a warning.
    """
    body = _sayable(body)
    known = catalog.endpoint(endpoint)
    if known is None:
        return [_unknown_endpoint(catalog, endpoint)]
    info = _variant(catalog, known, body)
    if isinstance(info, Finding):
        return [_unjudged(info, body) if unchecked else info]
    found = [*_warnings(info, body), *dict.fromkeys(_schema(info, body))]
    found += rule_findings(info, body)
    if unchecked:
        found = [_softer(finding) for finding in found]
    return [*found, *_media(catalog, info, body)]


def _sayable(value: Json) -> Json:
    """Whole numbers beyond all measure as infinite: Python refuses to write out their digits."""
    if isinstance(value, Mapping):
        return {key: _sayable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_sayable(item) for item in value]
    return math.inf if type(value) is int and not is_number(value) else value


def _softer(finding: Finding) -> Finding:
    return replace(finding, severity="warning")


def _unjudged(finding: Finding, body: Body) -> Finding:
    """Without the catalogue a body still has to name its model."""
    name = body.get(str(finding.path[0]))
    if not isinstance(name, str) or not name:
        return finding
    return Finding(
        path=finding.path,
        message=f"`{name}` is not in the catalogue: its body is not checked",
        severity="warning",
    )


def _unknown_endpoint(catalog: Catalog, name: str) -> Finding:
    names = list(catalog.endpoints)
    return Finding(
        path=(),
        message=f"unknown endpoint `{name}`",
        hint=suggestion(name, names) or f"one of {listed(names)}",
    )


def _variant(catalog: Catalog, endpoint: Endpoint, body: Body) -> ModelInfo | Finding:
    """The model that the body names, or why there is none."""
    field = endpoint.discriminator
    if field is None:
        return endpoint.models["default"]
    name = body.get(field)
    if isinstance(name, str) and name in endpoint.models:
        return endpoint.models[name]
    served = [model for model, info in endpoint.models.items() if not info.is_retired]
    if name is None:
        return Finding(
            path=(field,),
            message=f"`{field}` is missing: `{endpoint.name}` needs it",
            hint=f"one of {listed(served)}",
        )
    return _unknown_variant(catalog, endpoint, field, name, served)


def _unknown_variant(
    catalog: Catalog, endpoint: Endpoint, field: str, name: Json, served: list[str]
) -> Finding:
    others = catalog.endpoints_of(name) if field == "model" and isinstance(name, str) else ()
    if others:
        message = f"`{name}` belongs to {listed(others, last='and')}, not to `{endpoint.name}`"
        return Finding(path=(field,), message=message, hint=f"write {listed(others)} instead")
    near = closest(str(name), list(endpoint.models))
    return Finding(
        path=(field,),
        message=f"`{endpoint.name}` has no {field} `{name}`",
        hint=f"did you mean `{near}`?" if near else f"one of {listed(served)}",
    )


def _warnings(info: ModelInfo, body: Body) -> Iterator[Finding]:
    if info.is_retired:
        yield Finding(
            path=("model",),
            message=f"`{info.model}` is no longer served: Runway refuses it today",
            hint=f"use {listed(info.replacements)} instead",
            severity="warning",
        )
    for name in body:
        if info.fields.get(name, {}).get("deprecated"):
            yield Finding(
                path=(name,),
                message=f"`{name}` is deprecated for `{info.model}` and has no effect",
                hint="leave it out",
                severity="warning",
            )


def _schema(info: ModelInfo, body: Body) -> Iterator[Finding]:
    plain = map_refs(body, lambda ref: _PLACEHOLDER)
    tolerated = {name: rule for name, rule in info.tolerated.items() if body.get(name) == []}
    for found in schema_findings(info, plain):
        finding = replace(found, message=found.message.replace(f"`{_PLACEHOLDER}`", "a file"))
        rule = tolerated.get(str(finding.path[0])) if len(finding.path) == 1 else None
        if rule is None or rule.rule not in info.fields[str(finding.path[0])]:
            yield finding
        else:
            yield Finding(
                path=finding.path, message=rule.message, hint=rule.hint, severity="warning"
            )


# Media


def _media(catalog: Catalog, info: ModelInfo, body: Body) -> Iterator[Finding]:
    types = catalog.facts.get("input_assets", {}).get("content_types", {})
    places = set()
    for field in media_fields(info, body):
        places.add(field.path)
        yield from _value(field, types)
    for path, ref in _markers(body, ()):
        if path not in places and path[0] in info.fields:
            kind = "a file" if isinstance(ref, AssetRef) else f"the output of `{ref.job}`"
            yield Finding(
                path=path,
                message=f"`{dotted(path)}` takes no media, it is given {kind}",
                hint=f"media of this job: {_media_names(info)}",
            )


def _value(field: MediaField, types: Mapping[str, Any]) -> Iterator[Finding]:
    ref = as_ref(field.value)
    if ref is not None:
        if ref.media not in {"", "any", field.media}:
            yield _wrong_media(field, ref)
        return
    wrong = complaint(field.value, field.media, types)
    if wrong is not None:
        message, hint = wrong
        yield Finding(path=field.path, message=f"`{dotted(field.path)}` {message}", hint=hint)


def _wrong_media(field: MediaField, ref: OutputRef | AssetRef) -> Finding:
    what = f"`{ref.path}`" if isinstance(ref, AssetRef) else f"the output of `{ref.job}`"
    return Finding(
        path=field.path,
        message=f"`{dotted(field.path)}` takes {some(field.media)}, {what} is {some(ref.media)}",
        hint=f"give it {some(field.media)}",
    )


def _markers(value: Json, path: Path) -> Iterator[tuple[Path, OutputRef | AssetRef]]:
    if is_marker(value) and (ref := as_ref(value)) is not None:
        yield path, ref
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _markers(item, (*path, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _markers(item, (*path, index))


def _media_names(info: ModelInfo) -> str:
    names = [name for name, schema in info.fields.items() if "media-uri" in str(schema)]
    return listed(names) if names else "none"
