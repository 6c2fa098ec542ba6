"""Every endpoint and model of the catalogue: the least body passes, each mistake in it is named.

Bodies are made from the catalogue, so that a model added tomorrow is tested tomorrow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from runner.core.catalog import ModelInfo, closest
from runner.manifest.bodies import check_body
from runner.manifest.body_rules import rule_findings
from runner.manifest.breaches import utf16_length
from runner.manifest.findings import Finding, Path, dotted
from tests.body_maker import (
    CATALOG,
    EMOJI,
    INFOS,
    WRONG_TYPES,
    Raw,
    chooser,
    full_body,
    least,
    least_body,
    named,
    posted,
    replaced,
)

VARIANTS = [pytest.param(info, id=named(info)) for info in INFOS]


def errors(info: ModelInfo, body: Raw) -> list[Finding]:
    """What is wrong with each field for itself; rules of several fields have tests of their own."""
    ruled = set(rule_findings(info, body))
    found = check_body(CATALOG, posted(info), body)
    return [item for item in found if item.severity == "error" and item not in ruled]


def schemas_in(schema: Mapping[str, Any], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The schema and those of its fields that `least` fills, objects and first items included."""
    yield path, schema
    if schema.get("type") == "object":
        for name in schema.get("required", ()):
            yield from schemas_in(schema["properties"][name], (*path, name))
    elif schema.get("type") == "array" and schema.get("minItems", 0):
        yield from schemas_in(schema["items"], (*path, 0))


def leaves(info: ModelInfo) -> Iterator[tuple[Path, Any]]:
    """Every field of the model, nested ones included, that a full body has."""
    for name, schema in info.fields.items():
        if name != chooser(info):
            yield from schemas_in(schema, (name,))


def only(info: ModelInfo, body: Raw, path: Path) -> Finding:
    """The single finding, which must be at `path`."""
    (finding,) = errors(info, body)
    assert dotted(finding.path) == dotted(path), finding
    assert not finding.message.endswith(".")
    assert not finding.hint.endswith(".")
    return finding


def name_of(info: ModelInfo) -> str:
    return info.endpoint if info.model == "default" else info.model


@pytest.mark.parametrize("info", VARIANTS)
def test_least_and_full_body_pass(info: ModelInfo) -> None:
    assert errors(info, least_body(info)) == []
    assert errors(info, full_body(info)) == []


@pytest.mark.parametrize("info", VARIANTS)
def test_each_required_field_is_missed_by_name(info: ModelInfo) -> None:
    for name in set(info.required) - set(info.tolerated):
        body = least_body(info)
        del body[name]
        finding = only(info, body, (name,))
        assert finding.message.startswith(f"`{name}` is missing")
        assert finding.hint


@pytest.mark.parametrize("info", VARIANTS)
def test_null_is_no_value_for_a_field_that_is_there(info: ModelInfo) -> None:
    """Null only removes a default; a null that reached Runway would be a refusal there."""
    for path, _ in leaves(info):
        if path[0] not in info.tolerated:
            only(info, replaced(full_body(info), path, None), path)


@pytest.mark.parametrize("info", VARIANTS)
def test_missing_key_of_an_object_is_named_with_its_path(info: ModelInfo) -> None:
    for path, schema in leaves(info):
        for name in schema.get("required", ()):
            full = full_body(info)
            inner: Any = full
            for step in path:
                inner = inner[step]
            del inner[name]
            found = errors(info, full)
            assert any(dotted(item.path) == dotted((*path, name)) for item in found)


@pytest.mark.parametrize("info", VARIANTS)
def test_value_that_is_no_choice_is_refused_with_the_choices(info: ModelInfo) -> None:
    for path, schema in leaves(info):
        for choices, value in wrong_choices(schema):
            finding = only(info, replaced(full_body(info), path, value), path)
            told = finding.message + finding.hint
            assert all(str(choice) in told for choice in choices), told


