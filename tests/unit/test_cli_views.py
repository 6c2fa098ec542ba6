"""Plans, batches and endings as people and scripts see them."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runner.app.batch import BatchStatus, JobLine
from runner.app.capcheck import check_caps
from runner.app.run import RunResult
from runner.cli.caps import cap_words
from runner.cli.output import Output
from runner.cli.show_run import (
    Ending,
    ending_json,
    files_made,
    next_commands,
    reason_errors,
    show_ending,
)
from runner.cli.show_status import collect_by, failures, show_status, status_json, ways_out
from runner.core.job import Failure, Job, JobStatus, OutputFile
from runner.core.ledger import Cap, Caps, LedgerTotals
from runner.core.outcome import Reason
from runner.core.summary import BatchSummary, work_left
from runner.store.rows import StoredBatch
from runner.testing import START, make_spec
from tests.plans import plan


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)


def job_of(job_id: str, status: JobStatus = JobStatus.PENDING, **fields: Any) -> Job:
    return Job(batch="b", spec=make_spec(job_id), status=status, since=START, **fields)


def output_of(path: str) -> OutputFile:
    return OutputFile(index=0, path=path, bytes=1, sha256="0" * 64, media_type="image/png")


def test_caps_count_what_they_are_for() -> None:
    tagged = plan(
        [make_spec("a", tags=("hero",), worst=30), make_spec("b", model="veo3.1", worst=20)],
        {"a": job_of("a", JobStatus.PENDING)},
    )
    caps = Caps(batch=50, run=49, models={"veo3.1": 20, "other": 1}, tags={"hero": 29})
    found = {check.name: (check.worst, check.passes) for check in check_caps(tagged, caps)}
    assert found == {
        "batch": (50, False), "run": (50, True), "model:veo3.1": (20, False),
        "model:other": (0, False), "tag:hero": (30, True),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("run", "this run"),
        (f"run:{'5f' * 16}", "this run"),
        ("batch", "batch"),
        ("model:run", "model:run"),
        ("tag:run:1", "tag:run:1"),
    ],
)
def test_the_cap_of_a_run_is_named_without_its_id(name: str, words: str) -> None:
    assert cap_words(name) == words


JOBS = [
    job_of("made", JobStatus.DONE, charged=20, outputs=(output_of("b/made.png"),)),
    job_of("bad", JobStatus.FAILED, error=Failure(code="SAFETY.INPUT", message="moderated")),
    job_of("child", JobStatus.SKIPPED, error=Failure(code="PARENT", message="`bad` is not done")),
    job_of("lost", JobStatus.IN_DOUBT, hold=25, error=Failure(code="IN_DOUBT", message="reset")),
    job_of("half", JobStatus.DOWNLOADING, charged=5, collect_by=START + timedelta(hours=3)),
    job_of("late", JobStatus.PENDING),
]


def summary_of(jobs: list[Job]) -> BatchSummary:
    counts = {status: sum(job.status is status for job in jobs) for status in JobStatus}
    totals = LedgerTotals(spent=25, reserved=0, in_doubt=25)
    caps = (
        Cap(name="batch", limit=100, used=50),
        Cap(name="tag:hero", limit=60, used=10),
        Cap(name="run:5f", limit=30, used=25),
    )
    return BatchSummary(batch="b", counts=counts, totals=totals, caps=caps)


STORED_BATCH = StoredBatch(
    key_mark="",
    name="b",
    manifest="/m.yaml",
    base_url="emulator",
    output_dir="/out",
    created_at=START,
)


def status_of(jobs: list[Job], *, live: bool = False) -> BatchStatus:
    lines = [JobLine(job=job, reason="slot" if job.id == "late" else "") for job in jobs]
    return BatchStatus(summary=summary_of(jobs), jobs=lines, batch=STORED_BATCH, live=live)


def test_status_tells_each_job_the_money_and_the_ways_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_status(status_of(JOBS, live=True), Output(), now=START, suffix=" --emulator")
    lines = capsys.readouterr().out.splitlines()
    about = {line.split()[0]: line for line in lines[1:7]}
    assert about["made"].endswith("b/made.png")
    assert about["bad"].endswith("SAFETY.INPUT: moderated")
    assert about["lost"].split()[1:3] == ["in", "doubt"]
    assert "25 held" in about["lost"]
    assert "collect by" in about["half"]
    assert about["late"].endswith("waits: slot")
    assert "b: 1 of 6 done, 1 downloading, 1 pending, 1 in doubt, 1 failed, 1 skipped" in lines[8]
    assert lines[8].endswith("a run works on it")
    assert lines[9] == ("credits: 25 cr ($0.25) spent, 25 cr ($0.25) in doubt, of 100 cr ($1.00)")
    assert "cap tag:hero: 10 cr ($0.10) of 60 cr ($0.60)" in lines
    assert lines[-1] == (
        "  runway-batch resolve lost --emulator --not-arrived|--lost|--resubmit|--task ID"
    )


def test_the_cap_of_a_run_is_shown_while_it_means_something(
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = "cap this run: 25 cr ($0.25) of 30 cr ($0.30)"
    show_status(status_of(JOBS, live=True), Output(), now=START)
    assert line in capsys.readouterr().out
    show_status(status_of(JOBS, live=False), Output(), now=START)
    assert line not in capsys.readouterr().out
    show_ending(ending_of(), Output())
    assert line in capsys.readouterr().out


def test_flags_stand_beside_the_status(capsys: pytest.CaptureFixture[str]) -> None:
    job = job_of("old", JobStatus.DONE, stale=True, orphaned=True)
    show_status(status_of([job]), Output(), now=START)
    assert "done, stale, orphaned" in capsys.readouterr().out


def test_status_for_scripts_has_the_keys_of_the_contract() -> None:
    found = json.loads(json.dumps(status_json(status_of(JOBS), state="s.db")))
    assert list(found) == ["batch", "summary", "budget", "waits", "quotas", "jobs"]
    assert found["batch"] == {
        "name": "b", "state": "s.db", "live": False, "paused_at": None, "manifest": "/m.yaml",
        "output_dir": "/out",
        "service": "emulator",
    }  # fmt: skip
    assert found["summary"]["done"] == 1
    assert {"cap", "spent", "reserved", "in_doubt", "available"} <= found["budget"].keys()
    assert found["jobs"][-1]["reason"] == "slot"


def test_many_in_doubt_are_not_all_spelt_out() -> None:
    many = [job_of(f"j{n}", JobStatus.IN_DOUBT) for n in range(9)]
    lines = list(ways_out(many, ""))
    assert len(lines) == 5
    assert "6 more" in lines[-1]
    assert list(ways_out([], "")) == []


def test_failures_are_grouped_by_cause_the_commonest_first() -> None:
    common = Failure(code="A", message="a")
    jobs = [
        job_of("x", JobStatus.FAILED, error=Failure(code="B", message="b")),
        job_of("y", JobStatus.FAILED, error=common),
        job_of("z", JobStatus.FAILED, error=common),
        job_of("w", JobStatus.SKIPPED),
        job_of("fine", JobStatus.DONE),
    ]
    assert list(failures(jobs).items()) == [
        ("A: a", ["y", "z"]), ("B: b", ["x"]), ("unknown", ["w"]),
    ]  # fmt: skip


def test_what_runs_is_kept_a_day_from_its_end() -> None:
    assert collect_by(JOBS, START) == START + timedelta(hours=3)
    assert collect_by([job_of("r", JobStatus.RUNNING)], START) == START + timedelta(hours=24)
    assert collect_by([job_of("d", JobStatus.DONE)], START) is None


def ending_of(*reasons: Reason, jobs: list[Job] = JOBS, emulator: bool = False) -> Ending:
    summary = summary_of(jobs)
    return Ending(
        result=RunResult(summary=summary, reasons=(*reasons, *work_left(summary))),
        status=status_of(jobs),
        file=Path("m.yaml"),
        state=Path("state.db"),
        output_dir=Path("out"),
        now=START,
        emulator=emulator,
    )


def test_the_end_of_a_run_says_what_was_made_what_not_and_why(
    capsys: pytest.CaptureFixture[str],
) -> None:
    interrupted = Reason(exit_code=130, message="stopped by Ctrl-C", hint="run again")
    show_ending(ending_of(interrupted), Output())
    printed = capsys.readouterr()
    assert "files    1 in out" in printed.out
    assert "failed   1: SAFETY.INPUT: moderated (bad)" in printed.out
    assert "failed   1: PARENT: `bad` is not done (child)" in printed.out
    assert "still at Runway: 1; collect by " in printed.err
    assert "(3 h)" in printed.err
    assert "warning: stopped by Ctrl-C" in printed.err
    assert "hint: go on: runway-batch run m.yaml" in printed.err
    assert "resolve lost --batch m.yaml --not-arrived" in printed.err


def test_following_commands_find_the_pretend_batch_again() -> None:
    commands = next_commands(ending_of(emulator=True))
    assert commands
    assert all(command.endswith("m.yaml --emulator") for command in commands)


def test_reasons_without_a_command_keep_their_own_hint() -> None:
    reason = Reason(exit_code=4, message="no credits", hint="buy some")
    done = [job_of("made", JobStatus.DONE)]
    assert next_commands(ending_of(reason, jobs=done)) == ["buy some"]


def test_held_jobs_are_not_said_to_be_in_doubt() -> None:
    commands = next_commands(ending_of(jobs=[job_of("twin", JobStatus.HELD)]))
    assert not any("doubt" in command for command in commands)
    assert any(command.endswith("runway-batch resume m.yaml") for command in commands)


def test_a_perfect_run_gives_no_hints() -> None:
    done = [job_of("made", JobStatus.DONE, outputs=(output_of("b/made.png"),))]
    ending = ending_of(jobs=done)
    assert ending.result.exit_code == 0
    assert next_commands(ending) == []
    assert files_made(ending) == [Path("out/b/made.png")]


def test_the_end_for_scripts_lists_every_reason() -> None:
    ending = ending_of(Reason(exit_code=8, message="budget"))
    found = json.loads(json.dumps(ending_json(ending)))
    assert found["exit_code"] == 5  # the first of the order that applies
    assert [reason["exit_code"] for reason in found["reasons"]] == [8, 11, 5, 3]
    codes = [error["code"] for error in reason_errors(ending.result.reasons)]
    assert codes == ["budget", "needs_a_person", "service", "failed"]


def test_a_quiet_run_still_says_why_work_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    show_ending(ending_of(Reason(exit_code=8, message="full", hint="raise it")), Output(quiet=True))
    assert "error: full\n" in capsys.readouterr().err


def test_a_full_cap_says_where_it_is_raised_and_only_once_how_to_go_on() -> None:
    full = Reason(exit_code=8, message="full", hint="raise `budget` in m.yaml, then run again")
    [found] = next_commands(ending_of(full, jobs=JOBS[:1]))
    assert re.fullmatch(r"raise `budget` in m.yaml, then run again: runway-batch run \S+", found)
    late = Reason(exit_code=10, message="late", hint="run the same command again to go on")
    left = Reason(exit_code=5, message="left", hint="")
    [found] = next_commands(ending_of(late, left, jobs=JOBS[:1]))
    assert found.startswith("go on: runway-batch run ")
