"""What scripts rely on: every command's `--json` fits `schemas/result.schema.json`."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from runner.cli.main import COMMANDS
from runner.core.job import JobStatus
from runner.core.task import TaskStatus
from runner.manifest.schema import load_schema
from runner.store.reader import StateReader

from .conftest import MANIFEST, Ended, Program

SCHEMA = load_schema("result.schema.json")
EMULATED = ("--emulator", "--json")
FAST = ("--emulator", "--speed", "200")
#: results as they were
RESULTS = Path(__file__).parents[1] / "data" / "results"


def check(value: Any, part: str | None = None) -> None:
    schema: Mapping[str, Any] = SCHEMA
    if part is not None:
        schema = {"$ref": f"#/$defs/{part}", "$defs": SCHEMA["$defs"]}
    Draft202012Validator(schema).validate(value)


def checked(ended: Ended) -> Any:
    """The envelope, after it was held against the schema."""
    found = ended.envelope
    check(found)
    assert found["ok"] is (ended.code == 0)
    return found


def test_the_schema_itself_is_sound() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert set(SCHEMA["$defs"]["status"]["enum"]) == {status.value for status in JobStatus}
    assert set(SCHEMA["$defs"]["task"]["properties"]["status"]["enum"]) == {
        status.value for status in TaskStatus
    }
    named = {str(name).partition(" ")[0] for name in SCHEMA["properties"]["command"]["enum"]}
    assert named == {*COMMANDS, ""}


def test_a_batch_from_init_to_status(program: Program) -> None:
    assert checked(program("init", "--json"))["data"]["files"] == ["manifest.yaml", ".gitignore"]
    assert checked(program("validate", "manifest.yaml", "--json"))["data"]["jobs"] == 3
    planned = checked(program("plan", "manifest.yaml", "--json"))["data"]
    assert planned["cost"] == {"low": 41, "expected": 41, "worst": 41}

    ran = program("run", "manifest.yaml", *FAST, "--json")
    assert ran.code == 0, ran.err
    *events, _ = [json.loads(line) for line in ran.out.splitlines()]
    for event in events:
        check(event, "event")
    assert [event["event"] for event in events].count("downloaded") == 3
    assert checked(ran)["data"]["exit_code"] == 0

    status = checked(program("status", "manifest.yaml", *EMULATED))["data"]
    assert status["summary"]["done"] == 3
    assert status["budget"]["spent"] == 41
    folder = Path(status["batch"]["output_dir"])
    for job in status["jobs"]:
        for output in job["outputs"]:
            assert (folder / output["path"]).stat().st_size == output["bytes"]
    sidecars = [path for path in folder.rglob("*.json") if not path.name.startswith(".")]
    assert len(sidecars) == 3
    for path in sidecars:
        check(json.loads(path.read_text()), "sidecar")

    assert checked(program("retry", *EMULATED))["data"]["queued"] == []
    assert checked(program("resolve", *EMULATED))["data"]["in_doubt"] == []
    again = program("run", "manifest.yaml", *FAST, "--json")
    assert len(again.out.splitlines()) == 1
    assert checked(again)["data"]["budget"]["spent"] == 41


def test_a_plan_for_scripts_is_what_it_was(program: Program, manifest: Path) -> None:
    """Held against a file: who changes it on purpose changes the file too, and the changelog."""
    found = checked(program("plan", "m.yaml", "--json"))["data"]
    assert found == json.loads((RESULTS / "plan.json").read_text(encoding="utf-8"))


def test_a_plan_lists_every_job_and_reads_the_account_when_asked(
    program: Program, manifest: Path
) -> None:
    before = checked(program("plan", "m.yaml", *EMULATED, "--account"))["data"]
    assert (before["account"]["spendable"], before["tonight"]["jobs"]) == (10_000, 3)
    assert {model["lane"]: model["slots"] for model in before["models"]} == {
        "gen4_image": 2, "gen4_turbo": 1,
    }  # fmt: skip
    assert checked(program("plan", "m.yaml", *EMULATED))["data"]["account"] is None, "not kept"
    assert program("run", "m.yaml", *FAST).code == 0
    manifest.write_text(MANIFEST.replace("push in", "pull out"), encoding="utf-8")
    after = checked(program("plan", "m.yaml", *EMULATED, "--jobs"))["data"]
    assert after["account"]["balance"] <= 10_000
    assert [(job["id"], job["action"], job["starts"]) for job in after["entries"]] == [
        ("still", "keep", False), ("still-t2", "keep", False), ("clip", "stale", False),
    ]  # fmt: skip
    listed = program("plan", "m.yaml", "--emulator", "--jobs")
    assert listed.out.splitlines()[3].startswith("clip      stale  gen4_turbo")
    assert program("plan", "m.yaml", "--account").code == 4, "without a key nobody is asked"
    nowhere, key = ("--base-url", "http://127.0.0.1:9"), {"RUNWAYML_API_SECRET": "key_none"}
    offline = checked(program("plan", "m.yaml", *nowhere, "--json", env=key))["data"]
    assert offline["account"] is None, "a key alone is no reason to ask"


async def is_live(state: Path) -> bool:
    async with await StateReader.read(state) as reader:
        return await reader.is_live("small")


def test_a_second_run_hands_over_the_edited_manifest_and_ends_with_the_live_one(
    program: Program, manifest: Path
) -> None:
    assert program("run", "m.yaml", *EMULATED, "--max-credits", "0").code == 8
    assert checked(program("pause", "m.yaml", *EMULATED))["data"]["live"] is False
    first = program.start("run", "m.yaml", "--emulator", "--json", "--speed", "60")
    while not asyncio.run(is_live(manifest.parent / ".runway-batch/emulator/state.db")):
        assert first.poll() is None
    manifest.write_text(MANIFEST.replace("takes: 2", "takes: 3"), encoding="utf-8")
    second = program.start("run", "m.yaml", "--emulator", "--json")
    assert second.stderr is not None
    assert any("taken over: 3 kept, 1 new" in line for line in second.stderr)
    assert checked(program("resume", "m.yaml", *EMULATED))["data"]["live"] is True
    out, err = second.communicate()
    first.communicate()
    assert second.returncode == first.returncode == 0, err
    found = json.loads(out)
    check(found)
    assert found["data"]["summary"]["done"] == 4
    assert found["data"]["budget"]["spent"] == 49


def test_links_and_keys_are_in_no_result(program: Program, manifest: Path) -> None:
    secret = {"RUNWAYML_API_SECRET": "key_real_and_secret"}
    ran = program("run", "m.yaml", *FAST, "--json", env=secret)
    shown = program("status", *EMULATED, env=secret)
    for text in (ran.out, ran.err, shown.out, shown.err):
        assert "key_real_and_secret" not in text
        assert "_jwt" not in text
        assert "http" not in text.replace("http://127.0.0.1", "", 1)
    for path in program.folder.rglob("*"):
        if path.is_file():
            assert b"key_real_and_secret" not in path.read_bytes(), path


def test_the_account_and_a_task(program: Program, manifest: Path) -> None:
    assert program("run", "m.yaml", *FAST).code == 0
    card = json.loads((manifest.parent / ".runway-batch/emulator/emulator.json").read_text())
    account = {"RUNWAYML_API_SECRET": "key_emulator"}
    there = ("--base-url", card["url"], "--json")
    credits = checked(program("credits", *there, env=account))["data"]
    assert sum(use["credits"] for use in credits["used"]) == 41
    [task_id] = checked(program("status", *EMULATED))["data"]["jobs"][0]["task_ids"]
    task = program("task", "get", task_id, *there, env=account)
    assert checked(task)["data"]["outputs"] == 1
    assert "http" not in task.out
    kept = checked(program("task", "cancel", task_id, *there, env=account))
    assert "has succeeded" in kept["errors"][0]["message"]
    gone = checked(program("task", "get", "0" * 8, *there, env=account))
    assert gone["errors"][0]["code"] == "usage"
    wrong = program("credits", *there, env={"RUNWAYML_API_SECRET": "key_wrong"})
    assert wrong.code == 4
    assert checked(wrong)["errors"][0]["code"] == "account"


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["models"], 0),
        (["models", "gen4_trubo"], 2),
        (["validate", "none.yaml"], 2),
        (["validate", "broken.yaml"], 2),
        (["plan", "m.yaml", "--gate"], 0),
        (["plan", "tight.yaml", "--gate"], 8),
        (["plan", "tight.yaml", "--gate", "--jobs"], 8),
        (["plan", "broken.yaml", "--jobs"], 2),
        (["run", "m.yaml"], 4),
        (["run", "free.yaml"], 2),
        (["run", "m.yaml", "--base-url", "http://example.com"], 2),
        (["run", "m.yaml", "--poll-interval", "1"], 2),
        (["run", "m.yaml", "--dry-run"], 0),
        (["status"], 2),
        (["retry", "nobody"], 2),
        (["resolve", "still", "--lost", "--resubmit"], 2),
        (["resolve", "--lost"], 2),
        (["credits"], 4),
        (["task"], 2),
        (["init", "--force", "new"], 0),
        (["nothing"], 2),
    ],
)
def test_every_answer_fits_the_schema(
    program: Program, manifest: Path, args: list[str], code: int
) -> None:
    (manifest.parent / "broken.yaml").write_text("version: 1\njobs: [\n")
    (manifest.parent / "tight.yaml").write_text(MANIFEST.replace("budget: 200", "budget: 40"))
    (manifest.parent / "free.yaml").write_text(MANIFEST.replace("budget: 200\n", ""))
    key = {} if code == 4 else {"RUNWAYML_API_SECRET": "key_none"}
    ended = program(*args, "--json", env=key)
    assert ended.code == code, ended.err
    assert len(ended.out.splitlines()) == 1
    checked(ended)
    assert "Traceback" not in ended.err


def test_an_unknown_variable_is_refused_by_every_command(program: Program) -> None:
    ended = program("models", "--json", env={"RUNWAY_BATCH_OUTPUT_DRI": "x"})
    assert ended.code == 2
    assert checked(ended)["errors"][0]["hint"] == "did you mean RUNWAY_BATCH_OUTPUT_DIR?"


def test_without_json_results_and_talk_are_apart(program: Program, manifest: Path) -> None:
    ended = program("run", "m.yaml", *FAST)
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[0] == "small: 3 of 3 done"
    assert "\x1b" not in ended.out + ended.err
    assert "done clip (small/clip.mp4, 25 cr ($0.25))" in ended.err
    quiet = program("run", "m.yaml", *FAST, "-q")
    assert quiet.err == ""


def test_the_demo_makes_what_it_says(program: Program) -> None:
    ended = program("demo")
    assert ended.code == 0, ended.err
    files = [line for line in ended.out.splitlines() if line.startswith("runway-batch-demo")]
    assert len(files) >= 12
    assert all((program.folder / file).stat().st_size > 0 for file in files)
    again = program("demo", "--json")
    assert checked(again)["data"]["summary"]["done"] == len(files)
    assert len(again.out.splitlines()) == 1


def test_the_emulator_says_where_it_is(program: Program) -> None:
    ended = program("emulator", "--json", "--idle-exit", "0.01", "--world", "w")
    assert ended.code == 0, ended.err
    assert checked(ended)["data"]["url"].startswith("http://127.0.0.1:")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_says_so_and_goes_on(
    program: Program, manifest: Path, number: signal.Signals, code: int
) -> None:
    process = program.start("run", "m.yaml", "--emulator", "--json", "--speed", "60")
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line).get("event") == "task_accepted":
            process.send_signal(number)
            break
    out, err = process.communicate()
    assert process.returncode == code, err
    last = json.loads(out.splitlines()[-1])
    check(last)
    assert last["errors"][0]["code"] == "interrupted"
    assert "again to leave now" in err
    started = last["data"]["budget"]["reserved"]
    assert started > 0
    ended = program("run", "m.yaml", *EMULATED)
    assert ended.code == 0, ended.err
    assert checked(ended)["data"]["budget"]["spent"] == 41
