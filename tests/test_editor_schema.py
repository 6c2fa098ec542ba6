"""What editors say of a manifest: helpful with every body, and never against the loader."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from runner.core.catalog import Endpoint, ModelInfo
from runner.core.example_body import example_body
from runner.manifest.bodies import check_body
from runner.manifest.editor_schema import with_editor_part
from runner.manifest.endpoint_schema import published_schema, schema_name
from runner.manifest.field_notes import field_notes
from runner.manifest.schema import load_schema, shape_schema
from runner.manifest.shape import check_shape
from runner.manifest.yaml12 import parse_yaml
from tests.body_maker import CATALOG, INFOS, broken_bodies, named, posted, valid_bodies
from tests.schema_files import FRAGMENT, MANIFEST, load, made

EXAMPLES = sorted((MANIFEST.parent.parent / "manifests").glob("*.yaml"))
EACH_INFO = pytest.mark.parametrize("info", INFOS, ids=named)
LATER = ("${{ row.anything }}", "a ${{ vars.x }} b", None)


@functools.cache
def editor(endpoint: str) -> Draft202012Validator:
    """Checks a job's body as an editor does, without the rest of the manifest."""
    schema = load(MANIFEST)
    reference = {"$ref": f"#/$defs/bodies/{schema_name(endpoint)}"}
    return Draft202012Validator({**reference, "$defs": schema["$defs"]})


@functools.cache
def whole() -> Draft202012Validator:
    return Draft202012Validator(load(MANIFEST))


def manifest(job: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"version": 1, "jobs": [{"id": "a", **job}], **more}


# The files


def test_the_part_for_editors_is_what_the_catalogue_makes() -> None:
    schema = load(MANIFEST)
    assert schema == with_editor_part(schema, CATALOG, field_notes()), "run `make schemas`"
    assert load(FRAGMENT) == json.loads(made()[FRAGMENT])


def test_it_is_small_enough_to_be_read_at_every_key() -> None:
    assert MANIFEST.stat().st_size < 400_000


@pytest.mark.parametrize("dialect", [Draft202012Validator, Draft7Validator])
def test_it_is_sound_in_the_dialects_that_editors_know(dialect: Any) -> None:
    dialect.check_schema(load(MANIFEST))


