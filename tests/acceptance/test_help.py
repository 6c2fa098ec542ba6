"""`--help` is quick: it imports click, the standard library, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from time import perf_counter

import pytest

from runner.cli.main import COMMANDS

from .conftest import Program

#: heavier than all of `--help`
HEAVY = (
    "aiohttp", "aiofiles", "jinja2", "jsonschema", "rich", "sqlite3", "sqlite_utils", "yaml",
    "runner.app", "runner.core", "runner.emulator", "runner.store", "asyncio",
)  # fmt: skip
#: may cost this many times as much as `import click`
MOST = 3.0
ROUNDS = 7


def imported(program: Program, *args: str) -> set[str]:
    code = (
        "import sys; from runner.cli.main import main; main(sys.argv[1:]); "
        "print('|'.join(sys.modules))"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, *args], env=program.environment, cwd=program.folder,
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    return set(process.stdout.splitlines()[-1].split("|"))


@pytest.mark.parametrize("args", [["--help"], ["--version"], []])
def test_help_imports_nothing_heavy(program: Program, args: list[str]) -> None:
    modules = imported(program, *args)
    assert "click" in modules
    assert modules.isdisjoint(HEAVY)
    assert not any(name.startswith("runner.cli.commands.") for name in modules)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_help_of_a_command_imports_nothing_heavy(program: Program, name: str) -> None:
    heavy = {"aiohttp", "jinja2", "jsonschema", "rich", "sqlite_utils", "runner.app"}
    assert imported(program, name, "--help").isdisjoint(heavy)


def test_help_costs_little_more_than_click(program: Program) -> None:
    """Side by side, the best of several rounds: other processes share the machine."""

    def cost(*command: str) -> float:
        start = perf_counter()
        subprocess.run(
            [sys.executable, *command], env=program.environment, cwd=program.folder,
            capture_output=True, check=True,
        )  # fmt: skip
        return perf_counter() - start

    clicks, helps = [], []
    for _ in range(ROUNDS):
        clicks.append(cost("-c", "import click"))
        helps.append(cost("-m", "runner", "--help"))
    assert min(helps) <= MOST * min(clicks)
