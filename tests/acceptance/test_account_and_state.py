"""What is paid stays within reach: another account's key, a state file that goes away."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from tests.processes import KEY, EmulatorProcess, emulator, kill, run_command, start_command

MANIFEST = """\
version: 1
name: kept
budget: 200
jobs:
  - id: still
    text_to_image: {model: gen4_image, promptText: a pier, ratio: "1280:720"}
    takes: 6
"""
KEYS = """\
keys:
  - {key: key_other, credits: 5000, tier: 3}
  - {key: key_new, same_account_as: key_emulator}
faults: []
"""
LIMIT_S = 30


def left_at_runway(folder: Path, emu: EmulatorProcess) -> tuple[str, ...]:
    """Tasks of the first account under way, their runner gone."""
    (folder / "m.yaml").write_text(MANIFEST)
    run = ("run", "m.yaml", "--base-url", emu.url, "--poll-interval", "0.1")
    process = start_command(folder, *run)
    try:
        wait_for(emu, 3)
        deadline = time.perf_counter() + LIMIT_S
        while at_runway(folder) < 3:
            assert time.perf_counter() < deadline
    finally:
        kill(process)
    return run


def at_runway(folder: Path) -> int:
    """Jobs whose task id is on disk and whose task is not known to have ended."""
    summary = run_command(folder, "status", "m.yaml", "--json").json["data"]["summary"]
    return int(summary["queued"] + summary["running"])


def wait_for(emu: EmulatorProcess, creates: int) -> None:
    deadline = time.perf_counter() + LIMIT_S
    while emu.state()["creates"] < creates:
        assert time.perf_counter() < deadline, "no task was created"


def test_a_key_of_another_account_gives_nothing_up_and_spends_nothing(tmp_path):
    (tmp_path / "keys.yaml").write_text(KEYS)
    args = ("--media", "plain", "--speed", "0.05", "--tier", "2", "--scenario", "keys.yaml")
    with emulator(tmp_path, *args) as emu:
        run = left_at_runway(tmp_path, emu)
        before = run_command(tmp_path, "status", "m.yaml", "--json").json["data"]["summary"]
        ended = run_command(tmp_path, *run, RUNWAYML_API_SECRET="key_other")
        after = run_command(tmp_path, "status", "m.yaml", "--json").json["data"]["summary"]
        accounts = emu.accounts()
    assert ended.code == 4, ended.err
    assert "key_other" not in ended.err
    assert after == before
    assert accounts["key_other"]["creates"] == 0


def test_a_rotated_key_of_the_same_account_goes_on(tmp_path):
    (tmp_path / "keys.yaml").write_text(KEYS)
    args = ("--media", "plain", "--speed", "5", "--tier", "2", "--scenario", "keys.yaml")
    with emulator(tmp_path, *args) as emu:
        run = left_at_runway(tmp_path, emu)
        ended = run_command(tmp_path, *run, RUNWAYML_API_SECRET="key_new")
        assert ended.code == 0, ended.err
        assert emu.accounts()[KEY]["creates"] == 6


def test_a_state_file_deleted_during_the_run_stops_it(tmp_path):
    with emulator(tmp_path, "--media", "plain", "--speed", "0.05") as emu:
        (tmp_path / "m.yaml").write_text(MANIFEST)
        process = start_command(
            tmp_path, "run", "m.yaml", "--base-url", emu.url, "--poll-interval", "0.1"
        )
        try:
            wait_for(emu, 2)
            shutil.rmtree(tmp_path / ".runway-batch")
            code = process.wait(LIMIT_S)
        finally:
            kill(process)
        assert code == 11
        assert "state file" in (tmp_path / "command.log").read_text()
        assert emu.state()["creates"] < 6, "nothing more was sent"
