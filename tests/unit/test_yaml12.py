"""YAML as manifests know it: 1.2 core rules, with places, and nothing dangerous."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.errors import ManifestError, Problem
from runner.manifest.freetext import check_lost_text
from runner.manifest.places import Place, format_path, walk
from runner.manifest.yaml12 import parse_yaml


def value_of(text: str) -> object:
    return parse_yaml(text.encode()).value


def problem_of(data: str | bytes) -> Problem:
    with pytest.raises(ManifestError) as caught:
        parse_yaml(data.encode() if isinstance(data, str) else data, file="m.yaml")
    (problem,) = caught.value.problems
    assert problem.file == "m.yaml"
    return problem


TEXT = ["16:9", "1:30:00", "no", "on", "off", "yes", "y", "0123", "0x1f", "0o17", "1_000",
        "2026-10-23", "2026-10-23T10:00:00Z", ".inf", ".nan", "1.2.3", "gen4.5", "=", "+",
        "nULL", "tRUE", "1e", "e3", "00.5"]  # fmt: skip


@pytest.mark.parametrize("word", TEXT)
def test_word_stays_text(word: str) -> None:
    assert value_of(f"a: {word}") == {"a": word}


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("", None), ("~", None), ("null", None), ("Null", None), ("NULL", None),
        ("true", True), ("True", True), ("TRUE", True), ("false", False), ("False", False),
        ("0", 0), ("7", 7), ("-3", -3), ("+5", 5), ("4294967295", 4294967295),
        ("1.5", 1.5), (".5", 0.5), ("5.", 5.0), ("1e3", 1000.0), ("-2.5E-1", -0.25),
        ("'no'", "no"), ('"1"', "1"), ("!!str 12", "12"), ("! 12", "12"), ("!!int 12", 12),
        ("!!float 1", 1), ("!!bool true", True), ('"\\ud83d\\ude00"', "😀"), ('"a\\/b"', "a/b"),
    ],
)  # fmt: skip
def test_word_means(word: str, value: object) -> None:
    (found,) = parse_yaml(f"a: {word}".encode()).value.values()
    assert found == value
    assert type(found) is type(value)


def test_keys_are_text_whatever_they_look_like() -> None:
    assert value_of("no: 1\n5: 2\n~: 3\ntrue: 4\n1:1: 5") == {
        "no": 1, "5": 2, "~": 3, "true": 4, "1:1": 5,
    }  # fmt: skip


def test_byte_order_mark_and_line_ends_of_windows_are_welcome() -> None:
    assert parse_yaml(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n").value == {"a": 1, "b": 2}


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_line_ends_change_neither_text_nor_places(line_end: str) -> None:
    text = "a: |\n  x\n  y\nb: c #d\n".replace("\n", line_end)
    document = parse_yaml(text.encode())
    assert document.value == {"a": "x\ny\n", "b": "c"}
    assert document.place(("b",)) == Place(4, 4)
    assert document.node(("b",)).comment == "#d"


def test_line_ends_of_yaml_1_1_and_marks_inside_are_text() -> None:
    text = "a\u2028b: c\x85d\n\ufeffe: 'f\u2029g' # \x85\n"
    document = parse_yaml(text.encode())
    assert document.value == {"a\u2028b": "c\x85d", "\ufeffe": "f\u2029g"}
    assert document.place(("\ufeffe",)) == Place(2, 5)


def test_private_characters_are_text_like_any_other() -> None:
    assert value_of("a: \U000f0085 \ue03d") == {"a": "\U000f0085 \ue03d"}


def test_tabs_may_stand_behind_values_and_between_brackets() -> None:
    assert value_of("a: b\t\nc:\td\te\nf: {\n\tg: 1}") == {"a": "b", "c": "d\te", "f": {"g": 1}}


def test_anchors_aliases_and_merges_work() -> None:
    text = "a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}\nc:\n  <<: [{q: 9}, *x, {z: 1}]\n  r: 5"
    assert value_of(text) == {
        "a": {"p": 1, "q": 2},
        "b": {"p": 1, "q": 3},
        "c": {"p": 1, "q": 9, "r": 5, "z": 1},
    }


def test_quoted_merge_key_is_an_ordinary_key() -> None:
    assert value_of("'<<': {a: 1}") == {"<<": {"a": 1}}


def test_every_value_knows_its_place() -> None:
    document = parse_yaml(b"jobs:\n  - id: a\n    body: {ratio: 16:9}\n", file="m.yaml")
    assert document.place(("jobs", 0, "body", "ratio")) == Place(3, 19)
    assert document.place(("jobs", 0, "body", "ratio"), key=True) == Place(3, 12)
    assert document.place(("jobs", 0, "body", "gone", 3)) == Place(3, 11)
    assert document.place(("jobs", 7)) == Place(2, 3)
    assert document.depth(("jobs", 0, "nothing")) == 2
    problem = document.problem(("jobs", 0, "id"), "bad")
    assert problem.where == "m.yaml:2:9"
    assert problem.path == "jobs[0].id"


def test_merged_values_keep_the_place_they_were_written_at() -> None:
    document = parse_yaml(b"x: &x\n  p: 1\ny:\n  <<: *x\n  q: 2\n")
    assert document.place(("y", "p")) == Place(2, 6)
    assert document.place(("y", "p"), key=True) == Place(2, 3)


def test_aliases_stand_where_their_anchor_stands() -> None:
    document = parse_yaml(b"a: &x [p, q]\nb: *x\nc: &y z\nd: [1, *y, *x]\n*y : 5\n")
    assert document.place(("b",)) == Place(1, 4)
    assert document.place(("d", 1)) == Place(3, 4)
    assert document.place(("d", 2, 1)) == Place(1, 11)
    assert document.place(("z",), key=True) == Place(5, 1)
    assert document.used_anchors == {"x", "y"}


def test_places_in_long_lists_and_mappings_are_found() -> None:
    lines = [f"  - {{id: j{n}, k{n}: [a, *x]}}" for n in range(200)]
    lines += [f"k{n}: &k{n} v" for n in range(200)]
    document = parse_yaml("\n".join(["x: &x {y: 1}", "jobs:", *lines]).encode())
    assert document.place(("jobs", 150, "k150", 0)) == Place(153, 23)
    assert document.place(("jobs", 199, "k199", 1, "y")) == Place(1, 11)
    assert document.place(("k120",)) == Place(323, 7)
    assert document.place(("k120",), key=True) == Place(323, 1)
    assert document.node(("k120",)).anchor == "k120"
    assert document.place(("jobs", 200)) == Place(3, 3)
    assert document.place(("jobs", -1)) == Place(3, 3)


@pytest.mark.parametrize(
    ("text", "path", "place"),
    [
        ("? a", ("a",), Place(1, 4)),
        ("a: {b: , c}", ("a", "b"), Place(1, 7)),
        ("a: {\n  b:  # c\n}", ("a", "b"), Place(2, 5)),
        ("a: {b}", ("a", "b"), Place(1, 6)),
        ("a:\nb: 1", ("a",), Place(1, 3)),
        ("- ", (0,), Place(1, 2)),
    ],
)
def test_values_that_are_not_there_have_a_place(
    text: str, path: tuple[str | int, ...], place: Place
) -> None:
    document = parse_yaml(text.encode())
    assert document.node(path).value is None
    assert document.place(path) == place


@pytest.mark.parametrize(
    ("text", "where", "message", "hint"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2", "4:3", "`c` is here twice: on line 3 and on line 4", "one of"),
        ("<<: {}\n<<: {}", "2:1", "`<<` is here twice: on line 1 and on line 2", "one of"),
        ("a:\n\t- b", "2:1", "a tab, where only spaces may indent", "indent with spaces"),
        ("a: @b", "1:4", "text cannot begin with `@`", "quote it"),
        ("a: `b`", "1:4", "text cannot begin with a back-tick", "quote it"),
        ("a: %b", "1:4", "text cannot begin with `%`", "quote it"),
        ("a: [b] c", "1:8", "text after a value that has already ended", "quote the whole value"),
        ("a: 'b' c", "1:8", "text after a value that has already ended", "quote the whole value"),
        ("a: *bold c", "1:4", "`*bold` refers to no `&bold` above it", "quote it"),
        ("a: &x [*x]", "1:8", "`*x` refers to no `&x` above it", "quote it"),
        ("a: ** b", "1:5", "a `*` or `&` that YAML takes for an alias or anchor", "quote it"),
        ("a: !b c", "1:4", "the tag `!b` is not used in manifests", "quote it"),
        ("a: !!binary aGk=", "1:4", "the tag `!!binary` is not used in manifests", "quote it"),
        ("a: !!int x", "1:4", "`x` is no `!!int`", "quote it"),
        ("a: !!int true", "1:4", "`true` is no `!!int`", "quote it"),
        ("a: !!set {b}", "1:4", "the tag `!!set` is not used in manifests", "quote it"),
        ("a: b: c", "1:5", "a `:` that YAML takes for a key", "quote it"),
        ('a: "\\d"', "1:6", "an unknown `\\` escape in double quotes", "single quotes"),
        ('a: "\\U00110000"', "1:5", "an escape that names no character", "U0010FFFF"),
        ('a: "\\ud83d"', "1:4", "half of a character", "quote it"),
        ("a: [1, 2", "1:9", "the file ends too early", "close every bracket"),
        ('a: "b', "1:6", "the file ends too early", "close every bracket"),
        ("a: [b, c}", "1:9", "a `,` or a closing bracket is missing", "quote it"),
        ("a: b\nfoo\nc: d", "3:1", "a line without `:`", "key: value"),
        ("a: - b", "1:4", "a `-` that cannot stand here", "lines of their own"),
        ("a:\n  b: 1\n c: 2", "3:2", "a line that does not fit what stands above it", "indent"),
        ("a: |#3", "1:5", "text on the line of a `|` or `>`", "lines below"),
        ("a: &x >-#3\n  b", "1:9", "text on the line of a `|` or `>`", "lines below"),
        ("a: | b", "1:6", "text on the line of a `|` or `>`", "lines below"),
        ("a: [1, , 2]", "1:8", "a value is missing here", "quote it"),
        ("a: 1\n---\nb: 2", "2:1", "a second document", "remove `---`"),
        ("%YAML 2.0\n---\na: 1", "1:1", "a YAML version other than 1", "%YAML"),
        ("? [a]\n: b", "1:3", "a key must be text", "quote it"),
        ("a: \x07", "1:4", "the character U+0007 cannot stand in YAML", "escape"),
        ("a: 1e999", "1:4", "a number too large to be held", "quote it"),
        ("a: " + "9" * 41, "1:4", "a number with too many digits", "quote it"),
        ("a: {<<: 5}", "1:9", "`<<` takes a mapping or a list of mappings", ""),
        ("a: {b: ${{ c }}}", "1:9", "an unquoted `${{ }}` inside `{ }` or `[ ]`", "use `|`"),
        ("a: [${{ c }}]", "1:6", "an unquoted `${{ }}` inside `{ }` or `[ ]`", "use `|`"),
        ("a: ${{ b }}: c", "1:12", "a `:` that YAML takes for a key", "quote it"),
    ],
)  # fmt: skip
def test_broken_text_is_explained(text: str, where: str, message: str, hint: str) -> None:
    problem = problem_of(text)
    assert problem.where == f"m.yaml:{where}"
    assert problem.message == message
    assert hint in problem.hint


def test_text_that_is_not_utf8_names_the_line() -> None:
    assert problem_of(b"a: 1\nb: caf\xe9\n").where == "m.yaml:2"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_utf16_is_named(encoding: str) -> None:
    mark = "" if encoding in ("utf-16", "utf-32") else "\ufeff"
    problem = problem_of((mark + "a: 1").encode(encoding))
    assert problem.message == "UTF-16 text, not UTF-8"
    assert problem.hint == "save the file as UTF-8"


def test_utf16_without_a_mark_is_known_by_its_zeros() -> None:
    problem = problem_of("a: 1".encode("utf-16-le"))
    assert problem.where == "m.yaml:1:2"
    assert problem.message == "the character U+0000 cannot stand in YAML"
    assert problem.hint == "save the file as UTF-8 text"


def test_comment_that_cuts_a_sentence_is_found() -> None:
    text = (
        "vars: {a: b}\nx: 1 #3\njobs:\n - id: a #4\n   text_to_image:\n"
        "     promptText: shot #3\n     ratio: 16:9 # fine\n     seed: #3\n"
        "     style: &then he\n     prompt: |\n       shot #3\n     text: a  # camera\n"
        "     negativePrompt: 'shot #3'\n"
    )
    found = check_lost_text(parse_yaml(text.encode()))
    assert [(problem.line, problem.message) for problem in found] == [
        (6, "`#3` is cut off: YAML reads it as a comment"),
        (8, "`#3` is cut off: YAML reads it as a comment"),
        (9, "`&then` is cut off: YAML reads it as an anchor"),
        (12, "`# camera` is cut off: YAML reads it as a comment"),
    ]
    assert {problem.hint for problem in found} == {"quote it or use `|`"}


def test_comment_is_found_wherever_a_plain_value_ends() -> None:
    text = (
        "jobs:\n - id: a\n   image_to_video: {promptText: a city #1\n     , style: #2\n     , "
        "'text #': é😀 #3\n     }\n   text_to_image:\n     promptText: two\n       lines #4\n"
        "     text: 'a #'  # of no plain value\n     prompt: | # of a block\n       shot #5\n"
    )
    document = parse_yaml(text.encode())
    video = ("jobs", 0, "image_to_video")
    assert [document.node((*video, key)).comment for key in ("promptText", "style", "text #")] == [
        "#1", "#2", "#3",
    ]  # fmt: skip
    assert document.place((*video, "style")) == Place(4, 14)
    assert [(found.line, found.message[:4]) for found in check_lost_text(document)] == [
        (3, "`#1`"), (4, "`#2`"), (5, "`#3`"), (8, "`#4`"),
    ]  # fmt: skip


def test_comment_behind_an_alias_is_told_where_the_text_was_written() -> None:
    text = (
        "x-look: &look\n  promptText: noir #3\njobs:\n - id: a\n   text_to_image: *look\n"
        " - id: b\n   text_to_image:\n     <<: *look\n"
    )
    found = check_lost_text(parse_yaml(text.encode()))
    assert [(problem.line, problem.path) for problem in found] == [
        (2, "jobs[0].text_to_image.promptText"), (2, "jobs[1].text_to_image.promptText"),
    ]  # fmt: skip


def test_comments_on_lines_of_their_own_and_used_anchors_cut_nothing() -> None:
    text = (
        "vars: {a: &a film}\ndefaults:\n  text_to_image:\n    # a note\n    promptText: *a\n"
        "    # another\n    negativePrompt: none\n"
    )
    assert check_lost_text(parse_yaml(text.encode())) == []


def test_paths_are_written_as_people_write_them() -> None:
    assert format_path(("jobs", 3, "image_to_video", "ratio")) == "jobs[3].image_to_video.ratio"
    assert format_path(()) == ""


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_a_document_or_a_manifest_error(data: bytes) -> None:
    with suppress(ManifestError):
        parse_yaml(data)


YAML_ISH = st.text(alphabet="ab:-#&*!|>'\"%@`{}[],? \n\t$~<1.\\uU0xé\ud800\x85\u2028", max_size=60)


@settings(deadline=None)
@given(YAML_ISH)
def test_text_that_looks_like_yaml_never_crashes(text: str) -> None:
    with suppress(ManifestError):
        document = parse_yaml(text.encode("utf-8", "surrogatepass"))
        json.dumps(document.value, allow_nan=False, ensure_ascii=False).encode()


SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(min_size=1, max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(JSON)
def test_json_is_yaml(value: object) -> None:
    assert parse_yaml(json.dumps(value).encode()).value == value


@settings(deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=8), JSON, min_size=1, max_size=4))
def test_what_another_program_writes_is_read_back(value: dict[str, object]) -> None:
    text = yaml.safe_dump(value, allow_unicode=True, default_style='"')
    text = text.replace('!!null "null"', "null")
    document = parse_yaml(text.encode())
    assert list(document.value) == sorted(value)
    for path, node in walk(document.root):
        assert node.place.line >= 1
        assert document.node(path) == node


def test_schema_comments_for_editors_do_no_harm() -> None:
    text = "# yaml-language-server: $schema=../schemas/manifest.schema.json\nversion: 1\n"
    assert value_of(text) == {"version": 1}
