from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.catalog import ModelInfo
from runner.core.credits import CostBand
from runner.core.estimate import estimate, priced_inputs, ratio_tier
from runner.manifest.catalog_file import load_catalog

CATALOG = load_catalog()
EVERY_MODEL = [
    pytest.param(info, id=f"{endpoint.name}-{info.model}")
    for endpoint in CATALOG.endpoints.values()
    for info in endpoint.models.values()
]


def cost(
    endpoint: str, model: str | None, body: dict[str, Any] | None = None, **measures: float
) -> CostBand:
    info = CATALOG.find(endpoint, model)
    assert info is not None
    return estimate(info, body or {}, measures)


def images(count: int) -> list[dict[str, str]]:
    return [{"uri": f"https://example.com/{n}.png"} for n in range(count)]


FRAME = "https://example.com/a.png"
WIDE = "1280:720"

# Charges and estimates that were observed or published; the catalogue names the sources.
MEASURED = [
    ("text_to_video", "gen4.5", {"duration": 5, "ratio": WIDE}, {}, 60),
    ("image_to_video", "gen4_turbo", {"duration": 5}, {}, 25),
    ("image_to_video", "gen4_turbo", {}, {}, 50),
    ("text_to_video", "veo3.1", {"duration": 8}, {}, 320),
    ("text_to_video", "veo3.1", {"duration": 6}, {}, 240),
    ("text_to_video", "veo3.1", {"duration": 6, "audio": False}, {}, 120),
    ("text_to_video", "veo3.1", {}, {}, 320),
    ("text_to_video", "veo3.1_fast", {"duration": 8, "audio": True}, {}, 120),
    ("text_to_video", "kling3.0_pro", {"duration": 5}, {}, 85),
    ("text_to_video", "kling3.0_standard", {"duration": 5, "audio": False}, {}, 45),
    ("text_to_video", "seedance2", {"duration": 5, "ratio": WIDE}, {}, 180),
    ("text_to_video", "seedance2", {"duration": 5, "ratio": "1920:1080"}, {}, 200),
    ("text_to_video", "seedance2", {"duration": "auto", "ratio": WIDE}, {}, 540),
    ("text_to_video", "seedance2", {}, {}, 2250),
    ("text_to_video", "seedance2_fast", {"duration": 5}, {}, 145),
    ("text_to_video", "seedance2_mini", {"duration": 5}, {}, 80),
    ("text_to_video", "seedance2_mini", {"duration": 3}, {}, 64),
    ("image_to_video", "gemini_omni_flash", {"duration": 5, "promptImage": FRAME}, {}, 51),
    ("text_to_video", "wan3", {"duration": 4, "ratio": "auto_480p"}, {}, 20),
    ("text_to_video", "wan3_prime", {"duration": 3, "ratio": "832:480"}, {}, 21),
    ("text_to_video", "h3_max", {"duration": 5, "resolution": "480p"}, {}, 25),
    ("text_to_video", "seedance2_5", {"duration": 4, "ratio": "834:1112"}, {}, 120),
    ("image_to_video", "seedance2_5", {"duration": 5, "ratio": "1920:1080"}, {}, 340),
    ("text_to_video", "seedance2_5", {}, {}, 150),
    ("text_to_video", "seedance2_5", {"duration": 4, "ratio": "640:640"}, {}, 80),
    ("image_to_video", "gen3a_turbo", {}, {}, 50),
    ("text_to_video", "veo3", {"duration": 8}, {}, 320),
    ("image_to_video", "happyhorse_1_0", {"duration": 3, "resolution": "720P"}, {}, 45),
    ("text_to_video", "happyhorse_1_0", {"duration": 3, "ratio": "1920:1080"}, {}, 90),
    ("video_to_video", "aleph2", {}, {"seconds": 8}, 224),
    ("video_to_video", "aleph2", {}, {"seconds": 2}, 56),
    ("video_to_video", "aleph2", {"outputFormat": "prores"}, {"seconds": 8}, 264),
    ("video_to_video", "gemini_omni_flash", {"references": images(2)}, {"seconds": 60}, 112),
    ("video_to_video", "gemini_omni_flash_1.1", {}, {"seconds": 6.71}, 81),
    ("video_to_video", "gen4_aleph", {}, {"seconds": 60}, 75),
    ("text_to_image", "gen4_image_turbo", {}, {}, 2),
    ("text_to_image", "gen4_image", {"ratio": "1080:1920"}, {}, 8),
    ("text_to_image", "gen4_image", {"ratio": WIDE}, {}, 5),
    ("text_to_image", "gpt_image_2", {}, {}, 41),
    ("text_to_image", "gpt_image_2", {"quality": "low", "ratio": "1920:1920"}, {}, 1),
    ("text_to_image", "gpt_image_2", {"quality": "auto", "outputCount": 3}, {}, 123),
    ("text_to_image", "gpt_image_2", {"quality": "medium", "ratio": "auto"}, {}, 11),
    ("text_to_image", "muse_image", {"outputCount": 4}, {}, 4),
    ("text_to_image", "gemini_image3_pro", {"outputCount": 4, "ratio": "1024:1024"}, {}, 80),
    ("text_to_image", "gemini_2.5_flash", {}, {}, 5),
    (
        "text_to_image",
        "gpt_image_2_5_sunburst",
        {"outputCount": 3, "referenceImages": images(2)},
        {},
        54,
    ),
    ("character_performance", "act_two", {}, {"seconds": 3.2}, 20),
    ("text_to_speech", "eleven_multilingual_v2", {"promptText": "x" * 50}, {}, 1),
    ("text_to_speech", "eleven_multilingual_v2", {"promptText": "x" * 51}, {}, 2),
    ("text_to_speech", "eleven_multilingual_v2", {"promptText": ""}, {}, 1),
    ("sound_effect", "eleven_text_to_sound_v2", {}, {}, 2),
    ("sound_effect", "eleven_text_to_sound_v2", {"duration": 4.5}, {}, 5),
    ("voice_isolation", "eleven_voice_isolation", {}, {"seconds": 13}, 3),
    ("voice_isolation", "eleven_voice_isolation", {}, {}, 600),
    ("voice_dubbing", "eleven_voice_dubbing", {}, {"seconds": 13}, 7),
    ("speech_to_speech", "eleven_multilingual_sts_v2", {}, {"seconds": 13}, 5),
    ("image_upscale", "magnific_precision_upscaler_v2", {}, {}, 150),
    ("image_upscale", "magnific_precision_upscaler_v2", {}, {"longest_side_px": 2048}, 25),
    (
        "image_upscale",
        "magnific_precision_upscaler_v2",
        {"scaleFactor": 4},
        {"longest_side_px": 2048},
        150,
    ),
    (
        "video_upscale",
        "magnific_video_upscaler_creative",
        {"resolution": "1k"},
        {"seconds": 3, "fps": 30},
        63,
    ),
    ("video_upscale", "magnific_video_upscaler_creative", {}, {"frames": 90}, 81),
    ("video_upscale", "upscale_v1", {}, {"seconds": 5}, 10),
    ("video_upscale", "upscale_v1", {}, {}, 80),
    ("video_to_hdr", "ruby", {}, {"seconds": 5.7, "megapixels": 2.1}, 114),
    ("video_to_hdr", "ruby", {}, {"seconds": 5.7, "megapixels": 8.3}, 228),
    ("video_to_hdr", "ruby", {}, {}, 1200),
    ("recipes/ad_localization", None, {}, {}, 21),
    ("recipes/marketing_stock_image", None, {}, {}, 88),
    ("recipes/marketing_stock_image", None, {"quality": "low", "outputCount": 1}, {}, 9),
    ("recipes/multi_shot_video", "auto", {"duration": 5, "ratio": "1920:1080"}, {}, 85),
    ("recipes/multi_shot_video", "custom", {}, {}, 130),
    ("recipes/product_ad", None, {"duration": 4}, {}, 200),
    ("recipes/product_ad", None, {"duration": 4, "ratio": "1920:1080"}, {}, 216),
    ("recipes/product_campaign_image", None, {}, {}, 144),
    ("recipes/product_swap", None, {"duration": 4}, {}, 212),
    ("recipes/product_swap", None, {"duration": 5, "resolution": "1080p"}, {}, 268),
    ("recipes/product_ugc", None, {"duration": 4, "ratio": "720:1280"}, {}, 192),
]


