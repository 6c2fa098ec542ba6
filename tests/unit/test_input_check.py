"""Local files against what a model asks of its inputs, before anything is paid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from runner.core.catalog import ModelInfo
from runner.core.spec import AssetRef, OutputRef
from runner.manifest.findings import Finding, dotted
from runner.manifest.input_check import input_findings
from tests.body_maker import CATALOG, INFOS, full_body, named

Measured = Mapping[str, float]


def picture(width: float, height: float) -> Measured:
    return {"width_px": width, "height_px": height, "longest_side_px": max(width, height)}


def file(media: str, name: str = "a") -> Any:
    return AssetRef(path=f"/project/{name}", sha256="0", bytes=600, media=media).to_json()


def findings(
    endpoint: str, model: str, body: Mapping[str, Any], **known: Measured
) -> list[Finding]:
    """What is said of a body whose files are measured so, by name."""
    info = CATALOG.endpoints[endpoint].models[model]
    return list(input_findings(info, body, lambda ref: known[ref.path.removeprefix("/project/")]))


def only(endpoint: str, model: str, body: Mapping[str, Any], **known: Measured) -> Finding:
    (finding,) = findings(endpoint, model, body, **known)
    return finding


PROMPT = {"promptImage": file("image", "plate")}


def test_a_picture_outside_the_window_is_refused_where_the_facts_say_so() -> None:
    finding = only("image_to_video", "gen4_turbo", PROMPT, plate=picture(2000, 400))
    assert finding == Finding(
        path=("promptImage",),
        message="`promptImage`: `plate` is 2000 × 400 px, 5 times as wide as high: "
        "`gen4_turbo` takes 0.5 to 2.358",
        hint="crop it, e.g. to 943 × 400",
        severity="error",
    )


def test_elsewhere_it_is_warned_about() -> None:
    finding = only("image_to_video", "veo3.1", PROMPT, plate=picture(400, 2000))
    assert finding.severity == "warning"
    assert finding.hint == "crop it, e.g. to 400 × 800"


@pytest.mark.parametrize("size", [(1000, 500), (500, 1000), (1280, 720)])
def test_a_picture_at_the_edge_of_the_window_is_fine(size: tuple[int, int]) -> None:
    assert findings("image_to_video", "veo3.1", PROMPT, plate=picture(*size)) == []


def test_what_the_hint_says_is_taken() -> None:
    for info in INFOS:
        window = info.input_rules.get("image_aspect_w_over_h")
        if window is None or "promptImage" not in info.fields:
            continue
        for size in ((3333, 100), (100, 3333), (1001, 77), (77, 1001)):
            wide = findings(info.endpoint, info.model, PROMPT, plate=picture(*size))
            crops = [each.hint for each in wide if each.hint.startswith("crop it")]
            width, height = map(int, crops[0].removeprefix("crop it, e.g. to ").split(" × "))
            cropped = findings(info.endpoint, info.model, PROMPT, plate=picture(width, height))
            assert not [each for each in cropped if each.hint.startswith("crop it")]


def test_every_picture_of_a_list_is_judged_at_its_place() -> None:
    body = {"promptImage": [{"uri": file("image", name), "position": "first"} for name in "ab"]}
    finding = only("image_to_video", "h3_max", body, a=picture(300, 300), b=picture(300, 255))
    assert dotted(finding.path) == "promptImage[1].uri"
    assert finding.message.endswith("`b` is 300 × 255 px: `h3_max` takes at least 256 on each side")
    assert finding.severity == "error"


@pytest.mark.parametrize(("size", "is_fine"), [((300, 8000), True), ((299, 500), False)])
def test_an_upscaler_takes_sides_of_a_range(size: tuple[int, int], is_fine: bool) -> None:
    model, body = "magnific_precision_upscaler_v2", {"imageUri": file("image")}
    found = findings("image_upscale", model, body, a=picture(*size))
    assert (found == []) == is_fine


def test_an_upscaler_makes_no_more_than_it_can() -> None:
    body = {"imageUri": file("image"), "scaleFactor": 8}
    finding = only("image_upscale", "magnific_precision_upscaler_v2", body, a=picture(1000, 1000))
    assert "at `scaleFactor: 8` 64.0 megapixels" in finding.message
    assert finding.hint == "write `scaleFactor: 4`"
    huge = picture(8000, 4000)
    body = {"imageUri": file("image")}
    finding = only("image_upscale", "magnific_precision_upscaler_v2", body, a=huge)
    assert "at `scaleFactor: 2` 128.0 megapixels" in finding.message
    assert finding.hint == "use a smaller picture"


# Lengths

DRIVER = {
    "character": {"type": "video", "uri": file("video", "hero")},
    "reference": {"type": "video", "uri": file("video", "driver")},
}


def test_a_driver_of_the_wrong_length_is_refused_and_the_character_has_no_limit() -> None:
    long, short = {"seconds": 99.0}, {"seconds": 2.5}
    finding = only("character_performance", "act_two", DRIVER, hero=long, driver=short)
    assert finding.path == ("reference", "uri")
    assert finding.message.endswith("`driver` is 2.5 s long: `act_two` takes 3 to 30 s")
    assert (finding.hint, finding.severity) == ("use a longer one", "error")


@pytest.mark.parametrize("seconds", [2.95, 3, 30, 30.05])
def test_what_a_container_rounds_is_no_mistake(seconds: float) -> None:
    known = {"hero": {}, "driver": {"seconds": seconds}}
    assert findings("character_performance", "act_two", DRIVER, **known) == []


@pytest.mark.parametrize(
    ("endpoint", "model", "field", "media", "seconds", "takes"),
    [
        ("video_to_video", "aleph2", "videoUri", "video", 31, "2 to 30 s"),
        ("video_to_hdr", "ruby", "videoUri", "video", 31, "at most 30 s"),
        ("voice_isolation", "eleven_voice_isolation", "audioUri", "audio", 4, "4.6 to 3600 s"),
    ],
)
def test_the_length_of_an_input_is_warned_about(
    endpoint: str, model: str, field: str, media: str, seconds: float, takes: str
) -> None:
    finding = only(endpoint, model, {field: file(media)}, a={"seconds": seconds})
    assert finding.message.endswith(f"`a` is {seconds} s long: `{model}` takes {takes}")
    assert finding.severity == "warning"


def test_frames_per_second_have_a_limit() -> None:
    body = {"videoUri": file("video", "clip.mp4")}
    info = CATALOG.endpoints["video_to_video"].models["aleph2"]
    (finding,) = input_findings(info, body, lambda ref: {"seconds": 5.0, "fps": 60.0})
    assert "has 60 frames per second: `aleph2` takes at most 30" in finding.message
    assert finding.hint == "slow it down, e.g. `ffmpeg -i clip.mp4 -r 30 out.mp4`"
    assert list(input_findings(info, body, lambda ref: {"seconds": 5.0, "fps": 29.97})) == []


def references(media: str, *names: str) -> list[dict[str, Any]]:
    return [{"type": media, "uri": file(media, name)} for name in names]


def test_references_count_together() -> None:
    body = {
        "referenceVideos": references("video", "a", "b"),
        "referenceAudio": references("audio", "c"),
    }
    known = {"a": {"seconds": 8.0}, "b": {"seconds": 8.0}, "c": {"seconds": 15.0}}
    finding = only("text_to_video", "seedance2", body, **known)
    assert finding == Finding(
        path=("referenceVideos",),
        message="`referenceVideos`: video of 16 s in all: `seedance2` takes at most 15 s",
        hint="cut it",
        severity="error",
    )


def test_each_clip_of_a_reference_may_have_limits_of_its_own() -> None:
    body = {"referenceAudio": references("audio", "a", "b")}
    known = {"a": {"seconds": 2.0}, "b": {"seconds": 15.0}}
    finding = only("text_to_video", "grok_imagine_1_5", body, **known)
    assert dotted(finding.path) == "referenceAudio[0].uri"
    assert finding.severity == "error"


# What is not judged


def test_a_file_that_cannot_be_measured_is_not_judged() -> None:
    for endpoint, model in (("image_to_video", "gen4_turbo"), ("image_to_video", "h3_max")):
        assert findings(endpoint, model, PROMPT, plate={}) == []
    assert findings("video_to_video", "aleph2", {"videoUri": file("video")}, a={}) == []


def test_urls_and_outputs_are_not_measured() -> None:
    def never(ref: AssetRef) -> Measured:
        raise AssertionError(ref)

    info = CATALOG.endpoints["image_to_video"].models["gen4_turbo"]
    for value in ("https://example.com/a.png", OutputRef(job="a", key="k").to_json()):
        assert list(input_findings(info, {"promptImage": value}, never)) == []


@pytest.mark.parametrize("info", [info for info in INFOS if not info.input_rules], ids=named)
def test_a_model_without_rules_costs_no_look_at_a_file(info: ModelInfo) -> None:
    def never(ref: AssetRef) -> Measured:
        raise AssertionError(ref)

    assert list(input_findings(info, full_body(info), never)) == []


#: rules that other parts read, or that nobody can check before the result is there
NOT_CHECKED = {"note", "refused", "output_seconds_max"}


def test_every_rule_of_the_catalogue_is_known_here() -> None:
    """A name that nothing reads would be a rule that never speaks."""
    broken: dict[str, Measured] = {
        "image": {**picture(9000, 100)},
        "video": {"seconds": 4000.0, "fps": 240.0, **picture(9000, 100)},
        "audio": {"seconds": 4000.0},
    }
    for info in INFOS:
        fields = [name for name, schema in info.fields.items() if "media-uri" in str(schema)]
        told = ""
        for branch in (0, -1):
            body = {name: _with_files(info.fields[name], branch) for name in fields}
            body |= {"scaleFactor": 16} if "scaleFactor" in info.fields else {}
            told += str(list(input_findings(info, body, lambda ref: broken[ref.media])))
        for rule in set(info.input_rules) - NOT_CHECKED:
            assert WORDS[rule] in told, (named(info), rule)
        assert set(info.input_rules.get("refused", ())) <= set(info.input_rules)


WORDS = {
    "image_aspect_w_over_h": "times as wide as high",
    "image_min_side_px": "at least",
    "image_side_px": "on each side",
    "output_megapixels_max": "megapixels",
    "video_seconds": "s long",
    "video_seconds_max": "s long",
    "reference_video_seconds": "s long",
    "reference_audio_seconds": "s long",
    "audio_seconds_exclusive": "s long",
    "max_fps": "frames per second",
    "video_max_side_px": "sides of at most",
    "reference_total_seconds_max": "in all",
}


def _with_files(schema: Mapping[str, Any], branch: int) -> Any:
    """A value with files wherever it may hold some."""
    if "anyOf" in schema:
        return _with_files(schema["anyOf"][branch], branch)
    if "media" in schema:
        return file(schema["media"])
    if schema["type"] == "array":
        return [_with_files(schema["items"], branch)]
    if schema["type"] == "object":
        known = schema.get("properties", {})
        return {name: _with_files(inner, branch) for name, inner in known.items()}
    return schema["enum"][0] if "enum" in schema else "a"
