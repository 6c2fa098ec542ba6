from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.spec import AssetRef, OutputRef
from runner.manifest.bodies import check_body
from runner.manifest.breaches import utf16_length
from runner.manifest.catalog_file import load_catalog
from runner.manifest.findings import Finding, dotted

CATALOG = load_catalog()
IMAGE = "https://example.com/your-image.jpg"
TURBO: dict[str, Any] = {"model": "gen4_turbo", "promptImage": IMAGE, "ratio": "1280:720"}
VEO: dict[str, Any] = {"model": "veo3.1", "promptText": "a forest", "ratio": "1280:720"}


def check(endpoint: str, body: dict[str, Any], *, unchecked: bool = False) -> list[Finding]:
    return check_body(CATALOG, endpoint, body, unchecked=unchecked)


def only(endpoint: str, body: dict[str, Any], *, unchecked: bool = False) -> Finding:
    (finding,) = check(endpoint, body, unchecked=unchecked)
    return finding


def errors(endpoint: str, body: dict[str, Any]) -> list[Finding]:
    return [finding for finding in check(endpoint, body) if finding.severity == "error"]


# The requests of the original document

ORIGINAL = [
    (
        "image_to_video",
        TURBO | {"promptText": "A timelapse of clouds moving across the sky", "duration": 5},
        [],
    ),
    ("text_to_video", VEO | {"duration": 6}, []),
    (
        "video_to_video",
        {
            "model": "gen4_aleph",
            "videoUri": "https://example.com/source-video.mp4",
            "promptText": "Add magical sparkles and fairy dust effects",
            "ratio": "1280:720",
        },
        ["aleph2", "leave it out"],
    ),
    (
        "text_to_image",
        {
            "model": "gen4_image_turbo",
            "promptText": "A futuristic cityscape at sunset",
            "ratio": "1920:1080",
            "referenceImages": [],
        },
        ["gen4_image"],
    ),
    (
        "video_upscale",
        {"model": "upscale_v1", "videoUri": "https://example.com/low-res-video.mp4"},
        ["magnific_video_upscaler_creative"],
    ),
    (
        "sound_effect",
        {"model": "eleven_text_to_sound_v2", "promptText": "Thunder rumbling in the distance"},
        [],
    ),
    (
        "image_to_video",
        {
            "model": "gen3a_turbo",
            "promptImage": IMAGE,
            "promptText": "x",
            "ratio": "1280:768",
            "duration": 5,
        },
        ["gen4_turbo"],
    ),
    (
        "image_to_video",
        {"model": "veo3", "promptImage": IMAGE, "ratio": "720:1280", "duration": 8},
        ["veo3.1"],
    ),
    ("image_to_video", VEO | {"promptImage": IMAGE, "duration": 4}, []),
    ("text_to_video", VEO | {"model": "veo3.1_fast", "duration": 8}, []),
    ("text_to_video", VEO | {"model": "veo3", "duration": 8}, ["veo3.1"]),
    ("text_to_image", {"model": "gen4_image", "promptText": "x", "ratio": "1024:1024"}, []),
]


@pytest.mark.parametrize(("endpoint", "body", "hints"), ORIGINAL)
def test_bodies_of_the_original_document_pass_with_a_warning_where_today_refuses(
    endpoint: str, body: dict[str, Any], hints: list[str]
) -> None:
    found = check(endpoint, body)
    assert [finding.severity for finding in found] == ["warning"] * len(hints)
    for finding, hint in zip(found, hints, strict=True):
        assert hint in finding.hint


def test_too_many_reference_images_are_still_an_error() -> None:
    body = ORIGINAL[3][1] | {"referenceImages": [{"uri": IMAGE}] * 4}
    assert only("text_to_image", body).message == (
        "`referenceImages` has 4 items, `gen4_image_turbo` takes at most 3"
    )


# Endpoint and model


def test_an_unknown_endpoint_is_recognised_by_its_likeness() -> None:
    finding = only("image_to_vide", {})
    assert finding.message == "unknown endpoint `image_to_vide`"
    assert finding.hint == "did you mean `image_to_video`?"


def test_an_endpoint_like_no_other_lists_them_all() -> None:
    assert "`sound_effect`" in only("xyzzy", {}).hint


