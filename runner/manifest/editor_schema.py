"""What editors know of bodies beyond a manifest's shape: made from the catalogue.

`schemas/manifest.schema.json` describes the shape, and the loader checks nothing else with it:
bodies are judged when they are complete, by `bodies.py`. An editor sees one file while it is
typed, so the same schema also has a part for editors, in `allOf` and `$defs/bodies`: it completes
and explains, and refuses only what the loader would refuse whatever defaults, tables and other
files say.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from runner.core.catalog import DEFAULT, WORKFLOWS, Catalog, Endpoint, ModelInfo, Schema
from runner.manifest.endpoint_schema import published_schema, schema_name
from runner.manifest.schema import EDITOR, EDITOR_DEFS, without_editor_part
from runner.manifest.words import listed

Json = dict[str, Any]

_LATER = {"$ref": "#/$defs/later"}
_CHECKED = {"properties": {"jobs": {"items": {"$ref": "#/$defs/checked_job"}}}}
#: a request body as `$defs/body` has it; any endpoint's, where a template chooses it
_BODIES = "#/$defs/bodies"


def with_editor_part(schema: Mapping[str, Any], catalog: Catalog, notes: Mapping[str, str]) -> Json:
    """The manifest's schema with the part for editors as the catalogue has it now.

    Args:
        schema: with an older part for editors, or with none.
        catalog: what bodies may hold.
        notes: what a field is for, by its name.
    """
    plain = without_editor_part(schema)
    bodies = {schema_name(name): _body(each, notes) for name, each in catalog.endpoints.items()}
    made = (_later(), bodies, _checked_job(catalog))
    defs = plain["$defs"] | dict(zip(EDITOR_DEFS, made, strict=True))
    return plain | {EDITOR: [_overlay(catalog)], "$defs": defs}


def fragment_with_editor_part(schema: Mapping[str, Any]) -> Json:
    """The schema of included files: completed, never refused, since defaults lie elsewhere."""
    job = {"anyOf": [{"$ref": "manifest.schema.json#/$defs/checked_job"}, {}]}
    return without_editor_part(schema) | {EDITOR: [{"properties": {"jobs": {"items": job}}}]}


def _later() -> Json:
    """A template, or nothing, which takes a default away. Not described: editors add it up."""
    return {"type": ["string", "null"], "pattern": r"\$\{\{"}


def _overlay(catalog: Catalog) -> Json:
    """Names of models where they are keys, and what jobs hold unless it is not to be checked."""
    models = sorted({name for each in catalog.endpoints.values() for name in _models(each)})
    unchecked = {"properties": {"unchecked": {"const": True}}, "required": ["unchecked"]}
    return {
        "properties": {
            "budget": _keys(models, {"$ref": "#/$defs/amount"}),
            "concurrency": _keys(models, {"type": "integer"}),
            "defaults": _defaults(catalog, models),
        },
        "if": {
            "properties": {"defaults": {"properties": {"job": unchecked}, "required": ["job"]}},
            "required": ["defaults"],
        },
        "else": _CHECKED,
    }


def _keys(models: Iterable[str], schema: Json) -> Json:
    named = dict.fromkeys(models, schema)
    return {"properties": {"models": {"properties": named}}}


def _defaults(catalog: Catalog, models: Iterable[str]) -> Json:
    """Completed, never refused: what does not suit a model is dropped from its jobs."""
    optional = {name: {"anyOf": [_ref(name), {}]} for name in catalog.endpoints}
    by_model = {"properties": {name: {"$ref": "#/$defs/body"} for name in models}}
    return {"properties": {"models": by_model} | _without_workflows(optional)}


def _checked_job(catalog: Catalog) -> Json:
    """Bodies of a job that may be judged; one that says `unchecked: true` may hold anything."""
    names = list(catalog.endpoints)
    unchecked = {"properties": {"unchecked": {"const": True}}, "required": ["unchecked"]}
    endpoint = {"anyOf": [{"enum": [*_without_workflows(dict.fromkeys(names))]}, {}]}
    checked: Json = {
        "properties": {
            **_without_workflows({name: _ref(name) for name in names}),
            "request": {"properties": {"endpoint": endpoint}},
        }
    }
    if any(name.startswith(WORKFLOWS) for name in names):
        checked["patternProperties"] = {f"^{WORKFLOWS}": _ref(WORKFLOWS + "{id}")}
    return {"if": unchecked, "else": checked}


def _without_workflows(items: Mapping[str, Any]) -> Json:
    return {name: item for name, item in items.items() if not name.startswith(WORKFLOWS)}


def _ref(endpoint: str, *below: str) -> Json:
    return {"$ref": "/".join([_BODIES, schema_name(endpoint), *below])}


def _models(endpoint: Endpoint) -> list[str]:
    return list(endpoint.models) if endpoint.discriminator == "model" else []


# The body of one endpoint


def _body(endpoint: Endpoint, notes: Mapping[str, str]) -> Json:
    """Chosen by the model where it is written here; else what any model takes."""
    fields = _Fields(endpoint, notes)
    about = {"title": f"POST {endpoint.path}", "description": _makes(endpoint)}
    models = {name: fields.of_model(info) for name, info in endpoint.models.items()}
    key = endpoint.discriminator
    if key is None:
        return about | models[DEFAULT] | {"$defs": fields.made}
    chosen = {"properties": {key: {"enum": list(endpoint.models)}}, "required": [key]}
    return about | {
        "if": chosen,
        "then": {"allOf": [_when(endpoint, key, name) for name in endpoint.models]},
        "else": fields.of_any(),
        "$defs": fields.made | models,
    }


def _makes(endpoint: Endpoint) -> str:
    media = "what the workflow makes" if endpoint.media == "any" else endpoint.media
    return f"Request body of `{endpoint.name}` as Runway's documentation prints it; makes {media}."


def _when(endpoint: Endpoint, key: str, model: str) -> Json:
    chosen = {"properties": {key: {"const": model}}}
    return {"if": chosen, "then": _ref(endpoint.name, "$defs", model)}


class _Fields:
    """The fields of an endpoint: models that agree on one share its definition."""

    def __init__(self, endpoint: Endpoint, notes: Mapping[str, str]) -> None:
        self._endpoint = endpoint
        self._notes = notes
        self.made: dict[str, Json] = {}
        self._names: dict[str, dict[str, str]] = {}  # by field: its schema as text, its definition

    def of_model(self, info: ModelInfo) -> Json:
        made: Json = {"properties": {}, "additionalProperties": False}
        for name, schema in info.fields.items():
            is_key = name == self._endpoint.discriminator
            made["properties"][name] = self._ref(name, self._choice() if is_key else schema, info)
        if notes := _notes(info):
            made = {"description": notes} | made
        return made

    def of_any(self) -> Json:
        """Every field that a model takes, as any of them takes it."""
        made: Json = {}
        for name, definitions in self._names.items():
            refs = [_ref(self._endpoint.name, "$defs", each) for each in definitions.values()]
            made[name] = refs[0] if len(refs) == 1 else {"anyOf": refs}
        return {"properties": made, "additionalProperties": False}

    def _choice(self) -> Schema:
        infos = self._endpoint.models
        return {"enum": list(infos), "enumDescriptions": [_notes(each) for each in infos.values()]}

    def _ref(self, name: str, schema: Schema, info: ModelInfo) -> Json:
        rule = info.tolerated[name].rule if name in info.tolerated else ""
        made = self._definition(name, {key: schema[key] for key in schema if key != rule})
        known = self._names.setdefault(name, {})
        text = json.dumps(made, sort_keys=True)
        if text not in known:
            known[text] = f"{name}-{len(known) + 1}" if known else name
            self.made[known[text]] = made
        return _ref(self._endpoint.name, "$defs", known[text])

    def _definition(self, name: str, schema: Schema) -> Json:
        plain = published_schema(schema)
        about = " ".join(filter(None, (self._notes.get(name, ""), plain.pop("description", ""))))
        told = {key: plain.pop(key) for key in ("default", "deprecated") if key in plain}
        made = _open(plain)
        if "enum" not in plain:  # editors show what stands beside the value that fits
            made["anyOf"][:-1] = [{"description": about} | each for each in made["anyOf"][:-1]]
        return {"description": about} | told | made


def _open(schema: Schema) -> Json:
    """The same, where it and every value in it may also be a template or nothing."""
    inner = _opened_inside(schema)
    if "anyOf" not in inner:
        return {"anyOf": [inner, _LATER]}
    return inner | {"anyOf": [*inner["anyOf"], _LATER]}


def _opened_inside(schema: Schema) -> Json:
    inner = {key: item for key, item in schema.items() if key != "required"}  # may be filled later
    if "anyOf" in inner:
        inner["anyOf"] = [_opened_inside(branch) for branch in inner["anyOf"]]
    if "properties" in inner:
        inner["properties"] = {name: _open(each) for name, each in inner["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(inner.get(key), dict):
            inner[key] = _open(inner[key])
    return inner


def _notes(info: ModelInfo) -> str:
    """What a model is and costs, in a line."""
    price = f"{info.price.formula} credits" if info.price.formula else ""
    parts = [price, info.note]
    if info.is_retired:
        instead = f": use {listed(info.replacements)}" if info.replacements else ""
        parts.insert(0, f"No longer served{instead}.")
    return " ".join(filter(None, parts))
