"""Models, prices and schemas as shown: every fact of the catalogue, in words and in bounds."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from rich.cells import cell_len

from runner.app.catalogue import SCHEMAS, list_models, price_sources, schema_of
from runner.cli.main import main
from runner.cli.model_page import example_lines, page_json, show_pages, takes
from runner.cli.output import Output
from runner.cli.price_words import input_words, price_words, rule_words
from runner.cli.show_models import show_models
from runner.core.catalog import ModelInfo
from runner.errors import UsageError
from runner.manifest.bodies import check_body
from runner.manifest.catalog_file import load_catalog
from runner.manifest.schema import load_schema
from runner.manifest.yaml12 import parse_yaml

INFOS = list_models()
SOURCES = price_sources()
EACH = pytest.mark.parametrize("info", INFOS, ids=lambda info: f"{info.endpoint}-{info.model}")


@pytest.fixture(autouse=True)
def in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def checked(capsys: pytest.CaptureFixture[str]) -> Any:
    """The data of an envelope that is as scripts expect it."""
    envelope = json.loads(capsys.readouterr().out)
    Draft202012Validator(load_schema("result.schema.json")).validate(envelope)
    return envelope["data"]


# Finding


def test_models_are_found_by_name_and_by_endpoint() -> None:
    assert len(INFOS) == 116
    assert {info.model for info in list_models("gen4_turbo")} == {"gen4_turbo"}
    assert {info.endpoint for info in list_models(endpoint="video_upscale")} == {"video_upscale"}
    assert list_models("video_upscale") == list_models(endpoint="video_upscale")
    assert list_models("veo3", "text_to_video")[0].is_retired


@pytest.mark.parametrize(
    ("model", "endpoint", "hint"),
    [
        ("gen4_trubo", None, "did you mean `gen4_turbo`?"),
        ("image_to_vidoe", None, "did you mean `image_to_video`?"),
        (None, "image_to_vidoe", "did you mean `image_to_video`?"),
        ("gen4_turbo", "sound_effect", "it is at image_to_video"),
        ("zzz", None, "`runway-batch models` lists them"),
    ],
)
def test_a_name_that_is_not_there_gets_a_guess(
    model: str | None, endpoint: str | None, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        list_models(model, endpoint)
    assert caught.value.hint == hint
    assert caught.value.exit_code == 2


# The list


@pytest.mark.parametrize("columns", ["", "80", "100", "200"])
def test_the_list_fits_a_terminal_also_in_a_pipe(
    columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    show_models(INFOS, Output())
    lines = lines_of(capsys)
    assert max(map(cell_len, lines)) <= min(int(columns or 80), 100)
    first = {line.split()[0] for line in lines if not line.startswith(" ")}
    named = {info.model if "model" in info.fields else info.endpoint for info in INFOS}
    assert first - {"model"} == named, "no name is cut in two"


def test_a_line_says_the_price_or_what_replaces_the_model(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_models(list_models("veo3") + list_models("gen4_turbo"), Output())
    lines = [line.split() for line in lines_of(capsys)[1:]]
    assert lines == [
        ["veo3", "image_to_video", "video", "retired:", "veo3.1"],
        ["text_to_video"],
        ["gen4_turbo", "image_to_video", "video", "5/s"],
    ]


@pytest.mark.parametrize(
    ("endpoint", "model", "words"),
    [
        ("image_to_video", "gen4_turbo", "5/s"),
        ("image_to_video", "veo3.1", "20–40/s"),
        ("image_to_video", "gen4.5", "12/s + extras"),
        ("image_to_video", "seedance2_mini", "16/s, at least 64"),
        ("image_to_video", "kling_4", "not published"),
        ("text_to_image", "gpt_image_2", "1–41/image"),
        ("text_to_speech", "eleven_v3", "1 per 50 characters"),
        ("recipes/product_campaign_image", "default", "144"),
        ("recipes/product_ad", "default", "56 + 36–40/s"),
        ("generate/video", "default", "the chosen model's"),
        ("workflows/{id}", "default", "its nodes' together"),
        ("video_to_hdr", "ruby", "20–40/s"),
    ],
)
def test_prices_have_words(endpoint: str, model: str, words: str) -> None:
    info = load_catalog().find(endpoint, model)
    assert info is not None
    assert price_words(info.price) == words


# The page


@EACH
def test_the_page_of_a_model_says_all_of_it(
    info: ModelInfo, capsys: pytest.CaptureFixture[str]
) -> None:
    show_pages([info], SOURCES, Output())
    lines = lines_of(capsys)
    text = " ".join(" ".join(lines).split())
    assert max(map(cell_len, lines)) <= 80
    for name in info.fields:
        star = r"\*" if name in info.required else ""
        assert any(re.match(rf"{name}{star}( |$)", line) for line in lines), name
    assert (info.price.formula or "not published") in text
    assert f"confidence {info.price.confidence}" in text or not info.price.as_of
    assert all(SOURCES[name] in text for name in info.price.sources)
    assert all(name in text for name in info.replacements)
    assert info.note.split(" ")[0] in text


@EACH
def test_the_example_is_a_job_that_is_taken(info: ModelInfo) -> None:
    endpoint = info.endpoint.replace("{id}", "0f1a")
    text = "\n".join(example_lines(info)).replace(info.endpoint, endpoint)
    [job] = parse_yaml(text.encode()).value
    assert set(job) == {"id", endpoint}
    found = check_body(load_catalog(), endpoint, job[endpoint])
    assert [each.message for each in found if each.severity == "error"] == []
    assert yaml.safe_load(text)[0]["id"] == job["id"]


def test_every_choice_and_every_field_inside_is_named() -> None:
    schema: dict[str, Any] = {
        "anyOf": [
            {"type": "string", "format": "media-uri", "media": "image"},
            {
                "type": "array", "minItems": 1, "maxItems": 3,
                "items": {
                    "type": "object", "required": ["uri"],
                    "properties": {"uri": {"type": "string"}, "at": {"enum": list("abcdefgh")}},
                },
            },
        ]
    }  # fmt: skip
    assert takes(schema) == (
        "image file or URL; or a list with 1 to 3 items: {uri*: text; at: a, b, c, d, e, f, g, h}"
    )


def test_every_rule_and_every_limit_of_an_input_has_words() -> None:
    rules = {rule_words(rule) for info in INFOS for rule in info.rules}
    kinds = {str(rule["rule"]).replace("_", " ") for info in INFOS for rule in info.rules}
    assert rules
    assert rules.isdisjoint(kinds), "a kind of rule without words of its own"
    inputs = {key for info in INFOS for key in info.input_rules}
    assert inputs
    told = {text for info in INFOS for text in input_words(info)}
    assert not [text for text in told if re.search(r"[\[\]{}]", text)]


def test_a_kind_that_nobody_knows_yet_is_still_shown() -> None:
    assert rule_words({"rule": "brand_new"}) == "brand new"
    assert rule_words({"rule": "alone", "field": "x", "severity": "warning"}).endswith("(not sure)")


# The commands


def test_scripts_get_a_list_or_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    listed = checked(capsys)["models"]
    assert len(listed) == 116
    assert "fields" not in listed[0]
    assert all(item["price"]["confidence"] for item in listed)
    assert None in {item["model"] for item in listed}
    assert main(["models", "gen4_turbo", "--json"]) == 0
    [page] = checked(capsys)["models"]
    assert page["required"] == ["model", "promptImage", "ratio"]
    assert "1280:720" in page["fields"]["ratio"]["enum"]
    assert page["example"]["model"] == "gen4_turbo"
    assert page_json(INFOS[0], {})["sources"]


def test_an_endpoint_without_models_has_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "recipes/product_ad"]) == 0
    assert lines_of(capsys)[0] == "recipes/product_ad: makes video"
    assert main(["models", "veo3.1", "--endpoint", "text_to_video"]) == 0
    assert lines_of(capsys)[0] == "veo3.1 at text_to_video: makes video"


@pytest.mark.parametrize("name", [*SCHEMAS, *load_catalog().endpoints, "workflows/0f1a"])
def test_every_schema_is_printed_as_json(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", name]) == 0
    text = capsys.readouterr().out
    assert text.isascii()
    schema = json.loads(text)
    Draft202012Validator.check_schema(schema)
    assert main(["schema", name, "--json"]) == 0
    data = checked(capsys)
    assert data["schema"] == schema
    assert data["file"] == schema_of(name)[0]


def test_without_a_name_it_is_the_schema_of_manifests(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "runway-batch manifest, version 1"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("manifst", "did you mean `manifest`?"),
        ("x", "one of: manifest, fragment, prices, result, policy,"),
    ],
)
def test_a_schema_that_is_not_there_is_a_usage_error(
    name: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["schema", name]) == 2
    assert hint in capsys.readouterr().err
