"""The example manifests with random damage: jobs or problems with a place, never a traceback."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runner.core.naming import same_file
from runner.core.spec import AssetRef, JobSpec
from runner.errors import Problem, RunnerError
from runner.manifest.assets import AssetProblem
from runner.manifest.catalog_file import load_catalog
from runner.manifest.expand import expand
from runner.manifest.load import manifest_from
from runner.manifest.rows.table import RowProblem, RowSource, Table

FOLDER = Path(__file__).resolve().parents[2] / "manifests"
#: those that need no files beside them; tests/fuzz damages the others, with their tables
NAMES = ("models-side-by-side", "original-requests", "overnight", "quickstart", "seed-sweep")
EXAMPLES = {name: (FOLDER / f"{name}.yaml").read_text(encoding="utf-8") for name in NAMES}
CATALOG = load_catalog()

#: what manifests are made of, and what people and programs put into them by mistake
PIECES = [
    ":", "-", " ", "  ", "\t", "\n", "\r\n", "#", "'", '"', "{", "}", "[", "]", ",", "|", ">", "&",
    "*", "!", "%", "@", "`", "~", "$", "${{", "}}", "$${{", "\\", "/", "..", "<<:", "---", "...",
    "? ", "- ", ": ", "0", "-1", "1e400", "9" * 30, "null", "true", "no", "16:9", "é", "😀", "\0",
    "\x1b", "\ufeff", "\u202e", "\ud7ff", "&a ", "*a", "!!str ", "!!int ", "!!python/name:os ",
    "${{ vars }}", "${{ jobs }}", "${{ jobs.skyline.outputs }}", "${{ 1 // 0 }}", "${{ 9 * 9 }}",
    "id", "model", "jobs:", "takes: 3", "defaults: false", "needs: [skyline]", "x-a: 1",
    "output: ../a", "max_credits: 5", "unchecked: true", "version", "promptText", "con", "NUL",
]  # fmt: skip

Mutation = tuple[str, float, float, str]
Mutator = Callable[[str, float, float, str], str]


class NoFiles:
    def asset(self, value: str, media: str) -> AssetRef:
        raise AssetProblem(f"`{value}` does not exist")

    def rows(self, source: RowSource) -> Table:
        raise RowProblem(f"`{source.path}` does not exist")

    def measures(self, asset: AssetRef) -> dict[str, float]:
        return {}


def damaged(text: str, mutations: list[Mutation]) -> str:
    for kind, where, other, piece in mutations:
        text = KINDS[kind](text, where, other, piece)
    return text


def of_lines(change: Callable[[list[str], int, int, str], None]) -> Mutator:
    """A mutation of whole lines; positions are fractions, so that they suit every text."""

    def mutate(text: str, where: float, other: float, piece: str) -> str:
        lines = text.split("\n")
        last = len(lines) - 1
        change(lines, round(where * last), round(other * last), piece)
        return "\n".join(lines)

    return mutate


def of_characters(change: Callable[[str, int, int, str], str]) -> Mutator:
    def mutate(text: str, where: float, other: float, piece: str) -> str:
        return change(text, round(where * len(text)), round(other * 12), piece)

    return mutate


def delete_line(lines: list[str], at: int, other: int, piece: str) -> None:
    if len(lines) > 1:
        del lines[at]


def duplicate_line(lines: list[str], at: int, other: int, piece: str) -> None:
    lines.insert(at, lines[at])


def move_line(lines: list[str], at: int, other: int, piece: str) -> None:
    lines.insert(other, lines.pop(at))


def replace_line(lines: list[str], at: int, other: int, piece: str) -> None:
    indent = re.match(" *", lines[at])
    lines[at] = (indent[0] if indent else "") + piece


def indent_line(lines: list[str], at: int, other: int, piece: str) -> None:
    lines[at] = lines[at][1:] if other % 2 and lines[at].startswith(" ") else " " + lines[at]


def replace_value(lines: list[str], at: int, other: int, piece: str) -> None:
    key, colon, _ = lines[at].partition(": ")
    lines[at] = key + colon + piece


KINDS = {
    "delete line": of_lines(delete_line),
    "duplicate line": of_lines(duplicate_line),
    "move line": of_lines(move_line),
    "replace line": of_lines(replace_line),
    "indent line": of_lines(indent_line),
    "replace value": of_lines(replace_value),
    "delete characters": of_characters(lambda text, at, n, piece: text[:at] + text[at + n :]),
    "duplicate characters": of_characters(
        lambda text, at, n, piece: text[:at] + text[at : at + n] * 2 + text[at + n :]
    ),
    "insert": of_characters(lambda text, at, n, piece: text[:at] + piece + text[at:]),
    "replace characters": of_characters(
        lambda text, at, n, piece: text[:at] + piece + text[at + n :]
    ),
    "cut off": of_characters(lambda text, at, n, piece: text[:at] if n == 0 else text),
}
FRACTIONS = st.floats(0, 1, allow_nan=False)
MUTATIONS = st.lists(
    st.tuples(st.sampled_from(list(KINDS)), FRACTIONS, FRACTIONS, st.sampled_from(PIECES)),
    min_size=1,
    max_size=4,
)


def outcome(text: str) -> tuple[tuple[JobSpec, ...], list[Problem]]:
    """Jobs and problems; an error that is none of ours goes through and fails the test."""
    try:
        manifest = manifest_from(text.encode(), CATALOG, file="m.yaml")
        expansion = expand(manifest, CATALOG, NoFiles(), date="2026-10-23")
    except RunnerError as error:
        return (), list(getattr(error, "problems", ()))
    return expansion.specs, [*expansion.problems, *expansion.warnings]


@functools.cache
def undamaged(name: str) -> frozenset[str]:
    return frozenset(spec.key for spec in outcome(EXAMPLES[name])[0])


def check_problem(problem: Problem, text: str) -> None:
    lines = re.split("\r\n|\r|\n", text.removeprefix("\ufeff"))
    assert problem.file == "m.yaml"
    assert problem.message
    assert 1 <= problem.line <= len(lines), problem
    assert 0 <= problem.column <= len(lines[problem.line - 1]) + 1, problem


def check_jobs(specs: tuple[JobSpec, ...]) -> None:
    """What a manifest without problems promises to everything behind it."""
    assert specs
    assert len({spec.id.casefold() for spec in specs}) == len(specs)
    known = {spec.id for spec in specs}
    for spec in specs:
        json.dumps(dict(spec.body), allow_nan=False).encode()
        same_file(spec.output)
        assert set(spec.needs) <= known - {spec.id}
        assert re.fullmatch("[0-9a-f]{64}", spec.key)
        band = spec.estimate
        assert 0 <= band.low <= band.expected
        assert band.worst is None or band.worst >= band.expected
        assert band.worst is not None or spec.max_credits is not None


@pytest.mark.parametrize("name", EXAMPLES)
@settings(deadline=None, max_examples=150)
@given(mutations=MUTATIONS)
@example(mutations=[("cut off", 0.5, 0.0, "")])
@example(mutations=[("duplicate line", 0.0, 0.0, "")])
def test_damaged_example_gives_jobs_or_problems_with_a_place(
    name: str, mutations: list[Mutation]
) -> None:
    text = damaged(EXAMPLES[name], mutations)
    specs, problems = outcome(text)
    for problem in problems:
        check_problem(problem, text)
    if not problems:
        check_jobs(specs)


def test_broken_expression_is_told_without_a_full_stop() -> None:
    text = EXAMPLES["overnight"].replace("jobs['plate-day'].", "jobs[['plate-day'].")
    (problem,) = outcome(text)[1]
    assert problem.message.startswith("cannot read `${{ jobs[['plate-day'].outputs[0] }}`")
    assert not problem.message.endswith(".")


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_cut_off_after_any_line_gives_jobs_or_problems(name: str) -> None:
    lines = EXAMPLES[name].split("\n")
    for count in range(0, len(lines), 4):
        text = "\n".join(lines[:count])
        for problem in outcome(text)[1]:
            check_problem(problem, text)


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_without_one_of_its_lines_never_makes_a_key_of_something_else(name: str) -> None:
    """A job that is left untouched keeps its key: only what was damaged is made anew."""
    lines = EXAMPLES[name].split("\n")
    last = max(n for n, line in enumerate(lines) if line.startswith("  - id:"))
    for at in range(last, len(lines), 3):
        specs, problems = outcome("\n".join(lines[:at] + lines[at + 1 :]))
        if specs and not problems:
            changed = [spec for spec in specs if spec.key not in undamaged(name)]
            assert {spec.template for spec in changed} <= {specs[-1].template}


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("\n  - id:", "\n\n\n  - id:"),
        lambda text: "---\n" + text,
        lambda text: text + "\n...\n",
        lambda text: text + "\nx-note: {anything: [1, ~]}\n",
        lambda text: re.sub(r"(?m)^( *)(- id: \S+)$", r"\1\2  # a comment", text),
    ],
    ids=["crlf", "bom", "no last line end", "blank lines", "dashes", "dots", "x-note", "comments"],
)
def test_changes_that_mean_nothing_change_no_key(name: str, change: Callable[[str], str]) -> None:
    specs, _ = outcome(change(EXAMPLES[name]))
    assert {spec.key for spec in specs} == undamaged(name)


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_jobs_in_any_order_are_the_same_jobs(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(list(EXAMPLES)))
    head, _, tail = EXAMPLES[name].partition("\njobs:\n")
    blocks = re.split(r"(?m)^(?=  - id:)", tail)
    shuffled = data.draw(st.permutations(blocks[1:]))
    text = f"{head}\njobs:\n" + "\n".join(shuffled)
    assert {spec.key for spec in outcome(text)[0]} == undamaged(name)
