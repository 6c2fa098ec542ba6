"""The account and its tasks as shown: every limit, no link."""

from __future__ import annotations

import json
from datetime import date

import pytest

from runner.app.account import Account, _may_cancel
from runner.cli.output import Output
from runner.cli.show_account import account_json, show_account, show_cancelled, show_task, task_json
from runner.core.task import ModelLimits, Organization, Task, TaskStatus
from runner.errors import UsageError
from runner.runway.shapes import DailyUse
from runner.testing import START

LINK = "https://links.example/secret?sig=abc"
ACCOUNT = Account(
    organization=Organization(
        credit_balance=1250,
        models={
            "gen4_turbo": ModelLimits(max_concurrent=3, max_daily=500, daily_used=12),
            "veo3.1": ModelLimits(max_concurrent=None, max_daily=None),
        },
        max_monthly_credit_spend=10_000,
    ),
    day=date(2026, 1, 1),
    used=(
        DailyUse(day=date(2026, 1, 1), model="gen4_turbo", credits=75),
        DailyUse(day=date(2026, 1, 1), model="aleph2", credits=-5),
    ),
)
DONE = Task(
    id="t-1", status=TaskStatus.SUCCEEDED, created_at=START, output=(LINK, LINK), cost_credits=25
)


def test_the_account_says_balance_limits_and_use(capsys: pytest.CaptureFixture[str]) -> None:
    show_account(ACCOUNT, Output())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "balance  1,250 cr ($12.50)"
    assert lines[1] == "monthly  at most 10,000 cr ($100.00)"
    assert lines[2] == "today    70 cr ($0.70) used (2026-01-01, UTC)"
    table = {line.split()[0]: line.split()[1:] for line in lines[5:]}
    assert table["gen4_turbo"] == ["3", "500", "12", "75"]
    assert table["veo3.1"] == ["unlimited", "unlimited", "0", "0"]
    assert table["aleph2"] == ["?", "?", "?", "-5"]


def test_the_account_for_scripts_survives_json() -> None:
    found = json.loads(json.dumps(account_json(ACCOUNT)))
    assert found["balance"] == 1250
    assert found["models"][1]["max_concurrent"] is None
    assert found["used"][0] == {"model": "gen4_turbo", "credits": 75}


def test_a_task_shows_how_many_outputs_but_no_link(capsys: pytest.CaptureFixture[str]) -> None:
    show_task(DONE, Output())
    printed = capsys.readouterr().out + json.dumps(task_json(DONE))
    assert "outputs   2" in printed
    assert "charged   25 cr ($0.25)" in printed
    assert "links.example" not in printed
    assert task_json(DONE)["outputs"] == 2


def test_a_failed_task_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    task = Task(id="t", status=TaskStatus.FAILED, failure="moder\x1bated", failure_code="SAFETY.X")
    show_task(task, Output())
    assert "failure   SAFETY.X moder ated" in capsys.readouterr().out


def task_of(status: TaskStatus) -> Task:
    return Task(id="t", status=status, estimated_credits=25)


@pytest.mark.parametrize("status", [TaskStatus.PENDING, TaskStatus.THROTTLED])
def test_what_has_not_begun_may_be_cancelled(status: TaskStatus) -> None:
    _may_cancel(task_of(status), abandon_running=False)


def test_what_runs_is_cancelled_only_when_told() -> None:
    with pytest.raises(UsageError) as caught:
        _may_cancel(task_of(TaskStatus.RUNNING), abandon_running=False)
    assert "--abandon-running" in caught.value.hint
    _may_cancel(task_of(TaskStatus.RUNNING), abandon_running=True)


@pytest.mark.parametrize("status", [TaskStatus.SUCCEEDED, TaskStatus.FAILED, TaskStatus.CANCELLED])
def test_what_has_ended_is_never_deleted(status: TaskStatus) -> None:
    with pytest.raises(UsageError):
        _may_cancel(task_of(status), abandon_running=True)


def test_cancelling_names_the_credits(capsys: pytest.CaptureFixture[str]) -> None:
    show_cancelled(task_of(TaskStatus.RUNNING), Output())
    assert "25 cr ($0.25) are lost" in capsys.readouterr().err
    show_cancelled(task_of(TaskStatus.PENDING), Output())
    assert "had it begun meanwhile, 25 cr ($0.25) are charged" in capsys.readouterr().err
