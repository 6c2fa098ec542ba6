"""Short commands as people and scripts call them, in this process, on a real state file."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from runner.app.applying import apply_plan
from runner.app.planning import plan_with
from runner.app.project import load_project
from runner.cli.main import main
from runner.core.events import GaveUp, Held, Skipped, SubmitUnknown
from runner.core.task import ModelLimits, Organization, Reading
from runner.manifest.schema import load_schema
from runner.settings import Settings
from runner.store.process import this_process
from runner.store.store import JobStore
from runner.testing import START, FakeClock
from tests.integration.store_steps import accepted, finished, happen, started
from tests.integration.test_app_run import clip, still, stills

SCHEMA = load_schema("result.schema.json")
MANIFEST = (
    "version: 1\nname: small\nbudget: 500\njobs:\n"
    + still("a", tags=["hero"]) + still("bad") + clip("child", "bad") + still("lost") + stills(2)
)  # fmt: skip
#: long before anybody runs these tests
LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)
READING = Reading(
    asked_at=LONG_AGO,
    answered_at=LONG_AGO,
    organization=Organization(
        credit_balance=1000,
        models={"gen4_image": ModelLimits(max_concurrent=2, max_daily=50, daily_used=3)},
    ),
)
EVIL = "\x1b]0;owned\x07 \x1b[2Jevil \u202egnp"


class Shell:
    """Calls commands on one state file, without a key and away from any terminal."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def __call__(self, *args: str, code: int = 0) -> list[str]:
        """The lines of the result; talk is kept in `err`."""
        found = main([*args, "--state", str(self.folder / "state.db")])
        printed = self._capsys.readouterr()
        self.err = printed.err
        assert found == code, printed.err
        for text in (printed.out, printed.err):
            assert not any(ord(c) < 32 and c != "\n" for c in text)
            assert "\u202e" not in text
        return printed.out.splitlines()

    def data(self, *args: str, code: int = 0) -> Any:
        """The answer as a script gets it, held against the schema."""
        [line] = self(*args, "--json", code=code)
        envelope = json.loads(line)
        Draft202012Validator(SCHEMA).validate(envelope)
        assert envelope["ok"] is (code == 0) or envelope["data"] is not None
        return envelope["data"] if envelope["ok"] else envelope["errors"][0]


async def _make(folder: Path) -> None:
    """One done, one failed with an evil message, one skipped, one in doubt, two held."""
    clock, state = FakeClock(), folder / "state.db"
    (folder / "small.yaml").write_text(MANIFEST, encoding="utf-8")
    settings = Settings(state=state)
    async with await JobStore.open(state, clock=clock) as store:
        await store.upsert_batch(
            "small", manifest=str(folder / "small.yaml"), base_url=settings.service,
            output_dir=str(folder / "outputs"),
        )  # fmt: skip
        project = load_project(folder / "small.yaml", settings)
        await apply_plan(project, store, await plan_with(project, store), clock=clock)
        await store.note_reading("small", READING)
        lease = await store.acquire("small", run_id="5f", owner=this_process())
        jobs = {job.id: job async for job in store.jobs("small")}
        await happen(store, jobs["a"], *finished(credits=8))
        failed = GaveUp(at=START, code="SAFETY.TEXT", reason=EVIL, credits=8)
        await happen(store, jobs["bad"], started(8), accepted("t-2"), failed)
        await happen(store, jobs["child"], Skipped(at=START, parent="bad"))
        await happen(store, jobs["lost"], started(8), SubmitUnknown(at=START, reason="cut"))
        held = Held(at=START, code="SAFETY", reason=EVIL, group="prompt:x")
        assert await store.hold("small", held, lane="gen4_image") == 2
        await lease.release(11)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    asyncio.run(_make(folder))
    return folder