def wrong_choices(schema: Mapping[str, Any]) -> Iterator[tuple[list[Any], Any]]:
    if "enum" in schema and all(isinstance(choice, str) for choice in schema["enum"]):
        yield schema["enum"], "zzzzzz"
        yield schema["enum"], ""
    elif "enum" in schema:
        yield schema["enum"], max(schema["enum"]) + 1
        yield schema["enum"], str(schema["enum"][0])


@pytest.mark.parametrize("info", VARIANTS)
def test_choice_with_a_slip_of_the_pen_is_recognised(info: ModelInfo) -> None:
    for path, schema in leaves(info):
        words = [word for word in schema.get("enum", ()) if isinstance(word, str) and len(word) > 5]
        for word in words[:2]:
            slip = word[:-1] + "§"
            finding = only(info, replaced(full_body(info), path, slip), path)
            assert "did you mean `" in finding.hint, (path, slip, finding)


@pytest.mark.parametrize("info", VARIANTS)
def test_unknown_key_is_refused_and_a_misspelt_one_recognised(info: ModelInfo) -> None:
    """Also where Runway itself would ignore it: the result would be paid for all the same."""
    finding = only(info, {**least_body(info), "zzzzzz": 1}, ("zzzzzz",))
    assert f"`zzzzzz` is not a field of `{name_of(info)}`" in finding.message
    for name in info.fields:
        slip = name + "s" if len(name) > 3 else name + name[-1]
        if slip in info.fields:
            continue
        finding = only(info, {**least_body(info), slip: 1}, (slip,))
        assert finding.hint == f"did you mean `{closest(slip, list(info.fields))}`?"


@pytest.mark.parametrize("info", VARIANTS)
def test_unknown_key_of_an_object_is_refused_too(info: ModelInfo) -> None:
    for path, schema in leaves(info):
        if schema.get("type") == "object" and schema.get("properties"):
            finding = only(info, replaced(full_body(info), (*path, "zzzzzz"), 1), (*path, "zzzzzz"))
            assert finding.message == f"`zzzzzz` is not a field of `{dotted(path)}`"


#: a tolerated rule is one rule: the empty list of the original document, and nothing else
@pytest.mark.parametrize("value", ["", 0, False, {}], ids=repr)
def test_wrong_type_is_not_tolerated_where_an_empty_list_is(value: object) -> None:
    info = CATALOG.endpoints["text_to_image"].models["gen4_image_turbo"]
    assert errors(info, {**least_body(info), "referenceImages": value})


def test_missing_field_is_not_tolerated_where_an_empty_list_is() -> None:
    info = CATALOG.endpoints["text_to_image"].models["gen4_image_turbo"]
    body = least_body(info)
    del body["referenceImages"]
    assert errors(info, body)


@pytest.mark.parametrize("info", VARIANTS)
def test_value_of_a_wrong_type_is_refused_at_its_place(info: ModelInfo) -> None:
    full = full_body(info)
    for path, schema in leaves(info):
        if path[0] in info.tolerated:
            continue
        for value in WRONG_TYPES.get(schema.get("type", ""), ()):
            finding = only(info, replaced(full, path, value), path)
            assert "must be" in finding.message


@pytest.mark.parametrize("info", VARIANTS)
def test_number_is_taken_at_its_bounds_and_refused_beyond(info: ModelInfo) -> None:
    full = full_body(info)
    for path, schema in leaves(info):
        if schema.get("type") not in {"integer", "number"} or "enum" in schema:
            continue
        for bound, step in (("minimum", -1), ("maximum", 1)):
            if bound in schema:
                assert errors(info, replaced(full, path, schema[bound])) == []
                finding = only(info, replaced(full, path, schema[bound] + step), path)
                assert f"{schema[bound]}" in finding.message


