from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.manifest.catalog_file import load_catalog
from runner.manifest.rows.cells import CellProblem, cell_reader

CATALOG = load_catalog()
FIELDS = {
    (model.endpoint, model.model, name): schema
    for endpoint in CATALOG.endpoints.values()
    for model in endpoint.models.values()
    for name, schema in model.fields.items()
}

WHOLE = {"type": "integer", "minimum": 2, "maximum": 10}
CHOICE = {"type": "integer", "enum": [4, 6, 8]}
NUMBER = {"type": "number"}
TRUTH = {"type": "boolean"}
TEXT = {"type": "string"}
RATIO = {"type": "string", "enum": ["1280:720", "720:1280", "422"]}
LIST = {"type": "array", "items": {"type": "string"}}
MAPPING = {"type": "object"}
AUTO = {"anyOf": [WHOLE, {"type": "string", "enum": ["auto"]}]}
MIXED = {"enum": ["auto", 5, 10]}
MEDIA = {"type": "string", "format": "media-uri", "media": "image"}
MEDIA_OR_LIST = {"anyOf": [MEDIA, {"type": "array", "items": {"type": "object"}}]}


def problem(schema: dict[str, Any], text: str) -> CellProblem:
    with pytest.raises(CellProblem) as caught:
        cell_reader(schema)(text)
    return caught.value


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        (WHOLE, "5", 5),
        (WHOLE, "5.0", 5),
        (WHOLE, " 5 ", 5),
        (WHOLE, "+5", 5),
        (WHOLE, "-5", -5),
        (WHOLE, "007", 7),
        (WHOLE, "99", 99),  # the check of the body knows the range
        (CHOICE, "6", 6),
        (CHOICE, "7", 7),
        (NUMBER, "0.5", 0.5),
        (NUMBER, ".5", 0.5),
        (NUMBER, "5", 5),
        (NUMBER, "5.0", 5),
        (NUMBER, "1e-3", 0.001),
        (TRUTH, "true", True),
        (TRUTH, "TRUE", True),
        (TRUTH, "Yes", True),
        (TRUTH, "1", True),
        (TRUTH, "false", False),
        (TRUTH, "No ", False),
        (TRUTH, "0", False),
        (TEXT, "5", "5"),
        (TEXT, "true", "true"),
        (TEXT, "[a]", "[a]"),
        (TEXT, " x ", " x "),
        ({}, "5", "5"),
        (RATIO, "1280:720", "1280:720"),
        (RATIO, "1280:720 ", "1280:720"),
        (RATIO, "422", "422"),
        (RATIO, "16:9", "16:9"),
        (AUTO, "5", 5),
        (AUTO, "auto", "auto"),
        (MIXED, "5", 5),
        (MIXED, "auto", "auto"),
        (LIST, '["red", "blue"]', ["red", "blue"]),
        (LIST, " [] ", []),
        (MAPPING, '{"a": {"b": 1.5}}', {"a": {"b": 1.5}}),
        (MEDIA, "plates/[1].png", "plates/[1].png"),
        (MEDIA_OR_LIST, "plates/1.png", "plates/1.png"),
        (MEDIA_OR_LIST, '[{"uri": "a.png"}]', [{"uri": "a.png"}]),
        ({"oneOf": [TRUTH, {"anyOf": [LIST]}]}, "yes", True),
    ],
)
def test_a_cell_becomes_what_its_field_takes(schema: dict[str, Any], text: str, value: Any) -> None:
    found = cell_reader(schema)(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        (WHOLE, "six"),
        (WHOLE, "5.5"),
        (WHOLE, "1_000"),
        (WHOLE, "٥"),
        (WHOLE, "0x10"),
        (WHOLE, "5 s"),
        (WHOLE, "9" * 5000),
        (NUMBER, "nan"),
        (NUMBER, "inf"),
        (NUMBER, "1e999"),
        (TRUTH, "maybe"),
        (TRUTH, "2"),
        (AUTO, "Auto"),
        (LIST, "red"),
        (LIST, "[red]"),
        (LIST, "[1, NaN]"),
        (MAPPING, '{"a": 1, "a": 2}'),
        (MAPPING, '{"a": "\\ud800"}'),
        (MAPPING, '{"a": 1e999}'),
        (LIST, "[" * 100_000),
        (MEDIA_OR_LIST, "[a] 1.png"),
    ],
)
def test_a_cell_that_no_type_of_its_field_fits_is_a_problem(
    schema: dict[str, Any], text: str
) -> None:
    error = problem(schema, text)
    assert len(error.message) < 250


def test_the_message_says_what_is_expected() -> None:
    assert problem(WHOLE, "six").message == (
        "the cell must be a whole number from 2 to 10, got `six`"
    )
    assert problem(AUTO, "Auto").message.startswith(
        "the cell must be a whole number from 2 to 10 or `auto`"
    )


@pytest.mark.parametrize("text", ["1,5", "1,000", "1.000,5", "-12,000,000.5"])
def test_a_comma_in_a_number_is_explained(text: str) -> None:
    assert "decimal point" in problem(NUMBER, text).hint


def test_a_number_that_a_spreadsheet_shortened_is_explained() -> None:
    assert "shortened" in problem(WHOLE, "4.29E+09").hint


def test_a_list_without_brackets_is_explained() -> None:
    assert problem(LIST, "red").hint.startswith("write it as JSON")


@pytest.mark.parametrize("place", FIELDS, ids="-".join)
def test_every_field_of_the_catalogue_takes_cells(place: tuple[str, str, str]) -> None:
    schema = FIELDS[place]
    read = cell_reader(schema)
    for text in ("5", "auto", "a.png", "[]", "{}", "true", "x y"):
        try:
            found = read(text)
        except CellProblem:
            assert schema.get("type") != "string"
        else:
            assert found == text or not isinstance(found, str)


@given(st.integers(min_value=-(10**30), max_value=10**30))
def test_whole_numbers_are_read_exactly(number: int) -> None:
    assert cell_reader(WHOLE)(str(number)) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_read_exactly(number: float) -> None:
    assert cell_reader(NUMBER)(repr(number)) == number


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=9))
def test_json_is_read_back(value: Any) -> None:
    assert cell_reader(LIST)(json.dumps([value])) == [value]


@given(
    text=st.text() | st.text('0123456789.,+-eE[]{}":a \\u'),
    schema=st.sampled_from([WHOLE, NUMBER, TRUTH, RATIO, AUTO, MIXED, LIST, MEDIA_OR_LIST]),
)
def test_any_text_is_a_value_or_a_problem(text: str, schema: dict[str, Any]) -> None:
    try:
        value = cell_reader(schema)(text)
    except CellProblem:
        return
    json.dumps(value, allow_nan=False)


@given(st.text())
def test_text_is_never_changed(text: str) -> None:
    assert cell_reader(TEXT)(text) == text
