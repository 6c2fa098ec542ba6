"""A table instead of a manifest, from the plan to the files, and to a manifest of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from .conftest import Program

ROWS = "id,promptText,duration\nwave,a wave at dusk,4\nhill,a hill in the fog,6\n"
SETS = ("--set", "endpoint=text_to_video", "--set", "model=veo3.1", "--set", "ratio=1280:720")
FAST = ("--emulator", "--speed", "200", "--yes")


def test_a_table_is_planned_run_and_found_again(program: Program) -> None:
    (program.folder / "shots.csv").write_text(ROWS, encoding="utf-8")
    planned = program("plan", "shots.csv", *SETS, "--json").envelope["data"]
    assert (planned["batch"], planned["cost"]["worst"]) == ("shots", 400)

    ran = program("run", "shots.csv", *SETS, *FAST)
    assert ran.code == 0, ran.err
    status = program("status", "shots.csv", "--emulator", "--json").envelope["data"]
    assert [(job["id"], job["status"]) for job in status["jobs"]] == [
        ("shots-wave", "done"),
        ("shots-hill", "done"),
    ]
    outputs = Path(status["batch"]["output_dir"])
    assert {file.name for file in outputs.rglob("*.mp4")} == {"shots-wave.mp4", "shots-hill.mp4"}

    again = program("run", "shots.csv", *SETS, *FAST, "--json")
    assert again.code == 0, again.err
    assert json.loads(again.out.splitlines()[-1])["data"]["budget"]["spent"] == 400
    assert program("verify", "shots.csv", "--emulator").code == 0


def test_an_edited_row_is_all_that_is_new(program: Program) -> None:
    table = program.folder / "shots.csv"
    table.write_text(ROWS, encoding="utf-8")
    assert program("run", "shots.csv", *SETS, *FAST).code == 0
    table.write_text(ROWS.replace("hill,", "fog,") + "new,a river,8\n", encoding="utf-8")
    planned = program("plan", "shots.csv", *SETS, "--emulator", "--json").envelope["data"]
    assert planned["starting"] == 1


def test_rows_may_be_piped_in(program: Program) -> None:
    ended = subprocess.run(
        program.command("plan", "-", *SETS, "--json"), cwd=program.folder, text=True,
        env=program.environment, input=ROWS, capture_output=True, check=True,
    )  # fmt: skip
    found = json.loads(ended.stdout)["data"]
    assert (found["batch"], found["jobs"]) == ("stdin", 2)


def test_a_manifest_that_init_writes_over_a_table_can_be_planned(program: Program) -> None:
    (program.folder / "shots.csv").write_text(ROWS, encoding="utf-8")
    assert program("init", "--from", "shots.csv").code == 0
    ended = program("validate", "shots.runway.yaml")
    assert (ended.code, ended.out) == (0, "shots.runway.yaml: ok, 2 jobs\n")


def test_what_cannot_be_is_exit_2_and_writes_nothing(program: Program) -> None:
    (program.folder / "shots.csv").write_text(ROWS, encoding="utf-8")
    for command in ("plan", "run", "validate"):
        ended = program(command, "shots.csv", "--set", "model=veo3.1")
        assert ended.code == 2
        assert "--set endpoint=image_to_video" in ended.err
        assert "Traceback" not in ended.err
    assert not (program.folder / ".runway-batch").exists()
