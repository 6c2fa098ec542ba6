"""The catalogue as JSON Schema: the files under `schemas/endpoints/` are made here.

Stricter than the service in one way: no object takes a key that the catalogue does not name. Some
models ignore a misspelt key without a word, and charge for the result.
"""

from __future__ import annotations

from typing import Any

from runner.core.catalog import Endpoint, ModelInfo, Schema

DIALECT = "https://json-schema.org/draft/2020-12/schema"

#: where a figure comes from matters in the catalogue, not to a validator
_PROVENANCE = frozenset({"since", "limit_source"})


def schema_file(endpoint: str) -> str:
    """Name of an endpoint's file: `recipes-product_ad.schema.json`."""
    return f"{schema_name(endpoint)}.schema.json"


def schema_name(endpoint: str) -> str:
    """`recipes/product_ad` -> `recipes-product_ad`; editors do not follow an escaped `/`."""
    return endpoint.replace("/", "-").replace("{", "").replace("}", "")


def endpoint_schema(endpoint: Endpoint) -> dict[str, Any]:
    """The whole file: one definition per model, chosen by the discriminator."""
    schema: dict[str, Any] = {
        "$schema": DIALECT,
        "title": f"Body of POST {endpoint.path}",
        "$comment": "made from runner/data/catalog.json; a test holds the two together",
    }
    field = endpoint.discriminator
    if field is None:
        schema["$ref"] = "#/$defs/default"
    else:
        schema |= {
            "type": "object",
            "required": [field],
            "properties": {field: {"enum": list(endpoint.models)}},
            "allOf": [_when(field, model) for model in endpoint.models],
        }
    return schema | {"$defs": {name: model_schema(info) for name, info in endpoint.models.items()}}


def model_schema(info: ModelInfo) -> dict[str, Any]:
    """The body of one model. Strings of format `media-uri` are checked by `uris.py`."""
    schema: dict[str, Any] = {"type": "object"}
    if info.is_retired:
        schema["deprecated"] = True
    if info.note:
        schema["description"] = info.note
    return schema | {
        "required": list(info.required),
        "properties": {name: published_schema(field) for name, field in info.fields.items()},
        "additionalProperties": False,
    }


def _when(field: str, model: str) -> dict[str, Any]:
    chosen = {"properties": {field: {"const": model}}, "required": [field]}
    return {"if": chosen, "then": {"$ref": f"#/$defs/{model}"}}


def published_schema(schema: Schema) -> dict[str, Any]:
    published: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "note":
            published["description"] = value
        elif key == "properties":
            published[key] = {name: published_schema(item) for name, item in value.items()}
        elif key == "anyOf":
            published[key] = [published_schema(item) for item in value]
        elif key == "items" or (key == "additionalProperties" and isinstance(value, dict)):
            published[key] = published_schema(value)
        elif key not in _PROVENANCE:
            published[key] = value
    if "properties" in published:
        published.setdefault("additionalProperties", False)
    return published
