"""Keys of jobs: what enters them, what must not, and that they never change between versions."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.credits import CostBand
from runner.core.spec import (
    AssetRef,
    JobSpec,
    OutputRef,
    as_ref,
    job_key,
    map_refs,
    refs_in,
)

BODY: dict[str, Any] = {"model": "gen4_turbo", "promptText": "a", "seed": 1}


def asset(**changes: Any) -> Any:
    fields = {"path": "/a.png", "sha256": "0" * 64, "bytes": 600, "media": "image", **changes}
    return AssetRef(**fields).to_json()


def parent(**changes: Any) -> Any:
    return OutputRef(**{"job": "p", "key": "k" * 64, "media": "image", **changes}).to_json()


def key(body: Any, endpoint: str = "image_to_video", take: int = 1) -> str:
    return job_key(endpoint, body, take)


PINNED = [
    # a change here makes every job of every batch stale: people would pay again
    ({}, "317a47c2"),
    (BODY, "b5780af8"),
    ({"promptText": "é😀\n\u2028"}, "f5cf37df"),
    ({"promptImage": asset()}, "38c66f46"),
    ({"promptImage": parent()}, "3aead693"),
    ({"a": [1, 1.5, True, None, {"b": "c"}]}, "0b14bef7"),
]


@pytest.mark.parametrize(("body", "beginning"), PINNED)
def test_key_is_the_same_in_every_version(body: Any, beginning: str) -> None:
    assert key(body)[:8] == beginning


@pytest.mark.parametrize(
    "other",
    [
        {**BODY, "seed": 2}, {**BODY, "seed": "1"}, {**BODY, "seed": 1.5}, {**BODY, "seed": True},
        {**BODY, "seed": None}, {**BODY, "promptText": "A"}, {**BODY, "promptText": "a "},
        {**BODY, "extra": None}, {"model": "gen4_turbo", "promptText": "a"},
        {**BODY, "promptText": ["a"]}, {**BODY, "promptText": {"a": ""}},
    ],
)  # fmt: skip
def test_any_other_body_is_another_key(other: Any) -> None:
    assert key(other) != key(BODY)


def test_endpoint_and_take_are_part_of_the_content() -> None:
    keys = {
        key(BODY, endpoint, take)
        for endpoint in ("image_to_video", "text_to_video")
        for take in (1, 2, 11)
    }
    assert len(keys) == 6


def test_order_of_a_list_matters_and_order_of_a_mapping_does_not() -> None:
    assert key({"a": 1, "b": 2}) == key({"b": 2, "a": 1})
    assert key({"a": {"x": 1, "y": 2}}) == key({"a": {"y": 2, "x": 1}})
    assert key({"a": [1, 2]}) != key({"a": [2, 1]})


def test_tuple_and_list_are_one_content() -> None:
    assert key({"a": (1, 2)}) == key({"a": [1, 2]})


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"path": "/elsewhere/b.jpg"}, True),
        ({"bytes": 601}, True),  # follows from the content
        ({"sha256": "1" * 64}, False),
    ],
)
def test_file_enters_by_its_content_alone(changes: dict[str, Any], same: bool) -> None:
    one, other = ({"images": [{"uri": asset(**each)}]} for each in ({}, changes))
    assert (key(one) == key(other)) == same


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"job": "renamed"}, True),
        ({"media": "video"}, True),
        ({"key": "l" * 64}, False),
        ({"index": 1}, False),
    ],
)
def test_parent_enters_by_its_key_and_output_alone(changes: dict[str, Any], same: bool) -> None:
    one, other = ({"promptImage": parent(**each)} for each in ({}, changes))
    assert (key(one) == key(other)) == same


def test_file_and_parent_with_the_same_hash_are_not_the_same_content() -> None:
    file, output = asset(sha256="f" * 64), parent(key="f" * 64)
    assert key({"promptImage": file}) != key({"promptImage": output})


def test_text_that_spells_a_reference_is_not_one() -> None:
    assert key({"a": asset()}) != key({"a": json.dumps(asset())})


# References in bodies


@pytest.mark.parametrize("value", [asset(), parent(), parent(index=3), asset(path="ü/ö.png")])
def test_reference_survives_its_way_through_json(value: Any) -> None:
    ref = as_ref(json.loads(json.dumps(value)))
    assert ref is not None
    assert ref.to_json() == value


@pytest.mark.parametrize(
    "value",
    [None, "a", 1, [], {}, {"a": 1}, {**asset(), "more": 1}, {**asset(), **parent()}, [asset()]],
)
def test_other_values_are_no_references(value: Any) -> None:
    assert as_ref(value) is None


def test_references_are_found_at_any_depth_in_order() -> None:
    body = {
        "a": [{"uri": parent(job="one")}, {"uri": asset(path="two")}],
        "b": {"c": {"d": parent(job="three")}},
        "e": "text",
    }
    found = [ref.job if isinstance(ref, OutputRef) else ref.path for ref in refs_in(body)]
    assert found == ["one", "two", "three"]


def test_replacing_references_leaves_the_body_itself_alone() -> None:
    body = {"a": [{"uri": parent()}], "b": 1}
    before = json.dumps(body)
    assert map_refs(body, lambda ref: "https://x") == {"a": [{"uri": "https://x"}], "b": 1}
    assert json.dumps(body) == before


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=4), PLAIN, max_size=4))
def test_key_of_any_body_survives_storing_it_as_json(body: dict[str, Any]) -> None:
    """The state file keeps bodies as JSON: what is read back must have the same key."""
    assert key(json.loads(json.dumps(body))) == key(body)
    assert key(dict(reversed(body.items()))) == key(body)
    assert map_refs(body, lambda ref: "never") == body


# What is set aside for a job


def spec(worst: int | None, most: int | None = None, model: str | None = "gen4_turbo") -> JobSpec:
    return JobSpec(
        id="a", key="k", template="a", take=1, endpoint="recipes/product_ad", model=model,
        media="video", body=BODY, output="a", max_credits=most,
        estimate=CostBand(low=0, expected=worst or 0, worst=worst),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("worst", "most", "reserve"),
    [(25, None, 25), (25, 100, 25), (25, 10, 10), (25, 25, 25), (None, 40, 40), (0, None, 0),
     (None, None, 0), (25, 0, 0)],
)  # fmt: skip
def test_reserve_is_the_worst_case_within_the_bound(
    worst: int | None, most: int | None, reserve: int
) -> None:
    assert spec(worst, most).reserve == reserve


def test_slots_are_counted_by_model_and_by_endpoint_where_there_is_none() -> None:
    assert spec(1).lane == "gen4_turbo"
    assert spec(1, model=None).lane == "recipes/product_ad"


def test_job_cannot_be_changed_once_it_is_made() -> None:
    with pytest.raises(FrozenInstanceError):
        spec(1).key = "other"
