"""The quick check of a body says yes exactly where the full one has nothing to say."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.catalog import ModelInfo
from runner.core.spec import AssetRef, OutputRef
from runner.manifest.bodies import check_body
from runner.manifest.body_check import BodyChecker
from tests.body_maker import (
    CATALOG,
    EMOJI,
    INFOS,
    UUID,
    Raw,
    body_with,
    broken_bodies,
    full_body,
    least_body,
    named,
    posted,
    valid_bodies,
)

CHECKERS = {info: BodyChecker(CATALOG, posted(info), info) for info in INFOS}
#: a checker of a retired model never says yes; one that is served is of more use to the search
SERVED = [info for info in INFOS if not info.is_retired]


def is_clean(info: ModelInfo, body: Raw) -> bool:
    return check_body(CATALOG, posted(info), body) == []


@pytest.mark.parametrize("info", INFOS, ids=named)
def test_both_agree_on_every_valid_and_every_broken_body(info: ModelInfo) -> None:
    fits = CHECKERS[info].fits
    for body in [*valid_bodies(info), full_body(info)]:
        assert fits(body) == is_clean(info, body), body
    for case in broken_bodies(info):
        assert fits(case.body) == is_clean(info, case.body), case


def test_the_quick_check_says_yes_to_most_valid_bodies() -> None:
    """Else it would agree by always saying no."""
    bodies = [(info, body) for info in SERVED for body in valid_bodies(info)]
    assert sum(CHECKERS[info].fits(body) for info, body in bodies) > 0.8 * len(bodies)


# Bodies that nobody thought of


def marker(media: str) -> list[Raw]:
    asset = AssetRef(path="/a.png", sha256="0" * 64, bytes=600, media=media)
    output = OutputRef(job="still", key="k", media=media)
    return [asset.to_json(), output.to_json(), OutputRef(job="still", key="k").to_json()]


DATA = base64.b64encode(b"x" * 30).decode()
URIS = [
    "https://example.com/a.png", "https://cdn.example.co.uk/a%20b.png?sig=1#x", "https://x.y",
    "https://user@example.com:8443/a.png", "https://10.0.0.1/a.png", "https://[::1]/a.png",
    "https://127.1/abcdef", "https://localhost/a.png", "https://example.com/a b.png",
    "https://example.com./a.png", "https://.example.com/a", "https://a..b/abcdef", "https://-.a-/x",
    "https://example.com\\a.png", "https://exa_mple.com/a.png", "https://exämple.com/a.png",
    "https://example.com/[a", "https://[example.com/a", "https://example.1x/abc",
    "https://example.com/" + "a" * 2028, "https://example.com/" + "a" * 2029,
    "https://example.com/a\n", "HTTPS://example.com/a.png", "http://example.com/a.png",
    "runway://0f1a2b3c", "runway://a", "runway://" + "a" * 4991, "runway://" + "a" * 4992,
    "RUNWAY://0f1a2b3c", "plates/intro.png", "~/a.png", "", "file:///a.png", "s3://b/a.png",
    f"data:image/png;base64,{DATA}", f"data:video/mp4;base64,{DATA}",
    f"data:audio/mp3;base64,{DATA}", f"data:image/gif;base64,{DATA}", "data:image/png;base64,a!b",
]  # fmt: skip
JUNK = st.sampled_from([
    None, True, False, 0, 1, -1, 1.0, 1.5, 10**400, -(10**400), float("inf"), float("nan"), "", "a",
    "auto", [], [None], [[]], {}, {"uri": "https://example.com/a.png"}, {"zzz": 1}, EMOJI, 2**53,
    1.7976931348623157e308, *marker("image"), *marker("video"), [*marker("audio")], {"$output": 1},
    {"$output": {}, "a": 1},
])  # fmt: skip


def values(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """What the schema takes, or nearly so."""
    if "anyOf" in schema:
        return st.one_of([values(branch) for branch in schema["anyOf"]])
    if "enum" in schema:
        choices: list[Any] = schema["enum"]
        floats = [float(choice) for choice in choices if schema["type"] == "integer"]
        return st.sampled_from([*choices, *floats, str(choices[0])])
    if media := schema.get("media"):
        return st.sampled_from([*URIS, *marker(media)])
    making: Mapping[str, Callable[[Mapping[str, Any]], st.SearchStrategy[Any]]] = {
        "string": _texts,
        "integer": _numbers,
        "number": _numbers,
        "array": _lists,
        "object": _mappings,
    }
    return making[schema["type"]](schema) if schema["type"] in making else st.booleans()


def _texts(schema: Mapping[str, Any]) -> st.SearchStrategy[str]:
    most, fewest = schema.get("maxLength", 40), schema.get("minLength", 1)
    lengths = st.sampled_from([0, fewest, fewest + 1, most // 2, most // 2 + 1, most, most + 1])
    letters = st.sampled_from(["a", "é", EMOJI, "\ud83d", "漢"])
    special = st.sampled_from(["cat_1", "Cat!", "1280:720", "99:1", "4000:4000", "#FF8800", UUID])
    return st.one_of(st.builds(lambda letter, count: letter * count, letters, lengths), special)


def _numbers(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    low, high = schema.get("minimum", 0), schema.get("maximum", 20)
    edges = [low - 1, low, low + 1, high - 1, high, high + 1, float(low), high + 0.5]
    return st.sampled_from(edges)


def _lists(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    return st.lists(values(schema["items"]), max_size=min(schema.get("maxItems", 4), 5) + 1)


def _mappings(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    known = schema.get("properties", {})
    required = {name: values(known[name]) for name in schema.get("required", ())}
    optional = {name: values(inner) for name, inner in known.items() if name not in required}
    made = st.fixed_dictionaries(required, optional=optional)
    if isinstance(schema.get("additionalProperties"), Mapping):
        inner = values(schema["additionalProperties"])
        return st.dictionaries(st.sampled_from(["n", "m", "$output"]), inner, max_size=2)
    return st.one_of(made, made, made, st.builds(lambda body: {**body, "zzz": 1}, made))


@cache
def field_values(info: ModelInfo, name: str) -> st.SearchStrategy[Any]:
    made = values(info.fields[name])
    return st.one_of(made, made, JUNK)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[ModelInfo, Raw]:
    """A variant, and a body of it with some fields as they should be and some as they may be."""
    info = draw(st.sampled_from(SERVED))
    body = least_body(info)
    for name in draw(st.lists(st.sampled_from(list(info.fields)), max_size=5)):
        value = draw(field_values(info, name))
        together = st.sampled_from([{**body, name: value}, body_with(info, name, value)])
        body = draw(together)
    return info, body


@settings(max_examples=500, deadline=None)
@given(made=bodies())
def test_both_agree_on_bodies_that_nobody_thought_of(made: tuple[ModelInfo, Raw]) -> None:
    info, body = made
    try:
        clean = is_clean(info, body)
    except TypeError:  # a marker that the runner did not make; a manifest cannot hold one
        return
    assert CHECKERS[info].fits(body) == clean


def test_another_endpoint_or_a_retired_model_is_never_vouched_for() -> None:
    veo = CATALOG.endpoints["text_to_video"].models["veo3.1"]
    body = least_body(veo)
    assert BodyChecker(CATALOG, "text_to_video", veo).fits(body)
    assert not BodyChecker(CATALOG, "image_to_video", veo).fits(body)
    assert not BodyChecker(CATALOG, "nowhere", veo).fits(body)
    retired = CATALOG.endpoints["text_to_video"].models["veo3"]
    assert not BodyChecker(CATALOG, "text_to_video", retired).fits(least_body(retired))


def test_a_workflow_is_known_by_its_form() -> None:
    info = CATALOG.endpoints["workflows/{id}"].models["default"]
    assert BodyChecker(CATALOG, "workflows/0f1a", info).fits({})
