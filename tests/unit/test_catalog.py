from __future__ import annotations

import copy
import json
from importlib import resources
from typing import Any

import pytest

from runner.core.catalog import Catalog, MediaField, ModelInfo, closest, media_fields
from runner.core.price import RateTable
from runner.core.spec import AssetRef, Body, OutputRef
from runner.errors import CatalogError
from runner.manifest.catalog_file import load_catalog

CATALOG = load_catalog()
RAW = json.loads(
    resources.files("runner").joinpath("data", "catalog.json").read_text(encoding="utf-8")
)
MODELS = [info for endpoint in CATALOG.endpoints.values() for info in endpoint.models.values()]


def named(info: ModelInfo) -> str:
    return f"{info.endpoint}-{info.model}"


def media_of(endpoint: str, model: str | None, body: Body) -> list[tuple[Any, ...]]:
    info = CATALOG.find(endpoint, model)
    assert info is not None
    return [(item.path, item.media, item.value) for item in media_fields(info, body)]


def test_catalogue_has_every_endpoint_and_variant() -> None:
    assert len(CATALOG.endpoints) == 26
    assert len(MODELS) == 116


def test_catalogue_is_read_once() -> None:
    assert load_catalog() is CATALOG


@pytest.mark.parametrize("info", MODELS, ids=named)
def test_every_model_is_whole(info: ModelInfo) -> None:
    endpoint = CATALOG.endpoints[info.endpoint]
    assert info.media in {"image", "video", "audio", "any"}
    assert set(info.required) <= set(info.fields)
    assert info.unknown_keys in {"reject", "reject-assumed", "not-declared", "ignore"}
    if endpoint.discriminator:
        assert info.fields[endpoint.discriminator]["enum"] == [info.model]
    assert info.price.confidence == "none" or info.price.as_of
    assert info.price.confidence == "none" or set(info.price.sources) <= set(RAW["sources"])


@pytest.mark.parametrize("info", MODELS, ids=named)
def test_every_retired_model_names_a_replacement_that_is_served(info: ModelInfo) -> None:
    assert bool(info.replacements) == info.is_retired
    for name in info.replacements:
        other = CATALOG.find(info.endpoint, name)
        if other is None:  # veo3 on an endpoint its successor also has, or none at all
            assert CATALOG.endpoints_of(name)
        else:
            assert not other.is_retired


@pytest.mark.parametrize("info", MODELS, ids=named)
def test_every_value_that_a_price_goes_by_has_a_rate(info: ModelInfo) -> None:
    by = info.price.by
    if not isinstance(by, RateTable):
        return
    for index, name in enumerate(by.fields):
        parts = {cell[index] for cell in by.rates}
        schema = info.fields[name]
        values = ["true", "false"] if schema["type"] == "boolean" else schema["enum"]
        tiers = by.tiers if index == len(by.fields) - 1 else {}
        assert {tiers.get(value, value) for value in values} <= parts


def test_no_model_makes_up_a_media_type() -> None:
    def walk(schema: Any) -> None:
        if isinstance(schema, dict):
            if schema.get("format") == "media-uri":
                assert schema["media"] in {"image", "video", "audio"}
            for value in schema.values():
                walk(value)
        elif isinstance(schema, list):
            for item in schema:
                walk(item)

    for info in MODELS:
        walk(dict(info.fields))


def test_find_gives_the_single_variant_where_there_is_no_model() -> None:
    info = CATALOG.find("recipes/product_ad", None)
    assert info is not None
    assert info.lane == "recipes/product_ad"


def test_find_knows_nothing_of_other_names() -> None:
    assert CATALOG.find("image_to_video", "gen4_image") is None
    assert CATALOG.find("image_to_video", None) is None
    assert CATALOG.find("image_to_vide", "gen4_turbo") is None


def test_lane_is_the_model_and_the_endpoint_where_a_mode_chooses() -> None:
    turbo = CATALOG.find("image_to_video", "gen4_turbo")
    shots = CATALOG.find("recipes/multi_shot_video", "custom")
    assert turbo is not None
    assert shots is not None
    assert (turbo.lane, shots.lane) == ("gen4_turbo", "recipes/multi_shot_video")


def test_a_workflow_is_found_by_its_id() -> None:
    assert CATALOG.find("workflows/0f1a", None) is CATALOG.find("workflows/{id}", None)
    assert CATALOG.find("workflows/", None) is None


def test_endpoints_of_a_model_are_all_that_have_it() -> None:
    assert CATALOG.endpoints_of("seed_audio") == ("text_to_speech", "sound_effect")
    assert CATALOG.endpoints_of("gen4_image") == ("text_to_image",)
    assert CATALOG.endpoints_of("auto") == ()
    assert CATALOG.endpoints_of("default") == ()


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("gen4-turbo", "gen4_turbo"), ("Veo3.1", "veo3.1"), ("gen4turbo", "gen4_turbo")],
)
def test_a_misspelt_model_is_recognised(wrong: str, right: str) -> None:
    assert closest(wrong, list(CATALOG.endpoints["image_to_video"].models)) == right


def test_nothing_is_suggested_for_a_name_like_no_other() -> None:
    assert closest("xyzzy", list(CATALOG.endpoints["image_to_video"].models)) is None
    assert closest("", []) is None


