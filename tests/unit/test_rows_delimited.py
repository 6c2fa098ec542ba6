from __future__ import annotations

import csv
import io
import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.manifest.rows import delimited, textlines
from runner.manifest.rows.opening import open_table
from runner.manifest.rows.separator import writing_of
from runner.manifest.rows.table import Row, RowProblem, RowSource, Table


def table(folder: Path, content: bytes | str, *, kind: str = "csv") -> Table:
    data = content if isinstance(content, bytes) else content.encode()
    (folder / f"shots.{kind}").write_bytes(data)
    return open_table(RowSource(kind=kind, path=f"shots.{kind}"), base=folder, allow=())


def rows(folder: Path, content: bytes | str, *, kind: str = "csv") -> list[Row]:
    return list(table(folder, content, kind=kind))


def values(folder: Path, content: bytes | str, *, kind: str = "csv") -> list[dict]:
    return [dict(row.values) for row in rows(folder, content, kind=kind)]


def problem(folder: Path, content: bytes | str) -> RowProblem:
    with pytest.raises(RowProblem) as caught:
        rows(folder, content)
    return caught.value


# Rows


def test_a_row_has_the_names_of_the_header_and_its_line(tmp_path: Path) -> None:
    assert rows(tmp_path, "shot,seed\na,1\nb,2\n") == [
        Row({"shot": "a", "seed": "1"}, "shots.csv:2"),
        Row({"shot": "b", "seed": "2"}, "shots.csv:3"),
    ]


def test_columns_are_known_before_the_rows_are_read(tmp_path: Path) -> None:
    found = table(tmp_path, "shot, seed\nbroken")
    assert (found.columns, found.is_text, found.folder) == (("shot", "seed"), True, "")


def test_a_table_can_be_read_again(tmp_path: Path) -> None:
    found = table(tmp_path, "shot\na\nb\n")
    assert list(found) == list(found)


def test_two_readers_of_a_table_do_not_disturb_each_other(tmp_path: Path) -> None:
    found = table(tmp_path, "shot\na\nb\n")
    assert [(one.values["shot"], two.values["shot"]) for one in found for two in found] == [
        ("a", "a"), ("a", "b"), ("b", "a"), ("b", "b")
    ]  # fmt: skip


def test_text_of_a_cell_stays_as_it_is(tmp_path: Path) -> None:
    assert values(tmp_path, 'a,b\n007," ß ""x"" "\n') == [{"a": "007", "b": ' ß "x" '}]


def test_empty_cells_and_cells_of_spaces_are_left_out(tmp_path: Path) -> None:
    assert values(tmp_path, 'a,b,c\n1,, \n"",2,\xa0\n') == [{"a": "1"}, {"b": "2"}]


def test_lines_without_any_cell_are_skipped_and_counted(tmp_path: Path) -> None:
    found = rows(tmp_path, "\n,,\na,b\n\n1,2\n,\n   \n,,,,\n3,4\n\n")
    assert [(row.values["a"], row.place) for row in found] == [
        ("1", "shots.csv:5"), ("3", "shots.csv:9")
    ]  # fmt: skip


def test_a_quoted_line_break_belongs_to_its_cell_and_rows_begin_where_they_begin(
    tmp_path: Path,
) -> None:
    found = rows(tmp_path, '"a\nb",c\n"1\n2\n3",4\n5,6\n')
    assert [row.place for row in found] == ["shots.csv:3", "shots.csv:6"]
    assert found[0].values == {"a\nb": "1\n2\n3", "c": "4"}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way(tmp_path: Path, end: str) -> None:
    found = rows(tmp_path, end.join(["a,b", "1,2", "", "3,4"]))
    assert [row.place for row in found] == ["shots.csv:2", "shots.csv:4"]
    assert found[1].values == {"a": "3", "b": "4"}


def test_a_header_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    assert rows(tmp_path, "a,b") == []


def test_the_folder_is_the_one_that_the_path_names(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "shots.csv").write_text("a\n1\n")
    found = open_table(RowSource(kind="csv", path="./data/shots.csv"), base=tmp_path, allow=())
    assert found.folder == "data"
    assert [row.place for row in found] == ["data/shots.csv:2"]


# Separators


