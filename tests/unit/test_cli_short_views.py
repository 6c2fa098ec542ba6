"""Status, plan, limits, cancel and the ends of a run, as people see them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import click
import pytest

from runner.app.batch import BatchStatus, JobLine
from runner.app.cancelling import CancelResult
from runner.app.limits_view import LimitsView
from runner.cli.cancelling import CancelFlags, _agree, _reasons, _show
from runner.cli.joining import _teller
from runner.cli.options import Flags
from runner.cli.output import Output
from runner.cli.run_request import RunRequest, options_of
from runner.cli.show_limits import _words, limits_json, show_limits
from runner.cli.show_status import MOST_LISTED, show_status
from runner.cli.times import duration, time_of_day
from runner.core.cancelling import Fate, plan_cancel
from runner.core.commands import Wait
from runner.core.job import Job, JobStatus
from runner.core.ledger import Cap, LedgerTotals
from runner.core.outcome import exit_code_of
from runner.core.quota import DailyQuota
from runner.core.summary import BatchSummary, work_left
from runner.core.task import ModelLimits, Organization, Reading
from runner.errors import UsageError
from runner.testing import START, make_spec

QUOTA = DailyQuota(
    lane="gen4_turbo", most=50, used=50, by_others=3, frees_at=START + timedelta(hours=3)
)


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)


def job(job_id: str, status: JobStatus = JobStatus.PENDING, **fields: Any) -> Job:
    return Job(batch="b", spec=make_spec(job_id), status=status, since=START, **fields)


def summary(**counts: int) -> BatchSummary:
    return BatchSummary(
        batch="b",
        counts={JobStatus(word): number for word, number in counts.items()},
        totals=LedgerTotals(spent=8),
    )


def status(jobs: Sequence[Job], **more: Any) -> BatchStatus:
    lines = [JobLine(job=each, reason="") for each in jobs]
    return BatchStatus(summary=summary(done=len(jobs)), jobs=lines, batch=None, live=True, **more)


# status


def test_finished_jobs_of_a_long_list_are_counted_and_the_others_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    jobs = [job(f"j{n}", JobStatus.DONE) for n in range(MOST_LISTED)] + [job("late")]
    show_status(status(jobs), Output(), now=START, fold=True)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["job", "late", "and"]
    assert lines[2] == "and 200 that are done: `--all` lists them"
    show_status(status(jobs), Output(), now=START, fold=False)
    assert len(capsys.readouterr().out.splitlines()) > MOST_LISTED


def test_a_short_list_is_never_folded(capsys: pytest.CaptureFixture[str]) -> None:
    show_status(status([job("a", JobStatus.DONE)]), Output(), now=START, fold=True)
    assert "--all" not in capsys.readouterr().out


def test_waits_and_quotas_have_their_lines(capsys: pytest.CaptureFixture[str]) -> None:
    waits = [Wait(lane="", code="window", reason="outside of the window", until=START)]
    other = replace(QUOTA, lane="veo3.1")
    shown = status([job("a")], waits=waits, quotas={"gen4_turbo": QUOTA, "veo3.1": other})
    show_status(shown, Output(), now=START)
    printed = capsys.readouterr().out
    assert "waits: outside of the window\n" in printed, "it is over in this moment"
    show_status(shown, Output(), now=START - timedelta(hours=30))
    assert re.search(r"waits: outside of the window until \d{4}-\d\d-\d\d", capsys.readouterr().out)
    assert "quota gen4_turbo: 50 of 50 used in 24 hours, 3 by others, the next one at " in printed
    assert "veo3.1" not in printed, "only models of the batch"


# cancel


def cancelled(*found: tuple[str, Fate]) -> CancelResult:
    jobs = [(job(name, JobStatus.CANCELLED, charged=25), fate) for name, fate in found]
    return CancelResult(jobs=jobs, live=False)


def test_cancel_says_of_each_job_what_became_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    result = cancelled(
        ("a", Fate.DROPPED), ("b", Fate.CANCELLED), ("c", Fate.ABANDONED), ("d", Fate.KEPT),
        ("e", Fate.ENDED), ("f", Fate.OPEN), ("g", Fate.IN_DOUBT),
    )  # fmt: skip
    reasons = _reasons(result, " --emulator")
    _show(result, reasons, Output())
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert "a: dropped, never sent" in lines
    assert "b: cancelled at Runway; 25 cr ($0.25) stay booked" in lines
    assert "c: cancelled while it ran; its credits are lost; 25 cr ($0.25) stay booked" in lines
    assert "d: kept: it is paid, and is collected" in lines
    assert lines[-1] == "1 job had ended before"
    assert "a task may begin in the moment" in printed.err
    assert "hint: runway-batch resolve --emulator settles them" in printed.err
    assert exit_code_of(reasons) == 5


def test_a_cancel_that_left_nothing_open_is_a_success(capsys: pytest.CaptureFixture[str]) -> None:
    result = cancelled(*((f"j{n}", Fate.DROPPED) for n in range(30)))
    assert _reasons(result, "") == []
    _show(result, [], Output())
    printed = capsys.readouterr()
    assert "and 10 more: dropped, never sent" in printed.out
    assert printed.err == ""


@pytest.mark.parametrize(
    ("statuses", "select", "abandon", "asked"),
    [
        ([JobStatus.PENDING], [], False, "ask: drop 1 job not sent?"),
        ([JobStatus.QUEUED], [], False, "ask: cancel what has not begun of 1 job at Runway?"),
        ([JobStatus.PENDING], ["a"], False, None),
        ([JobStatus.QUEUED], ["a"], False, None),
        ([JobStatus.RUNNING], ["a"], True, "give up 1 job at Runway and lose up to 25 cr ($0.25)?"),
        ([JobStatus.DONE], [], False, None),
    ],
)
def test_cancel_asks_before_it_means_everything_or_loses_credits(
    statuses: list[JobStatus], select: list[str], abandon: bool, asked: str | None
) -> None:
    planned = plan_cancel([job(f"j{n}", s, hold=25) for n, s in enumerate(statuses)])
    told = CancelFlags(
        batch=None, select=select, abandon_running=abandon, yes=False, emulator=False
    )
    flags = Flags(environment={"CI": "1"})
    if asked is None:
        _agree(flags, planned, told)
    else:
        with pytest.raises(UsageError) as caught:
            _agree(flags, planned, told)
        assert asked in caught.value.message
        assert caught.value.hint == "add `--yes`"
        _agree(flags, planned, replace(told, yes=True))


# limits


def test_limits_show_bounds_account_and_use(capsys: pytest.CaptureFixture[str]) -> None:
    models = {
        "gen4_turbo": ModelLimits(max_concurrent=5, max_daily=50),
        "unlimited": ModelLimits(max_concurrent=None, max_daily=None),
        "unused": ModelLimits(max_concurrent=1, max_daily=1),
    }
    organization = Organization(credit_balance=1000, models=models)
    view = LimitsView(
        batch="b",
        live=False,
        total=8,
        lanes={"gen4_turbo": 3},
        at_runway={"gen4_turbo": 2},
        used_lanes=frozenset({"gen4_turbo", "unlimited"}),
        reading=Reading(asked_at=START, answered_at=START, organization=organization),
        quotas={
            "gen4_turbo": QUOTA,
            "unlimited": replace(QUOTA, lane="unlimited", most=None, by_others=0, frees_at=None),
        },
        caps=[Cap(name="batch", limit=100, used=50)],
    )
    show_limits(view, Output())
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == [
        "gen4_turbo",
        "3",
        "5",
        "2",
        *["50", "of", "50,", "3", "by", "others"],
    ]
    assert lines[2].split() == ["unlimited", "-", "-", "0", "50", "no", "limit"]
    assert not any("unused" in line for line in lines)
    assert "tasks at Runway: 2, at most 8 in the manifest" in lines
    assert "cap batch: 50 cr ($0.50) of 100 cr ($1.00) used" in lines
    assert lines[-1].startswith("balance: 1,000 cr ($10.00), read ")
    assert {lane["lane"] for lane in limits_json(view)["lanes"]} == set(models)


def test_new_limits_are_said_back() -> None:
    told = {"total": 8, "lanes": {"gen4_turbo": 3}, "max_credits": 500}
    assert _words(told) == (
        "at most 8 tasks at Runway, gen4_turbo 3; this run's cap 500 cr ($5.00)"
    )
    assert _words({"total": None, "lanes": {}, "max_credits": None}) == "no bound on all tasks"


# run: times, and the end of what was watched


def flag(parse: Any, text: str | None) -> Any:
    context = click.Context(click.Command("run"))
    return parse(context, click.Option(["--x"]), text)


def test_durations_and_times_of_day_are_read() -> None:
    assert flag(duration, "1h30m") == 5400.0
    assert flag(duration, None) is None
    assert flag(time_of_day, "07:00") == time(7)
    assert flag(time_of_day, None) is None
    for parse, wrong in ((duration, "soon"), (time_of_day, "25:00")):
        with pytest.raises(click.BadParameter):
            flag(parse, wrong)


@pytest.mark.parametrize(
    ("given", "hours"),
    [
        ({}, None),
        ({"max_duration_s": 7200.0}, 2),
        ({"until": time(1)}, 24),  # at most a day away, wherever this machine is
        ({"until": time(1), "max_duration_s": 1.0}, 1),
    ],
)
def test_of_two_ends_the_earlier_one_counts(given: dict[str, Any], hours: int | None) -> None:
    options = options_of(RunRequest(file=Path("m.yaml"), **given), START)
    if hours is None:
        assert options.deadline is None
    else:
        assert options.deadline is not None
        assert START < options.deadline <= START + timedelta(hours=hours, minutes=1)


def test_the_other_times_are_handed_on() -> None:
    request = RunRequest(file=Path("m.yaml"), max_wait_s=60.0, drain_s=0.0, jobs={None: 3})
    options = options_of(request, START)
    assert (options.max_wait_s, options.drain_s, options.jobs) == (60.0, 0.0, {None: 3})


def test_a_watched_run_is_told_when_it_changes_and_not_in_silence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tell = _teller(Output(), silent=False)
    for done in (1, 1, 2):
        tell(summary(done=done, pending=1))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("1 of 2 done, 1 pending; credits: 8 cr ($0.08) spent")
    _teller(Output(), silent=True)(summary(done=1))
    assert capsys.readouterr().err == ""


def test_held_jobs_need_a_person() -> None:
    [reason] = work_left(summary(done=1, held=2))
    assert reason.exit_code == 11
    assert reason.message == "2 jobs held: somebody has to look first"
    assert work_left(summary(done=1, cancelled=2)) == []