@pytest.mark.parametrize(
    ("model", "message", "hint"),
    [
        (
            "gen4_image",
            "`gen4_image` belongs to `text_to_image`, not to `image_to_video`",
            "write `text_to_image` instead",
        ),
        ("gen4turbo", "`image_to_video` has no model `gen4turbo`", "did you mean `gen4_turbo`?"),
        (None, "`model` is missing: `image_to_video` needs it", "one of `gen4.5`, "),
        (7, "`image_to_video` has no model `7`", "one of `gen4.5`, "),
        (["gen4_turbo"], "`image_to_video` has no model `['gen4_turbo']`", "did you mean"),
    ],
)
def test_a_model_that_is_not_of_the_endpoint_is_explained(
    model: object, message: str, hint: str
) -> None:
    finding = only("image_to_video", TURBO | {"model": model})
    assert (finding.path, finding.message) == (("model",), message)
    assert finding.hint.startswith(hint)


def test_retired_models_are_not_offered() -> None:
    assert "gen3a_turbo" not in only("image_to_video", {}).hint


def test_a_mode_chooses_where_there_is_no_model() -> None:
    finding = only("recipes/multi_shot_video", {"mode": "atuo"})
    assert finding.message == "`recipes/multi_shot_video` has no mode `atuo`"
    assert finding.hint == "did you mean `auto`?"


def test_an_endpoint_without_models_takes_none() -> None:
    body = {"version": "2026-06", "productImages": [{"uri": IMAGE}], "model": "gen4_turbo"}
    assert only("recipes/product_ad", body).message == (
        "`model` is not a field of `recipes/product_ad`"
    )


def test_a_workflow_is_checked_by_its_form() -> None:
    node = {"n": {"out": {"type": "image", "uri": IMAGE}}}
    assert check("workflows/0f1a", {"nodeOutputs": node}) == []
    node["n"]["out"]["uri"] = "http://example.com/a.png"
    assert only("workflows/0f1a", {"nodeOutputs": node}).path == ("nodeOutputs", "n", "out", "uri")


# Messages for people


@pytest.mark.parametrize(
    ("endpoint", "body", "path", "message", "hint"),
    [
        (
            "text_to_video",
            VEO | {"duration": 5},
            "duration",
            "`duration` must be 4, 6 or 8 for `veo3.1`, got 5",
            "",
        ),
        (
            "image_to_video",
            TURBO | {"duration": 11},
            "duration",
            "`duration` must be a whole number from 2 to 10 for `gen4_turbo`, got 11",
            "",
        ),
        (
            "image_to_video",
            TURBO | {"duration": "5"},
            "duration",
            '`duration` must be a whole number from 2 to 10 for `gen4_turbo`, got `"5"`',
            "write 5 without quotes",
        ),
        (
            "image_to_video",
            TURBO | {"duration": True},
            "duration",
            "`duration` must be a whole number from 2 to 10 for `gen4_turbo`, got `true`",
            "",
        ),
        (
            "image_to_video",
            TURBO | {"duration": float("nan")},
            "duration",
            "`duration` must be a whole number from 2 to 10 for `gen4_turbo`, got `NaN`",
            "",
        ),
        (
            "image_to_video",
            TURBO | {"ratio": "16:9"},
            "ratio",
            "`ratio` must be `1280:720`, `720:1280`, `1104:832`, `960:960`, `832:1104` or "
            "`1584:672` for `gen4_turbo`, got `16:9`",
            "did you mean `1280:720`?",
        ),
        (
            "image_to_video",
            TURBO | {"promptImge": IMAGE},
            "promptImge",
            "`promptImge` is not a field of `gen4_turbo`",
            "did you mean `promptImage`?",
        ),
        (
            "image_to_video",
            TURBO | {"promptImage": 7},
            "promptImage",
            "`promptImage` must be an image (a local file or an https URL) or a list with 1 item "
            "for `gen4_turbo`, got 7",
            "",
        ),
        (
            "image_to_video",
            TURBO | {"promptImage": []},
            "promptImage",
            "`promptImage` has 0 items, `gen4_turbo` takes at least 1",
            "",
        ),
        (
            "image_to_video",
            VEO | {"promptImage": [{"uri": IMAGE, "position": "fist"}]},
            "promptImage[0].position",
            "`promptImage[0].position` must be `first` or `last` for `veo3.1`, got `fist`",
            "did you mean `first`?",
        ),
        (
            "text_to_video",
            VEO | {"promptText": ""},
            "promptText",
            "`promptText` is empty, `veo3.1` takes at least 1",
            "",
        ),
        (
            "text_to_video",
            VEO | {"promptText": "😀" * 501},
            "promptText",
            "`promptText` has 1,002 characters, `veo3.1` takes at most 1,000",
            "an emoji counts as two characters",
        ),
        (
            "text_to_video",
            {"model": "seedance2", "promptText": "x", "duration": 3},
            "duration",
            "`duration` must be a whole number from 4 to 15 or `auto` for `seedance2`, got 3",
            "",
        ),
        (
            "text_to_image",
            {
                "model": "gen4_image",
                "promptText": "x",
                "ratio": "1920:1080",
                "referenceImages": [{"uri": IMAGE, "tag": "Cat!"}],
            },
            "referenceImages[0].tag",
            "`referenceImages[0].tag` must match `^[a-z][a-z0-9_]+$`, got `Cat!`",
            "",
        ),
        (
            "character_performance",
            {
                "model": "act_two",
                "character": {"type": "gif", "uri": IMAGE},
                "reference": {"type": "video", "uri": IMAGE},
            },
            "character.type",
            "`character.type` must be `image` or `video`, got `gif`",
            "",
        ),
        (
            "avatar_videos",
            {
                "model": "gwm1_avatars",
                "avatar": {"type": "custom", "avatarId": "me"},
                "speech": {"type": "text", "text": "hi"},
            },
            "avatar.avatarId",
            "`avatar.avatarId` must be a uuid, got `me`",
            "",
        ),
        (
            "video_to_video",
            {"model": "aleph2", "videoUri": IMAGE, "keyframes": [{"uri": IMAGE, "at": 2}]},
            "keyframes[0].at",
            "`keyframes[0].at` must be a number from 0 to 1 for `aleph2`, got 2",
            "",
        ),
    ],
)
def test_one_mistake_gives_one_message_with_its_place(
    endpoint: str, body: dict[str, Any], path: str, message: str, hint: str
) -> None:
    finding = only(endpoint, body)
    assert (dotted(finding.path), finding.message, finding.hint) == (path, message, hint)
    assert finding.severity == "error"


