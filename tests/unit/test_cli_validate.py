"""`validate`: every file, every problem, for people and for pre-commit."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from runner.cli.main import COMMANDS, main
from runner.manifest.schema import load_schema

GOOD = """\
version: 1
jobs:
  - id: one
    text_to_video: {model: veo3.1, promptText: a wave, ratio: "1280:720", duration: 4}
"""
HOOKS = Path(__file__).resolve().parents[2] / ".pre-commit-hooks.yaml"


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.yaml").write_text(GOOD)
    Path("bad.yaml").write_text(GOOD.replace("duration: 4", "duration: 5"))
    Path("worse.yaml").write_text(GOOD.replace("jobs", "jbos"))


def checked(capsys: pytest.CaptureFixture[str]) -> Any:
    """An envelope that is as scripts expect it."""
    envelope = json.loads(capsys.readouterr().out)
    Draft202012Validator(load_schema("result.schema.json")).validate(envelope)
    return envelope


def test_every_file_is_checked_also_after_a_bad_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "bad.yaml", "good.yaml", "worse.yaml", "gone.yaml"]) == 2
    printed = capsys.readouterr()
    assert printed.out == "good.yaml: ok, 1 job\n"
    for place in ("bad.yaml:4:85: error:", "worse.yaml:2:1: error:", "gone.yaml: error:"):
        assert place in printed.err
    assert main(["validate", "good.yaml", "good.yaml"]) == 0
    assert capsys.readouterr().out == "good.yaml: ok, 1 job\n"


def test_one_file_is_told_to_scripts_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "good.yaml", "--json"]) == 0
    found = checked(capsys)
    assert found["data"] == {"file": "good.yaml", "batch": "good", "jobs": 1, "warnings": []}
    assert main(["validate", "bad.yaml", "--json"]) == 2
    found = checked(capsys)
    assert (found["ok"], found["data"], len(found["errors"])) == (False, None, 1)
    Path("a.csv").write_text("id,promptText,duration\nx,a wave,5\ny,a wave,5\n")
    sets = ["--set=endpoint=text_to_video", "--set=model=veo3.1", "--set=ratio=1280:720"]
    assert main(["validate", "a.csv", *sets, "--json"]) == 2
    [error] = checked(capsys)["errors"]
    assert (error["rows"], error["count"]) == (["a.csv:2", "a.csv:3"], 2)


def test_several_files_are_told_to_scripts_as_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "bad.yaml", "good.yaml", "worse.yaml", "--json"]) == 2
    found = checked(capsys)
    assert [each["file"] for each in found["data"]["files"]] == ["good.yaml"]
    assert {error["where"].partition(":")[0] for error in found["errors"]} == {
        "bad.yaml",
        "worse.yaml",
    }


def test_tables_are_checked_with_settings(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.csv").write_text("id,promptText\nx,a wave\n")
    Path("b.csv").write_text("id,promptText,duration\nx,a wave,5\n")
    sets = [
        f"--set={each}" for each in ("endpoint=text_to_video", "model=veo3.1", "ratio=1280:720")
    ]
    assert main(["validate", "a.csv", "b.csv", *sets]) == 2
    printed = capsys.readouterr()
    assert printed.out == "a.csv: ok, 1 job\n"
    assert "b.csv: error: `duration` must be 4, 6 or 8 for `veo3.1`, got 5" in printed.err
    assert main(["validate", "good.yaml", *sets]) == 2
    assert "belongs to a table" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        (["--set", "model"], "`model` is not KEY=VALUE"),
        (["--set", "=x"], "`=x` is not KEY=VALUE"),
        (["--set", "a=1", "--set", "a=2"], "`a` is set twice"),
    ],
)
def test_a_setting_is_a_key_and_a_value(
    sets: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", "a.csv", *sets]) == 2
    assert message in capsys.readouterr().err


def test_a_value_may_hold_an_equals_sign(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.csv").write_text("id\nx\n")
    sets = ["endpoint=text_to_video", "model=veo3.1", "ratio=1280:720", "promptText=1+1=2"]
    assert main(["validate", "a.csv", *(f"--set={each}" for each in sets)]) == 0


# pre-commit


def test_the_hook_runs_a_command_that_there_is() -> None:
    [hook] = yaml.safe_load(HOOKS.read_text(encoding="utf-8"))
    program, command = hook["entry"].split()
    assert (hook["id"], program) == ("runway-batch-validate", "runway-batch")
    assert command in COMMANDS
    assert hook["language"] == "python"


@pytest.mark.parametrize(
    ("path", "is_checked"),
    [
        ("manifest.yaml", True),
        ("shoot/manifest.yml", True),
        ("manifests/overnight.yaml", True),
        ("a/manifests/c.yml", True),
        ("manifests/parts/included.yaml", False),
        ("spring.runway.yaml", True),
        ("manifests/data/shots.csv", False),
        (".github/workflows/ci.yaml", False),
        ("docker-compose.yaml", False),
        ("a/.runway-batch/manifest.yaml", False),
    ],
)
def test_the_hook_takes_manifests_and_leaves_other_yaml_alone(path: str, is_checked: bool) -> None:
    [hook] = yaml.safe_load(HOOKS.read_text(encoding="utf-8"))
    taken = re.search(hook["files"], path) and not re.search(hook["exclude"], path)
    assert bool(taken) == is_checked
