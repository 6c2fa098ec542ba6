"""What money and account allow of a plan, as people see it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from runner.cli.plan_json import plan_json
from runner.cli.plan_limits import ago
from runner.cli.show_plan import band_words
from runner.core.credits import CostBand
from runner.core.ledger import Caps
from runner.core.limits import Bounds
from runner.core.quota import DailyQuota
from runner.core.standing import Standing
from runner.core.task import ModelLimits
from runner.testing import START, make_spec
from tests.plan_views import (
    PLAN,
    banded,
    reading,
    seen,
    told,
)
from tests.plans import plan


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.mark.parametrize(
    ("low", "expected", "worst", "words"),
    [
        (5, 5, 5, "5 cr ($0.05)"),
        (5, 5, 9, "5 cr ($0.05) at best and expected, 9 cr ($0.09) at worst"),
        (5, 9, 9, "5 cr ($0.05) at best, 9 cr ($0.09) expected and at worst"),
        (1, 5, 9, "1 cr ($0.01) at best, 5 cr ($0.05) expected, 9 cr ($0.09) at worst"),
    ],
)
def test_equal_figures_are_said_once(low: int, expected: int, worst: int, words: str) -> None:
    assert band_words(CostBand(low=low, expected=expected, worst=worst)) == words


def test_every_cap_says_whether_it_holds_and_how_many_jobs_fit(
    capsys: pytest.CaptureFixture[str],
) -> None:
    caps = Caps(batch=100, run=65, models={"gen4_turbo": 1000})
    printed = told(capsys, PLAN, seen(PLAN, caps))
    assert (
        "cap       batch: 100 cr ($1.00), 72 cr ($0.72) used: the worst case exceeds it,"
        " 1 of 2 jobs fit\n"
    ) in printed
    assert "cap       this run: 65 cr ($0.65): holds\n" in printed
    assert "cap       model:gen4_turbo: 1,000 cr ($10.00), 72 cr ($0.72) used: holds\n" in printed
    assert "tonight   about 1 of 2 jobs: the budget allows no more\n" in printed


def test_what_was_spent_today_leaves_the_cap_of_a_day_within_24_hours(
    capsys: pytest.CaptureFixture[str],
) -> None:
    planned = plan([make_spec("a"), make_spec("b")], {})
    standing = Standing(used_day=30, used_month=60)
    forecast = seen(planned, Caps(day=50, month=100), standing)
    assert [(cap.name, cap.used, cap.passes) for cap in forecast.caps] == [
        ("day", 30, True), ("month", 60, True),
    ]  # fmt: skip
    printed = told(capsys, planned, forecast)
    assert "24 hours: 50 cr ($0.50), 30 cr ($0.30) used: the worst case exceeds it\n" in printed
    assert (
        "tonight   now none of 2 jobs; within 24 h about 1: the cap of 30 days allows no more\n"
    ) in printed
    later = replace(forecast, room_at=START + timedelta(hours=20))
    assert "now none of 2 jobs, more from 2026-01-0" in told(capsys, planned, later)
    some = seen(planned, Caps(day=50), Standing(used_day=20))
    assert (
        "tonight   now about 1 of 2 jobs; within 24 h all: the cap of 24 hours allows no more now\n"
    ) in told(capsys, planned, some)
    found = plan_json(planned, later)["tonight"]
    assert (found["now"], found["jobs"], found["room_at"]) == (0, 1, "2026-01-01T20:00:00+00:00")


def test_nobody_looked_at_the_account(capsys: pytest.CaptureFixture[str]) -> None:
    printed = told(capsys, plan([make_spec("a"), make_spec("b")], {}))
    assert "account   not looked at: `--account` reads" in printed
    assert "tonight   all 2 jobs can start, as far as the caps go\n" in printed


def test_the_balance_has_its_age_and_what_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    planned = plan([make_spec(f"j{n}", worst=2000) for n in range(4)], {})
    standing = Standing(reading=reading(4210), unread=200)
    printed = told(capsys, planned, seen(planned, Caps(keep_balance=1000), standing))
    assert (
        "balance   4,210 cr ($42.10) when read 3 h ago, less 200 cr ($2.00) for jobs sent"
        " since then, 1,000 cr ($10.00) to be kept: 1 of 4 jobs fit\n"
    ) in printed
    assert "tonight   about 1 of 4 jobs: the balance allows no more" in printed
    enough = seen(planned, standing=Standing(reading=reading(9000)))
    assert "read 3 h ago: enough for the worst case\n" in told(capsys, planned, enough)
    nothing = seen(planned, standing=Standing(reading=reading(5)))
    assert "tonight   none of 4 jobs: the balance allows no more" in told(capsys, planned, nothing)


def test_more_may_start_at_expected_prices(capsys: pytest.CaptureFixture[str]) -> None:
    planned = plan([banded(f"j{n}") for n in range(40)], {})
    printed = told(capsys, planned, seen(planned, Caps(batch=50_000)))
    assert "tonight   about 2 of 40 jobs, 40 at expected prices: the budget allows" in printed


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=59), "59 min ago"),
        (timedelta(hours=47), "47 h ago"),
        (timedelta(days=2), "2 days ago"),
    ],
)
def test_the_age_of_a_reading_is_rounded_down(age: timedelta, words: str) -> None:
    assert ago(age) == words


def quota(**fields: Any) -> DailyQuota:
    usual = {"lane": "gen4_turbo", "most": 50, "used": 50, "by_others": 3,
             "frees_at": START + timedelta(hours=5)}  # fmt: skip
    return DailyQuota(**(usual | fields))


def test_a_plan_forecasts_when_the_last_job_starts(capsys: pytest.CaptureFixture[str]) -> None:
    planned = plan([make_spec(f"j{n}") for n in range(120)], {})
    limits = ModelLimits(max_concurrent=2, max_daily=50, daily_used=50)
    standing = Standing(reading=reading(gen4_turbo=limits), quotas={"gen4_turbo": quota()})
    forecast = seen(planned, standing=standing)
    printed = told(capsys, planned, forecast)
    assert "slots     gen4_turbo: 2 at once\n" in printed
    assert "quota     gen4_turbo: 50 of 50 used in 24 hours, 3 by others, the next" in printed
    assert "the last of 120 jobs starts about 2026-01-0" in printed
    assert "tonight   now none of 120 jobs, more from 2026-01-01 " in printed
    assert "; within 24 h about 47: the daily quota of `gen4_turbo` allows no more\n" in printed
    [found] = plan_json(planned, forecast)["quotas"]
    assert (found["left"], found["starting"], found["within_a_day"]) == (0, 120, 47)


def test_a_quota_that_holds_nothing_up_has_no_line_beside_the_table(
    capsys: pytest.CaptureFixture[str],
) -> None:
    standing = Standing(
        reading=reading(gen4_turbo=ModelLimits(max_concurrent=1, max_daily=50)),
        quotas={"gen4_turbo": quota(used=1, frees_at=None)},
    )
    one = plan([make_spec("a")], {})
    two = plan([make_spec("a"), make_spec("b", model="veo3")], {})
    line = "quota     gen4_turbo: 1 of 50 used in 24 hours, 3 by others\n"
    assert line in told(capsys, one, seen(one, standing=standing))
    assert "quota  " not in told(capsys, two, seen(two, standing=standing))
    bounded = seen(two, standing=standing, bounds=Bounds(total=4))
    assert "slots     all models together: 4 tasks at once" in told(capsys, two, bounded)