def test_all_mistakes_are_found_at_once() -> None:
    found = check("image_to_video", {"model": "gen4_turbo", "duration": 1, "promtText": "x"})
    assert {dotted(finding.path) for finding in found} == {
        "duration",
        "promtText",
        "promptImage",
        "ratio",
    }


def test_a_missing_field_is_said_once_with_what_it_takes() -> None:
    finding = only("text_to_video", {"model": "veo3.1", "promptText": "x"})
    assert finding.message == "`ratio` is missing: `veo3.1` needs it"
    assert finding.hint == "one of `1280:720`, `720:1280`, `1080:1920` or `1920:1080`"


def test_a_misspelt_key_inside_an_object_is_found() -> None:
    found = check("image_to_video", VEO | {"promptImage": [{"uri": IMAGE, "positon": "first"}]})
    assert [finding.message for finding in found] == [
        "`promptImage[0].position` is missing: `veo3.1` needs it",
        "`positon` is not a field of `promptImage[0]`",
    ]


@pytest.mark.parametrize(
    ("ratio", "near"), [("1024:1024", "960:960"), ("9:16", "720:1280"), ("21:9", "1584:672")]
)
def test_a_ratio_is_matched_by_its_shape(ratio: str, near: str) -> None:
    assert only("image_to_video", TURBO | {"ratio": ratio}).hint == f"did you mean `{near}`?"


def test_a_long_list_of_choices_is_in_the_hint() -> None:
    body = {"model": "gen4_image", "promptText": "x", "ratio": "5:1"}
    finding = only("text_to_image", body)
    assert "must be one of 16 values for `gen4_image`, got `5:1`" in finding.message
    assert "`1024:1024`, `1080:1080`" in finding.hint


def test_a_number_that_should_be_text_is_to_be_quoted() -> None:
    body = {"model": "enhance_frame_rate", "videoUri": IMAGE, "targetFramerate": 24}
    assert only("video_upscale", body).hint == 'write "24" with quotes'


