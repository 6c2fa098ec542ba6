"""The endpoint schemas: made from the catalogue, and of one mind with the official SDK's types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import runwayml
from jsonschema import Draft202012Validator

from runner.core.catalog import Endpoint
from runner.manifest.catalog_file import load_catalog
from runner.manifest.endpoint_schema import schema_file
from tests.drift.compare import drift, table
from tests.schema_files import ENDPOINTS as FOLDER
from tests.schema_files import made

MADE = made()
CATALOG = load_catalog()
ENDPOINTS = [pytest.param(endpoint, id=name) for name, endpoint in CATALOG.endpoints.items()]


def load(endpoint: Endpoint) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((FOLDER / schema_file(endpoint.name)).read_text("utf-8"))
    return schema


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_file_is_what_the_catalogue_makes(endpoint: Endpoint) -> None:
    file = FOLDER / schema_file(endpoint.name)
    assert file.read_text("utf-8") == MADE[file]


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


def test_the_catalogue_has_not_drifted_from_the_sdk() -> None:
    """`make drift` asks the same of the newest release."""
    found = drift(CATALOG, Path(runwayml.__file__).parent)
    assert not found, "\n" + table(found)
