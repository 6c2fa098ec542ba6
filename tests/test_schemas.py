"""The endpoint schemas: made from the catalogue, and of one mind with the official SDK's types."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import typing_extensions
from jsonschema import Draft202012Validator
from runwayml._utils import PropertyInfo

from runner.core.catalog import Endpoint
from runner.manifest.catalog_file import load_catalog
from runner.manifest.endpoint_schema import endpoint_schema, schema_file

FOLDER = Path(__file__).parent.parent / "schemas" / "endpoints"
CATALOG = load_catalog()
ENDPOINTS = [pytest.param(endpoint, id=name) for name, endpoint in CATALOG.endpoints.items()]

# how the SDK names the parameters of an endpoint, where it is not `<endpoint>_create_params`
SDK_MODULES = {"avatar_videos": "avatar_video_create_params"}
# typed by hand in the SDK as a plain mapping
NOT_IN_SDK = {"workflows/{id}"}


def load(endpoint: Endpoint) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((FOLDER / schema_file(endpoint.name)).read_text("utf-8"))
    return schema


def as_text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_file_is_what_the_catalogue_makes(endpoint: Endpoint) -> None:
    file = FOLDER / schema_file(endpoint.name)
    assert file.read_text("utf-8") == as_text(endpoint_schema(endpoint))


def test_there_is_no_file_without_an_endpoint() -> None:
    made = {schema_file(name) for name in CATALOG.endpoints}
    assert {file.name for file in FOLDER.iterdir()} == made


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_file_is_valid_json_schema(endpoint: Endpoint) -> None:
    schema = load(endpoint)
    Draft202012Validator.check_schema(schema)
    assert set(schema["$defs"]) == set(endpoint.models)


def test_the_model_chooses_the_definition() -> None:
    validator = Draft202012Validator(load(CATALOG.endpoints["text_to_video"]))
    body = {"model": "veo3.1", "promptText": "x", "ratio": "1280:720", "duration": 6}
    assert validator.is_valid(body)
    assert not validator.is_valid(body | {"duration": 5})
    assert validator.is_valid(body | {"model": "gen4.5", "duration": 5})
    assert not validator.is_valid(body | {"model": "gen4"})
    assert not validator.is_valid({"promptText": "x"})


def test_an_endpoint_without_models_has_one_definition() -> None:
    validator = Draft202012Validator(load(CATALOG.endpoints["recipes/product_ad"]))
    body = {"version": "2026-06", "productImages": [{"uri": "https://example.com/a.png"}]}
    assert validator.is_valid(body)
    assert not validator.is_valid(body | {"model": "x"})


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_no_object_takes_a_key_that_it_does_not_name(endpoint: Endpoint) -> None:
    def walk(schema: Any) -> Iterator[dict[str, Any]]:
        if isinstance(schema, dict):
            if schema.get("type") == "object":
                yield schema
            for item in schema.values():
                yield from walk(item)
        elif isinstance(schema, list):
            for item in schema:
                yield from walk(item)

    for schema in walk(load(endpoint)["$defs"]):
        assert "additionalProperties" in schema


# The official SDK


def sdk_models(endpoint: Endpoint) -> dict[str, dict[str, Any]]:
    """Type hints of the SDK's parameters by model, keys as they go over the wire."""
    if endpoint.name.startswith("recipes/"):
        module = f"recipe_{endpoint.name.removeprefix('recipes/')}_params"
    elif endpoint.name.startswith("generate/"):
        module = f"generate.{endpoint.name.removeprefix('generate/')}_create_params"
    else:
        module = SDK_MODULES.get(endpoint.name, f"{endpoint.name}_create_params")
    types = importlib.import_module(f"runwayml.types.{module}")
    models: dict[str, dict[str, Any]] = {}
    for name in types.__all__:
        kind = getattr(types, name)
        if not typing_extensions.is_typeddict(kind):
            continue
        hints = typing_extensions.get_type_hints(kind, include_extras=True)
        wire = dict(wire_key(key, hint) for key, hint in hints.items())
        if endpoint.discriminator is None:
            if name.endswith("Params"):
                models["default"] = wire
        elif endpoint.discriminator in wire:
            for model in literals(wire[endpoint.discriminator]):
                models[model] = wire
    return models


def wire_key(key: str, hint: Any) -> tuple[str, Any]:
    inner = hint
    while get_origin(inner) in (typing_extensions.Required, typing_extensions.NotRequired):
        (inner,) = get_args(inner)
    for extra in getattr(inner, "__metadata__", ()):
        if isinstance(extra, PropertyInfo) and extra.alias:
            return extra.alias, hint
    return key, hint


def literals(hint: Any) -> list[str]:
    if get_origin(hint) is Literal:
        return [str(item) for item in get_args(hint)]
    return [word for item in get_args(hint) for word in literals(item)]


SDK_ENDPOINTS = [item for item in ENDPOINTS if item.id not in NOT_IN_SDK]


@pytest.mark.parametrize("endpoint", SDK_ENDPOINTS)
def test_models_that_are_served_are_those_of_the_sdk(endpoint: Endpoint) -> None:
    served = {name for name, info in endpoint.models.items() if not info.is_retired}
    assert served == set(sdk_models(endpoint))


@pytest.mark.parametrize("endpoint", SDK_ENDPOINTS)
def test_fields_are_those_of_the_sdk(endpoint: Endpoint) -> None:
    definitions = load(endpoint)["$defs"]
    for model, hints in sdk_models(endpoint).items():
        required = {key for key, hint in hints.items() if is_required(hint)}
        assert set(definitions[model]["properties"]) == set(hints), model
        assert set(definitions[model]["required"]) == required, model


@pytest.mark.parametrize("endpoint", SDK_ENDPOINTS)
def test_fixed_choices_are_those_of_the_sdk(endpoint: Endpoint) -> None:
    definitions = load(endpoint)["$defs"]
    for model, hints in sdk_models(endpoint).items():
        for key, hint in hints.items():
            schema = definitions[model]["properties"][key]
            if "enum" in schema and literals(hint):
                assert {str(item) for item in schema["enum"]} == set(literals(hint)), (model, key)


def is_required(hint: Any) -> bool:
    return get_origin(hint) is typing_extensions.Required