@pytest.mark.parametrize(("endpoint", "model", "body", "measures", "credits"), MEASURED)
def test_worst_case_is_the_published_or_measured_charge(
    endpoint: str,
    model: str | None,
    body: dict[str, Any],
    measures: dict[str, float],
    credits: int,
) -> None:
    assert cost(endpoint, model, body, **measures).worst == credits


@pytest.mark.parametrize(
    ("body", "credits"),
    [
        ({"duration": 4, "resolution": "720p", "promptImage": FRAME}, 65),
        ({"duration": 1, "resolution": "720p", "promptImage": FRAME}, 17),
        ({"duration": 1, "resolution": "480p", "promptImage": [{"uri": FRAME}]}, 11),
    ],
)
def test_grok_charges_its_start_frame(body: dict[str, Any], credits: int) -> None:
    band = cost("image_to_video", "grok_imagine_1_5", body)
    assert (band.low, band.expected, band.worst) == (credits, credits, credits)


@pytest.mark.parametrize(("seconds", "charged", "worst"), [(10.083, 5, 6), (5.083, 3, 3)])
def test_rounding_seen_to_go_down_is_expected_but_not_relied_on(
    seconds: float, charged: int, worst: int
) -> None:
    band = cost("video_upscale", "enhance_frame_rate", seconds=seconds)
    assert (band.expected, band.worst) == (charged, worst)