def test_where_the_choices_are_many_the_page_of_the_model_is_named() -> None:
    body = {"model": "gen4_image", "promptText": "x", "ratio": "5:1"}
    assert only("text_to_image", body).hint.endswith("; see: runway-batch models gen4_image")
    assert "see:" not in only("image_to_video", TURBO | {"ratio": "16:9"}).hint


def test_an_unknown_field_is_told_with_the_page_of_the_model_or_endpoint() -> None:
    hint = only("image_to_video", TURBO | {"zzz": 1}).hint
    assert hint.startswith("it takes `model`, ")
    assert hint.endswith("; see: runway-batch models gen4_turbo")
    body = {"version": "2026-06", "productImages": [{"uri": IMAGE}], "zzz": 1}
    hint = only("recipes/product_ad", body).hint
    assert hint.endswith("; see: runway-batch models --endpoint recipes/product_ad")


@pytest.mark.parametrize("number", [10**400, -(10**5000)], ids=["long", "longer"])
def test_a_number_beyond_all_measure_is_refused_like_any_other(number: int) -> None:
    for name in ("seed", "ratio", "model"):
        found = check("image_to_video", TURBO | {name: number})
        assert [finding.path for finding in found] == [(name,)]


def test_a_long_value_is_cut_in_the_message() -> None:
    finding = only("image_to_video", TURBO | {"ratio": "x" * 500})
    assert len(finding.message) < 250


@pytest.mark.parametrize(
    ("text", "length"), [("", 0), ("abc", 3), ("é", 1), ("😀", 2), ("a😀", 3), ("\ud83d", 1)]
)
def test_length_is_counted_as_the_api_counts_it(text: str, length: int) -> None:
    assert utf16_length(text) == length


def test_emoji_just_fit() -> None:
    assert check("text_to_video", VEO | {"promptText": "😀" * 500}) == []


def test_a_tag_stands_for_one_image() -> None:
    images = [{"uri": IMAGE, "tag": "cat"}, {"uri": IMAGE}, {"uri": IMAGE, "tag": "cat"}]
    body = {"model": "gen4_image", "promptText": "x", "ratio": "1920:1080"}
    finding = only("text_to_image", body | {"referenceImages": images})
    assert finding.path == ("referenceImages", 2, "tag")
    assert finding.message == "two items of `referenceImages` have the tag `cat`"
    assert finding.hint == "give each a tag of its own"


# Media


def output(media: str) -> Any:
    return OutputRef(job="still-2", key="k", media=media).to_json()


def test_outputs_and_files_stand_for_media() -> None:
    asset = AssetRef(path="/a.png", sha256="0" * 64, bytes=600, media="image").to_json()
    assert check("image_to_video", TURBO | {"promptImage": output("image")}) == []
    assert check("image_to_video", TURBO | {"promptImage": output("")}) == []
    assert check("image_to_video", TURBO | {"promptImage": asset}) == []
    listed = [{"uri": asset, "position": "first"}]
    assert check("image_to_video", TURBO | {"promptImage": listed}) == []


def test_an_output_of_the_wrong_media_is_refused() -> None:
    finding = only("image_to_video", TURBO | {"promptImage": output("video")})
    assert finding.message == ("`promptImage` takes an image, the output of `still-2` is a video")


def test_a_file_of_the_wrong_media_is_refused() -> None:
    asset = AssetRef(path="/a.mp3", sha256="0", bytes=600, media="audio").to_json()
    finding = only("image_to_video", TURBO | {"promptImage": asset})
    assert finding.message == "`promptImage` takes an image, `/a.mp3` is audio"


def test_media_in_a_field_for_text_is_refused() -> None:
    finding = only("image_to_video", TURBO | {"promptText": output("image")})
    assert finding.message == "`promptText` takes no media, it is given the output of `still-2`"
    assert finding.hint == "media of this job: `promptImage`"


def test_media_in_a_field_that_does_not_exist_is_said_once() -> None:
    assert only("image_to_video", TURBO | {"promptImages": output("image")}).hint == (
        "did you mean `promptImage`?"
    )


def data_uri(kind: str, size: int = 30) -> str:
    return f"data:{kind};base64,{base64.b64encode(b'x' * size).decode()}"


