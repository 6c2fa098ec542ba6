"""libyaml and PyYAML's own reader: one document, whoever reads it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runner.errors import ManifestError, Problem
from runner.manifest.freetext import check_lost_text
from runner.manifest.places import Document, walk
from runner.manifest.yaml12 import PATIENCE, parse_yaml

pytestmark = pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML without libyaml")

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted([*ROOT.glob("manifests/*.yaml"), *ROOT.glob("tests/data/manifests/**/*.yaml")])

#: more than PyYAML is asked about
PADDING = "# a line of a large manifest, as there are many\n" * (PATIENCE // 40)


def read(data: bytes, *, fast: bool) -> Document | Problem:
    try:
        return parse_yaml(data, file="m.yaml", fast=fast)
    except ManifestError as error:
        (problem,) = error.problems
        return problem


def told(found: Document | Problem) -> object:
    """All that a document says of itself, in a form that can be compared."""
    if isinstance(found, Problem):
        return found
    nodes = {
        path: (node.place, node.plain, node.comment, node.anchor, keys_of(found, path, node.value))
        for path, node in walk(found.root)
    }
    lost = check_lost_text(found)
    return json.dumps(found.value), nodes, found.used_anchors, lost


def keys_of(document: Document, path: tuple[str | int, ...], value: object) -> object:
    if not isinstance(value, dict):
        return None
    return {key: document.place((*path, key), key=True) for key in value}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_file_reads_the_same(path: Path) -> None:
    data = path.read_bytes()
    assert told(read(data, fast=True)) == told(read(data, fast=False))


PIECES = st.sampled_from([
    ":", "-", " ", "  ", "\n", "\n", "\r\n", "#", " #", " # c", "'", '"', "{", "}", "[", "]", ",",
    "|", ">", "&", "*", "!", "@", "~", "${{", "}}", "\\", "<<: ", "---", "...", "? ", "- ", ": ",
    "0", "a", "b", "a: ", "b: ", "\n  ", "\n- ", "\na: ", "\nb:\n  - ", "é", "😀", "\x07", "\ufeff",
    "\x85", "\u2028", "&a ", "*a", "<<: *a", "!!str ", "\\x41", "\\ud83d\\ude00", '"\\ud83d"',
    '"\\uD83D\\udE00"', "'\\ud8AF'", "\\ue03d", "|-", "|2", ">+", '"a"', "'b'", "{a: ", ": #c\n}",
    "jobs:\n- text_to_image: ", "text: ", "vars: {a: ",
])  # fmt: skip
YAML_ISH = st.lists(PIECES, max_size=16).map("".join)


@settings(deadline=None, max_examples=600)
@given(YAML_ISH)
@example("{a: #c\n}")
@example("vars: {'a\\ud83d': \"\\ud83d\\ude00\", b: \\uD8AF\\ud8aF}")
@example("a: &a {b: 1 #c\n}\nc: {<<: *a}\nd: [*a, *a]")
@example("? a")
@example("{a:}")
def test_what_pyyaml_takes_libyaml_takes_alike(text: str) -> None:
    data = text.encode()
    slow = read(data, fast=False)
    if isinstance(slow, Document):
        assert told(read(data, fast=True)) == told(slow)


@settings(deadline=None, max_examples=300)
@given(YAML_ISH)
def test_what_libyaml_takes_of_a_long_text_is_what_it_takes_of_a_short_one(text: str) -> None:
    """Long texts are refused without asking PyYAML, and never read in another way."""
    long = read((PADDING + text).encode(), fast=True)
    if isinstance(long, Document):
        short = read(("#\n" + text).encode(), fast=True)
        assert isinstance(short, Document)
        assert json.dumps(short.value) == json.dumps(long.value)


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("a:\n\t- b", "2:1", "a tab, where only spaces may indent"),
        ("a:\n  b\n\tc: 1", "3:1", "a tab, where only spaces may indent"),
        ("a: @b", "1:4", "text cannot begin with `@`"),
        ("a: [b] c", "1:8", "text after a value that has already ended"),
        ("- [b] c", "1:7", "text after a value that has already ended"),
        ("a: ** b", "1:5", "a `*` or `&` that YAML takes for an alias or anchor"),
        ("a: b: c", "1:5", "a `:` that YAML takes for a key"),
        ('a: "\\d"', "1:5", "an unknown `\\` escape in double quotes"),
        ('a: "\\xZZ"', "1:7", "an unknown `\\` escape in double quotes"),
        ('a: "\\U00110000"', "1:7", "an escape that names no character"),
        ('a: "\\ud83d"', "1:4", "half of a character"),
        ("a: [1, 2", "1:9", "the file ends too early"),
        ("a: {b: 2", "1:9", "the file ends too early"),
        ('a: "b', "1:6", "the file ends too early"),
        ("a: [b, c}", "1:9", "a `,` or a closing bracket is missing"),
        ("a: b\nfoo\nc: d", "3:1", "a line without `:`"),
        ("a: - b", "1:4", "a `-` that cannot stand here"),
        ("a:\n  b: 1\n c: 2", "3:2", "a line that does not fit what stands above it"),
        ("- a\n c: 2", "2:3", "a `:` that YAML takes for a key"),
        ("[a]\nb", "2:1", "text after the end of the document"),
        ("a: ]", "1:4", "a value is missing here"),
        ("a: | b", "1:6", "text on the line of a `|` or `>`"),
        ("{a:}", "1:3", "a `:` without a space behind it"),
        ("%YAML 2.0\n---\na: 1", "1:1", "a YAML version other than 1"),
        ("a: !e!b c", "1:4", "text that begins with `!`, which YAML takes for a tag"),
        ("a: \x07", "1:4", "the character U+0007 cannot stand in YAML"),
        ("a: {b: ${{ c }}}", "1:9", "an unquoted `${{ }}` inside `{ }` or `[ ]`"),
        ("é😀: 1\né😀: 2", "2:1", "`é😀` is here twice: on line … and on line …"),
    ],
)
def test_mistake_in_a_long_text_is_explained_in_the_same_words(
    text: str, where: str, message: str
) -> None:
    above = PADDING.count("\n")
    problem = read((PADDING + text).encode(), fast=True)
    line, column = map(int, where.split(":"))
    assert isinstance(problem, Problem)
    assert (problem.line - above, problem.column) == (line, column)
    assert re.sub("on line [0-9]+", "on line …", problem.message) == message


EMOJI = st.text(alphabet="a😀é\\u\ud7ff\ue03d'", max_size=8)


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(EMOJI.filter(bool), EMOJI | st.lists(EMOJI, max_size=3), max_size=4))
def test_json_with_characters_in_halves_is_read_by_either(value: dict[str, object]) -> None:
    for data in (json.dumps(value), json.dumps(value, indent=1)):
        for fast in (True, False):
            document = read(data.encode(), fast=fast)
            assert isinstance(document, Document)
            assert document.value == value


def test_halves_of_characters_are_read_in_long_texts_and_move_no_place() -> None:
    text = json.dumps([{"text": "a 😀", "more": "\\ud83d"}] * (PATIENCE // 30))
    document = parse_yaml(text.encode())
    assert document.value == json.loads(text)
    last = len(document.value) - 1
    assert document.place((last, "more")).column == text.rindex('"\\\\ud83d') + 1
