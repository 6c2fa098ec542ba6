"""Which request a fault strikes, by time, text and task; settings and outages of a scenario."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest

import runner
from runner.emulator import rules
from runner.emulator.records import Knobs
from runner.emulator.rules import NO_FAULT, Request
from runner.emulator.scenario import OUTAGES, Scenario, parse_scenario
from runner.errors import UsageError

DOCS = Path(runner.__file__).parent.parent / "docs/reference/scenarios.md"


def scenario(*faults: dict[str, Any], seed: int = 0, **more: Any) -> Scenario:
    return parse_scenario({"faults": list(faults), **more}, random.Random(seed))


def create(prompt: str = "a cat", digest: str = "d1") -> Request:
    return Request(on="create", method="POST", endpoint="image_to_video", model="gen4_turbo",
                   prompt=prompt, subject=digest)  # fmt: skip


def struck(script: Scenario, *requests: Request, now: float = 0.0) -> list[bool]:
    return [script.choose(request, now) is not NO_FAULT for request in requests]


def test_span_of_time_counts_from_the_scenario_and_ends_before_its_end() -> None:
    script = scenario({"do": "refuse", "begin": 10, "end": 20})
    script.began = 1000.0
    times = (1009.9, 1010.0, 1019.9, 1020.0)
    assert [struck(script, create(), now=at)[0] for at in times] == [False, True, True, False]


def test_requests_outside_of_the_span_are_not_counted() -> None:
    script = scenario({"do": "refuse", "begin": 10, "nth": 1})
    assert struck(script, create(), now=0.0) == [False]
    assert struck(script, create(), now=10.0) == [True]


def test_prompt_chooses_one_job_of_many() -> None:
    script = scenario({"do": "lose", "prompt": "*cat*"})
    assert struck(script, create("a cat"), create("a dog")) == [True, False]


def test_each_counts_every_task_by_itself() -> None:
    script = scenario({"on": "download", "do": "expire", "count": 2, "each": True})
    one, two = (Request(on="download", method="GET", subject=name) for name in "ab")
    assert struck(script, one, two, one, two, one, two) == [True] * 4 + [False] * 2


def test_each_has_the_same_luck_whatever_comes_between() -> None:
    rule = {"do": "lose", "probability": 0.5, "each": True}
    names = [f"d{n}" for n in range(40)]

    def luck(order: list[str]) -> dict[str, bool]:
        script = scenario(rule)
        return {name: struck(script, create(digest=name))[0] for name in order}

    assert luck(names) == luck(names[::-1])
    assert set(luck(names).values()) == {True, False}


def test_luck_of_one_fault_does_not_depend_on_another() -> None:
    rule = {"on": "create", "do": "lose", "probability": 0.5}
    quiet = {"on": "read", "do": "refuse", "probability": 0.5}
    alone, together = scenario(rule), scenario(rule, quiet)
    seen = []
    for _ in range(30):
        together.choose(Request(on="read", method="GET"))
        seen.append(struck(together, create())[0])
    assert seen == [struck(alone, create())[0] for _ in range(30)]


def test_seed_of_the_scenario_overrules_the_emulators() -> None:
    rule = {"do": "lose", "probability": 0.5}
    told = {"faults": [rule], "seed": 7}
    runs = [struck(parse_scenario(told, random.Random(n)), *[create()] * 30) for n in range(2)]
    assert runs[0] == runs[1] != struck(scenario(rule, seed=8), *[create()] * 30)


def test_outages_become_faults_or_refused_connections() -> None:
    script = scenario(
        outages=[{"begin": 5, "end": 6}, {"begin": 1, "end": 2, "how": "unavailable"},
                 {"begin": 2, "end": 3, "how": "gateway"}, {"begin": 3, "how": "drop"}],
    )  # fmt: skip
    chosen = [script.choose(create(), at) for at in (0.0, 1.0, 2.0, 3.0, 1e9)]
    assert [(f.do, f.status, f.body) for f in chosen[:3]] == [
        ("none", 503, "json"), ("refuse", 503, "json"), ("refuse", 502, "html"),
    ]  # fmt: skip
    assert [fault.do for fault in chosen[3:]] == ["drop", "drop"]
    assert [script.is_dark(at) for at in (4.9, 5.0, 5.9, 6.0)] == [False, True, True, False]


def test_settings_are_read() -> None:
    script = scenario(settings={"link_life_s": 60, "link_exp": False, "date_skew_s": -90})
    assert script.settings == {"link_life_s": 60, "link_exp": False, "date_skew_s": -90}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"settings": 5}, "scenario: settings: expected a mapping"),
        ({"settings": {"link_live_s": 5}}, "settings.link_live_s: unknown key"),
        ({"settings": {"link_exp": 1}}, "settings.link_exp: expected true or false"),
        ({"settings": {"refund_delay_s": -1}}, "settings.refund_delay_s: expected 0"),
        ({"outages": [{"how": "dark"}]}, r"outages\[0\].how: unknown value"),
        ({"outages": [{"start": 1}]}, r"outages\[0\].start: unknown key"),
        ({"seed": "x"}, "seed: expected a number"),
        ({"faults": [{"do": "drop", "how": "cut"}]}, "`cut` is for `lose` only"),
        ({"faults": [{"do": "lose", "how": "melt"}]}, r"faults\[0\].how: unknown value"),
        ({"faults": [{"do": "lose", "each": "yes"}]}, r"faults\[0\].each: expected true or false"),
        ({"faults": [{"do": "gzip", "on": "create"}]}, "`gzip` is for `download` only"),
    ],
)
def test_bad_words_are_told_with_their_place(raw: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_scenario(raw, random.Random(0))


def test_the_reference_names_every_word_of_a_scenario() -> None:
    told = set(re.findall(r"`([a-z_]+)`", DOCS.read_text(encoding="utf-8")))
    words = {
        *rules.PLACES, *rules.SERVICE_FAULTS, *rules.TASK_FAULTS, *rules.DOWNLOAD_FAULTS,
        *rules.BODIES, *rules.ENDINGS, *OUTAGES, *rules.Fault.__dataclass_fields__,
        *Knobs.__dataclass_fields__,
    } - {"id"}  # fmt: skip
    assert words - told == set()
