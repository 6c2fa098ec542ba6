"""Rules of several fields together: each of the catalogue is broken once, with its words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from runner.core.catalog import ModelInfo
from runner.core.spec import OutputRef
from runner.errors import CatalogError
from runner.manifest.bodies import check_body
from runner.manifest.body_rules import rule_findings, rules_of
from runner.manifest.findings import Finding, dotted
from tests.body_maker import CATALOG, INFOS, UUID, Raw, least_body, named, posted
from tests.rule_examples import CASES, FIRST, LAST, REFERENCE, SHOT, Example, broken, info_of


@pytest.mark.parametrize(("one", "model"), CASES, ids=lambda part: getattr(part, "path", part))
def test_a_broken_rule_is_told_with_its_place(one: Example, model: str) -> None:
    info = info_of(one, model)
    name = f"`{info.endpoint if model == 'default' else model}`"
    expected = (
        one.path,
        one.message.replace("{name}", name),
        one.hint.replace("{name}", name),
        one.severity,
    )
    found = rule_findings(info, broken(one, model))
    assert [(dotted(f.path), f.message, f.hint, f.severity) for f in found] == [expected]


@pytest.mark.parametrize(("one", "model"), CASES, ids=lambda part: getattr(part, "path", part))
def test_a_rule_is_part_of_the_check_and_the_schema_has_nothing_against_the_body(
    one: Example, model: str
) -> None:
    info, body = info_of(one, model), broken(one, model)
    found = check_body(CATALOG, posted(info), body)
    others = [each for each in found if each not in list(rule_findings(info, body))]
    assert [each for each in others if each.severity == "error"] == []
    assert len(others) < len(found)


@pytest.mark.parametrize("info", [info for info in INFOS if info.rules], ids=named)
def test_every_rule_of_the_catalogue_has_an_example(info: ModelInfo) -> None:
    bodies = [
        broken(one, model)
        for one, model in CASES
        if (one.endpoint, model) == (info.endpoint, info.model)
    ]
    for raw, rule in zip(info.rules, rules_of(info), strict=True):
        assert any(next(rule.findings(body), None) for body in bodies), raw


@pytest.mark.parametrize("info", [info for info in INFOS if info.rules], ids=named)
def test_every_rule_names_its_source_and_nothing_unknown(info: ModelInfo) -> None:
    for raw in info.rules:
        assert raw["source"] in CATALOG.facts["sources"]
        assert raw.get("severity", "warning") == "warning"


@pytest.mark.parametrize("info", [info for info in INFOS if info.rules], ids=named)
def test_a_rule_is_silent_without_its_trigger(info: ModelInfo) -> None:
    """The quick check asks no rule whose trigger is not in the body."""
    for raw, rule in zip(info.rules, rules_of(info), strict=True):
        for one, model in CASES:
            if rule.trigger and (one.endpoint, model) == (info.endpoint, info.model):
                body = broken(one, model)
                body.pop(rule.trigger, None)
                assert next(rule.findings(body), None) is None, raw


# What keeps the rules


KEPT: list[tuple[str, str, Raw]] = [
    ("image_to_video", "veo3.1", {"promptImage": [FIRST, LAST]}),
    ("image_to_video", "seedance2", {"promptImage": [REFERENCE, REFERENCE]}),
    ("image_to_video", "wan3", {"promptImage": [REFERENCE], "ratio": "1280:720"}),
    ("image_to_video", "wan3", {"promptImage": [FIRST]}),
    ("text_to_video", "hailuo3", {"ratio": "adaptive", "references": [REFERENCE]}),
    ("text_to_video", "hailuo3", {"ratio": "16:9"}),
    ("text_to_video", "kling3.0_pro", {"providerSettings": {"multiPrompt": [SHOT]}}),
    ("text_to_video", "kling3.0_pro", {"promptText": "a"}),
    ("text_to_video", "gen4.5", {"outputFormat": "hdr_prores"}),
    ("text_to_video", "seedance2_5", {"draftTaskId": UUID}),
    ("video_to_video", "seedance2_5", {"mode": "reference", "ratio": "1280:720"}),
    ("video_to_video", "seedance2_5", {"mode": "edit", "duration": "auto", "promptText": "a"}),
    ("text_to_image", "bria_fibo_edit_1_5", {"referenceImages": [REFERENCE]}),
    ("text_to_image", "bria_fibo_edit_1_5", {"referenceImages": [REFERENCE], "ratio": "auto"}),
    ("text_to_image", "seedream5_lite", {"ratio": "3000:2000"}),
    ("text_to_image", "recraft_v4_1_flash", {"colors": ["#FF8800", "00ff99"]}),
    ("text_to_image", "gen4_image", {"referenceImages": [REFERENCE, REFERENCE]}),
    ("text_to_image", "ideogram_4_5", {"preciseEdit": False, "ratio": "1280:720"}),
]


@pytest.mark.parametrize(("endpoint", "model", "changes"), KEPT)
def test_what_keeps_the_rules_passes(endpoint: str, model: str, changes: Raw) -> None:
    info = CATALOG.endpoints[endpoint].models[model]
    assert check_body(CATALOG, endpoint, {**least_body(info), **changes}) == []


def test_an_output_of_another_job_counts_as_given() -> None:
    info = CATALOG.endpoints["text_to_image"].models["ideogram_4_5"]
    image = OutputRef(job="still", key="k", media="image").to_json()
    body = {**least_body(info), "maskUri": image, "referenceImages": [{"uri": image}]}
    assert check_body(CATALOG, "text_to_image", body) == []


@pytest.mark.parametrize("value", [None, 7, "x", [], [7], {}, {"multiPrompt": 7}, [{"tag": []}]])
def test_values_of_a_wrong_type_are_left_to_the_schema(value: Any) -> None:
    for info in INFOS:
        body = dict.fromkeys(info.fields, value)
        assert all(isinstance(each, Finding) for each in rule_findings(info, body))


def test_an_unchecked_job_is_only_warned() -> None:
    body = {"model": "veo3.1", "promptImage": [LAST], "ratio": "1280:720"}
    (finding,) = check_body(CATALOG, "image_to_video", body, unchecked=True)
    assert finding.severity == "warning"


# A rule that cannot be read


def with_rule(rule: Mapping[str, Any]) -> ModelInfo:
    info = CATALOG.endpoints["text_to_video"].models["veo3.1"]
    names = ("endpoint", "model", "media", "status", "required", "fields", "price")
    kept = {name: getattr(info, name) for name in names}
    return ModelInfo(**kept, input_rules={}, unknown_keys="reject", rules=(rule,))


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"rule": "sometimes"}, "cannot be read"),
        ({"rule": "when"}, "cannot be read"),
        ({"rule": "alone", "field": "nothing"}, "names `nothing`, which it does not have"),
        ({"rule": "when", "then": {"ratio.x": "given"}}, "names `ratio.x`"),
        ({"rule": "when", "then": {"ratio": "there"}}, "no rule can ask 'there'"),
        ({"rule": "when", "then": {"ratio": []}}, "no rule can ask []"),
    ],
)
def test_a_rule_that_cannot_be_read_is_the_catalogues_fault(
    rule: Mapping[str, Any], words: str
) -> None:
    with pytest.raises(CatalogError, match=re.escape(words)):
        rules_of(with_rule(rule))
