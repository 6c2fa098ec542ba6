"""The line that a problem is about, and the mark under it."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from runner.cli import source_lines as reading
from runner.cli.excerpt import excerpt
from runner.cli.source_lines import source_lines
from runner.errors import Problem

SECRET = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.c2lnbmF0dXJl"
LINK = f"https://cdn.example/a.png?_jwt={SECRET}"


def at(column: int, *, file: str = "m.yaml", path: str = "", line: int = 7) -> Problem:
    return Problem(message="wrong", file=file, line=line, column=column, path=path)


def drawn(text: str, column: int, *, width: int = 80, **more: str) -> tuple[str, ...]:
    return excerpt(text, at(column, **more), width=width)


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("ratio: 1280:721", "1280:721"),
        ("ratio: 1280:721   # wide", "1280:721"),
        ("seed: -5", "-5"),
        ('audio: "yes # no"  # x', '"yes # no"'),
        ("text: 'it''s # here'", "'it''s # here'"),
        ("text: shot#3 and on", "shot#3 and on"),
        ("ratio: ${{ row.a ~ ' # ' }}", "${{ row.a ~ ' # ' }}"),
        ("text: a ${{ vars.x }} b", "a ${{ vars.x }} b"),
        ("text: |", "|"),
        ("body: {model: x}", "{"),
        ('text: "never closed', '"'),
        ("when: 10:30", "10:30"),
    ],
)
def test_the_whole_value_is_underlined(text: str, marked: str) -> None:
    column = text.index(": ") + 3
    line, mark = drawn(text, column)
    assert line == f"  7 | {text}"
    assert mark == "    | " + " " * (column - 1) + "^" * len(marked)


@pytest.mark.parametrize("marked", ["1280:721", "5", "[a, b]", '"x, y"'])
def test_inside_braces_a_value_ends_at_the_comma(marked: str) -> None:
    text = f"  job: {{ratio: {marked}, last: 1}}"
    _, mark = drawn(text, text.index(marked) + 1)
    assert mark.count("^") == (1 if marked.startswith("[") else len(marked))


def test_a_key_is_underlined_where_it_is_the_problem_and_pointed_at_where_a_block_begins() -> None:
    assert drawn("  ratoi: 5", 3, path="jobs[0].text_to_video.ratoi")[1].count("^") == 5
    assert drawn("  model: x", 3, path="jobs[0].text_to_video")[1].count("^") == 1


def test_of_a_table_only_the_column_is_marked() -> None:
    assert drawn("a,b c d,e", 3, file="shots.csv")[1] == "    |   ^"


def test_without_a_column_there_is_no_mark() -> None:
    assert drawn("a,b,c", 0) == ("  7 | a,b,c",)
    assert drawn("a,b,c", 40) == ("  7 | a,b,c",)


def test_an_empty_line_says_nothing() -> None:
    assert drawn("", 1) == ()
    assert drawn("  \t ", 1) == ()


def test_behind_the_end_of_the_line_the_mark_stands_alone() -> None:
    assert drawn("ratio:", 7)[1] == "    |       ^"


@pytest.mark.parametrize(
    ("text", "column", "shown", "left"),
    [
        ("\tratio: x", 9, "    ratio: x", 11),
        ("a\tb: x", 6, "a   b: x", 7),
        ("日本: x", 5, "日本: x", 6),
        ("e\u0301: x", 5, "e\u0301: x", 3),
        ("\x1b[2J: x", 7, "\\x1b[2J: x", 9),
        ("\u202e\u200b: x", 5, "\\u202e\\u200b: x", 14),
        ("a\ud800: x", 5, "a\\ud800: x", 9),
    ],
)
def test_the_mark_stands_under_what_is_shown(text: str, column: int, shown: str, left: int) -> None:
    line, mark = drawn(text, column)
    assert line == f"  7 | {shown}"
    assert mark == "    | " + " " * left + "^"


def test_a_long_line_is_cut_around_the_mark() -> None:
    text = "a" * 300 + ": VALUE" + " b" * 200
    line, mark = drawn(text, 303, width=60, path="x")
    assert cell_len(line) <= 60
    assert line.startswith("  7 | …")
    assert line.endswith("…")
    assert line[mark.index("^") :].startswith("VALUE")
    assert cell_len(mark) <= 60


def test_the_start_of_a_long_line_is_kept_where_the_mark_is_near_it() -> None:
    line, mark = drawn("ratio: x " + "y" * 300, 8, width=60)
    assert line.startswith("  7 | ratio: x yyy")
    assert line.endswith("…")
    assert mark == "    |        " + "^" * (cell_len(line) - len("  7 | ratio: "))


TEXT = st.text(
    st.one_of(
        st.characters(codec=None), st.sampled_from("\t\x1b\u202e日本👩e\u0301 \"'{},:#$"),
    ),
    min_size=1,
    max_size=200,
)  # fmt: skip


@given(TEXT, st.data(), st.integers(30, 120))
def test_no_line_breaks_out_of_its_width_or_hides_anything(
    text: str, data: st.DataObject, width: int
) -> None:
    column = data.draw(st.integers(0, len(text) + 2))
    lines = excerpt(text, at(column), width=width)
    for line in lines:
        assert cell_len(line) <= width
        assert not any(unicodedata.category(c) in {"Cc", "Cf", "Cs"} for c in line)
    if len(lines) == 2 and column <= len(text):
        char = text[column - 1]
        cells = cell_len(lines[1][: lines[1].index("^")])
        before = next(n for n in range(len(lines[0]) + 1) if cell_len(lines[0][:n]) >= cells)
        if char.isprintable() and not char.isspace() and cell_len(char):
            assert char in lines[0][before : before + 2]


# Secrets


@pytest.mark.parametrize("column", [1, 8, 14, 30, 40, 60, 90, len(LINK) + 10])
def test_a_signed_link_is_never_shown(column: int) -> None:
    for width in (40, 100, 400):
        text = "\n".join(drawn(f"image: {LINK}  # x", column, width=width))
        assert "eyJ" not in text
        assert SECRET[-8:] not in text


def test_the_mark_stays_behind_a_secret() -> None:
    text = f'{{a: "{LINK}", ratio: 7}}'
    line, mark = drawn(text, text.index("7}") + 1)
    assert line[mark.index("^")] == "7"


def test_the_mark_stays_before_a_secret() -> None:
    line, mark = drawn(f"{{ratio: 77, a: {LINK}}}", 9)
    assert line[mark.index("^") : mark.rindex("^") + 1] == "77"


@pytest.mark.parametrize("column", [1, 100, 5_000, 9_000])
def test_no_piece_of_a_long_secret_is_shown(column: int) -> None:
    text = "image: https://cdn.example/a.png?_jwt=" + "Ab3_" * 3_000
    lines = excerpt(text, at(column), width=100)
    assert not any("Ab3_" in line for line in lines)


def test_the_key_in_use_is_never_shown() -> None:
    lines = excerpt("text: my-own-key", at(7), width=80, secrets=["my-own-key", ""])
    assert lines == ("  7 | text: …", "    |       ^")


# Reading the file again


def test_lines_are_those_that_a_parser_counts(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree\nfour \xff")
    name = str(file)
    found = source_lines((name, line) for line in range(7))
    assert {line: text for (_, line), text in found.items()} == {
        1: "one", 2: "two", 3: "three", 4: "four \ufffd",
    }  # fmt: skip


def test_a_spreadsheet_in_utf16_has_lines(tmp_path: Path) -> None:
    file = tmp_path / "shots.csv"
    file.write_text("id\nä1\n", encoding="utf-16")
    assert source_lines([(str(file), 2)]) == {(str(file), 2): "ä1"}


@pytest.mark.parametrize("content", [b"PK\x03\x04\0\0\n\n", b""])
def test_what_is_no_text_has_no_lines(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "shots.xlsx"
    file.write_bytes(content)
    assert source_lines([(str(file), 1)]) == {}


def test_what_cannot_be_read_again_has_no_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = tmp_path / "large.yaml"
    large.write_text("a\n" * 10)
    monkeypatch.setattr(reading, "MOST_BYTES", 10)
    gone = [str(tmp_path), str(tmp_path / "gone"), "", "-", "a\0b", str(large), "/dev/zero"]
    assert source_lines((name, 1) for name in gone) == {}


def test_only_a_few_files_are_read(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number}.yaml").write_text("x")
    names = [str(tmp_path / f"{number}.yaml") for number in range(30)]
    assert len(source_lines((name, 1) for name in names)) == reading.MOST_FILES
