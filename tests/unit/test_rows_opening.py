from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.manifest.rows import datafile
from runner.manifest.rows.opening import open_table
from runner.manifest.rows.table import Row, RowProblem, RowSource, Table


def opened(base: Path, path: str, *, kind: str = "csv", allow: tuple[Path, ...] = ()) -> Table:
    return open_table(RowSource(kind=kind, path=path), base=base, allow=allow)


def problem(base: Path, path: str, *, kind: str = "csv") -> RowProblem:
    with pytest.raises(RowProblem) as caught:
        list(opened(base, path, kind=kind))
    return caught.value


def lines(base: Path, content: str | bytes) -> list[Row]:
    data = content if isinstance(content, bytes) else content.encode()
    (base / "shots.jsonl").write_bytes(data)
    return list(opened(base, "shots.jsonl", kind="jsonl"))


def from_stdin(content: bytes, kind: str = "csv") -> Table:
    source = RowSource(kind=kind, path="-")
    return open_table(source, base=Path(), allow=(), stdin=io.BytesIO(content))


# Where files may lie


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "shots.csv").write_text("a\n1\n")
    (tmp_path / "else.csv").write_text("a\n1\n")
    return folder


def test_a_missing_file_suggests_its_neighbour(base: Path) -> None:
    error = problem(base, "shot.csv")
    assert (error.message, error.hint) == (
        "`shot.csv` does not exist",
        "did you mean `shots.csv`?",
    )


@pytest.mark.parametrize("path", ["../else.csv", "x/../../else.csv"])
def test_a_file_outside_the_folder_is_refused_with_the_fix(base: Path, path: str) -> None:
    error = problem(base, path)
    assert error.message == f"`{path}` lies outside the manifest's folder"
    assert f"inputs: {{allow: [{base.parent.resolve()}]}}" in error.hint


def test_an_allowed_folder_may_hold_rows(base: Path) -> None:
    found = opened(base, "../else.csv", allow=(base.parent,))
    assert found.folder == ".."
    assert [row.place for row in found] == ["../else.csv:2"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_is_judged_by_where_it_leads(base: Path) -> None:
    (base / "link.csv").symlink_to(base.parent / "else.csv")
    assert "outside" in problem(base, "link.csv").message


def test_a_folder_is_no_table(base: Path) -> None:
    (base / "dir.csv").mkdir()
    assert problem(base, "dir.csv").message == "`dir.csv` is a folder"


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes there")
def test_a_pipe_is_refused_without_being_opened(base: Path) -> None:
    os.mkfifo(base / "pipe.csv")
    assert problem(base, "pipe.csv").message == "`pipe.csv` is not a regular file"


@pytest.mark.parametrize("path", ["https://example.com/a.csv", "~/a.csv", "", "a\0.csv", "-"])
def test_what_is_no_path_is_refused(base: Path, path: str) -> None:
    assert problem(base, path).message


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("a.xls", "save it as .xlsx"),
        ("a.json", "write one object on each line, in a .jsonl file"),
        ("a.doc", "rows come from .csv, .tsv, .jsonl and .xlsx files"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_the_way_out(
    base: Path, path: str, hint: str
) -> None:
    (base / path).touch()
    assert problem(base, path, kind="").hint == hint


# The standard input


def test_the_standard_input_can_be_read_again() -> None:
    found = from_stdin(b"a;b\n1;2\n3;4\n")
    assert (
        list(found)
        == list(found)
        == [
            Row({"a": "1", "b": "2"}, "stdin:2"),
            Row({"a": "3", "b": "4"}, "stdin:3"),
        ]
    )
    assert found.folder == ""


def test_a_large_standard_input_goes_to_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datafile, "_IN_MEMORY", 1000)
    found = from_stdin(b"a\n" + b"".join(b"%d\n" % number for number in range(50_000)))
    one, two = iter(found), iter(found)
    assert [row.values["a"] for row in one][-1] == "49999"
    assert next(two).values == {"a": "0"}


def test_a_standard_input_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datafile, "MAX_STDIN_BYTES", 100)
    with pytest.raises(RowProblem, match="the standard input is larger than"):
        from_stdin(b"a\n" * 100)


def test_a_closed_standard_input_is_a_problem() -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError(5, "Input/output error")

    source = RowSource(kind="csv", path="-")
    stdin: Any = Broken()
    with pytest.raises(RowProblem, match="cannot be read: Input/output error"):
        open_table(source, base=Path(), allow=(), stdin=stdin)


