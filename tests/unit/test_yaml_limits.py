"""Texts that are made to break a reader of YAML: one problem each, little time, little memory."""

from __future__ import annotations

import tracemalloc

import pytest

from runner.errors import ManifestError, Problem
from runner.manifest.anchors import MAX_DEPTH
from runner.manifest.yaml12 import parse_yaml

MIB = 1024 * 1024
LONG = 10_000_000


def problem_of(data: bytes) -> Problem:
    with pytest.raises(ManifestError) as caught:
        parse_yaml(data, file="m.yaml")
    (problem,) = caught.value.problems
    assert len(problem.message) < 200
    return problem


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? ", "- ? ", "!!seq [", "&a ["])
def test_depth_is_bounded(opening: str) -> None:
    problem = problem_of(opening.encode() * 100_000)
    assert problem.message in (f"nested deeper than {MAX_DEPTH} levels", "a key must be text")


def test_as_deep_as_allowed_is_allowed() -> None:
    parse_yaml(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    parse_yaml(b"a: &a " + b"[" * 60 + b"]" * 60 + b"\nb: [[*a]]\nc: {<<: {d: [*a]}}")


@pytest.mark.parametrize("end", ["[[[[*a]]]]", "{x: {<<: {y: [[*a]]}}}"])
def test_aliases_nest_no_deeper_than_brackets(end: str) -> None:
    problem = problem_of(b"a: &a " + b"[" * 60 + b"]" * 60 + f"\nb: {end}".encode())
    assert problem.message == f"nested deeper than {MAX_DEPTH} levels"
    assert problem.line == 2


def test_chain_of_aliases_nests_no_deeper_than_brackets() -> None:
    lines = ["a0: &a0 []", *(f"a{n}: &a{n} [[[*a{n - 1}]]]" for n in range(1, 500))]
    problem = problem_of("\n".join(lines).encode())
    assert problem.message == f"nested deeper than {MAX_DEPTH} levels"
    assert problem.where == "m.yaml:22:14"


BOMB = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
)
MERGE_BOMB = "\n".join(
    ["a: &a {" + ", ".join(f"k{n}: {n}" for n in range(1000)) + "}"]
    + [f"b{n}: {{<<: [*a, *a], x: 1}}" for n in range(10_000)]
)


@pytest.mark.parametrize(("text", "line"), [(BOMB, 5), (MERGE_BOMB, 51)])
def test_aliases_cannot_multiply(text: str, line: int) -> None:
    tracemalloc.start()
    problem = problem_of(text.encode())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert problem.message == "aliases add more than 100,000 values"
    assert problem.line == line
    assert peak < 20 * MIB


SCALARS = {
    "plain": b"a: " + b"x y " * (LONG // 4),
    "quoted": b"a: '" + b"x y " * (LONG // 4) + b"'",
    "escapes": b'a: "' + b"\\n" * (LONG // 2) + b'"',
    "block": b"a: |\n" + b"  xx yy\n" * (LONG // 8),
    "lines": b"a: x\n" + b"  xx yy\n" * (LONG // 8),
    "key": b"? " + b"x" * LONG + b"\n: 1\n",
    "emoji": b"a: " + "😀".encode() * (LONG // 4),
    "hashes": b"a: " + b" #" * (LONG // 2),
    "blank": b"\n" * LONG,
}  # fmt: skip


@pytest.mark.parametrize("name", SCALARS)
def test_huge_scalar_is_read_in_bounded_memory(name: str) -> None:
    tracemalloc.start()
    parse_yaml(SCALARS[name])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 * MIB


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a: " + b"9" * LONG, "a number with too many digits"),
        (b"a: '" + b"x" * LONG, "the file ends too early"),
        (b"x" * LONG + b": 1", "a `:` that YAML takes for a key"),
        (b"a: !" + b"x" * LONG + b" b", "the tag `!xxx"),
        (b"a: *" + b"x" * LONG, "`*xxx"),
        (b"a: !!int " + b"x" * LONG, "`xxx"),
        ((b"? " + b"x" * LONG + b"\n: 1\n") * 2, "`xxx"),
        (b"a: '" + b"x" * LONG + b"\0'", "the character U+0000 cannot stand in YAML"),
        (b"\0" * LONG, "the character U+0000 cannot stand in YAML"),
        (b"\t" * LONG, "a tab, where only spaces may indent"),
        (b"---\n" * (LONG // 4), "a second document"),
        (b"[" + b"," * LONG, "a value is missing here"),
    ],
)
def test_huge_mistake_is_told_shortly(data: bytes, message: str) -> None:
    assert problem_of(data).message.startswith(message)


def test_long_line_is_looked_at_once_however_many_values_are_on_it() -> None:
    """Decoded anew for each value, it would be forty gigabytes."""
    items = ", ".join(f"k{n}: " for n in range(20_000))
    document = parse_yaml(f"{{{items}}} # '{'x' * 1_000_000}".encode())
    assert document.place(("k1",)).column == 11
