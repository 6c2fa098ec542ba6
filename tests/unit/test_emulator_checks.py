"""Bodies against the catalogue's fields: codes and places of issues, media strings."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import runner
from runner.core.catalog import Catalog
from runner.emulator.checks import check_body, utf16_length
from runner.emulator.links import LinkSigner, token_of
from runner.emulator.media_uris import (
    DATA_LENGTH,
    data_problem,
    https_problem,
    kind_problem,
    media_of_name,
)
from runner.emulator.tiers import TierTable, lane_of

CATALOG = Catalog.from_dict(
    json.loads((Path(runner.__file__).parent / "data/catalog.json").read_text())
)
STILL = "https://example.com/a.jpg"
CLIP: dict[str, Any] = {
    "model": "veo3.1", "promptImage": STILL, "ratio": "1280:720", "duration": 4
}  # fmt: skip


def no_problem(value: str, media: str) -> str:
    return ""


def codes(endpoint: str, body: dict[str, Any], *, strict: bool = False) -> list[tuple[str, Any]]:
    info = CATALOG.find(endpoint, body.get("model", body.get("mode")))
    assert info is not None
    issues = check_body(info, body, no_problem, strict=strict)
    return [(str(found["code"]), found["path"]) for found in issues]


# Issues


@pytest.mark.parametrize(
    ("change", "issue"),
    [
        ({"duration": 5}, ("invalid_value", ["duration"])),
        ({"duration": "4"}, ("invalid_type", ["duration"])),
        ({"duration": True}, ("invalid_type", ["duration"])),
        ({"duration": 4.5}, ("invalid_type", ["duration"])),
        ({"ratio": "16:9"}, ("invalid_value", ["ratio"])),
        ({"ratio": None}, ("invalid_type", ["ratio"])),
        ({"promptText": ""}, ("too_small", ["promptText"])),
        ({"promptText": "x" * 1001}, ("too_big", ["promptText"])),
        ({"promptText": ["x"]}, ("invalid_type", ["promptText"])),
        ({"seed": -1}, ("too_small", ["seed"])),
        ({"seed": 2**32}, ("too_big", ["seed"])),
        ({"audio": "yes"}, ("invalid_type", ["audio"])),
        ({"promptImage": 5}, ("invalid_union", ["promptImage"])),
        ({"promptImage": []}, ("too_small", ["promptImage"])),
        ({"promptImage": [{"uri": STILL}]}, ("invalid_type", ["promptImage", 0, "position"])),
        (
            {"promptImage": [{"uri": STILL, "position": "middle"}]},
            ("invalid_value", ["promptImage", 0, "position"]),
        ),
    ],
)
def test_each_kind_of_mistake_has_its_code_and_place(
    change: dict[str, Any], issue: tuple[str, Any]
) -> None:
    assert codes("image_to_video", {**CLIP, **change}) == [issue]


def test_all_mistakes_are_told_at_once() -> None:
    body = {"model": "veo3.1", "duration": 5, "seed": -1}
    assert codes("image_to_video", body) == [
        ("invalid_type", ["promptImage"]),
        ("invalid_type", ["ratio"]),
        ("invalid_value", ["duration"]),
        ("too_small", ["seed"]),
    ]


def test_good_body_has_no_issues() -> None:
    assert codes("image_to_video", CLIP) == []
    assert codes("image_to_video", {**CLIP, "duration": 4.0}) == []


def test_unknown_key_is_named_where_the_schema_forbids_it() -> None:
    body = {"model": "aleph2", "videoUri": "https://example.com/a.mp4", "promtText": "x"}
    info = CATALOG.find("video_to_video", "aleph2")
    assert info is not None
    (issue,) = check_body(info, body, no_problem)
    assert issue["code"] == "unrecognized_keys"
    assert issue["keys"] == ["promtText"]


def test_gen4_image_swallows_unknown_keys_as_the_real_one_was_seen_to() -> None:
    body = {"model": "gen4_image", "promptText": "x", "ratio": "1920:1080", "probe": True}
    assert codes("text_to_image", body) == []


def test_nested_object_that_is_closed_refuses_unknown_keys() -> None:
    body = {"model": "gen4_image", "promptText": "x", "ratio": "1920:1080",
            "contentModeration": {"publicFigureTreshold": "low"}}  # fmt: skip
    assert codes("text_to_image", body) == [("unrecognized_keys", ["contentModeration"])]


def test_tag_of_a_reference_has_length_and_pattern() -> None:
    body: dict[str, Any] = {"model": "gen4_image", "promptText": "x", "ratio": "1920:1080"}
    for tag, code in (("ab", "too_small"), ("Hero", "invalid_format"), ("a" * 17, "too_big")):
        body["referenceImages"] = [{"uri": STILL, "tag": tag}]
        assert codes("text_to_image", body) == [(code, ["referenceImages", 0, "tag"])]


def test_empty_reference_list_of_the_original_document_passes_unless_strict() -> None:
    body = {"model": "gen4_image_turbo", "promptText": "A futuristic cityscape at sunset",
            "ratio": "1920:1080", "referenceImages": []}  # fmt: skip
    assert codes("text_to_image", body) == []
    assert codes("text_to_image", body, strict=True) == [("too_small", ["referenceImages"])]


def test_choice_of_objects_needs_one_that_fits() -> None:
    body: dict[str, Any] = {
        "model": "act_two", "reference": {"type": "video", "uri": "https://example.com/a.mp4"}
    }  # fmt: skip
    assert (
        codes("character_performance", {**body, "character": {"type": "image", "uri": STILL}}) == []
    )
    found = codes("character_performance", {**body, "character": {"type": "sound", "uri": STILL}})
    assert found == [("invalid_union", ["character"])]


def test_avatar_id_must_be_a_uuid() -> None:
    body = {"model": "gwm1_avatars", "avatar": {"type": "custom", "avatarId": "me"},
            "speech": {"type": "text", "text": "hello"}}  # fmt: skip
    assert codes("avatar_videos", body) == [("invalid_union", ["avatar"])]
    body["avatar"] = {"type": "custom", "avatarId": "123e4567-e89b-42d3-a456-426614174000"}
    assert codes("avatar_videos", body) == []


def test_problem_of_a_media_string_becomes_an_issue_at_its_place() -> None:
    info = CATALOG.find("image_to_video", "veo3.1")
    assert info is not None
    body = {**CLIP, "promptImage": [{"uri": "ftp://x", "position": "first"}]}
    (issue,) = check_body(info, body, lambda value, media: f"{value} is no {media}")
    assert issue["code"] == "custom"
    assert issue["path"] == ["promptImage", 0, "uri"]
    assert issue["message"] == "ftp://x is no image"


# Length in UTF-16


def test_emoji_counts_as_two() -> None:
    assert utf16_length("ab") == 2
    assert utf16_length("\N{CLAPPER BOARD}") == 2
    assert codes("image_to_video", {**CLIP, "promptText": "\N{CLAPPER BOARD}" * 500}) == []
    assert codes("image_to_video", {**CLIP, "promptText": "\N{CLAPPER BOARD}" * 501}) == [
        ("too_big", ["promptText"])
    ]


@given(st.text(alphabet=st.characters(codec=None)))
def test_length_is_never_below_the_number_of_characters(text: str) -> None:
    assert len(text) <= utf16_length(text) <= 2 * len(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.sampled_from(["promptImage", "duration", "seed", "audio", "ratio", "promptText"]), JSON)
def test_no_value_of_a_field_breaks_the_check(name: str, value: Any) -> None:
    for code, path in codes("image_to_video", {**CLIP, name: value}):
        assert code in {
            "invalid_type", "invalid_value", "invalid_union", "too_small", "too_big",
        }  # fmt: skip
        assert path[0] == name


# Media strings


@pytest.mark.parametrize(
    ("url", "is_fine"),
    [
        ("https://example.com/a.jpg", True),
        ("https://cdn.example.co.uk:8443/a.jpg?x=1", True),
        ("https://127.0.0.1/a.jpg", False),
        ("https://[::1]/a.jpg", False),
        ("https://localhost/a.jpg", False),
        ("https://[bad/a.jpg", False),
        ("https://a.b", False),  # 11 characters; 13 are the least
        ("https://example.com/" + "a" * 2029, False),
    ],
)
def test_https_needs_a_domain_name_and_a_sane_length(url: str, is_fine: bool) -> None:
    assert (https_problem(url) == "") is is_fine


@pytest.mark.parametrize(
    ("uri", "media", "is_fine"),
    [
        ("data:image/png;base64,AAAA", "image", True),
        ("data:image/png;base64,AAAA", "video", False),
        ("data:image/png,AAAA", "image", False),
        ("data:text/plain;base64,AAAA", "image", False),
        ("data:;base64,AAAA", "image", False),
        ("data:audio/mpeg;base64," + "A" * DATA_LENGTH, "audio", False),
    ],
)
def test_data_uri_names_its_type_and_fits(uri: str, media: str, is_fine: bool) -> None:
    assert (data_problem(uri, media) == "") is is_fine


def test_kind_of_a_file_follows_from_its_name() -> None:
    assert media_of_name("a.JPG") == "image"
    assert media_of_name("clip.final.mov") == "video"
    assert media_of_name("voice.m4a") == "audio"
    assert media_of_name("moving.gif") is None
    assert media_of_name("nothing") is None
    assert kind_problem("image", "") == ""


# Links


SIGNER = LinkSigner(secret=b"secret")


def test_payload_of_a_link_tells_when_it_ends() -> None:
    _, token = token_of(SIGNER.sign("/outputs/a/0/x.mp4", 1000.0, 60.0))
    payload = token.split(".")[1]
    data = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert data["exp"] == 1060


def test_link_opens_its_path_until_it_expires() -> None:
    path, token = token_of(SIGNER.sign("/outputs/a/0/x.mp4", 1000.0, 60.0))
    assert SIGNER.allows(path, token, 1059.9)
    assert not SIGNER.allows(path, token, 1060.0)
    assert not SIGNER.allows("/outputs/b/0/x.mp4", token, 1000.0)
    assert not LinkSigner(secret=b"other").allows(path, token, 1000.0)


@given(st.text())
def test_no_made_up_token_opens_anything(token: str) -> None:
    assert not SIGNER.allows("/outputs/a/0/x.mp4", token, 1000.0)


def test_secret_of_the_links_is_not_shown() -> None:
    assert "secret" not in repr(LinkSigner(secret=b"hush-hush")).replace("secret=", "")
    assert "hush" not in repr(LinkSigner(secret=b"hush-hush"))


# Tiers


def test_tiers_are_those_of_the_published_table() -> None:
    table = TierTable.from_catalog(CATALOG)
    seen = {
        tier: (table.limits(tier, "gen4_turbo"), table.limits(tier, "gen4_image"))
        for tier in range(1, 6)
    }
    assert [(v.concurrent, v.daily) for v, _ in seen.values()] == [
        (1, 50), (3, 500), (5, 1000), (10, 5000), (20, 25000),
    ]  # fmt: skip
    assert [(i.concurrent, i.daily) for _, i in seen.values()] == [
        (2, 200), (3, 1000), (5, 2000), (10, 10000), (20, 30000),
    ]  # fmt: skip
    assert [table.monthly_credits(tier) for tier in (1, 5)] == [10_000, 10_000_000]


def test_recipes_are_counted_by_their_name_and_the_rest_by_model() -> None:
    assert lane_of("recipes/product_ad", "default") == "product_ad"
    assert lane_of("recipes/multi_shot_video", "custom") == "multi_shot_video"
    assert lane_of("image_to_video", "veo3.1") == "veo3.1"


def test_what_is_not_in_the_table_has_no_limit() -> None:
    limits = TierTable.from_catalog(CATALOG).limits(1, "default")
    assert (limits.concurrent, limits.daily) == (None, None)