@pytest.mark.parametrize(
    ("header", "separator"),
    [
        ("a,b,c", ","),
        ("a;b;c", ";"),
        ("a\tb", "\t"),
        ("a|b|c", "|"),
        ("id;name, first, last\tx", "\t"),
        ('id;"name, first, last";x', ";"),
        ('"a,b,c"|d', "|"),
        ("id;name, first", ";"),
        ("prompt|en,prompt|fr,id", ","),
        ("id", ","),
        ('"a\nb,c,d";e', ";"),
        ('"a\n\n;;;b",c', ","),
        ("\n\n\na;b", ";"),
        ('5" pipe;b', ";"),
        ("", ","),
    ],
)
def test_the_separator_follows_from_the_header(header: str, separator: str) -> None:
    found = writing_of(iter(io.StringIO(header + "\n", newline="")), ",")
    assert (found.separator, found.is_declared) == (separator, False)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_other_separators_are_text_in_cells(tmp_path: Path, separator: str) -> None:
    others = ",;|".replace(separator, "")
    content = f"a{separator}b\nx{others}{separator}1{others}2\n"
    assert values(tmp_path, content) == [{"a": f"x{others}", "b": f"1{others}2"}]


def test_a_space_after_each_separator_is_no_part_of_a_cell(tmp_path: Path) -> None:
    assert values(tmp_path, 'a, b\n1, "x, y"\n') == [{"a": "1", "b": "x, y"}]
    assert values(tmp_path, "a,b, c\n1, x,2\n") == [{"a": "1", "b": " x", "c": "2"}]


def test_a_line_that_declares_the_separator_is_obeyed(tmp_path: Path) -> None:
    found = rows(tmp_path, "sep=;\r\na,b;c\r\n1;2\r\n")
    assert found == [Row({"a,b": "1", "c": "2"}, "shots.csv:3")]


def test_a_tsv_of_one_column_keeps_its_commas(tmp_path: Path) -> None:
    assert values(tmp_path, "prompt\na, b\n", kind="tsv") == [{"prompt": "a, b"}]


# Encodings


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_byte_order_mark_tells_the_encoding(tmp_path: Path, encoding: str) -> None:
    mark = "\ufeff" if encoding[-3:] in {"-le", "-be"} else ""
    content = (mark + "größe,b\nä 🎬,2\n").encode(encoding)
    assert values(tmp_path, content) == [{"größe": "ä 🎬", "b": "2"}]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_another_encoding_is_one_problem_that_names_the_line(tmp_path: Path, end: bytes) -> None:
    good = b"caf\xc3\xa9 \xef\xbf\xbd,1" + end
    error = problem(tmp_path, b"a,b" + end + good * 3000 + b"caf\xe9,1" + end + good)
    assert error.message == "`shots.csv` is not UTF-8: this line has bytes that are no text"
    assert error.place == "shots.csv:3002"
    assert "save it as UTF-8" in error.hint


def test_half_a_utf_16_file_is_a_problem(tmp_path: Path) -> None:
    error = problem(tmp_path, "a,b\n1,2\n".encode("utf-16")[:-1])
    assert "bytes that are no text" in error.message
    assert error.place == "shots.csv:2"


@pytest.mark.parametrize(
    "content", [b"a,b\n1,2\0\n", "a,b\n1,2\n".encode("utf-16-le"), "a,b\n1\n".encode("utf-32")]
)
def test_a_null_character_is_a_problem(tmp_path: Path, content: bytes) -> None:
    error = problem(tmp_path, content)
    assert error.message == "`shots.csv` has a null character"
    assert error.place.startswith("shots.csv:")


# What is refused


@pytest.mark.parametrize(
    ("content", "message", "place"),
    [
        ("a,b\n1,2\n1,2,3\n", "the row has 3 cells, the header 2", "shots.csv:3"),
        ("a,b,c\n1,2\n", "the row has 2 cells, the header 3", "shots.csv:2"),
        ("a,b\n# note\n", "the row has 1 cell, the header 2", "shots.csv:2"),
        ('a,b\n1,"\n\n"\n1\n', "the row has 1 cell, the header 2", "shots.csv:5"),
        ("a,,c\n", "column 2 has no name", "shots.csv:1"),
        (
            "a," + "b" * 1001 + "\n",
            "the name of column 2 has 1,001 characters, at most 1,000",
            "shots.csv:1",
        ),
        ("a,b,\n1,2,3\n", "column 3 has no name", "shots.csv:1"),
        ("\na,b, a \n", "columns 1 and 3 are both named `a`", "shots.csv:2"),
        ("", "`shots.csv` is empty", ""),
        ("\ufeff\n \n,,\n", "`shots.csv` is empty", ""),
        (
            'a,b\n1,2\n3,"4\n5,6\n',
            "a quote is opened in this row and never closed",
            "shots.csv:3",
        ),
        ('"a,b\n1,2\n', "a quote is opened in this row and never closed", "shots.csv:1"),
        ('a,b\n1,"2"x\n', "line 2 goes on after a closing quote", "shots.csv:2"),
        (
            'a,b\n1,"2\n3,4\n5,"6"\n',
            "the row of lines 2 to 4 goes on after a closing quote",
            "shots.csv:2",
        ),
    ],
)
def test_what_no_table_has_is_refused_with_its_line(
    tmp_path: Path, content: str, message: str, place: str
) -> None:
    error = problem(tmp_path, content)
    assert (error.message, error.place) == (message, place)
    assert error.hint