@pytest.fixture
def shell(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Shell:
    for name in [name for name in os.environ if name.startswith("RUNWAY")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.chdir(tmp_path)
    for path in made.iterdir():
        shutil.copy(path, tmp_path)
    return Shell(tmp_path, capsys)


def test_every_answer_fits_the_schema_and_the_batch(shell: Shell) -> None:
    status = shell.data("status")
    assert {job["id"]: job["status"] for job in status["jobs"]} == {
        "a": "done", "bad": "failed", "child": "skipped", "lost": "in_doubt", "s0": "held",
        "s1": "held",
    }  # fmt: skip
    assert status["quotas"]
    for by in ("batch", "model", "tag", "day", "job", "run"):
        ledger = shell.data("ledger", "--by", by)
        assert ledger["by"] == by
        assert ledger["total"]["in_doubt"] == 8
    for job in status["jobs"]:
        told = shell.data("explain", job["id"])
        assert told["job"] == job
        assert told["events"][0]["event"] == "added"
    limits = shell.data("limits", "small.yaml")
    assert [lane["at_runway"] for lane in limits["lanes"] if lane["at_runway"]] == []
    assert shell.data("plan", "small.yaml")["quotas"] == []
    doubts = shell.data("resolve", code=11)
    assert doubts["not_read"]
    assert doubts["evidence"][0]["model"] == "gen4_image"


def test_what_changes_something_says_what(shell: Shell) -> None:
    paused = shell.data("pause")
    assert paused == {
        "batch": "small", "paused": True, "was_paused": False, "live": False, "at_runway": 0,
    }  # fmt: skip
    assert shell.data("status")["batch"]["paused_at"] is not None
    resumed = shell.data("resume")
    assert [job["id"] for job in resumed["released"]] == ["s0", "s1"]
    [dropped] = shell.data("cancel", "-s", "s0")["jobs"]
    assert (dropped["fate"], dropped["charged"]) == ("dropped", 0)
    again = shell.data("retry", "-s", "error:SAFETY*", "-s", "state:cancelled")
    assert [job["id"] for job in again["queued"]] == ["bad", "s0", "child"]


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["explain", "nobody"], 2, "no job of this name: nobody"),
        (["ledger", "nobody"], 2, "no batch of this name"),
        (["ledger", "--by", "nothing"], 2, "Invalid value"),
        (["ledger", "--csv"], 2, "either"),
        (["cancel"], 2, "nobody is at a terminal to ask: drop 3 jobs not sent"),
        (["cancel", "-s", "nobody"], 2, "no job is meant by: nobody"),
        (["cancel", "-s", "lost"], 11, "in doubt cannot be cancelled"),
        (["retry", "-s", "stat:held"], 2, "not a way to select"),
        (["limits", "set"], 2, "which limits?"),
        (["limits", "set", "-j", "4"], 2, "no run of batch `small` is live"),
        (["resolve", "lost", "--by-evidence", "--lost"], 2, "say what became of the job, once"),
        (["resolve", "--by-evidence"], 11, "could not be read"),
        (["resolve", "a", "--by-evidence"], 2, "not a job in doubt: a"),
        (["run", "small.yaml", "--until", "25:00"], 2, "expected a time of day"),
        (["run", "small.yaml", "--max-wait", "soon"], 2, "expected a duration"),
        (["run", "small.yaml", "--drain", "-1"], 2, "expected a duration"),
    ],
)
def test_what_cannot_be_done_says_why(
    shell: Shell, args: list[str], code: int, message: str
) -> None:
    [line] = shell(*args, "--json", code=code)
    [error] = json.loads(line)["errors"]
    assert message in error["message"]


def test_people_get_the_same_in_words(shell: Shell) -> None:
    assert "small is paused: nothing more is sent" in shell("pause")
    assert "hint: go on: runway-batch resume" in shell.err
    lines = shell("explain", "bad")
    assert lines[0] == "bad: failed"
    assert lines[1].startswith("why       SAFETY.TEXT: ")
    assert "money     8 cr ($0.08) spent" in lines
    assert "first     change its prompt or input: as it is, it would be refused again" in lines
    assert any(line.startswith("attempt   1: ") for line in lines)
    assert "next      runway-batch explain bad" in shell("explain", "child")
    assert "next      runway-batch resolve lost --not-arrived|--lost|--resubmit|--task ID" in shell(
        "explain", "lost"
    )
    assert any("state:held" in line or "-s s0, or" in line for line in shell("explain", "s0"))
    assert "2 held jobs are released: 16 cr ($0.16) at worst" in shell("resume")
    shown = shell("resolve", code=11)
    assert any(line.startswith("evidence  gen4_image: ") for line in shown)
    assert "the account was not read now" in shell.err
    assert shell("cancel", "-s", "s*") == [
        "s0: dropped, never sent", "s1: dropped, never sent",
    ]  # fmt: skip
    assert shell("cancel", "-s", "a") == ["1 job had ended before"]
    [header, *_] = shell("ledger", "--csv")
    assert header.startswith("model,spent,spent_usd,")
    table = shell("limits")
    assert table[0].split()[:2] == ["model", "bound"]
    assert "the account was not read in the last days" in shell.err


def test_text_of_others_never_moves_the_cursor(shell: Shell) -> None:
    """Each call of `shell` checks what was printed; this one makes sure that there is something."""
    assert any("evil" in line for line in shell("status"))
    assert any("evil" in line for line in shell("explain", "bad"))
    assert any("evil" in line for line in shell("explain", "s0"))
