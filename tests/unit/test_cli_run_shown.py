"""A run as it is shown: the board, the lines, the live table, the JSON lines."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from rich.console import Console

from runner.cli.board import Board
from runner.cli.event_text import event_json, event_line, event_name
from runner.cli.output import Output
from runner.cli.progress import MOST_LANES, RunDisplay, Show, picture
from runner.core.commands import Wait
from runner.core.events import (
    DownloadDelayed,
    Downloaded,
    Event,
    Flagged,
    GaveUp,
    PollSuspended,
    Requeued,
    Resolved,
    RetryScheduled,
    Running,
    Skipped,
    SubmitRefused,
    SubmitStarted,
    SubmitUnknown,
    TaskAccepted,
    TaskSucceeded,
    Verdict,
    Verified,
)
from runner.core.job import Job, JobStatus, OutputFile
from runner.core.lifecycle import transition
from runner.testing import START, FakeClock, make_spec
from tests.plans import plan

FILE = OutputFile(
    index=0, path="b/hero.mp4", bytes=9, sha256="0" * 64, media_type="video/mp4", warning=""
)


def job_of(job_id: str = "hero", **fields: Any) -> Job:
    return Job(batch="b", spec=make_spec(job_id), since=START, **fields)


def walk(job: Job, *events: Event) -> list[tuple[Job, Event]]:
    found = []
    for event in events:
        job = transition(job, event)
        found.append((job, event))
    return found


HAPPY: tuple[Event, ...] = (
    SubmitStarted(at=START, reserve=25),
    TaskAccepted(at=START, task_id="t-1", estimated=30),
    Running(at=START),
    TaskSucceeded(at=START, credits=20),
    Verified(at=START, output=FILE),
    Downloaded(at=START),
)


def lines_of(*events: Event, status: JobStatus = JobStatus.PENDING) -> list[str]:
    job = job_of(status=status, hold=25 if status is not JobStatus.PENDING else 0)
    return [event_line(*step).partition(" ")[2] for step in walk(job, *events)]


def test_a_good_life_reads_well() -> None:
    lines = lines_of(*HAPPY)
    assert lines[1] == "sent hero (gen4_turbo, task t-1, up to 30 cr ($0.30))"
    assert lines[-1] == "done hero (b/hero.mp4, 20 cr ($0.20))"
    assert lines[2:4] == ["running hero (gen4_turbo)", "generated hero (20 cr ($0.20))"]
    assert lines[0] == "sending hero (25 cr ($0.25) set aside)"


def test_trouble_says_why_and_what_it_cost() -> None:
    later = START + timedelta(seconds=30)
    sent = HAPPY[0]
    [_, doubt] = lines_of(sent, SubmitUnknown(at=START, reason="connection reset"))
    assert doubt == "in doubt hero (connection reset; 25 cr ($0.25) held)"
    [_, refused] = lines_of(
        sent, SubmitRefused(at=START, not_before=later, code="HTTP_429", reason="busy")
    )
    assert refused.startswith("again hero (not before ")
    assert refused.endswith(": HTTP_429: busy)")
    tomorrow = SubmitRefused(
        at=START, not_before=START + timedelta(days=1), code="HTTP_429", reason="busy"
    )
    assert f"{tomorrow.not_before.astimezone():%Y-%m-%d}" in lines_of(sent, tomorrow)[1]
    [*_, failed] = lines_of(
        *HAPPY[:3], GaveUp(at=START, code="SAFETY.INPUT", reason="moderated", credits=5)
    )
    assert failed == "failed hero (SAFETY.INPUT: moderated, 5 cr ($0.05) charged)"
    [*_, retried] = lines_of(
        *HAPPY[:3],
        RetryScheduled(at=START, not_before=later, code="INTERNAL", reason="oops", credits=0),
    )
    assert "again hero" in retried
    [*_, delayed] = lines_of(*HAPPY[:4], DownloadDelayed(at=START, not_before=later, reason="cut"))
    assert delayed.startswith("download again hero")
    [*_, left] = lines_of(*HAPPY[:3], PollSuspended(at=START, reason="no answer"))
    assert left == "left at Runway hero (no answer)"
    assert lines_of(Skipped(at=START, parent="still")) == ["skipped hero (`still` is not done)"]


def test_a_failure_without_charge_says_nothing_of_money() -> None:
    [*_, failed] = lines_of(*HAPPY[:3], GaveUp(at=START, code="X", reason="y", credits=0))
    assert failed == "failed hero (X: y)"


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (Downloaded(at=START), "downloaded"),
        (HAPPY[1], "task_accepted"),
        (Flagged(at=START, stale=True, orphaned=False), "flagged"),
        (Requeued(at=START), "requeued"),
    ],
)
def test_events_have_names_for_scripts(event: Event, name: str) -> None:
    assert event_name(event) == name


def test_an_event_for_scripts_has_its_fields_and_survives_json() -> None:
    for job, event in walk(job_of(), *HAPPY):
        found = json.loads(json.dumps(event_json(job, event)))
        assert found["job"] == "hero"
        assert found["at"] == START.isoformat()
        assert "at" not in found["fields"]
        assert found["status"] == job.status.value
    accepted = event_json(*walk(job_of(), *HAPPY)[1])
    assert accepted["fields"] == {"task_id": "t-1", "estimated": 30}
    assert (accepted["hold"], accepted["charged"]) == (30, 0)
    verified = event_json(*walk(job_of(), *HAPPY)[4])
    assert verified["fields"]["output"]["path"] == "b/hero.mp4"


def test_times_and_verdicts_are_plain_for_scripts() -> None:
    later = START + timedelta(seconds=5)
    refused = SubmitRefused(at=START, not_before=later, code="HTTP_429", reason="busy")
    [_, (job, event)] = walk(job_of(), HAPPY[0], refused)
    assert event_json(job, event)["fields"]["not_before"] == later.isoformat()
    doubtful = job_of(status=JobStatus.IN_DOUBT, hold=25)
    [(job, event)] = walk(doubtful, Resolved(at=START, verdict=Verdict.LOST))
    assert json.loads(json.dumps(event_json(job, event)))["fields"]["verdict"] == "lost"


def board_of(*specs: str, cap: int | None = None) -> Board:
    board = Board()
    board.begin(plan([make_spec(name) for name in specs], {}), cap)
    return board


def test_the_board_keeps_up_with_every_event() -> None:
    board = board_of("hero", "villain", cap=500)
    assert (board.jobs, board.settled, board.spent, board.reserved) == (2, 0, 0, 0)
    seen = []
    for job, _ in walk(job_of(), *HAPPY):
        board.note(job)
        [lane] = board.lanes()
        seen.append((lane.queued, lane.running, lane.downloading, lane.done, board.reserved))
    assert seen == [
        (1, 0, 0, 0, 25), (1, 0, 0, 0, 30), (0, 1, 0, 0, 30),
        (0, 0, 1, 0, 0), (0, 0, 1, 0, 0), (0, 0, 0, 1, 0),
    ]  # fmt: skip
    assert (board.spent, board.settled) == (20, 1)
    assert board.line() == ("1 of 2 done, 1 waiting; 20 cr ($0.20) spent, of 500 cr ($5.00)")


def test_the_board_begins_where_the_batch_stands() -> None:
    stored = {
        "done": job_of("done", status=JobStatus.DONE, charged=40),
        "doubt": job_of("doubt", status=JobStatus.IN_DOUBT, hold=25),
        "failed": job_of("failed", status=JobStatus.FAILED),
    }
    board = Board()
    board.begin(plan([make_spec(name) for name in stored], stored), None)
    assert board.line() == (
        "1 of 3 done, 1 failed, 1 in doubt; 40 cr ($0.40) spent, 25 cr ($0.25) reserved"
    )
    assert board.settled == 3


def test_the_picture_is_text_not_markup_and_stays_small() -> None:
    board = Board()
    specs = [make_spec(f"j{n}", model=f"[red]m{n}\x1b") for n in range(MOST_LANES + 3)]
    board.begin(plan(specs, {}), 100)
    console = Console(width=120, force_terminal=False)
    with console.capture() as captured:
        console.print(picture(board))
    text = captured.get()
    assert "[red]m0" in text
    assert "\x1b" not in text
    assert "and 3 more" in text
    assert "0 of 15; 0 cr ($0.00) spent, of 100 cr ($1.00)" in text


async def show(display: str, **options: Any) -> None:
    clock, board = FakeClock(), board_of("hero", "villain")
    shown = Show(display=display, **options)
    async with RunDisplay(shown, board, Output(), clock) as live:
        listeners = live.listeners
        live.begin()
        for job, event in walk(job_of(), *HAPPY):
            for listener in listeners:
                listener(job, event)
        villain = job_of("villain")
        gone = GaveUp(at=START, code="X", reason="y", credits=0)
        for job, event in walk(villain, *HAPPY[:2], gone):
            for listener in listeners:
                listener(job, event)
        await clock.sleep(130)


@pytest.mark.parametrize(
    ("display", "words"),
    [
        ("plain", ["sent", "done", "sent", "failed"]),
        ("log", ["sending", "sent", "running", "generated", "verified", "done", "sending", "sent",
                 "failed"]),
        ("none", []),
    ],
)  # fmt: skip
async def test_each_display_says_what_it_should(
    display: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    await show(display, stats_s=0)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert [line.split()[1] for line in printed.err.splitlines()] == words


async def test_numbers_come_every_so_often(capsys: pytest.CaptureFixture[str]) -> None:
    await show("plain", stats_s=60)
    lines = [line for line in capsys.readouterr().err.splitlines() if " of 2 done" in line]
    assert len(lines) == 2
    assert lines[0].endswith("1 of 2 done, 1 failed; 20 cr ($0.20) spent")


async def test_json_lines_are_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    await show("none", json_lines=True)
    printed = capsys.readouterr()
    names = [json.loads(line)["event"] for line in printed.out.splitlines()]
    assert names[:2] == ["submit_started", "task_accepted"]
    assert names[-1] == "gave_up"
    assert printed.err == ""


async def test_the_live_table_says_only_trouble_and_is_gone_at_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    await show("full")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "failed villain" in printed.err
    assert "sent hero" not in printed.err


async def test_a_display_that_never_began_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    async with RunDisplay(Show(display="full"), Board(), Output(), FakeClock()):
        pass
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("wait", "line"),
    [
        (Wait(lane="", code="paused", reason="paused", until=None), r"waiting: paused"),
        (
            Wait(lane="m", code="quota", reason="daily quota: 5 of 5 used",
                 until=START + timedelta(hours=23)),
            r"waiting m: daily quota until \d{4}-\d\d-\d\d \d\d:\d\d: 5 of 5 used",
        ),
        (
            Wait(lane="m", code="quota", reason="daily quota: 5 of 5 used",
                 until=START + timedelta(hours=2)),
            r"waiting m: daily quota until \d\d:\d\d: 5 of 5 used",
        ),
    ],
)  # fmt: skip
def test_a_wait_that_ends_on_another_day_says_which(
    wait: Wait, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    display = RunDisplay(Show(display="plain"), Board(), Output(), FakeClock())
    display.on_notice(wait)
    assert re.fullmatch(rf"\d\d:\d\d:\d\d {line}\n", capsys.readouterr().err)


def test_a_failure_in_runways_words_has_one_full_stop_less() -> None:
    gone = GaveUp(at=START, code="SAFETY.TEXT", reason="Refused.", credits=8)
    job = replace(Job(batch="b", spec=make_spec("a"), since=START), charged=8)
    assert event_line(job, gone).endswith("a (SAFETY.TEXT: Refused, 8 cr ($0.08) charged)")
