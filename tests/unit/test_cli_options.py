"""Flags: each setting has its variable, and what comes after the command's name wins."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from runner.cli.main import COMMANDS, group
from runner.cli.money import lane_bounds, lowest
from runner.cli.options import (
    GLOBAL_NAMES,
    PREFIX,
    BatchCommand,
    Flags,
    GlobalGroup,
    command_name,
    setting,
)
from runner.core.credits import MOST_CREDITS
from runner.errors import UsageError
from runner.manifest.schema import load_schema
from runner.settings import VARIABLES


def commands() -> Iterator[tuple[str, click.Command]]:
    yield "", group
    for name, (module, _) in COMMANDS.items():
        command = importlib.import_module(f"runner.cli.commands.{module}").command
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {sub}", found) for sub, found in command.commands.items())


def options() -> Iterator[tuple[str, click.Option]]:
    for name, command in commands():
        for param in command.params:
            if isinstance(param, click.Option):
                yield name, param


def test_every_variable_is_a_setting_and_every_setting_has_its_variable() -> None:
    found = set()
    for _, option in options():
        if option.envvar is not None:
            flag = max(option.opts, key=len).removeprefix("--")
            assert option.envvar == PREFIX + flag.replace("-", "_").upper()
            found.add(str(option.envvar))
    assert found == {PREFIX + name for name in VARIABLES}


@pytest.mark.parametrize(
    "flag", ["--yes", "--dry-run", "--emulator", "--force", "--gate", "--json", "--lost"]
)
def test_flags_for_one_call_have_no_variable(flag: str) -> None:
    found = [option for _, option in options() if flag in option.opts]
    assert found
    assert all(option.envvar is None for option in found)


def test_every_command_takes_the_global_flags() -> None:
    for name, command in commands():
        assert {param.name for param in command.params} >= GLOBAL_NAMES, name


def test_every_option_says_what_it_does() -> None:
    for name, option in options():
        assert option.help, f"{name} {option.opts}"
        assert option.help.rstrip("]").endswith((".", "60")), f"{name} {option.opts}"


@pytest.fixture
def parse() -> object:
    """Parses a command line of a small program with the global flags."""
    seen: list[Flags] = []

    @click.command("leaf", cls=BatchCommand)
    @setting("--max-credits", callback=lowest)
    @setting("--jobs", "-j", multiple=True, callback=lane_bounds)
    @click.pass_context
    def leaf(ctx: click.Context, /, max_credits: int | None, jobs: object) -> None:
        seen.append(ctx.obj)
        click.echo(f"{command_name(ctx)}|{max_credits}|{jobs}")

    top = GlobalGroup("top", commands=[leaf])

    def run(*args: str, **environment: str) -> tuple[Flags, list[str]]:
        result = CliRunner().invoke(
            top, args, env=environment, standalone_mode=False, catch_exceptions=False
        )
        return seen[-1], result.output.strip().split("|")

    return run


def test_global_flags_are_taken_before_and_after_the_name(parse) -> None:
    before, _ = parse("--state", "a.db", "--json", "leaf")
    after, _ = parse("leaf", "--state", "a.db", "--json")
    assert before.state == after.state == Path("a.db")
    assert before.json
    assert after.json
    assert before.given == {"state", "json"}


def test_after_the_name_wins(parse) -> None:
    flags, _ = parse("--base-url", "https://a", "-v", "leaf", "--base-url", "https://b", "-vv")
    assert flags.base_url == "https://b"
    assert flags.verbose == 2


def test_a_flag_before_the_name_wins_over_the_variable(parse) -> None:
    flags, _ = parse("--base-url", "https://a", "leaf", RUNWAY_BATCH_BASE_URL="https://v")
    assert flags.base_url == "https://a"
    flags, _ = parse("leaf", RUNWAY_BATCH_BASE_URL="https://v", RUNWAY_BATCH_STATE="s.db")
    assert flags.base_url == "https://v"
    assert flags.state == Path("s.db")
    assert flags.given == set()


def test_an_unknown_variable_stops_any_command(parse) -> None:
    with pytest.raises(UsageError, match="RUNWAY_BATCH_STAET"):
        parse("leaf", RUNWAY_BATCH_STAET="x")


def test_the_command_knows_its_name(parse) -> None:
    _, (name, *_) = parse("leaf")
    assert name == "leaf"


@pytest.mark.parametrize(
    ("flag", "variable", "expected"),
    [
        (None, None, "None"),
        ("500", None, "500"),
        (None, "$3", "300"),
        ("500", "300", "300"),
        ("200", "$3", "200"),
        ("$1.50", "1,000", "150"),
    ],
)
def test_of_two_caps_the_lower_applies(parse, flag, variable, expected) -> None:
    args = ["--max-credits", flag] if flag else []
    environment = {"RUNWAY_BATCH_MAX_CREDITS": variable} if variable else {}
    _, (_, cap, _) = parse("leaf", *args, **environment)
    assert cap == expected


def test_bounds_are_in_total_or_by_model(parse) -> None:
    _, (_, _, jobs) = parse("leaf", "-j", "8", "-j", "gen4_turbo=3", "--jobs", "veo3.1=2")
    assert jobs == str({None: 8, "gen4_turbo": 3, "veo3.1": 2})
    _, (_, _, jobs) = parse("leaf", RUNWAY_BATCH_JOBS="4 veo3.1=1")
    assert jobs == str({None: 4, "veo3.1": 1})


@pytest.mark.parametrize("text", ["0", "-1", "x", "=1", "m=", "m=0", "1.5", ""])
def test_bounds_that_mean_nothing_are_refused(parse, text: str) -> None:
    with pytest.raises(click.BadParameter):
        parse("leaf", "-j", text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("", False), ("0", False), ("false", False), ("true", True), ("1", True)],
)
def test_ci_is_noticed(value: str, expected: bool) -> None:
    assert Flags(environment={"CI": value}).is_ci is expected
    assert not Flags().is_ci


def test_a_key_in_the_environment_is_not_in_the_repr() -> None:
    assert "key_x" not in repr(Flags(environment={"RUNWAYML_API_SECRET": "key_x"}))


@pytest.mark.parametrize("text", ["9" * 23, "1000000001", "$10000000.01", "9" * 400])
def test_a_cap_beyond_measure_is_refused_by_flag_and_variable(parse, text: str) -> None:
    for args, variables in (
        (["--max-credits", text], {}),
        (["--max-credits", "5"], {"RUNWAY_BATCH_MAX_CREDITS": text}),
    ):
        with pytest.raises(UsageError, match=r"1,000,000,000|not an amount of credits"):
            parse("leaf", *args, **variables)


def test_the_largest_cap_is_that_of_a_manifest(parse) -> None:
    amount = load_schema("manifest.schema.json")["$defs"]["amount"]
    most = amount["anyOf"][0]["maximum"]
    _, (_, cap, _) = parse("leaf", "--max-credits", str(most))
    assert cap == str(most) == str(MOST_CREDITS)