def test_json_lines_come_from_the_standard_input_too() -> None:
    assert list(from_stdin(b'{"a": 1}\n', "jsonl")) == [Row({"a": 1}, "stdin:1")]


# JSON lines


def test_json_lines_keep_their_types(tmp_path: Path) -> None:
    found = lines(tmp_path, '{"a": 5, "b": "5", "c": [1.5, null]}\n\n \t\n{"d": true, "a": null}')
    assert found == [
        Row({"a": 5, "b": "5", "c": [1.5, None]}, "shots.jsonl:1"),
        Row({"d": True}, "shots.jsonl:4"),
    ]


def test_json_lines_name_their_own_columns(tmp_path: Path) -> None:
    lines(tmp_path, "{}")
    found = opened(tmp_path, "shots.jsonl", kind="jsonl")
    assert (found.columns, found.is_text, found.folder) == ((), False, "")


def test_json_lines_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    assert lines(tmp_path, '\ufeff{"a": "é"}\r\n')[0].values == {"a": "é"}
    assert lines(tmp_path, '{"a": "é"}\r\n'.encode("utf-16"))[0].values == {"a": "é"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1]", "the line is a list, not an object"),
        ("5", "the line is a number, not an object"),
        ("null", "the line is null, not an object"),
        ('"a"', "the line is a text, not an object"),
        ("true", "the line is true or false, not an object"),
        ("{a: 1}", "the line is not JSON: Expecting property name"),
        ('{"a": 1}, ', "the line is not JSON: Extra data at character 9"),
        ('{"a": 1, "b": 2, "a": 3}', "the line is not JSON: the key `a` is written twice"),
        ('{"b": {"a": 1, "a": 1}}', "the line is not JSON: the key `a` is written twice"),
        ('{"a": NaN}', "the line is not JSON: `NaN` is no number of JSON"),
        ('{"a": -Infinity}', "the line is not JSON: `-Infinity` is no number of JSON"),
        ('{"a": 1e400}', "the line is not JSON: a number too large to be held"),
        ('{"a": "\\ud83d"}', "the line is not JSON: half of a character"),
        ('{"\\ud83d": 1}', "the line is not JSON: half of a character"),
        ('{"a": ' + "9" * 5000 + "}", "the line is not JSON: "),
        ('{"a": ' + "[" * 100_000, "the line is not JSON: too many brackets in each other"),
        (
            '{"a": ' + "[" * 64 + "]" * 64 + "}",
            "the line is not JSON: too many brackets in each other",
        ),
    ],
)
def test_a_line_that_is_no_object_is_refused(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(RowProblem) as caught:
        lines(tmp_path, f'{{"a": 1}}\n{line}\n')
    assert caught.value.message.startswith(message)
    assert caught.value.place == "shots.jsonl:2"
    assert caught.value.hint
    assert len(caught.value.message) < 200


def test_two_halves_of_a_character_are_one(tmp_path: Path) -> None:
    assert lines(tmp_path, '{"a": "\\ud83c\\udfac"}')[0].values == {"a": "🎬"}


def test_json_of_another_encoding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RowProblem, match="is not UTF-8"):
        lines(tmp_path, b'{"a": "caf\xe9"}')


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(
    objects=st.lists(st.dictionaries(st.text(), JSON), max_size=4),
    is_plain=st.booleans(),
)
def test_what_the_json_module_writes_is_read_back(
    objects: list[dict], is_plain: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = "\n".join(json.dumps(item, ensure_ascii=is_plain) for item in objects)
    found = lines(tmp_path_factory.getbasetemp(), content)
    assert [row.values for row in found] == [
        {key: value for key, value in item.items() if value is not None} for item in objects
    ]


@given(st.lists(st.sampled_from(['{"a":', "1", "}", "[", "]", "\n", "\\", '"', "\0", ",", "é"])))
def test_broken_lines_give_rows_or_one_problem(
    tmp_path_factory: pytest.TempPathFactory, content: list[str]
) -> None:
    try:
        found = lines(tmp_path_factory.getbasetemp(), "".join(content))
    except RowProblem:
        return
    assert all(set(row.values) <= {"a"} for row in found)


# Rows of the manifest


def test_inline_rows_have_the_types_of_the_manifest() -> None:
    source = RowSource(kind="rows", rows=[{"a": 1, "b": None}, {"c": ["x"], "a": "1"}])
    found = open_table(source, base=Path(), allow=())
    assert list(found) == list(found) == [Row({"a": 1}, ""), Row({"c": ["x"], "a": "1"}, "")]
    assert (found.columns, found.is_text, found.folder) == (("a", "b", "c"), False, "")