def test_absent_duration_is_budgeted_at_its_maximum_and_said() -> None:
    band = cost("image_to_video", "gen4_turbo")
    assert (band.low, band.worst) == (10, 50)
    assert "`duration` not given" in band.note


def test_documented_default_leaves_no_doubt() -> None:
    band = cost("recipes/multi_shot_video", "auto")
    assert (band.low, band.expected, band.worst, band.note) == (130, 130, 130, "")


def test_length_of_an_input_that_is_not_known_is_budgeted_at_the_limit() -> None:
    band = cost("video_to_video", "aleph2")
    assert (band.low, band.worst) == (56, 840)
    assert band.note == "length of `videoUri` not known: at most 30 s"


def test_input_longer_than_allowed_is_not_budgeted_as_if_it_were_shorter() -> None:
    assert cost("video_to_video", "aleph2", seconds=100).worst == 2800


@pytest.mark.parametrize(
    ("endpoint", "model", "body"),
    [
        ("voice_dubbing", "eleven_voice_dubbing", {}),
        ("speech_to_speech", "eleven_multilingual_sts_v2", {}),
        ("video_upscale", "magnific_video_upscaler_creative", {}),
        ("text_to_speech", "seed_audio", {"promptText": "hello"}),
        ("text_to_video", "kling_4", {"promptText": "hello", "duration": 5}),
        ("text_to_speech", "eleven_v4", {"promptText": "hello"}),
        ("generate/video", None, {}),
        ("workflows/{id}", None, {}),
        ("avatar_videos", "gwm1_avatars", {}),
    ],
)
def test_without_a_limit_or_a_price_there_is_no_worst_case(
    endpoint: str, model: str | None, body: dict[str, Any]
) -> None:
    band = cost(endpoint, model, body)
    assert band.worst is None
    assert band.note or band.confidence == "none"


def test_minimum_holds_where_only_the_output_tells_the_length() -> None:
    band = cost("sound_effect", "seed_audio", {"promptText": "rain"})
    assert (band.low, band.expected, band.worst) == (5, 5, None)


def test_hdr_master_is_budgeted_as_a_large_one_until_its_size_is_known() -> None:
    body = {"duration": 5, "ratio": WIDE, "outputFormat": "hdr10"}
    band = cost("text_to_video", "gen4.5", body)
    assert (band.low, band.worst) == (160, 260)
    assert cost("text_to_video", "gen4.5", body, megapixels=1).worst == 160


def test_ratio_that_the_table_does_not_know_is_budgeted_as_the_dearest() -> None:
    assert cost("text_to_video", "seedance2", {"duration": 5, "ratio": "1:1"}).worst == 750


def test_reference_video_is_charged_by_the_second_up_to_the_cap() -> None:
    body = {"duration": 5, "resolution": "768p", "referenceVideos": [{"uri": FRAME}]}
    assert cost("text_to_video", "hailuo3", body).worst == 10 * (5 + 15)
    assert cost("text_to_video", "hailuo3", body, seconds=4).worst == 10 * (5 + 4)
    assert cost("text_to_video", "hailuo3", body, seconds=99).worst == 10 * (5 + 15)


def test_reference_video_has_a_rate_of_its_own_where_the_catalogue_says_so() -> None:
    body = {"duration": 5, "ratio": "1920:1080", "referenceVideos": [{"uri": FRAME}]}
    assert cost("text_to_video", "seedance2_5", body, seconds=10).worst == 68 * 5 + 34 * 10


