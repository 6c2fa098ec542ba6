"""Every variant of the catalogue: each of its fields is taken once, and refused broken by name."""

from __future__ import annotations

import pytest

from runner.core.catalog import ModelInfo
from runner.manifest.bodies import check_body
from runner.manifest.body_rules import rule_findings
from runner.manifest.findings import Finding, Path, dotted
from tests.body_maker import (
    CATALOG,
    COMPANIONS,
    INFOS,
    Broken,
    Raw,
    broken_bodies,
    filled,
    least,
    named,
    posted,
    valid_bodies,
)

#: cases in all that the promise asks for
PROMISED = 2_000


def errors(info: ModelInfo, body: Raw) -> list[Finding]:
    found = check_body(CATALOG, posted(info), body)
    return [finding for finding in found if finding.severity == "error"]


def is_told(case: Broken, finding: Finding) -> bool:
    """Whether it stands at the broken place, and its message names the field there.

    Where one of several keys may be given (`seconds` or `at`), any of them may be missed.
    """
    names = [part for part in finding.path if isinstance(part, str)]
    is_there = dotted(finding.path) == dotted(case.path) or (
        case.why == "missing" and len(case.path) > 1 and finding.path[:-1] == case.path[:-1]
    )
    return is_there and names[-1] in finding.message


@pytest.mark.parametrize("info", INFOS, ids=named)
def test_every_field_is_in_a_body_that_is_taken(info: ModelInfo) -> None:
    bodies = valid_bodies(info)
    assert set().union(*bodies) == set(info.fields)
    for body in bodies:
        assert errors(info, body) == [], body


@pytest.mark.parametrize("info", INFOS, ids=named)
def test_every_field_that_is_broken_is_refused_by_its_name(info: ModelInfo) -> None:
    for case in broken_bodies(info):
        assert any(is_told(case, finding) for finding in errors(info, case.body)), case


def test_the_cases_are_as_many_as_promised_and_reach_every_field() -> None:
    assert len(INFOS) == 116
    count = 0
    for info in INFOS:
        paths: list[Path] = [case.path for case in broken_bodies(info)]
        reached = {path[0] for path in paths}
        assert set(info.fields) - reached <= set(info.tolerated), named(info)
        count += len(paths)
    assert count >= PROMISED


@pytest.mark.parametrize(("endpoint", "model"), COMPANIONS)
def test_companions_are_there_because_a_rule_asks_for_them(endpoint: str, model: str) -> None:
    info = CATALOG.endpoints[endpoint].models[model]
    for name in COMPANIONS[endpoint, model]:
        body = {each: least(info.fields[each]) for each in info.required}
        body |= {name: filled(info.fields[name])[0].value} if name else {}
        assert list(rule_findings(info, body)) != [], name
