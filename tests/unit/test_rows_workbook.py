from __future__ import annotations

import importlib.util
import io
import random
import re
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.manifest.rows import workbook
from runner.manifest.rows.opening import open_table
from runner.manifest.rows.sheetcells import column_letters
from runner.manifest.rows.table import Row, RowProblem, RowSource, Table

SHEET = "xl/worksheets/sheet1.xml"
STRINGS = "xl/sharedStrings.xml"
NAMES = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def saved(sheets: dict[str, list[list[Any]]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, lines in sheets.items():
        sheet = book.create_sheet(title)
        for line in lines:
            sheet.append(line)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def edited(data: bytes, part: str, edit: Callable[[bytes], bytes]) -> bytes:
    """The same archive with one part written anew, or added."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in dict.fromkeys([*old.namelist(), part]):
            content = old.read(name) if name in old.namelist() else b""
            new.writestr(name, edit(content) if name == part else content)
    return buffer.getvalue()


def with_row(cells: str) -> bytes:
    """A workbook with the columns a and b, and a second row as XML."""
    row = f'<row r="2">{cells}</row></sheetData>'.encode()
    return edited(saved({"S": [["a", "b"]]}), SHEET, lambda x: x.replace(b"</sheetData>", row))


def with_text(item: str, *, head: str = "") -> bytes:
    """A workbook with the column a, and one cell whose text stands in the part for texts."""
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    override = f'<Override PartName="/{STRINGS}" ContentType="{kind}"/></Types>'.encode()
    texts = f'{head}<sst xmlns="{NAMES}"><si><t>a</t></si><si><t>{item}</t></si></sst>'.encode()
    data = with_row('<c r="A2" t="s"><v>1</v></c>')
    data = edited(data, "[Content_Types].xml", lambda x: x.replace(b"</Types>", override))
    return edited(data, STRINGS, lambda _: texts)


def table(folder: Path, data: bytes, *, sheet: str | None = None) -> Table:
    (folder / "shots.xlsx").write_bytes(data)
    source = RowSource(kind="xlsx", path="shots.xlsx", sheet=sheet)
    return open_table(source, base=folder, allow=())


def rows(folder: Path, lines: list[list[Any]]) -> list[Row]:
    return list(table(folder, saved({"Sheet1": lines})))


def problem(folder: Path, data: bytes, *, sheet: str | None = None) -> RowProblem:
    with pytest.raises(RowProblem) as caught:
        list(table(folder, data, sheet=sheet))
    return caught.value


# Rows


def test_cells_keep_the_types_of_the_sheet(tmp_path: Path) -> None:
    found = table(tmp_path, saved({"Sheet1": [["a", "b"], [5, "5"], [2.0, 0.5], [True, " x "]]}))
    assert list(found) == [
        Row({"a": 5, "b": "5"}, "shots.xlsx:Sheet1!2"),
        Row({"a": 2, "b": 0.5}, "shots.xlsx:Sheet1!3"),
        Row({"a": True, "b": " x "}, "shots.xlsx:Sheet1!4"),
    ]
    assert isinstance(next(iter(list(found)[1:])).values["a"], int)
    assert (found.columns, found.is_text, found.folder) == (("a", "b"), False, "")


def test_dates_and_times_are_iso_text(tmp_path: Path) -> None:
    moment = datetime.fromisoformat("2026-10-23T07:30:00")
    cells = [date(2026, 10, 23), moment, time(16, 9), timedelta(hours=1292)]
    (row,) = rows(tmp_path, [["a", "b", "c", "d"], cells])
    assert list(row.values.values()) == [
        "2026-10-23", "2026-10-23T07:30:00", "16:09:00", "1292:00:00"
    ]  # fmt: skip


def test_empty_cells_are_left_out_and_empty_rows_skipped(tmp_path: Path) -> None:
    lines = [[], ["a", "b"], [], [1, None], [None, " "], [None, 2]]
    assert [(row.values, row.place) for row in rows(tmp_path, lines)] == [
        ({"a": 1}, "shots.xlsx:Sheet1!4"),
        ({"b": 2}, "shots.xlsx:Sheet1!6"),
    ]


def test_names_are_trimmed_and_numbers_name_columns_too(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, [[" a ", 2026, None, None], [1, 2]])
    assert row.values == {"a": 1, "2026": 2}


def test_what_a_file_says_of_its_size_is_not_believed(tmp_path: Path) -> None:
    data = edited(
        saved({"S": [["a", "b"], [1, 2]]}), SHEET, lambda x: x.replace(b'ref="A1:B2"', b'ref="A1"')
    )
    assert [row.values for row in table(tmp_path, data)] == [{"a": 1, "b": 2}]


def test_a_table_can_be_read_again_and_from_the_standard_input() -> None:
    source = RowSource(kind="xlsx", path="-")
    stdin = io.BytesIO(saved({"S": [["a"], [1], [2]]}))
    found = open_table(source, base=Path(), allow=(), stdin=stdin)
    assert list(found) == list(found) == [Row({"a": 1}, "stdin:S!2"), Row({"a": 2}, "stdin:S!3")]


def test_a_result_that_is_an_empty_text_is_an_empty_cell(tmp_path: Path) -> None:
    data = with_row('<c r="A2"><v>1</v></c><c r="B2" t="str"><f>IF(1,"","")</f><v></v></c>')
    assert [row.values for row in table(tmp_path, data)] == [{"a": 1}]


def test_the_result_of_a_formula_is_the_value(tmp_path: Path) -> None:
    data = with_row('<c r="A2"><f>1+1</f><v>2</v></c><c r="B2" t="str"><f>"x"</f><v>x</v></c>')
    assert [row.values for row in table(tmp_path, data)] == [{"a": 2, "b": "x"}]


def test_texts_that_a_workbook_keeps_apart_are_found(tmp_path: Path) -> None:
    assert [row.values for row in table(tmp_path, with_text("größe"))] == [{"a": "größe"}]


# Sheets


TWO = {"Shots": [["a"], [1]], "Notes": [["b"], [2]]}


def test_a_sheet_is_chosen_by_its_name(tmp_path: Path) -> None:
    found = table(tmp_path, saved(TWO), sheet="Notes")
    assert list(found) == [Row({"b": 2}, "shots.xlsx:Notes!2")]


def test_a_misspelt_sheet_gets_a_suggestion(tmp_path: Path) -> None:
    error = problem(tmp_path, saved(TWO), sheet="shot")
    assert error.message == "`shots.xlsx` has no sheet `shot`"
    assert error.hint == "did you mean `Shots`?"
    assert problem(tmp_path, saved(TWO), sheet="xyz").hint == "it has `Shots` and `Notes`"


@pytest.mark.parametrize("sheet", [None, "Shots"])
def test_a_workbook_without_a_sheet_is_refused(tmp_path: Path, sheet: str | None) -> None:
    data = saved({"S": [["a"]]})
    data = edited(data, "xl/workbook.xml", lambda x: re.sub(b"<sheet .*?/>", b"", x))
    assert "no sheet" in problem(tmp_path, data, sheet=sheet).message


def test_several_sheets_ask_for_a_choice(tmp_path: Path) -> None:
    error = problem(tmp_path, saved(TWO))
    assert error.message == "`shots.xlsx` has 2 sheets: `Shots` and `Notes`"
    assert error.hint == "choose one with `sheet: NAME`"


def test_a_hidden_sheet_is_no_choice_unless_it_is_named(tmp_path: Path) -> None:
    book = openpyxl.load_workbook(io.BytesIO(saved(TWO)))
    book["Notes"].sheet_state = "hidden"
    book.save(tmp_path / "book.xlsx")
    data = (tmp_path / "book.xlsx").read_bytes()
    assert table(tmp_path, data).columns == ("a",)
    assert table(tmp_path, data, sheet="Notes").columns == ("b",)


# What is refused


@pytest.mark.parametrize(
    ("lines", "message", "place"),
    [
        ([], "the sheet `S` of `shots.xlsx` is empty", ""),
        ([["a", None, "c"]], "column 2 has no name", "shots.xlsx:S!1"),
        ([["a", "b", "a"]], "columns 1 and 3 are both named `a`", "shots.xlsx:S!1"),
        (
            [["a"], [], [1, None, 3]],
            "column C has a cell here and no name in the header",
            "shots.xlsx:S!C3",
        ),
        ([["a", "b"], [1, "=A2+1"]], "the cell has a formula without a result", "shots.xlsx:S!B2"),
        ([["a"], ["#N/A"]], "the cell holds an error: `#N/A`", "shots.xlsx:S!A2"),
    ],
)
def test_what_no_table_has_is_refused_with_its_cell(
    tmp_path: Path, lines: list[list[Any]], message: str, place: str
) -> None:
    error = problem(tmp_path, saved({"S": lines}))
    assert (error.message, error.place) == (message, place)
    assert error.hint


def test_a_number_that_none_is_is_refused(tmp_path: Path) -> None:
    error = problem(tmp_path, with_row('<c r="A2"><v>1E999</v></c>'))
    assert (error.message, error.place) == (
        "the cell holds a number too large to be held", "shots.xlsx:S!A2"
    )  # fmt: skip


def test_without_openpyxl_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook, "find_spec", lambda _name: None)
    error = problem(tmp_path, saved(TWO))
    assert error.hint.startswith("pip install 'runway-batch[xlsx]'")
    assert importlib.util.find_spec("openpyxl") is not None


@pytest.mark.parametrize(
    "data", [b"", b"a,b\n1,2\n", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)]
)
def test_what_is_no_workbook_is_one_problem(tmp_path: Path, data: bytes) -> None:
    error = problem(tmp_path, data)
    assert error.message.startswith("`shots.xlsx` cannot be read as a workbook")
    assert "without a password" in error.hint


def test_an_archive_without_a_workbook_is_one_problem(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "a")
    assert "cannot be read as a workbook" in problem(tmp_path, buffer.getvalue()).message


@pytest.mark.parametrize("part", [SHEET, STRINGS, "xl/styles.xml"])
def test_a_zip_bomb_is_refused_before_it_goes_off(tmp_path: Path, part: str) -> None:
    data = edited(with_text("x"), part, lambda x: x + b" " * (30 * 1024**2))
    error = problem(tmp_path, data)
    assert error.message == "`shots.xlsx` unpacks to more than a workbook may hold"


def test_entities_that_multiply_are_refused(tmp_path: Path) -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    head = f'<!DOCTYPE sst [<!ENTITY e0 "0123456789">{entities}]>'
    assert table(tmp_path, with_text("&e2;", head=head)).columns == ("a", "b")
    error = problem(tmp_path, with_text("&e11;", head=head))
    assert "cannot be read as a workbook" in error.message


def test_a_broken_style_is_one_problem_and_nothing_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = edited(
        with_text("x"), "xl/styles.xml", lambda x: x.replace(b'xfId="0" b', b'xfId="7" b')
    )
    assert "cannot be read as a workbook" in problem(tmp_path, data).message
    assert capsys.readouterr().out == ""


def test_a_workbook_without_styles_is_read_without_a_warning(tmp_path: Path) -> None:
    cut = re.compile(rb"<cellStyles.*</cellStyles>")
    data = edited(with_text("x"), "xl/styles.xml", lambda x: cut.sub(b"", x))
    assert [row.values for row in table(tmp_path, data)] == [{"a": "x"}]


def test_a_row_far_below_every_sheet_is_refused(tmp_path: Path) -> None:
    data = edited(
        saved({"S": [["a"], [1]]}),
        SHEET,
        lambda x: x.replace(b'<row r="2">', b'<row r="99999999999">'),
    )
    assert "more than 1,048,576 rows" in problem(tmp_path, data).message


PARTS = [
    "", SHEET, STRINGS, "xl/styles.xml", "xl/workbook.xml", "[Content_Types].xml",
    "xl/_rels/workbook.xml.rels",
]  # fmt: skip


def damaged(content: bytes, rng: random.Random) -> bytes:
    """A few bytes changed, cut out or doubled."""
    broken = bytearray(content)
    for _ in range(rng.randint(1, 6)):
        at, start = rng.randrange(len(broken) + 1), rng.randrange(len(broken) + 1)
        match rng.randrange(3):
            case 0:
                broken[at : at + 1] = [rng.randrange(256)]
            case 1:
                del broken[at : at + rng.randint(1, 30)]
            case _:
                broken[at:at] = broken[start : start + rng.randint(1, 60)]
    return bytes(broken)


@settings(max_examples=100)
@given(seed=st.integers(0, 2**32), part=st.sampled_from(PARTS))
def test_damaged_workbooks_give_rows_or_one_problem(
    seed: int, part: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rng = random.Random(seed)
    data = with_text("x")
    data = edited(data, part, lambda x: damaged(x, rng)) if part else damaged(data, rng)
    try:
        found = list(table(tmp_path_factory.getbasetemp(), data))
    except RowProblem as error:
        found = [Row({"problem": error.message}, error.place)]
    assert all(row.values for row in found)


@pytest.mark.parametrize(("index", "letters"), [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ")])
def test_columns_have_letters(index: int, letters: str) -> None:
    assert column_letters(index) == letters
