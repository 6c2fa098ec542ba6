"""Where batches lie, real and pretended, and what `init` and `demo` put down."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from runner.cli import emulator_process
from runner.cli.emulator_process import ensure_emulator
from runner.cli.examples import copy_example, example_folder
from runner.cli.options import Flags
from runner.cli.places import (
    EMULATOR_KEY,
    emulator_home,
    emulator_settings,
    find,
    run_command,
    suffix,
)
from runner.cli.starter import write_starter
from runner.errors import RunnerError, UsageError
from runner.manifest.catalog_file import load_catalog
from runner.manifest.read import read_manifest
from runner.testing import FakeClock

REAL = {"RUNWAYML_API_SECRET": "key_real", "RUNWAY_BATCH_STATE": "/real/state.db"}


def test_the_pretend_world_lies_beside_the_manifest(tmp_path: Path) -> None:
    home = emulator_home(tmp_path)
    assert home.folder == tmp_path.resolve() / ".runway-batch" / "emulator"
    assert {path.parent for path in (home.state, home.outputs, home.world, home.card)} == {
        home.folder
    }


def test_an_older_pretend_world_is_found_upward(tmp_path: Path) -> None:
    home = emulator_home(tmp_path)
    home.folder.mkdir(parents=True)
    home.state.touch()
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert emulator_home(deep) == home


def test_the_real_key_and_state_stay_out_of_pretend_runs(tmp_path: Path) -> None:
    home = emulator_home(tmp_path)
    flags = Flags(environment=REAL, state=Path("/real/state.db"))
    settings = emulator_settings(flags, home, speed=20)
    assert settings.key == EMULATOR_KEY
    assert settings.service == "emulator"
    assert settings.state == home.state
    assert settings.output_dir == home.outputs


def test_a_flag_of_this_very_call_moves_even_a_pretend_run(tmp_path: Path) -> None:
    flags = Flags(
        state=Path("s.db"), output_dir=Path("out"), given=frozenset({"state", "output_dir"})
    )
    settings = emulator_settings(flags, emulator_home(tmp_path), speed=20)
    assert (settings.state, settings.output_dir) == (Path("s.db"), Path("out"))


@pytest.mark.parametrize(
    ("speed", "asked", "expected"),
    [(1, None, 5), (20, None, 0.25), (1000, None, 0.05), (20, 2.0, 2.0), (20, 0.001, 0.05)],
)
def test_polling_keeps_pace_with_the_emulator(
    tmp_path: Path, speed: float, asked: float | None, expected: float
) -> None:
    flags = Flags(poll_interval=asked)
    settings = emulator_settings(flags, emulator_home(tmp_path), speed=speed)
    assert settings.poll_interval_s == pytest.approx(expected)


async def test_who_ran_on_the_emulator_is_told_to_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    home = emulator_home(tmp_path)
    home.folder.mkdir(parents=True)
    home.state.touch()
    with pytest.raises(UsageError) as caught:
        await find(Flags(), None, emulator=False)
    assert caught.value.hint == "add `--emulator`"


async def test_where_nothing_has_run_there_is_nothing_to_find(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for emulator in (False, True):
        with pytest.raises(UsageError):
            await find(Flags(), None, emulator=emulator)


def test_following_commands_repeat_what_finds_the_batch() -> None:
    assert suffix("m.yaml", emulator=True) == " --batch m.yaml --emulator"
    assert suffix(None, emulator=False) == ""
    assert run_command("m.yaml", emulator=False) == "runway-batch run m.yaml"
    assert run_command("spring", emulator=True) == "runway-batch run FILE --emulator"


def test_a_batch_known_by_its_name_is_gone_on_with_by_its_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    near, far = str(tmp_path / "shots" / "a b.yaml"), "/elsewhere/b.yaml"
    assert run_command("b", emulator=False, manifest=near) == "runway-batch run 'shots/a b.yaml'"
    assert run_command(None, emulator=True, manifest=far) == f"runway-batch run {far} --emulator"
    assert run_command("c.yaml", emulator=False, manifest=far) == "runway-batch run c.yaml"


async def test_an_emulator_that_does_not_start_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = """
import sys
print('{"version": 1, "ok": false, "data": null, "errors": [{"message": "the world is locked"}]}')
sys.exit(2)
"""
    monkeypatch.setattr(emulator_process, "_START", failing)
    home = emulator_home(tmp_path)
    with pytest.raises(RunnerError, match="the world is locked") as caught:
        await ensure_emulator(home, speed=1, clock=Patient())
    assert str(home.log) in caught.value.hint
    assert not home.card.exists()


class Patient(FakeClock):
    """Waits for the child process instead of for a time."""

    async def sleep(self, seconds: float) -> None:
        os.sched_yield()


async def test_keys_and_settings_do_not_reach_the_emulator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    telling = """
import json, os
print(json.dumps({"ok": False, "errors": [{"message": " ".join(os.environ)}]}))
"""
    monkeypatch.setattr(emulator_process, "_START", telling)
    monkeypatch.setenv("RUNWAYML_API_SECRET_FILE", "x")
    monkeypatch.setenv("RUNWAY_API_KEY", "x")
    monkeypatch.setenv("RUNWAY_BATCH_STATE", "x")
    with pytest.raises(RunnerError) as caught:
        await ensure_emulator(emulator_home(tmp_path), speed=1, clock=Patient())
    assert "PATH" in caught.value.message
    assert "RUNWAY" not in caught.value.message


@pytest.mark.parametrize(
    "card", ["", "{}", "[1]", '{"url": "http://127.0.0.1:9", "pid": 1, "speed": 1}']
)
async def test_a_card_of_a_dead_emulator_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, card: str
) -> None:
    starting = """