@pytest.mark.parametrize("info", VARIANTS)
def test_text_is_measured_in_utf_16_units(info: ModelInfo) -> None:
    full = full_body(info)
    for path, schema in leaves(info):
        most = schema.get("maxLength")
        if most is None or "pattern" in schema:
            continue
        for fits in ("a" * most, EMOJI * (most // 2), "é" * most, "漢" * most):
            assert errors(info, replaced(full, path, fits)) == []
        for long in ("a" * (most + 1), EMOJI * (most // 2 + 1), "a" + EMOJI * (most // 2) + "a"):
            finding = only(info, replaced(full, path, long), path)
            assert f"has {utf16_length(long):,} characters" in finding.message
            assert f"at most {most:,}" in finding.message
            assert ("emoji" in finding.hint) == (EMOJI in long)


@pytest.mark.parametrize("info", VARIANTS)
def test_text_that_is_too_short_is_refused(info: ModelInfo) -> None:
    full = full_body(info)
    for path, schema in leaves(info):
        least_length = schema.get("minLength", 0)
        if least_length and "pattern" not in schema:
            finding = only(info, replaced(full, path, "a" * (least_length - 1)), path)
            assert f"at least {least_length:,}" in finding.message


@pytest.mark.parametrize("info", VARIANTS)
def test_list_is_taken_full_and_refused_with_one_more(info: ModelInfo) -> None:
    full = full_body(info)
    for path, schema in leaves(info):
        most = schema.get("maxItems")
        if most is None or schema.get("type") != "array":
            continue
        item = least(schema["items"])
        assert errors(info, replaced(full, path, [item] * most)) == []
        finding = only(info, replaced(full, path, [item] * (most + 1)), path)
        assert f"at most {most}" in finding.message
        few = schema.get("minItems", 0)
        if few and path[0] not in info.tolerated:
            finding = only(info, replaced(full, path, [item] * (few - 1)), path)
            assert f"at least {few}" in finding.message


#: what no media field takes -> words of the reason
BAD_MEDIA = {
    "http://example.com/a": "cannot be a `http:` URL",
    "file:///etc/passwd": "cannot be a `file:` URL",
    "ftp://example.com/a": "cannot be a `ftp:` URL",
    "javascript://x": "cannot be a `javascript:` URL",
    "~/a.png": "starts with `~`",
    "": "is empty",
    "https://127.0.0.1/a": "by its IP address",
    "https://localhost/abc": "without a public domain name",
    "https://example.com/a b": "with a blank in it",
    "https://example.com/" + "a" * 2029: "is a URI of 2,049 characters",
    "data:text/plain;base64,YQ==": "is a data URI of another form",
}
GOOD_MEDIA = [
    "https://example.com/a", "https://example.com/" + "a" * 2028, "runway://" + "a" * 4991,
    "plates/a.file", "https://example.com/?a=%20&b=~#c",
]  # fmt: skip


def media_paths(info: ModelInfo) -> list[Path]:
    return [path for path, schema in leaves(info) if schema.get("format") == "media-uri"]


@pytest.mark.parametrize("info", [each for each in VARIANTS if media_paths(each.values[0])])
def test_every_media_field_has_the_same_rules_for_urls(info: ModelInfo) -> None:
    full = full_body(info)
    for path in media_paths(info):
        for value in GOOD_MEDIA:
            assert errors(info, replaced(full, path, value)) == []
        for value, reason in BAD_MEDIA.items():
            finding = only(info, replaced(full, path, value), path)
            assert reason in finding.message
            assert finding.hint
            assert value[8:] not in finding.message or len(value) < 9


@pytest.mark.parametrize("info", VARIANTS)
def test_all_mistakes_of_a_body_are_told_at_once(info: ModelInfo) -> None:
    body: Raw = {"zzzzzz": 1}
    if (field := chooser(info)) is not None:
        body[field] = info.model
    missing = {name for name in info.required if name not in body}
    found = {dotted(item.path) for item in errors(info, body)}
    assert found | set(info.tolerated) == missing | {"zzzzzz"} | set(info.tolerated)


def test_the_table_covers_the_catalogue() -> None:
    assert len(VARIANTS) == 116
    checked = [path for param in VARIANTS for path, _ in leaves(param.values[0])]
    assert len(checked) > 600


@pytest.mark.parametrize("info", VARIANTS)
def test_fields_with_a_default_take_their_default(info: ModelInfo) -> None:
    for name, schema in info.fields.items():
        if "default" in schema:
            assert errors(info, {**least_body(info), name: schema["default"]}) == []
