"""Scripted faults: the file's words, and which request each strikes."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.emulator.scenario import (
    NO_FAULT,
    Request,
    Scenario,
    load_scenario,
    parse_scenario,
)
from runner.errors import UsageError

CREATE = Request(on="create", method="POST", endpoint="image_to_video", model="gen4_turbo")
READ = Request(on="read", method="GET", endpoint="image_to_video", model="gen4_turbo")


def scenario(*faults: dict[str, Any], seed: int = 0) -> Scenario:
    return parse_scenario(list(faults), random.Random(seed))


def strikes(script: Scenario, request: Request = CREATE, times: int = 5) -> list[bool]:
    return [script.choose(request) is not NO_FAULT for _ in range(times)]


def test_fault_without_filters_strikes_every_request() -> None:
    assert strikes(scenario({"do": "refuse"})) == [True] * 5


def test_nothing_scripted_strikes_nothing() -> None:
    assert strikes(Scenario()) == [False] * 5


@pytest.mark.parametrize(
    ("nth", "expected"),
    [
        (3, [False, False, True, False, False]),
        ([1, 4], [True, False, False, True, False]),
        ("2-4", [False, True, True, True, False]),
        (["1", "4-5"], [True, False, False, True, True]),
    ],
)
def test_nth_names_the_requests_that_are_struck(nth: Any, expected: list[bool]) -> None:
    assert strikes(scenario({"do": "refuse", "nth": nth})) == expected


def test_count_limits_how_often_a_fault_strikes() -> None:
    script = scenario({"do": "refuse", "count": 2})
    assert strikes(script) == [True, True, False, False, False]
    assert script.struck() == [2]


def test_probability_follows_from_the_seed() -> None:
    def run(seed: int) -> list[bool]:
        return strikes(scenario({"do": "refuse", "probability": 0.5}, seed=seed), times=50)

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert 10 < sum(run(1)) < 40


@pytest.mark.parametrize(
    ("filters", "struck"),
    [
        ({"on": "create"}, True),
        ({"on": "any"}, True),
        ({"on": "read"}, False),
        ({"endpoint": "image_*"}, True),
        ({"endpoint": "text_*"}, False),
        ({"model": "gen4_*"}, True),
        ({"model": "veo*"}, False),
        ({"method": "post"}, True),
        ({"method": "GET"}, False),
    ],
)
def test_filters_choose_the_request(filters: dict[str, Any], struck: bool) -> None:
    assert strikes(scenario({"do": "refuse", **filters}), times=1) == [struck]


def test_first_fault_that_matches_wins_and_others_still_count() -> None:
    script = scenario({"do": "drop", "nth": 1}, {"do": "refuse", "nth": 2})
    assert [script.choose(CREATE).do for _ in range(3)] == ["drop", "refuse", "none"]


def test_task_faults_are_for_creates_and_download_faults_for_downloads() -> None:
    script = scenario({"do": "fail", "code": "INTERNAL"}, {"do": "cut", "bytes": 10})
    assert script.choose(READ) is NO_FAULT
    fault = script.choose(CREATE)
    assert fault.script.fails
    assert fault.script.code == "INTERNAL"
    assert script.choose(Request(on="download", method="GET")).bytes == 10


def test_fail_and_throttle_become_what_the_task_has_in_store() -> None:
    script = scenario(
        {"do": "fail", "error": "no", "refund": False, "after": 0.25, "nth": 1},
        {"do": "throttle", "seconds": 90},
    )
    failing = script.choose(CREATE).script
    assert (failing.text, failing.keeps_charge, failing.after) == ("no", True, 0.25)
    assert failing.code is None
    assert script.choose(CREATE).script.throttled_s == 90
    assert not NO_FAULT.script.fails


def test_keys_are_read() -> None:
    script = parse_scenario(
        {"keys": [{"key": "key_a", "credits": 5, "tier": 2}, {"key": "key_b", "disabled": True},
                  {"key": "key_c", "same_account_as": "key_a"}]},
        random.Random(0),
    )  # fmt: skip
    first, second, third = script.keys
    assert (first.credits, first.tier) == (5, 2)
    assert second.disabled
    assert third.same_account_as == "key_a"


# Bad files


@pytest.mark.parametrize(
    ("raw", "message", "hint"),
    [
        ("text", "scenario: expected a mapping, found `text`", ""),
        ({"fault": []}, "scenario: fault: unknown key", "`faults`"),
        ({"faults": 5}, "scenario: faults: expected a list, found `5`", ""),
        ([5], r"scenario: faults\[0\]: expected a mapping", ""),
        ([{}], r"faults\[0\].do: unknown value: `None`", "one of"),
        ([{"do": "refuze"}], r"faults\[0\].do: unknown value: `refuze`", "`refuse`"),
        ([{"do": "refuse", "statsu": 1}], r"faults\[0\].statsu: unknown key", "`status`"),
        ([{"do": "refuse", "on": "creates"}], r"faults\[0\].on: unknown value", "`create`"),
        ([{"do": "fail", "on": "read"}], "`fail` is for `create` only", ""),
        ([{"do": "cut", "on": "create"}], "`cut` is for `download` only", ""),
        ([{"do": "refuse", "nth": "often"}], r"faults\[0\].nth: not a number", ""),
        ([{"do": "refuse", "nth": "1-x"}], r"faults\[0\].nth: not a number", ""),
        ([{"do": "refuse", "probability": 2}], "probability: expected 0 to 1", ""),
        ([{"do": "refuse", "probability": "half"}], "probability: expected a number", ""),
        ([{"do": "refuse", "count": 1.5}], "count: expected a whole number", ""),
        ([{"do": "refuse", "count": True}], "count: expected a number", ""),
        ([{"do": "refuse", "status": 99}], "status: expected 100 to 599", ""),
        ([{"do": "refuse", "body": "xml"}], "body: unknown value: `xml`", ""),
        ([{"do": "refuse", "error": ["x"]}], "error: expected text", ""),
        ([{"do": "refuse", "seconds": -1}], "seconds: expected 0 to inf", ""),
        ([{"do": "refuse", "seconds": float("nan")}], "seconds: expected a number", ""),
        ([{"do": "fail", "refund": "no"}], "refund: expected true or false", ""),
        ({"keys": [{"credits": 5}]}, r"keys\[0\].key: a key is missing", ""),
        ({"keys": [{"key": "a", "tier": 9}]}, r"keys\[0\].tier: expected 1 to 5", ""),
    ],
)
def test_bad_scenario_says_where_and_what(raw: Any, message: str, hint: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parse_scenario(raw, random.Random(0))
    assert hint in caught.value.hint


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["faults", "keys", "do", "on", "nth", "key", "count", "status"]),
                inner,
            )
        ),
        max_leaves=8,
    )
)
def test_any_data_is_a_scenario_or_a_usage_error(raw: Any) -> None:
    try:
        parse_scenario(raw, random.Random(0))
    except UsageError as error:
        assert error.message.startswith("scenario")  # noqa: PT017 - either outcome is right


def test_file_is_read_as_yaml(tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text("faults:\n  - {on: create, do: refuse, status: 429, retry_after: 7}\n")
    fault = load_scenario(path, random.Random(0)).choose(CREATE)
    assert (fault.status, fault.retry_after) == (429, "7")


def test_empty_file_is_a_quiet_scenario(tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text("")
    assert load_scenario(path, random.Random(0)).faults == ()


def test_broken_yaml_is_reported_with_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text("faults:\n  - {do: refuse\n")
    with pytest.raises(UsageError, match=r"faults\.yaml:3:1: not YAML"):
        load_scenario(path, random.Random(0))


@pytest.mark.parametrize("name", ["absent.yaml", "."])
def test_unreadable_file_is_reported(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="the scenario cannot be read"):
        load_scenario(tmp_path / name, random.Random(0))