def test_the_hint_of_a_ragged_row_names_the_separator(tmp_path: Path) -> None:
    assert problem(tmp_path, "a;b\n1;2;3\n").hint == "put a cell that holds `;` in quotes"
    assert problem(tmp_path, "a\tb\n1\n").hint == "write a tab for each empty cell too"


def test_rows_before_a_broken_one_are_read(tmp_path: Path) -> None:
    reader = iter(table(tmp_path, "a,b\n1,2\n3\n"))
    assert next(reader).values == {"a": "1", "b": "2"}
    with pytest.raises(RowProblem):
        next(reader)


def test_a_large_cell_is_read(tmp_path: Path) -> None:
    text = "x" * 1_000_000
    assert values(tmp_path, f"a,b\n1,{text}\n") == [{"a": "1", "b": text}]


def test_a_cell_without_end_is_refused(tmp_path: Path) -> None:
    content = 'a,b\n1,2\n3,"4\n' + ("5," + "x" * 1000 + "\n") * 12_000
    error = problem(tmp_path, content)
    assert (
        error.message == f"a cell is longer than {delimited.MAX_CELL // 1024**2} million characters"
    )
    assert error.place == "shots.csv:3"


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textlines, "MAX_LINE", 1024**2)
    error = problem(tmp_path, b"a,b\n" + b"\x01" * (5 * 1024**2))
    assert error.message == "a line of `shots.csv` is longer than 1 million characters"
    assert error.place == "shots.csv:2"


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    found = table(tmp_path, "a,b\n1,2\n")
    (tmp_path / "shots.csv").write_text("a,c\n1,2\n")
    with pytest.raises(RowProblem, match="was changed while it was read"):
        list(found)


def test_a_file_that_is_gone_is_said(tmp_path: Path) -> None:
    found = table(tmp_path, "a,b\n1,2\n")
    (tmp_path / "shots.csv").unlink()
    with pytest.raises(RowProblem, match="cannot be read"):
        list(found)


# Size


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    found = table(tmp_path, "a,b\n" + "some text of a cell,1\n" * 100_000)
    tracemalloc.start()
    try:
        count = sum(1 for _ in found)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 100_000
    assert peak < 1_000_000


def test_no_file_stays_open(tmp_path: Path) -> None:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("open files are listed there on Linux")
    found = table(tmp_path, "a,b\n1,2\n3,4\n")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(5):
        next(iter(found))
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


# Whatever is written


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@given(
    cells=st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=6),
    separator=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_what_the_csv_module_writes_is_read_back(
    cells: list[list[str]],
    separator: str,
    end: str,
    encoding: str,
    quoting: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    if any({"\r", "\n"} & set(cell) for row in cells for cell in row):
        quoting = csv.QUOTE_ALL  # the module quotes line breaks only if they end its own lines
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=separator, lineterminator=end, quoting=quoting)
    writer.writerows([["a", "b;,|\t", "c"], *cells])
    content = buffer.getvalue().encode(encoding)
    names = ["a", "b;,|", "c"]
    wanted = [
        {name: cell for name, cell in zip(names, row, strict=True) if cell.strip()}
        for row in cells
        if "".join(row).strip()
    ]
    assert values(tmp_path_factory.getbasetemp(), content) == wanted


@given(
    content=st.lists(
        st.sampled_from(
            [b"a", b",", b";", b"\t", b'"', b"\n", b"\r", b" ", b"\0", b"\xff", b"\xfe", b"\xc3",
             b"\xa9", b"\xef\xbb\xbf", b"sep=;\n", b"1"]
        ),
        max_size=40,
    )
)  # fmt: skip
def test_broken_text_gives_rows_or_one_problem(
    content: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    try:
        found = rows(tmp_path_factory.getbasetemp(), b"".join(content))
    except RowProblem:
        return
    assert all(row.values for row in found)
