"""What is said after edits and later attempts: stale jobs, orphans, and what an attempt cost."""

from __future__ import annotations

from datetime import timedelta

import pytest

from runner.app.comparing import compare
from runner.cli.board import Board
from runner.cli.consent import agree
from runner.cli.event_text import EventLines, event_line
from runner.cli.output import Output
from runner.cli.progress import RunDisplay, Show
from runner.cli.show_plan import show_plan
from runner.cli.show_status import counts_line
from runner.core.commands import Wait
from runner.core.events import (
    Downloaded,
    Refreshed,
    SubmitStarted,
    TaskAccepted,
    TaskSucceeded,
    Verified,
)
from runner.core.job import JobStatus
from runner.core.ledger import LedgerTotals
from runner.core.summary import BatchSummary
from runner.testing import START, FakeClock, make_spec
from tests.plan_views import job_of as stored_job
from tests.plan_views import seen
from tests.plans import plan
from tests.unit.test_cli_consent import never, purse
from tests.unit.test_cli_run_shown import FILE, HAPPY, job_of, walk

DONE = JobStatus.DONE
EDITED = plan(
    [make_spec("kept"), make_spec("hero", worst=50, body={"promptText": "edited"})],
    {name: stored_job(name, DONE) for name in ("kept", "hero", "gone")},
)


def test_a_run_names_stale_jobs_with_their_price_in_the_words_of_the_plan(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "hero: kept as made; `run --refresh stale` would cost 50 cr ($0.50)\n"
    agree(EDITED, purse(), Output(), never)
    assert capsys.readouterr().err == f"nothing new to make\nstale: {words}"
    monkeypatch.setenv("COLUMNS", "200")
    show_plan(EDITED, seen(EDITED), Output())
    assert f"stale     {words}" in capsys.readouterr().out


def test_orphans_are_none_of_those_that_are_done() -> None:
    board = Board()
    board.begin(EDITED, None)
    assert board.line().startswith("2 of 2 done, 1 no longer in the manifest; ")
    assert (board.settled, board.wanted, board.jobs) == (2, 2, 3)
    summary = BatchSummary(
        batch="b",
        counts={DONE: 10, JobStatus.PENDING: 2, JobStatus.IN_DOUBT: 1},
        orphans={DONE: 1, JobStatus.PENDING: 1, JobStatus.IN_DOUBT: 1},
        totals=LedgerTotals(),
    )
    assert counts_line(summary) == (
        "9 of 10 done, 1 pending, 3 no longer in the manifest (1 in doubt)"
    )


def test_a_second_attempt_says_what_it_cost_and_what_all_of_them_did() -> None:
    again = (
        Refreshed(at=START, spec=make_spec("hero"), position=0),
        SubmitStarted(at=START, reserve=80),
        TaskAccepted(at=START, task_id="t-2", estimated=80),
        TaskSucceeded(at=START, credits=80),
        Verified(at=START, output=FILE),
        Downloaded(at=START),
    )
    steps, lines = walk(job_of(), *HAPPY, *again), EventLines()
    told = [lines.line(job, event).partition(" ")[2] for job, event in steps]
    assert told[5] == "done hero (b/hero.mp4, 20 cr ($0.20))"
    assert told[-1] == "done hero (b/hero.mp4, 80 cr ($0.80), 100 cr ($1.00) in all)"
    late = event_line(*steps[-1])
    assert late.endswith("(b/hero.mp4, 100 cr ($1.00) in all)"), "sent before this run began"


async def test_lines_of_numbers_say_what_is_waited_for_until_something_starts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock, board = FakeClock(), Board()
    board.begin(plan([make_spec("hero"), make_spec("other")], {}), None)
    wait = Wait(lane="gen4_turbo", code="budget", reason="budget: the cap of 24 cr is full",
                until=START + timedelta(hours=2))  # fmt: skip
    until = f"{wait.until.astimezone():%H:%M}" if wait.until else ""
    async with RunDisplay(Show(display="plain", stats_s=60), board, Output(), clock) as live:
        live.begin()
        live.on_notice(wait)
        await clock.sleep(70)
        for job, event in walk(job_of(), *HAPPY[:2]):
            for listener in live.listeners:
                listener(job, event)
        await clock.sleep(60)
    first, before, _, after = capsys.readouterr().err.splitlines()
    assert first.endswith(f"waiting gen4_turbo: budget until {until}: the cap of 24 cr is full")
    assert before.endswith(f"2 waiting; 0 cr ($0.00) spent; waiting: budget until {until}")
    assert "budget" not in after


def test_what_a_stale_job_was_made_with_is_held_against_the_manifest() -> None:
    made = make_spec("a", body={"promptText": "dawn", "seed": 3, "ratio": "1:1"})
    now = make_spec(
        "a", body={"promptText": "dusk", "ratio": "1:1", "promptImage": "https://h/x?_jwt=e30.s.c"}
    )
    found = {each.field: (each.made, each.now) for each in compare(made, now)}
    assert found.keys() == {"promptText", "seed", "promptImage"}
    assert (found["promptText"], found["seed"]) == (("dawn", "dusk"), (3, None))
    assert "e30" not in str(found["promptImage"])
    assert compare(made, made) == ()