import json
print(json.dumps({"ok": True, "data": {"url": "http://127.0.0.1:1"}}))
"""
    monkeypatch.setattr(emulator_process, "_START", starting)
    home = emulator_home(tmp_path)
    home.folder.mkdir(parents=True)
    home.card.write_text(card)
    found = await ensure_emulator(home, speed=7, clock=Patient())
    assert (found.url, found.speed) == ("http://127.0.0.1:1", 7)
    assert json.loads(home.card.read_text())["pid"] == found.pid


def test_the_starter_is_a_manifest_that_is_sound(tmp_path: Path) -> None:
    written = write_starter(tmp_path / "new", force=False)
    assert [path.name for path in written] == ["manifest.yaml", ".gitignore"]
    text = written[0].read_text()
    assert text.startswith("# yaml-language-server: $schema=")
    schema = text.partition("$schema=")[2].split()[0]
    assert (tmp_path / "new" / schema).is_file()
    manifest, expansion = read_manifest(written[0], load_catalog())
    assert len(expansion.specs) == 3
    assert manifest.budget.credits == 200
    assert ".runway-batch/" in written[1].read_text()


def test_the_starter_overwrites_only_when_told(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("mine")
    with pytest.raises(UsageError, match="gitignore"):
        write_starter(tmp_path, force=False)
    assert not (tmp_path / "manifest.yaml").exists()
    assert (tmp_path / ".gitignore").read_text() == "mine"
    write_starter(tmp_path, force=True)
    assert (tmp_path / "manifest.yaml").exists()


def test_a_starter_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError):
        write_starter(tmp_path / "file", force=False)


def test_the_example_is_copied_and_an_edited_copy_is_kept(tmp_path: Path) -> None:
    file = copy_example("quickstart.yaml", tmp_path / "demo")
    assert file.read_bytes() == (example_folder() / "quickstart.yaml").read_bytes()
    read_manifest(file, load_catalog())
    file.write_text("edited")
    copy_example("quickstart.yaml", tmp_path / "demo")
    assert file.read_text() == "edited"


def test_an_example_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError):
        copy_example("quickstart.yaml", tmp_path / "file")