def refs(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        for item in value.values():
            yield from refs(item)
    elif isinstance(value, list):
        for item in value:
            yield from refs(item)


def test_every_reference_leads_somewhere_and_needs_no_escape() -> None:
    schema = load(MANIFEST)
    for ref in set(refs(schema)):
        assert not re.search("[~%]", ref), "the YAML extension of VS Code does not follow it"
        place: Any = schema
        for step in ref.removeprefix("#/").split("/"):
            place = place[step]
        assert place


def test_the_loader_leaves_it_away() -> None:
    plain = shape_schema(MANIFEST.name)
    assert "allOf" not in plain
    assert {"later", "bodies", "checked_job"}.isdisjoint(plain["$defs"])
    assert not [ref for ref in refs(plain) if "bodies" in ref]
    text = b"version: 1\njobs: [{id: a, text_to_video: {model: 5, ratio: [], nonsense: 1}}]\n"
    assert check_shape(parse_yaml(text)) == []
    assert not whole().is_valid(parse_yaml(text).value)


def test_a_definition_stands_for_one_field_or_one_model() -> None:
    for endpoint in CATALOG.endpoints.values():
        fields = {name for info in endpoint.models.values() for name in info.fields}
        assert fields.isdisjoint(endpoint.models)


def test_every_field_is_explained_and_no_other() -> None:
    assert set(field_notes()) == {name for info in INFOS for name in info.fields}
    assert all(re.fullmatch(r"[A-Z].*[.…]", text) for text in field_notes().values())


# Bodies


@EACH_INFO
def test_bodies_that_are_taken_are_taken(info: ModelInfo) -> None:
    for body in (*valid_bodies(info), example_body(info)):
        assert [error.message for error in editor(info.endpoint).iter_errors(body)] == []


@EACH_INFO
def test_the_example_of_a_model_is_a_body_that_is_taken(info: ModelInfo) -> None:
    findings = check_body(CATALOG, posted(info), example_body(info))
    assert [each for each in findings if not info.is_retired or each.severity == "error"] == []


@EACH_INFO
def test_every_value_may_be_a_template_or_nothing(info: ModelInfo) -> None:
    body = example_body(info)
    for name in info.fields:
        for value in LATER:
            assert editor(info.endpoint).is_valid({**body, name: value}), name


@EACH_INFO
def test_what_is_missing_may_come_from_elsewhere(info: ModelInfo) -> None:
    assert editor(info.endpoint).is_valid({})
    body = example_body(info)
    for name in body:
        rest = {key: value for key, value in body.items() if key != name}
        assert editor(info.endpoint).is_valid(rest), name


@EACH_INFO
def test_a_wrong_choice_or_type_is_refused(info: ModelInfo) -> None:
    cases = [
        case
        for case in broken_bodies(info)
        if len(case.path) == 1 and case.why.startswith(("enum", "unknown"))
    ]
    assert cases
    for case in cases:
        assert not editor(info.endpoint).is_valid(case.body), case


@pytest.mark.parametrize("info", [each for each in INFOS if "ratio" in each.fields], ids=named)
def test_a_ratio_of_another_model_is_refused(info: ModelInfo) -> None:
    judge = Draft202012Validator(published_schema(info.fields["ratio"]))
    ratios = {
        ratio
        for other in CATALOG.endpoints[info.endpoint].models.values()
        for ratio in other.fields.get("ratio", {}).get("enum", ())
    }
    for ratio in (*ratios, "17:18"):
        body = example_body(info) | {"ratio": ratio}
        assert editor(info.endpoint).is_valid(body) == judge.is_valid(ratio), ratio


def test_without_a_model_any_models_value_is_taken_and_no_other() -> None:
    check = editor("text_to_video")
    assert check.is_valid({"ratio": "1280:720", "duration": 8})
    assert check.is_valid({"model": "${{ row.model }}", "ratio": "1920:1080"})
    assert not check.is_valid({"model": "${{ row.model }}", "ratio": "17:18"})
    assert not check.is_valid({"ratoi": "1280:720"})
    assert not check.is_valid({"model": "veo3.11"})


def test_a_list_that_the_original_document_leaves_empty_may_be_empty() -> None:
    body = {"model": "gen4_image", "promptText": "x", "ratio": "1920:1080", "referenceImages": []}
    assert editor("text_to_image").is_valid(body)


# Manifests


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_manifests_that_come_along_are_taken(path: Path) -> None:
    value = parse_yaml(path.read_bytes()).value
    assert [error.message for error in whole().iter_errors(value)] == []


@pytest.mark.parametrize("endpoint", CATALOG.endpoints.values(), ids=lambda each: each.name)
def test_every_endpoint_is_looked_into(endpoint: Endpoint) -> None:
    key = endpoint.name.replace("{id}", "0f1a")
    body = example_body(next(iter(endpoint.models.values())))
    assert whole().is_valid(manifest({key: body}))
    assert not whole().is_valid(manifest({key: body | {"no_such_field": 1}}))
    assert whole().is_valid(manifest({key: body | {"no_such_field": 1}, "unchecked": True}))


UNKNOWN = {"text_to_video": {"model": "veo9", "anything": 1}}


@pytest.mark.parametrize(
    ("value", "is_taken"),
    [
        (manifest(UNKNOWN), False),
        (manifest(UNKNOWN | {"unchecked": True, "max_credits": 5}), True),
        (manifest(UNKNOWN | {"unchecked": False}), False),
        (manifest(UNKNOWN, defaults={"job": {"unchecked": True}}), True),
        (manifest(UNKNOWN, defaults={"job": {"tags": ["x"]}}), False),
        (manifest({"request": {"endpoint": "${{ row.e }}", "body": {"x": 1}}}), True),
        (manifest({"request": {"endpoint": "text_to_video", "body": {"x": 1}}}), True),
        # a default that a model has no field for is dropped from its jobs
        (manifest({"text_to_video": {}}, defaults={"text_to_video": {"anything": 1}}), True),
        (manifest({"text_to_video": {}}, defaults={"models": {"veo3.1": {"any": 1}}}), True),
        (manifest({"text_to_video": {}}, budget={"models": {"veo3.1": "$5"}}), True),
        (manifest({"text_to_video": {}}, budget=5), True),
        (manifest({"text_to_video": {}}, budget={"models": {"veo3.1": "much"}}), False),
    ],
)
def test_it_refuses_only_what_the_loader_would(value: dict[str, Any], is_taken: bool) -> None:
    assert whole().is_valid(value) == is_taken


def test_models_are_completed_where_they_are_keys() -> None:
    overlay = load(MANIFEST)["allOf"][0]["properties"]
    served = {
        info.model for info in INFOS if CATALOG.endpoints[info.endpoint].discriminator == "model"
    }
    for section in ("budget", "concurrency", "defaults"):
        assert set(overlay[section]["properties"]["models"]["properties"]) == served


def test_an_included_file_is_completed_and_never_refused_for_its_bodies() -> None:
    resource = DRAFT202012.create_resource(load(MANIFEST))
    registry = Registry().with_resource(MANIFEST.name, resource)
    check = Draft202012Validator(load(FRAGMENT), registry=registry)
    assert check.is_valid(manifest(UNKNOWN))
    assert not check.is_valid(manifest({"takes": []}))
    assert "checked_job" in json.dumps(load_schema(FRAGMENT.name)["allOf"])
