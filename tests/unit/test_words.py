from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.ranges import Range, between, exactly, is_number, total
from runner.core.spec import OutputRef
from runner.manifest.findings import dotted
from runner.manifest.words import expected, hint_for, listed, shown, some, suggestion


@pytest.mark.parametrize(
    ("choices", "text"),
    [(["a"], "`a`"), ([4, 6, 8], "4, 6 or 8"), (["a", 1.5], "`a` or 1.5")],
)
def test_choices_are_listed_as_people_do(choices: list[Any], text: str) -> None:
    assert listed(choices) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("slow push in", "`slow push in`"),
        ("5", '`"5"`'),
        ("true", '`"true"`'),
        ("", '`""`'),
        ("16:9", "`16:9`"),
        (True, "`true`"),
        (None, "`null`"),
        ({"a": [1]}, '`{"a": [1]}`'),
        ("two\nlines", '`"two\\nlines"`'),
        (OutputRef(job="a", key="k").to_json(), "a file"),
    ],
)
def test_a_value_is_shown_so_that_text_and_numbers_differ(value: Any, text: str) -> None:
    assert shown(value) == text


def test_a_long_value_is_cut() -> None:
    assert len(shown("x" * 1000)) == 62


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "integer", "minimum": 2, "maximum": 10}, "a whole number from 2 to 10"),
        ({"type": "integer", "exclusiveMinimum": 0}, "a whole number above 0"),
        ({"type": "number", "minimum": 0}, "a number from 0 up"),
        ({"type": "number", "maximum": 3}, "a number up to 3"),
        ({"type": "number"}, "a number"),
        ({"type": "boolean"}, "true or false"),
        ({"type": "string", "minLength": 1, "maxLength": 1000}, "a text of 1 to 1,000 characters"),
        ({"type": "string", "minLength": 3}, "a text of at least 3 characters"),
        ({"type": "string"}, "a text"),
        ({"type": "array", "maxItems": 3}, "a list with 0 to 3 items"),
        ({"type": "array", "minItems": 1, "maxItems": 1}, "a list with 1 item"),
        ({"type": "array"}, "a list"),
        ({"type": "object"}, "a mapping"),
        ({"enum": ["a", "b"]}, "`a` or `b`"),
        ({"enum": list(range(9))}, "one of 9 values"),
        ({"anyOf": [{"type": "boolean"}, {"enum": ["auto"]}]}, "true or false or `auto`"),
        (
            {"type": "string", "format": "media-uri", "media": "audio"},
            "audio (a local file or an https URL)",
        ),
    ],
)
def test_a_schema_is_said_in_words(schema: dict[str, Any], text: str) -> None:
    assert expected(schema) == text


def test_media_have_their_articles() -> None:
    assert [some(media) for media in ("image", "video", "audio")] == [
        "an image",
        "a video",
        "audio",
    ]


def test_a_hint_lists_what_the_message_does_not() -> None:
    assert hint_for("hgih", ["low", "medium", "high"]) == "did you mean `high`?"
    many = [f"value-{letter}" for letter in "abcdefg"]
    assert hint_for("xyzzy", many).startswith("it takes `value-a`, ")
    assert hint_for("value-h", many).startswith("did you mean `value-")


@pytest.mark.parametrize(
    "value", [5, None, ["a"], "0:0", "1:0", "1:" + "9" * 400, "9" * 400 + ":1"]
)
def test_nothing_is_suggested_where_nothing_fits(value: Any) -> None:
    assert suggestion(value, ["1280:720", "high", 5]) == ""


@given(value=st.text(alphabet="0123456789:.", max_size=8))
def test_no_ratio_breaks_the_suggestion(value: str) -> None:
    assert suggestion(value, ["1280:720", "auto"]) in {"", "did you mean `1280:720`?"}


@pytest.mark.parametrize(
    ("path", "text"),
    [((), ""), (("a",), "a"), (("a", 0, "b"), "a[0].b"), (("a", "b", 1, 2), "a.b[1][2]")],
)
def test_a_path_is_written_with_dots(path: tuple[str | int, ...], text: str) -> None:
    assert dotted(path) == text


# The arithmetic under the estimates


def test_a_range_without_limit_stays_without() -> None:
    open_end = between(2, None, "length not known")
    assert (open_end + exactly(1)).worst is None
    assert (exactly(3) * open_end).worst is None
    assert (open_end * exactly(3)).low == 6


def test_notes_are_kept_only_where_something_is_open() -> None:
    assert between(1, 1, "no doubt").notes == ()
    assert total([between(1, 2, "a"), between(1, 3, "b")]).notes == ("a", "b")


def test_decimals_are_exact() -> None:
    assert (exactly(0.7) * exactly(90)).worst == 63
    assert (exactly(6.71) * exactly(12)).worst == Fraction("80.52")


@pytest.mark.parametrize("value", [True, "1", None, float("nan"), float("inf"), [1]])
def test_what_is_no_number_is_known(value: object) -> None:
    assert not is_number(value)


FIGURES = st.floats(min_value=0, max_value=1e6)


@given(low=FIGURES, high=FIGURES, factor=FIGURES)
def test_ranges_stay_in_order(low: float, high: float, factor: float) -> None:
    for item in (between(low, high), between(low, high) * exactly(factor)):
        assert isinstance(item, Range)
        assert item.worst is not None
        assert item.low <= item.likely <= item.worst


def test_a_ratio_beside_a_known_one_gets_the_known_one_suggested():
    known = ["1360:768", "1920:1080", "1280:720", "720:1280"]
    assert suggestion("1920:1081", known) == "did you mean `1920:1080`?"
    assert suggestion("16:9", ["1:1", "1280:720"]) == "did you mean `1280:720`?"
