"""Shapes: what they hold, what they never hold, and estimates that are worked out once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.catalog import ModelInfo
from runner.core.credits import CostBand
from runner.core.estimate import MOST_SHAPES, _bands, estimate, quick_estimate
from runner.core.price_shape import Measured, media_in
from runner.core.spec import AssetRef, OutputRef
from runner.manifest.catalog_file import load_catalog

CATALOG = load_catalog()
ALL = [info for each in CATALOG.endpoints.values() for info in each.models.values()]
LINK = "https://cdn.example.com/plate.png?sig=s3cr3t"
PLATE = AssetRef(path="/in/wall.png", sha256="a" * 64, bytes=10, media="image").to_json()
PARENT = OutputRef(job="p", key="k" * 64, media="image").to_json()


def info_of(endpoint: str, model: str) -> ModelInfo:
    found = CATALOG.find(endpoint, model)
    assert found is not None
    return found


def shape(endpoint: str, model: str, **body: Any) -> str:
    return quick_estimate(info_of(endpoint, model), {"model": model, **body}).shape


# what decides


@pytest.mark.parametrize(
    ("endpoint", "model", "one", "other", "is_same"),
    [
        # sure: the fields of the formula and no others
        ("image_to_video", "gen4_turbo", {"duration": 5}, {"duration": 10}, False),
        ("image_to_video", "gen4_turbo", {}, {"ratio": "1280:720", "seed": 7}, True),
        ("image_to_video", "gen4_turbo", {"promptImage": LINK}, {"promptImage": PLATE}, True),
        ("image_to_video", "gen4_turbo", {"promptText": "a"}, {"promptText": "bc"}, True),
        ("text_to_video", "veo3.1", {"audio": True}, {"audio": False}, False),
        ("text_to_speech", "eleven_v3", {"promptText": "a"}, {"promptText": "b"}, True),
        ("text_to_speech", "eleven_v3", {"promptText": "a"}, {"promptText": "ab"}, False),
        ("text_to_speech", "eleven_v3", {"promptText": "a"}, {"promptText": "😀"}, False),
        ("text_to_video", "seedance2_5", {}, {"draftTaskId": "x"}, False),
        ("text_to_video", "seedance2_5", {"draftTaskId": "x"}, {"draftTaskId": "y"}, True),
        # counted: how many, not which
        (
            "image_to_video",
            "hailuo3",
            {"promptImage": [{"uri": LINK}, {"uri": PLATE}]},
            {"promptImage": [{"uri": PARENT}, {"uri": PARENT}]},
            True,
        ),
        (
            "image_to_video",
            "hailuo3",
            {"promptImage": [{"uri": LINK}]},
            {"promptImage": [{"uri": LINK}, {"uri": LINK}]},
            False,
        ),
        # a guess: any size, length or switch
        ("text_to_video", "kling_4", {"duration": 5}, {"duration": 10}, False),
        ("text_to_video", "kling_4", {"ratio": "16:9"}, {"ratio": "1:1"}, False),
        ("text_to_video", "kling_4", {"promptText": "a"}, {"promptText": "abc"}, True),
        ("text_to_image", "nano_banana_2.1", {"seed": 1}, {"seed": 2}, True),
        # sound whose length follows from a text
        ("text_to_speech", "seed_audio", {"promptText": "a"}, {"promptText": "abc"}, False),
        (
            "avatar_videos",
            "gwm1_avatars",
            {"speech": {"type": "text", "text": "a"}},
            {"speech": {"type": "text", "text": "abc"}},
            False,
        ),
    ],
)
def test_the_shape_holds_what_decides_the_price_and_no_more(
    endpoint: str, model: str, one: dict[str, Any], other: dict[str, Any], is_same: bool
) -> None:
    assert (shape(endpoint, model, **one) == shape(endpoint, model, **other)) is is_same


def test_the_order_of_a_body_is_not_in_its_shape() -> None:
    first = shape("text_to_video", "veo3.1", audio=True, duration=6)
    assert first == shape("text_to_video", "veo3.1", duration=6, audio=True)


def test_two_models_never_share_a_shape() -> None:
    turbo = shape("image_to_video", "gen4_turbo", duration=5)
    assert turbo != shape("image_to_video", "seedance2_fast", duration=5)


def test_lengths_of_inputs_enter_and_what_is_not_known_leaves_no_shape() -> None:
    info = info_of("video_to_hdr", "ruby")
    five, six = (
        quick_estimate(info, {"videoUri": LINK}, Measured(values={"seconds": s, "megapixels": 1}))
        for s in (5.0, 6.0)
    )
    assert five.shape
    assert five.shape != six.shape
    unknown = quick_estimate(info, {"videoUri": LINK}, Measured(missing=("a link",)))
    assert unknown.shape == ""
    assert unknown.note.endswith("(a link)")


def test_what_a_router_chooses_from_is_in_the_shape_and_its_prompt_is_not() -> None:
    def router(**given: Any) -> str:
        body = {"configId": "spring", "input": {"promptText": "a", "duration": 5} | given}
        return quick_estimate(info_of("generate/video", "default"), body).shape

    assert router() == router(promptText="abc", seed=4)
    assert len({router(), router(duration=10), router(referenceImages=[{"uri": LINK}])}) == 3


def test_media_are_found_at_any_depth_of_a_field() -> None:
    fields = info_of("workflows/{id}", "default").fields
    assert media_in(fields["nodeOutputs"]) == {"image", "video", "audio"}


# worked out once

WORDS = st.text(alphabet="ab1:é😀", max_size=5)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), WORDS, st.sampled_from([LINK, "auto"])
)
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["uri", "position", "text", "type"]), inner, max_size=3),
    ),
    max_leaves=6,
)
FIGURES = st.floats(min_value=0.1, max_value=5000, allow_nan=False)
MEASURES = st.dictionaries(
    st.sampled_from(["seconds", "frames", "fps", "megapixels", "longest_side_px"]), FIGURES
)


@st.composite
def bodies(draw: st.DrawFn, info: ModelInfo) -> dict[str, Any]:
    """Values that fields take, near misses and nonsense."""
    body: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from([*info.fields, "other"]), max_size=6)):
        choices = list(info.fields.get(name, {}).get("enum", ())) or [1, True, 1.0, "1", "true"]
        body[name] = draw(st.one_of(st.sampled_from(choices), JUNK))
    return body


@given(data=st.data(), measures=MEASURES)
def test_a_remembered_estimate_is_the_one_that_would_be_worked_out(
    data: st.DataObject, measures: dict[str, float]
) -> None:
    info = data.draw(st.sampled_from(ALL))
    for body in data.draw(st.lists(bodies(info), min_size=1, max_size=4)):
        found = quick_estimate(info, body, Measured(values=measures))
        plain = estimate(info, body, measures)
        assert found == CostBand(
            low=plain.low, expected=plain.expected, worst=plain.worst,
            confidence=plain.confidence, note=plain.note, shape=found.shape,
        )  # fmt: skip


@pytest.mark.parametrize("values", [(1, True, 1.0), (0, False), ("true", True), ("5", 5)])
def test_values_that_python_takes_for_equal_stay_apart(values: tuple[Any, ...]) -> None:
    shapes = {shape("text_to_video", "veo3.1", audio=value) for value in values}
    assert len(shapes) == len(values)


def test_one_shape_is_worked_out_once_and_never_are_too_many_kept() -> None:
    info = info_of("text_to_speech", "eleven_v3")
    first = quick_estimate(info, {"promptText": "hello"})
    assert quick_estimate(info, {"promptText": "world"}) is first
    for length in range(MOST_SHAPES + 10):
        quick_estimate(info, {"promptText": "x" * length})
    assert len(_bands(info)) <= MOST_SHAPES