@pytest.mark.parametrize(
    "value",
    [
        IMAGE,
        "https://user@cdn.example.co.uk:8443/a%20b.png?sig=1#x",
        "runway://0f1a2b3c",
        data_uri("image/png"),
        "plates/intro.png",
        "/abs/intro.png",
        "C:\\plates\\intro.png",
        "a:b.png",
    ],
)
def test_media_that_runway_takes_and_local_paths_pass(value: str) -> None:
    assert check("image_to_video", TURBO | {"promptImage": value}) == []


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        ("http://example.com/a.png", "cannot be a `http:` URL", "use `https://`"),
        ("file:///a.png", "cannot be a `file:` URL", "write the path itself"),
        ("s3://bucket/a.png", "cannot be a `s3:` URL", "an https URL"),
        ("~/a.png", "starts with `~`", "relative to the manifest"),
        ("HTTPS://example.com/a.png", "starts with `HTTPS:`", "in small letters"),
        ("https://10.0.0.1/a.png", "by its IP address", "a domain name"),
        ("https://[::1]/a.png", "by its IP address", "a domain name"),
        ("https://127.1/a.png", "by its IP address", "a domain name"),
        ("https://localhost/a.png", "without a public domain name", "able to fetch"),
        ("https://[broken/a.png", "without a public domain name", "able to fetch"),
        ("https://example.com/a b.png", "a blank in it", "%20"),
        ("https://x.y", "is a URI of 11 characters", "13 to 2,048"),
        ("https://example.com/" + "a" * 2048, "is a URI of 2,068 characters", "13 to 2,048"),
        ("runway://" + "a" * 5000, "is a URI of 5,009 characters", "13 to 5,000"),
        ("", "is empty", "an image"),
        (data_uri("image/gif"), "a type Runway does not take: image/gif", "image/png"),
        (data_uri("video/mp4"), "takes an image, the data URI holds video", "give an image"),
        ("data:image/png,abc", "is a data URI of another form", "data:image/TYPE;base64"),
        ("data:image/png;base64,a!b", "is not valid base64", "encode it again"),
        ("data:image/png;base64,", "is not valid base64", "encode it again"),
        (data_uri("image/png", 4_000_000), "5,242,880", "local file"),
    ],
)
def test_media_that_runway_would_refuse_is_refused_with_the_fix(
    value: str, message: str, hint: str
) -> None:
    finding = only("image_to_video", TURBO | {"promptImage": value})
    assert message in finding.message
    assert hint in finding.hint


def test_links_are_never_repeated() -> None:
    link = "http://example.com/a.png?token=SECRET"
    finding = only("image_to_video", TURBO | {"promptImage": link})
    assert "SECRET" not in finding.message + finding.hint


# Without the catalogue


def test_an_unknown_model_passes_unchecked() -> None:
    finding = only("image_to_video", {"model": "brand_new", "anything": 1}, unchecked=True)
    assert finding.severity == "warning"
    assert finding.message == "`brand_new` is not in the catalogue: its body is not checked"


def test_an_unchecked_body_still_needs_a_model_and_an_endpoint() -> None:
    assert only("image_to_video", {}, unchecked=True).severity == "error"
    assert only("image_to_vide", {"model": "x"}, unchecked=True).severity == "error"


def test_unchecked_turns_schema_errors_into_warnings_but_not_bad_links() -> None:
    body = TURBO | {"newField": 1, "promptImage": "http://example.com/a.png"}
    severities = {
        dotted(finding.path): finding.severity
        for finding in check("image_to_video", body, unchecked=True)
    }
    assert severities == {"newField": "warning", "promptImage": "error"}


# Anything at all

WORDS = st.text(alphabet="abé😀:/~1", max_size=6)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), WORDS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["uri", "type", "position", "tag"]), inner, max_size=3),
    ),
    max_leaves=6,
)
VARIANTS = [
    (endpoint.name, endpoint.discriminator, info)
    for endpoint in CATALOG.endpoints.values()
    for info in endpoint.models.values()
]


@given(data=st.data())
def test_no_body_breaks_the_check(data: st.DataObject) -> None:
    endpoint, field, info = data.draw(st.sampled_from(VARIANTS))
    names = [*info.fields, "other"]
    body = data.draw(st.dictionaries(st.sampled_from(names), VALUES, max_size=5))
    if field is not None:
        body[field] = info.model
    for finding in check(endpoint, body):
        assert finding.message
        assert not finding.message.endswith(".")
