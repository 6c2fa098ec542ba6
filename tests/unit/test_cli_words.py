"""Every command that a hint, a message or a page names is one that exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.cli.main import COMMANDS
from runner.core.outcome import EXIT_ORDER
from runner.settings import VARIABLES

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "reference"
#: a command line, not prose: after a quote, a mark or the start of a line of code
NAMED = re.compile(r"(?:^[ #$>]*|[`:;/\"'(] ?)runway-batch +([a-z][a-z-]*)", re.MULTILINE)
#: the code of a page: blocks, and words between back-ticks
CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def texts() -> Iterator[Path]:
    for folder, ending in (("runner", "*.py"), ("docs", "*.md"), ("manifests", "*.yaml")):
        yield from (ROOT / folder).rglob(ending)
    yield from (ROOT / name for name in ("README.md", "Makefile"))


def named(path: Path, text: str) -> set[str]:
    if path.suffix == ".md":
        text = "\n".join(CODE.findall(text))
    elif path.suffix == ".py":
        text = re.sub(r"^ *", ". ", text, flags=re.MULTILINE)  # a line of prose is no command
    elif path.name == "Makefile":
        text = re.sub(r'"[^"]*"', "", text)  # what it says, not what it does
    return {match[1] for match in NAMED.finditer(text)}


def test_the_net_catches_what_it_should() -> None:
    page, code = Path("a.md"), Path("a.py")
    assert named(code, 'hint="start with: runway-batch run FILE"') == {"run"}
    assert named(code, 'f"runway-batch status shows; runway-batch reslove"') == {
        "status",
        "reslove",
    }
    assert named(code, "runway-batch goes on") == set()
    assert named(page, "what runway-batch does: `runway-batch statsu`") == {"statsu"}
    assert named(page, "```console\n$ runway-batch runn x\n```") == {"runn"}
    assert named(page, "`runway-batch --help`") == set()
    assert named(Path("a.yaml"), "#   runway-batch paln x") == {"paln"}


def test_every_named_command_exists() -> None:
    wrong = {
        f"{path.relative_to(ROOT)}: {word}"
        for path in texts()
        for word in named(path, path.read_text(encoding="utf-8"))
        if word not in COMMANDS
    }
    assert wrong == set()


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_a_page_that_shows_how_it_is_called(name: str) -> None:
    page = (PAGES / "cli" / f"{name}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# `runway-batch {name}`")
    assert f"runway-batch {name}" in page.partition("\n")[2]


def test_there_is_no_page_without_a_command() -> None:
    assert {path.stem for path in (PAGES / "cli").glob("*.md")} == set(COMMANDS)


def test_the_page_of_exit_codes_has_them_all_in_order() -> None:
    page = (PAGES / "exit-codes.md").read_text(encoding="utf-8")
    rows = [int(code) for code in re.findall(r"^\| (\d+) \|", page, flags=re.MULTILINE)]
    assert sorted(rows) == sorted({0, *EXIT_ORDER})
    assert ", ".join(map(str, EXIT_ORDER)) in page


def test_every_variable_is_on_a_page() -> None:
    pages = "".join(path.read_text(encoding="utf-8") for path in PAGES.rglob("*.md"))
    for name in VARIABLES:
        assert f"RUNWAY_BATCH_{name}" in pages