def test_facts_hold_the_rest_of_the_file() -> None:
    assert [tier["tier"] for tier in CATALOG.facts["tiers"]] == [1, 2, 3, 4, 5]
    assert "endpoints" not in CATALOG.facts


# Media of a body


def test_media_is_found_as_plain_text() -> None:
    body = {"model": "gen4_turbo", "promptImage": "plates/a.png", "promptText": "b.png"}
    assert media_of("image_to_video", "gen4_turbo", body) == [
        (("promptImage",), "image", "plates/a.png")
    ]


def test_media_is_found_in_lists_of_objects() -> None:
    body = {"promptImage": [{"uri": "a.png", "position": "first"}, {"uri": "b.png"}]}
    assert media_of("image_to_video", "veo3.1", body) == [
        (("promptImage", 0, "uri"), "image", "a.png"),
        (("promptImage", 1, "uri"), "image", "b.png"),
    ]


@pytest.mark.parametrize("kind", ["image", "video"])
def test_a_word_in_the_object_decides_what_media_it_holds(kind: str) -> None:
    body = {"character": {"type": kind, "uri": "a.bin"}}
    assert media_of("character_performance", "act_two", body) == [
        (("character", "uri"), kind, "a.bin")
    ]


def test_media_without_a_deciding_word_is_found_once_as_the_first_kind() -> None:
    body = {"character": {"uri": "a.bin"}}
    assert media_of("character_performance", "act_two", body) == [
        (("character", "uri"), "image", "a.bin")
    ]


def test_media_is_found_under_free_keys() -> None:
    body = {"nodeOutputs": {"n1": {"out": {"type": "audio", "uri": "a.mp3"}}}}
    assert media_of("workflows/{id}", None, body) == [
        (("nodeOutputs", "n1", "out", "uri"), "audio", "a.mp3")
    ]


def test_media_is_found_deep_inside_a_router_request() -> None:
    body = {"input": {"keyframes": [{"seconds": 1, "uri": "a.png"}, {"at": 0.5, "uri": "b.png"}]}}
    assert [path for path, _, _ in media_of("generate/video", None, body)] == [
        ("input", "keyframes", 0, "uri"),
        ("input", "keyframes", 1, "uri"),
    ]


def test_text_beside_audio_is_no_media() -> None:
    body = {"speech": {"type": "text", "text": "hello"}}
    assert media_of("avatar_videos", "gwm1_avatars", body) == []


def test_our_markers_count_as_media() -> None:
    output = OutputRef(job="a", key="k", media="image").to_json()
    asset = AssetRef(path="/a.png", sha256="0", bytes=1, media="image").to_json()
    assert media_of("image_to_video", "gen4_turbo", {"promptImage": output}) == [
        (("promptImage",), "image", output)
    ]
    body = {"promptImage": [{"uri": asset, "position": "first"}]}
    assert media_of("image_to_video", "gen4_turbo", body) == [
        (("promptImage", 0, "uri"), "image", asset)
    ]


def test_fields_that_do_not_exist_and_wrong_types_hold_no_media() -> None:
    body = {"nonsense": "a.png", "promptImage": 7, "ratio": ["a"]}
    assert media_of("image_to_video", "gen4_turbo", body) == []


def test_a_media_field_is_plain_data() -> None:
    item = MediaField(path=("a", 0), media="image", value="x")
    assert item == MediaField(path=("a", 0), media="image", value="x")


# A broken catalogue


def broken(**changes: Any) -> dict[str, Any]:
    raw: dict[str, Any] = {
        "ratio_tiers": {},
        "endpoints": {"sound_effect": copy.deepcopy(RAW["endpoints"]["sound_effect"])},
    }
    raw["endpoints"]["sound_effect"]["models"]["seed_audio"] |= changes
    return raw


@pytest.mark.parametrize(
    "changes",
    [
        {"required": ["nothing"]},
        {"status": "lost"},
        {"price": {"unit": "second"}},
        {"price": {"unit": "second", "confidence": "certain"}},
        {"price": {"unit": "second", "confidence": "low", "quantity": {"from": "the moon"}}},
        {
            "price": {
                "unit": "second",
                "confidence": "low",
                "by": {"fields": ["ratio"], "tiers": "none", "values": {}},
            }
        },
        {"price": None},
        {"tolerated": {"promptText": {"why": "because"}}},
    ],
)
def test_a_broken_model_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(CatalogError):
        Catalog.from_dict(broken(**changes))


@pytest.mark.parametrize(
    "raw", [{}, {"ratio_tiers": {}}, {"ratio_tiers": {}, "endpoints": []}, {"endpoints": {"a": 1}}]
)
def test_a_file_that_is_no_catalogue_is_refused(raw: dict[str, Any]) -> None:
    with pytest.raises(CatalogError):
        Catalog.from_dict(raw)


def test_an_endpoint_with_variants_needs_a_field_to_choose() -> None:
    raw = broken()
    raw["endpoints"]["sound_effect"]["discriminator"] = None
    with pytest.raises(CatalogError, match="no field to choose"):
        Catalog.from_dict(raw)
