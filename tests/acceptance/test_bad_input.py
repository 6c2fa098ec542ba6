"""Bad input: one clear error with place and hint, the exit code of the contract, nothing spent."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.processes import EmulatorProcess, Ended, emulator, kill, run_command, start_command

GOOD = """\
version: 1
name: good
budget: 100
jobs:
  - id: one
    text_to_video: {model: veo3.1, promptText: a wave, ratio: "1280:720", duration: 4, audio: false}
"""


@pytest.fixture(scope="module")
def emu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    args = ("--media", "plain", "--speed", "200")
    with emulator(tmp_path_factory.mktemp("emulator"), *args) as process:
        yield process


def run(folder: Path, emu: EmulatorProcess, text: str | bytes, *args: str, **env: str) -> Ended:
    path = folder / "m.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    common = ("--base-url", emu.url, "--poll-interval", "0.1")
    return run_command(folder, "run", "m.yaml", *common, *args, **env)


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


MANIFESTS = {
    "broken YAML": (changed("promptText: a wave", "promptText: [a wave"), "m.yaml:", ""),
    "not UTF-8": (b"version: 1\nname: \xff\xfe", "m.yaml", "UTF-8"),
    "unknown key": (changed("budget", "budgett"), "m.yaml:3:1", "did you mean `budget`"),
    "duplicate key": (changed("budget: 100", "budget: 100\nbudget: 5"), "m.yaml:4:1", "budget"),
    "unknown model": (changed("model: veo3.1", "model: veo3.11"), "m.yaml:6:", "veo3.1"),
    "duration 5": (changed("duration: 4", "duration: 5"), "m.yaml:6:", "4, 6 or 8"),
    "not there yet": (
        changed("    text_to", "    pick: 1\n    text_to"),
        "m.yaml:6:5",
        "pick",
    ),
    "missing asset": (
        changed(
            'text_to_video: {model: veo3.1, promptText: a wave, ratio: "1280:720", duration: 4,'
            " audio: false}",
            'image_to_video: {model: gen4_turbo, promptImage: no.png, ratio: "1280:720"}',
        ),
        "m.yaml:6:",
        "no.png",
    ),
    "asset outside": (
        changed(
            'text_to_video: {model: veo3.1, promptText: a wave, ratio: "1280:720", duration: 4,'
            " audio: false}",
            'image_to_video: {model: gen4_turbo, promptImage: ../x.png, ratio: "1280:720"}',
        ),
        "m.yaml:6:",
        "inputs",
    ),
    "name outside": (
        changed("jobs:", "output: {name: '../${{ job }}.${{ ext }}'}\njobs:"),
        "m.yaml:4:",
        "output.dir",
    ),
    "absolute name": (
        changed("    text_to", "    output: /tmp/x.mp4\n    text_to"),
        "m.yaml:6:",
        "output.dir",
    ),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_wrong_manifest_is_exit_2_with_place_and_hint_and_nothing_is_spent(tmp_path, emu, name):
    (tmp_path.parent / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 600)
    text, place, hint = MANIFESTS[name]
    ended = run(tmp_path, emu, text)
    assert ended.code == 2, ended.err
    assert place in ended.err
    assert hint in ended.err
    assert "Traceback" not in ended.err
    assert emu.state()["creates"] == 0
    assert not (tmp_path / ".runway-batch").exists(), "nothing was written"


def test_a_file_that_is_not_there(tmp_path, emu):
    ended = run_command(tmp_path, "run", "nowhere.yaml", "--base-url", emu.url)
    assert ended.code == 2
    assert "nowhere.yaml" in ended.err
    assert "Traceback" not in ended.err


def test_a_folder_is_no_manifest(tmp_path, emu):
    ended = run_command(tmp_path, "run", ".", "--base-url", emu.url)
    assert ended.code == 2
    assert "Traceback" not in ended.err


def test_no_key_is_exit_4(tmp_path, emu):
    ended = run(tmp_path, emu, GOOD, RUNWAYML_API_SECRET="")
    assert ended.code == 4
    assert "RUNWAYML_API_SECRET" in ended.err


def test_a_wrong_key_is_exit_4_and_nothing_is_submitted(tmp_path, emu):
    ended = run(tmp_path, emu, GOOD, RUNWAYML_API_SECRET="key_wrong")
    assert ended.code == 4, ended.err
    assert "key_wrong" not in ended.err
    assert "hint" in ended.err
    assert emu.state()["creates"] == 0


def test_no_credits_is_exit_4_and_the_job_waits(tmp_path):
    with emulator(tmp_path, "--credits", "5", "--media", "plain") as poor:
        ended = run(tmp_path, poor, GOOD)
        assert ended.code == 4, ended.err
        assert "credits" in ended.err
        assert poor.state()["charged"] == 0
    status = run_command(tmp_path, "status", "m.yaml", "--json").json
    assert status["data"]["summary"]["pending"] == 1
    assert status["data"]["budget"]["reserved"] == 0


def test_a_server_that_is_not_there_is_exit_5(tmp_path):
    (tmp_path / "m.yaml").write_text(GOOD)
    started = time.perf_counter()
    ended = run_command(tmp_path, "run", "m.yaml", "--base-url", "http://127.0.0.1:9")
    assert ended.code == 5, ended.err
    assert "cannot be reached" in ended.err
    assert time.perf_counter() - started < 60


def test_a_base_url_in_the_clear_is_exit_2(tmp_path):
    (tmp_path / "m.yaml").write_text(GOOD)
    ended = run_command(tmp_path, "run", "m.yaml", "--base-url", "http://example.com")
    assert ended.code == 2
    assert "https" in ended.err


def test_a_misspelt_variable_is_exit_2(tmp_path, emu):
    ended = run(tmp_path, emu, GOOD, RUNWAY_BATCH_BASE_ULR="x")
    assert ended.code == 2
    assert "RUNWAY_BATCH_BASE_URL" in ended.err


def test_without_budget_and_without_terminal_nothing_is_spent(tmp_path, emu):
    ended = run(tmp_path, emu, changed("budget: 100\n", ""))
    assert ended.code == 2, ended.err
    assert "--max-credits" in ended.err
    assert emu.state()["creates"] == 0


def test_a_state_file_of_a_newer_version_is_exit_2_and_stays_as_it_is(tmp_path, emu):
    path = tmp_path / "state.db"
    assert run(tmp_path, emu, GOOD, "--state", str(path), "--dry-run").code == 0
    with emulator(tmp_path, "--media", "plain", "--speed", "200") as other:
        assert run(tmp_path, other, GOOD, "--state", str(path)).code == 0
    with sqlite3.connect(path) as db:
        [version] = db.execute("PRAGMA user_version").fetchone()
        db.execute(f"PRAGMA user_version = {version + 100}")
    db.close()
    before = path.read_bytes()
    ended = run(tmp_path, emu, GOOD, "--state", str(path))
    assert ended.code == 2, ended.err
    assert "newer version" in ended.err
    assert path.read_bytes() == before


def test_a_file_that_is_no_state_file_is_exit_2(tmp_path, emu):
    (tmp_path / "state.db").write_bytes(b"not a database, but somebody's notes" * 100)
    ended = run(tmp_path, emu, GOOD, "--state", "state.db")
    assert ended.code == 2, ended.err
    assert "state.db" in ended.err
    assert "Traceback" not in ended.err


def test_a_batch_that_a_run_of_another_host_holds_is_exit_6(tmp_path):
    with emulator(tmp_path, "--media", "plain", "--speed", "0.01") as slow:
        (tmp_path / "m.yaml").write_text(GOOD)
        args = ("run", "m.yaml", "--base-url", slow.url, "--poll-interval", "0.1")
        first = start_command(tmp_path, *args)
        try:
            wait_for_a_task(slow)
        finally:
            kill(first)
        with closing(sqlite3.connect(tmp_path / ".runway-batch" / "state.db")) as db, db:
            db.execute("UPDATE runs SET host = 'elsewhere' WHERE ended_at IS NULL")
        ended = run_command(tmp_path, *args)
        assert ended.code == 6, ended.err
        assert str(first.pid) in ended.err
        assert slow.state()["creates"] == 1


def wait_for_a_task(emu: EmulatorProcess) -> None:
    deadline = time.perf_counter() + 30
    while not emu.state()["creates"]:
        assert time.perf_counter() < deadline, "no task was created"


def test_an_output_folder_that_cannot_be_made_is_exit_2(tmp_path, emu):
    (tmp_path / "taken").write_text("a file where the folder should be")
    ended = run(tmp_path, emu, GOOD, "--output-dir", "taken")
    assert ended.code == 2, ended.err
    assert "--output-dir" in ended.err
    assert emu.state()["creates"] == 0
