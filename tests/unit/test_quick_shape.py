"""The quick tests of shapes say what jsonschema says, and change no message."""

from __future__ import annotations

import copy
import functools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, validators
from jsonschema.protocols import Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from runner.manifest.places import walk
from runner.manifest.quick_shape import quick_tests
from runner.manifest.schema import shape_schema
from runner.manifest.shape import check_shape
from runner.manifest.shape_validator import MANIFEST, validator_of
from runner.manifest.yaml12 import parse_yaml

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = sorted(path.name for path in (ROOT / "schemas").glob("*.json"))
FILES = sorted([*ROOT.glob("manifests/*.yaml"), *ROOT.glob("tests/data/manifests/valid/**/*.yaml")])
DOCUMENTS = [parse_yaml(path.read_bytes()) for path in FILES]


@functools.cache
def full(file: str) -> Validator:
    """jsonschema alone, as `validator_of` would be without quick tests."""
    checker = Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    )
    strict: Any = validators.extend(Draft202012Validator, type_checker=checker)
    others = [(MANIFEST, DRAFT202012.create_resource(shape_schema(MANIFEST)))]
    return strict(shape_schema(file), registry=Registry().with_resources(others))


def errors(validator: Validator, value: object) -> list[object]:
    found = [
        (list(error.absolute_path), list(error.absolute_schema_path), error.validator)
        for error in validator.iter_errors(value)
    ]
    return sorted(found, key=repr)


def agree(file: str, value: object) -> None:
    expected = errors(full(file), value)
    assert quick_tests(file)[id(shape_schema(file))](value) == (not expected)
    assert errors(validator_of(file), value) == expected


@pytest.mark.parametrize("file", SCHEMAS)
def test_every_schema_of_shapes_has_a_quick_test(file: str) -> None:
    assert id(shape_schema(file)) in quick_tests(file)


def test_every_manifest_is_judged_alike() -> None:
    for document in DOCUMENTS:
        agree(MANIFEST, document.value)


WORDS = st.sampled_from(sorted(
    {key for each in DOCUMENTS for _, node in walk(each.root) if isinstance(node.value, dict)
     for key in node.value}
    | {"workflows/abc-1", "workflows/", "x-note", "request", "image_to_video", "range", "zip", ""}
))  # fmt: skip
SCALARS = st.sampled_from(
    [None, True, False, 0, 1, -1, 5.0, 0.5, 10**12, "", "a", "$15", "20%", "${{ vars.a }}", "1-3"]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=4,
)


def changed(value: Any, data: st.DataObject) -> Any:
    """A copy with something else at one place."""
    value = copy.deepcopy(value)
    holders = [value]
    while data.draw(st.integers(0, 3)) and (
        inner := [
            each
            for each in (holders[-1].values() if isinstance(holders[-1], dict) else holders[-1])
            if isinstance(each, dict | list) and each
        ]
    ):
        holders.append(data.draw(st.sampled_from(inner)))
    holder = holders[-1]
    steps = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
    step = data.draw(st.sampled_from(steps))
    match data.draw(st.sampled_from(["replace", "remove", "add"])):
        case "replace":
            holder[step] = data.draw(VALUES)
        case "remove":
            del holder[step]
        case "add" if isinstance(holder, dict):
            holder[data.draw(WORDS)] = data.draw(VALUES)
    return value


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_damaged_manifest_is_judged_alike(data: st.DataObject) -> None:
    value = data.draw(st.sampled_from(DOCUMENTS)).value
    for _ in range(data.draw(st.integers(1, 2))):
        if isinstance(value, dict) and value:
            value = changed(value, data)
    agree(MANIFEST, value)


@pytest.mark.parametrize("file", SCHEMAS)
@settings(deadline=None, max_examples=60)
@given(value=VALUES)
def test_anything_is_judged_alike(file: str, value: object) -> None:
    agree(file, value)


def test_one_wrong_job_among_many_is_told() -> None:
    jobs = "".join(
        f"  - {{id: j{n}, takes: {n or 'x'}, text_to_image: {{}}}}\n" for n in range(500)
    )
    problems = check_shape(parse_yaml(f"version: 1\njobs:\n{jobs}".encode()))
    assert [(problem.line, problem.path) for problem in problems] == [(3, "jobs[0].takes")]


def test_slip_of_the_pen_in_every_job_is_told_for_each() -> None:
    jobs = "".join(f"  - {{id: j{n}, text_to_imag: {{}}}}\n" for n in range(100))
    problems = check_shape(parse_yaml(f"version: 1\njobs:\n{jobs}".encode()))
    assert len(problems) == 100
    assert {problem.hint for problem in problems} == {"did you mean `text_to_image`?"}
