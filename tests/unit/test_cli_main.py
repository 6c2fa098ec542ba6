"""The outermost layer: what goes wrong becomes words and an exit code."""

from __future__ import annotations

import importlib
import json
import sys
import types
from collections.abc import Callable
from typing import Any

import click
import pytest

from runner import __version__
from runner.cli import main as cli
from runner.cli.options import BatchCommand, Flags
from runner.errors import (
    AccountError,
    CapReached,
    IllegalTransition,
    ManifestError,
    Problem,
    RunnerError,
    StoreLocked,
    TransientApiError,
    UsageError,
)

Act = Callable[[], int | None]


@pytest.fixture(autouse=True)
def no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Act], None]:
    """Makes `runway-batch act` do what a test says."""

    def install(act: Act) -> None:
        @click.command("act", cls=BatchCommand)
        @click.pass_obj
        def body(flags: Flags, /) -> int | None:
            return act()

        module: Any = types.ModuleType("runner.cli.commands.act")
        module.command = body
        monkeypatch.setitem(sys.modules, "runner.cli.commands.act", module)
        monkeypatch.setitem(cli.COMMANDS, "act", ("act", "Do it."))

    return install


def raising(error: BaseException) -> Act:
    def act() -> int:
        raise error

    return act


def test_the_code_of_a_command_is_the_exit_code(command: Callable[[Act], None]) -> None:
    command(lambda: 8)
    assert cli.main(["act"]) == 8
    command(lambda: None)
    assert cli.main(["act"]) == 0


@pytest.mark.parametrize(
    "error",
    [
        UsageError("no", hint="try yes"),
        AccountError("key refused", hint="check it"),
        StoreLocked("held"),
        TransientApiError("down"),
        CapReached("full", cap="batch", available=0),
    ],
)
def test_an_expected_error_is_one_line_a_hint_and_its_code(
    command: Callable[[Act], None], capsys: pytest.CaptureFixture[str], error: RunnerError
) -> None:
    command(raising(error))
    assert cli.main(["act"]) == error.exit_code
    printed = capsys.readouterr()
    assert printed.out == ""
    hint = f"hint: {error.hint}\n" if error.hint else ""
    assert printed.err == f"error: {error.message}\n{hint}"


def test_an_expected_error_as_json_is_an_envelope(
    command: Callable[[Act], None], capsys: pytest.CaptureFixture[str]
) -> None:
    command(raising(AccountError("key refused", hint="check it")))
    assert cli.main(["act", "--json"]) == 4
    printed = capsys.readouterr()
    assert printed.err == ""
    assert json.loads(printed.out) == {
        "version": 1,
        "command": "act",
        "ok": False,
        "data": None,
        "errors": [{"code": "account", "message": "key refused", "hint": "check it", "where": ""}],
    }


PROBLEMS = [
    Problem(message="late", file="b.yaml", line=9, column=1, path="jobs[1]"),
    Problem(message="early", hint="do this", file="a.yaml", line=2, column=3, path="jobs[0].x"),
    Problem(message="no place"),
]


def test_every_problem_of_a_manifest_is_listed_with_its_place(
    command: Callable[[Act], None], capsys: pytest.CaptureFixture[str]
) -> None:
    command(raising(ManifestError(PROBLEMS)))
    assert cli.main(["act"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "manifest: error: no place",
        "a.yaml:2:3: error: early (jobs[0].x)",
        "  hint: do this",
        "b.yaml:9:1: error: late (jobs[1])",
    ]


def test_every_problem_of_a_manifest_is_in_the_envelope(
    command: Callable[[Act], None], capsys: pytest.CaptureFixture[str]
) -> None:
    command(raising(ManifestError(PROBLEMS)))
    cli.main(["act", "--json"])
    errors = json.loads(capsys.readouterr().out)["errors"]
    assert [error["where"] for error in errors] == ["b.yaml:9:1", "a.yaml:2:3", "manifest"]
    assert {error["code"] for error in errors} == {"manifest"}


@pytest.mark.parametrize("bug", [ValueError("oops"), IllegalTransition("Running while done")])
def test_a_bug_is_a_traceback_and_says_that_the_state_is_safe(
    command: Callable[[Act], None], capsys: pytest.CaptureFixture[str], bug: Exception
) -> None:
    command(raising(bug))
    assert cli.main(["act"]) == 1
    printed = capsys.readouterr().err
    assert "Traceback" in printed
    assert "this is a bug" in printed
    assert "the state file is safe" in printed


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_ctrl_c_outside_a_run_is_130(
    command: Callable[[Act], None], capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    command(raising(error))
    assert cli.main(["act"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_an_unknown_command_says_what_was_probably_meant(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["valdate"]) == 2
    assert capsys.readouterr().err == (
        "error: no such command: valdate\nhint: did you mean `validate`?\n"
    )
    assert cli.main(["xyzzy"]) == 2
    assert "runway-batch --help" in capsys.readouterr().err


def test_an_unknown_option_says_what_was_probably_meant(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["run", "--emulater"]) == 2
    assert capsys.readouterr().err == (
        "error: no such option: --emulater\nhint: did you mean --emulator?\n"
    )


@pytest.mark.parametrize(
    "args",
    [
        ["run"],
        ["run", "a.yaml", "b.yaml"],
        ["run", "a.yaml", "-j", "0"],
        ["run", "a.yaml", "-j", "=3"],
        ["run", "a.yaml", "-j", "x=many"],
        ["run", "a.yaml", "--max-credits", "lots"],
        ["run", "a.yaml", "--display", "loud"],
        ["run", "a.yaml", "--speed", "0"],
        ["run", "a.yaml", "--poll-interval", "soon"],
        ["task"],
        ["task", "get"],
        ["task", "fetch"],
        ["--state"],
        ["plan", "--yes"],
    ],
)
def test_what_cannot_be_parsed_is_exit_2_with_a_hint(
    args: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(args) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("error: ")
    assert lines[1].startswith("hint: ")


def test_a_usage_error_is_json_where_json_was_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["task", "get", "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert found["command"] == "task get"
    assert found["errors"][0]["code"] == "usage"


def test_an_argument_after_two_dashes_is_no_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["validate", "--", "--json"]) == 2
    assert capsys.readouterr().out == ""


def test_nothing_at_all_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    assert "Commands:" in capsys.readouterr().out


def test_the_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_the_table_of_commands_agrees_with_the_commands(name: str) -> None:
    module, summary = cli.COMMANDS[name]
    command = importlib.import_module(f"runner.cli.commands.{module}").command
    assert command.name == name
    assert (command.help or "").partition("\n")[0] == summary


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([name, "--help"]) == 0
    printed = capsys.readouterr().out
    assert f"Usage: runway-batch {name}" in printed
    assert "Global options:" in printed
