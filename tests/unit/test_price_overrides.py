"""`prices`: a person's own prices, from YAML to the estimate, and every slip with its place."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.catalog import Catalog, ModelInfo
from runner.core.credits import CostBand
from runner.core.estimate import estimate
from runner.core.price_override import (
    Per,
    PriceOverride,
    PriceOverrides,
    Target,
    overridden,
    overridden_price,
)
from runner.errors import Problem
from runner.manifest.bodies import check_body
from runner.manifest.catalog_file import load_catalog
from runner.manifest.price_overrides import prices_of
from runner.manifest.shape import check_shape
from runner.manifest.yaml12 import parse_yaml

CATALOG = load_catalog()
ALL = [info for each in CATALOG.endpoints.values() for info in each.models.values()]
JOBS = "version: 1\njobs: [{id: a, image_to_video: {model: gen4_turbo}}]\n"


def read(prices: str, base: Path = Path()) -> tuple[PriceOverrides, list[Problem]]:
    document = parse_yaml((JOBS + prices).encode(), file=str(base / "m.yaml"))
    problems = check_shape(document)
    return ({}, problems) if problems else prices_of(document, CATALOG, base)


def catalog_with(prices: str) -> Catalog:
    overrides, problems = read(prices)
    assert problems == []
    return overridden(CATALOG, overrides)


def cost(prices: str, endpoint: str, model: str | None, **body: Any) -> CostBand:
    info = catalog_with(prices).find(endpoint, model)
    assert info is not None
    measures = body.pop("measures", {})
    return estimate(info, body, measures)


# what a price means


@pytest.mark.parametrize(
    ("price", "endpoint", "model", "body", "worst"),
    [
        ("gen4_turbo: 5/s", "image_to_video", "gen4_turbo", {"duration": 10}, 50),
        ("gen4_turbo: 7/s", "image_to_video", "gen4_turbo", {"duration": 5}, 35),
        ("gen4_turbo: $0.03/s", "image_to_video", "gen4_turbo", {"duration": 5}, 15),
        ("gen4_turbo: 60", "image_to_video", "gen4_turbo", {"duration": 10}, 60),
        ("gen4_turbo: 0.00001", "image_to_video", "gen4_turbo", {"duration": 10}, 1),
        ("gen4_turbo: 60/task", "image_to_video", "gen4_turbo", {"duration": 10}, 60),
        ("gen4_turbo: {per_second: 0.3}", "image_to_video", "gen4_turbo", {"duration": 5}, 2),
        ("kling_4: 12/s", "text_to_video", "kling_4", {"duration": 5}, 60),
        ("kling_4: 12/s", "video_to_video", "kling_4", {"measures": {"seconds": 4.0}}, 48),
        (
            "kling3.0_pro: {per_second: 12, minimum: 80}",
            "text_to_video",
            "kling3.0_pro",
            {"duration": 5},
            80,
        ),
        ("gpt_image_2: 4/image", "text_to_image", "gpt_image_2", {"outputCount": 3}, 12),
        ("gpt_image_2: 4/image", "text_to_image", "gpt_image_2", {}, 4),
        ("bria_fibo_edit_1_5: 4/image", "text_to_image", "bria_fibo_edit_1_5", {}, 4),
        ("eleven_v4: 15/1000 characters", "text_to_speech", "eleven_v4", {"promptText": "x"}, 15),
        (
            "eleven_v4: {per_1000_characters: 15}",
            "text_to_speech",
            "eleven_v4",
            {"promptText": "x" * 1001},
            30,
        ),
        ("upscale_v1: {per_task: 50}", "video_upscale", "upscale_v1", {}, 50),
        ("act_two: 9/s", "character_performance", "act_two", {"measures": {"seconds": 4.0}}, 36),
        (
            "magnific_video_upscaler_creative: 9/s",
            "video_upscale",
            "magnific_video_upscaler_creative",
            {"measures": {"seconds": 4.0, "frames": 96.0}},
            36,
        ),
        ("recipes/product_ad: 150", "recipes/product_ad", None, {"duration": 4}, 150),
        (
            "recipes/multi_shot_video: {auto: 100}",
            "recipes/multi_shot_video",
            "auto",
            {"duration": 5},
            100,
        ),
        ("workflows/abc-1: 70", "workflows/abc-1", None, {}, 70),
        ("avatar_videos: 40", "avatar_videos", "gwm1_avatars", {}, 40),
        ("voice_isolation: $1", "voice_isolation", "eleven_voice_isolation", {}, 100),
    ],
)
def test_a_price_of_ones_own_is_the_whole_price(
    price: str, endpoint: str, model: str | None, body: dict[str, Any], worst: int
) -> None:
    band = cost(f"prices:\n  {price}\n", endpoint, model, **body)
    assert (band.worst, band.confidence) == (worst, "user")


def test_what_the_catalogue_adds_is_not_added() -> None:
    body = {"duration": 5, "outputFormat": "prores", "ratio": "1280:720"}
    assert cost("prices:\n  gen4.5: 10/s\n", "text_to_video", "gen4.5", **body).worst == 50


def test_an_input_without_a_length_leaves_a_price_per_second_open() -> None:
    band = cost("prices:\n  kling_4: 12/s\n", "video_to_video", "kling_4")
    assert band.worst is None
    assert "length of `videoUri` not known" in band.note


def test_the_narrowest_name_wins() -> None:
    prices = (
        "prices:\n  text_to_video: 1\n  veo3.1: 2\n  image_to_video: {veo3.1: 3}\n"
        "  generate/video: 9\n"
    )
    assert cost(prices, "text_to_video", "gen4.5").worst == 1
    assert cost(prices, "text_to_video", "veo3.1").worst == 2
    assert cost(prices, "image_to_video", "veo3.1").worst == 3
    assert cost(prices, "image_to_video", "gen4_turbo").worst == 50


def test_a_price_says_where_it_comes_from() -> None:
    catalog = catalog_with('prices:\n  kling_4: {per_second: 12, note: "quoted 2026-10"}\n')
    info = catalog.find("text_to_video", "kling_4")
    assert info is not None
    price = info.price
    assert (price.sources, price.note) == (("the manifest",), "quoted 2026-10")
    assert (price.formula, price.confidence) == ("12 per second", "user")


def test_without_prices_the_catalogue_is_the_same() -> None:
    assert overridden(CATALOG, read("")[0]) is CATALOG


def test_a_workflow_with_a_price_is_checked_like_any_other() -> None:
    catalog = catalog_with("prices:\n  workflows/abc-1: 70\n")
    assert check_body(catalog, "workflows/abc-1", {}) == check_body(CATALOG, "workflows/abc-1", {})
    other = catalog.find("workflows/other", None)
    assert other is not None
    assert not other.price.is_known


# slips


@pytest.mark.parametrize(
    ("written", "place", "message", "hint"),
    [
        ("gen4_trubo: 5", (4, 3), "unknown model or endpoint `gen4_trubo`", "`gen4_turbo`"),
        ("image_to_vido: 5", (4, 3), "unknown model or endpoint", "`image_to_video`"),
        ("workflows/{id}: 5", (4, 3), "unknown model or endpoint", ""),
        ("text_to_image: {gpt_image_3: 5}", (4, 19), "has no model `gpt_image_3`", "gpt_image_2"),
        ("text_to_image: {per_tsk: 5}", (4, 19), "has no model `per_tsk`", "`per_task`"),
        ("voice_isolation: {}", (4, 20), "the price of `voice_isolation` is missing", ""),
        ("veo3.1: {per_secnd: 5}", (4, 12), "unknown key `per_secnd`", "`per_second`"),
        ("veo3.1: {minimum: 5}", (4, 11), "this one has none", "`per_task`"),
        ("veo3.1: {per_task: 5, per_second: 1}", (4, 11), "`per_task` and `per_second`", "keep"),
        ("gpt_image_2: 5/s", (4, 16), "cannot be priced `per_second`", "`per_image`"),
        ("veo3.1: 5/image", (4, 11), "cannot be priced `per_image`", "`per_second`"),
        ("veo3.1: 5/1000 characters", (4, 11), "cannot be priced", "`per_task` or `per_second`"),
        ("veo3.1: -5", (4, 11), "expected a price as `16`", ""),
        ("veo3.1: 0", (4, 11), "expected a price as `16`", ""),
        ("veo3.1: 0/s", (4, 11), "a price is above 0", ""),
        ("veo3.1: {per_second: $0.00}", (4, 24), "`per_second` is above 0", ""),
        ("veo3.1: 5 per s", (4, 11), "expected a price as `16`", ""),
        ("veo3.1: {per_task: five}", (4, 22), "expected credits above 0", ""),
        ("veo3.1: [5]", (4, 11), "expected a price as `16`", ""),
    ],
)  # fmt: skip
def test_every_slip_is_named_with_its_place(
    written: str, place: tuple[int, int], message: str, hint: str
) -> None:
    overrides, problems = read(f"prices:\n  {written}\n")
    assert overrides == {}
    [problem] = problems
    assert (problem.line, problem.column) == place
    assert message in problem.message
    assert hint in problem.hint


def test_all_slips_are_told_at_once() -> None:
    _, problems = read("prices:\n  veo3: 1/image\n  veo4: 2\n  gen4_turbo: 3\n")
    assert [problem.path for problem in problems] == ["prices.veo3", "prices.veo4"]


# a file of prices


def test_prices_may_stand_in_a_file_beside_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text("gen4_turbo: 7/s\nveo3.1: {per_task: 9}\n")
    overrides, problems = read("prices: prices.yaml\n", tmp_path)
    assert problems == []
    assert overrides[Target(model="gen4_turbo")] == PriceOverride(per=Per.SECOND, credits=7)
    assert overrides[Target(model="veo3.1")] == PriceOverride(per=Per.TASK, credits=9)


def test_what_is_wrong_in_the_file_is_told_with_the_place_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    for text, message in (
        ("gen4_turbo: 7/s\nveo9: 1\n", "unknown model or endpoint `veo9`"),
        ("gen4_turbo: 7/s\nveo3.1: {per_task: -1}\n", "expected credits above 0"),
        ("gen4_turbo: 7/s\nveo3.1: [", ""),
    ):
        file.write_text(text)
        overrides, [problem] = read("prices: prices.yaml\n", tmp_path)
        assert (problem.file, overrides.get(Target(model="veo3.1"))) == (str(file), None)
        assert problem.line >= 2
        assert message in problem.message


@pytest.mark.parametrize("text", ["", "- 1\n", "5\n"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "prices.yaml").write_text(text)
    overrides, [problem] = read("prices: prices.yaml\n", tmp_path)
    assert overrides == {}
    assert "expected a mapping of models or endpoints to prices" in problem.message


@pytest.mark.parametrize("name", ["../prices.yaml", "gone.yaml", "folder", '"a\\0b"'])
def test_a_file_that_is_not_inside_or_not_there_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "prices.yaml").write_text("gen4_turbo: 7/s\n")
    (tmp_path / "project" / "folder").mkdir(parents=True)
    overrides, [problem] = read(f"prices: {name}\n", tmp_path / "project")
    assert overrides == {}
    assert (problem.line, problem.column) == (3, 9)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_does_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text("gen4_turbo: 7/s\n")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "mine.yaml").symlink_to(tmp_path / "prices.yaml")
    _, [problem] = read("prices: mine.yaml\n", tmp_path / "project")
    assert "no file inside the manifest's folder" in problem.message


# any price at any model


@given(
    info=st.sampled_from(ALL),
    override=st.builds(
        PriceOverride,
        per=st.sampled_from(Per),
        credits=st.floats(min_value=1e-6, max_value=1e6, allow_nan=False),
        minimum=st.floats(min_value=0, max_value=1e6, allow_nan=False),
    ),
    duration=st.integers(0, 60) | st.just("auto") | st.none(),
    seconds=st.none() | st.floats(min_value=0, max_value=4000, allow_nan=False),
)
def test_a_price_of_ones_own_is_never_negative_and_always_in_order(
    info: ModelInfo, override: PriceOverride, duration: Any, seconds: float | None
) -> None:
    target = Target(endpoint=info.endpoint)
    found = overridden(CATALOG, {target: override}).endpoints[info.endpoint].models[info.model]
    fits = overridden_price(info, override) is not None
    assert (found.price.confidence == "user") is fits
    if fits:
        measures = {} if seconds is None else {"seconds": seconds}
        band = estimate(found, {"duration": duration, "promptText": "abc"}, measures)
        assert 0 <= override.minimum <= band.low <= band.expected
        assert band.worst is None or band.expected <= band.worst