def test_keyframes_are_no_reference_images() -> None:
    body = {"duration": 5, "resolution": "768p"}
    keyframe = {"uri": FRAME, "position": "first"}
    one = cost("image_to_video", "hailuo3", {**body, "promptImage": [keyframe]})
    two = cost("image_to_video", "hailuo3", {**body, "promptImage": [keyframe, {"uri": FRAME}]})
    assert (one.worst, two.worst) == (50, 52)


@pytest.mark.parametrize(
    ("endpoint", "model", "body", "confidence"),
    [
        ("text_to_video", "seedance2_5", {"draft": True}, "low"),
        ("text_to_video", "seedance2_5", {"draft": False}, "high"),
        ("text_to_video", "seedance2_5", {"draftTaskId": "x"}, "none"),
        ("recipes/product_ad", None, {"version": "2026-07"}, "low"),
        ("video_upscale", "magnific_video_upscaler_creative", {"fpsBoost": True}, "none"),
        ("video_to_video", "gemini_omni_flash_1.1", {"mode": "extend"}, "none"),
    ],
)
def test_options_without_a_known_price_lower_the_confidence(
    endpoint: str, model: str | None, body: dict[str, Any], confidence: str
) -> None:
    band = cost(endpoint, model, body, seconds=5, fps=24)
    assert band.confidence == confidence
    assert (band.worst is None) == (confidence == "none")
    assert bool(band.note) == (confidence != "high")


def test_emoji_count_double_in_the_worst_case_only() -> None:
    band = cost("text_to_speech", "eleven_v3", {"promptText": "😀" * 50})
    assert (band.low, band.worst) == (1, 2)


def test_ratio_tier_is_what_the_price_goes_by() -> None:
    seedance = CATALOG.find("text_to_video", "seedance2")
    turbo = CATALOG.find("image_to_video", "gen4_turbo")
    assert seedance is not None
    assert turbo is not None
    assert ratio_tier(seedance, "1664:1248") == "1080p"
    assert ratio_tier(seedance, "16:9") is None
    assert ratio_tier(turbo, WIDE) is None


@pytest.mark.parametrize(
    ("endpoint", "model", "fields"),
    [
        ("video_to_hdr", "ruby", ("videoUri",)),
        ("image_upscale", "magnific_precision_upscaler_v2", ("imageUri",)),
        ("video_to_video", "seedance2_5", ("promptVideo", "referenceVideos")),
        ("character_performance", "act_two", ("reference",)),
        ("image_to_video", "gen4_turbo", ()),
    ],
)
def test_priced_inputs_are_the_files_worth_measuring(
    endpoint: str, model: str, fields: tuple[str, ...]
) -> None:
    info = CATALOG.find(endpoint, model)
    assert info is not None
    assert priced_inputs(info) == fields


WORDS = st.text(alphabet="ab1:é😀", max_size=5)
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), WORDS, st.lists(WORDS, max_size=3)
)


@pytest.mark.parametrize("info", EVERY_MODEL)
def test_every_band_is_in_order(info: ModelInfo) -> None:
    band = estimate(info, {})
    assert 0 <= band.low <= band.expected
    assert band.worst is None or band.expected <= band.worst


@given(data=st.data())
def test_nonsense_in_a_body_never_breaks_the_estimate(data: st.DataObject) -> None:
    endpoint = data.draw(st.sampled_from(list(CATALOG.endpoints.values())))
    info = data.draw(st.sampled_from(list(endpoint.models.values())))
    body = data.draw(st.dictionaries(st.sampled_from([*info.fields, "other"]), JUNK, max_size=6))
    band = estimate(info, body)
    assert band.low >= 0
    assert band.worst is None or band.worst >= band.expected


@given(seconds=st.floats(min_value=0.1, max_value=3600, allow_nan=False))
def test_worst_case_never_lies_below_the_plain_formula(seconds: float) -> None:
    band = cost("voice_isolation", "eleven_voice_isolation", seconds=seconds)
    assert band.worst is not None
    assert band.worst >= math.ceil(round(seconds / 6, 9))


@given(known=st.floats(min_value=2, max_value=30, allow_nan=False))
def test_knowing_the_length_never_raises_the_worst_case(known: float) -> None:
    unknown, exact = (
        cost("video_to_video", "aleph2"),
        cost("video_to_video", "aleph2", seconds=known),
    )
    assert unknown.worst is not None
    assert exact.worst is not None
    assert unknown.low <= exact.worst <= unknown.worst
