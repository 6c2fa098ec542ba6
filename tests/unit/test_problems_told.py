"""What is printed of many problems: grouped, bounded, with the line itself and without secrets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from runner.cli.output import Output
from runner.cli.problem_groups import MOST_GROUPS, MOST_IN_JSON, rows_words, told
from runner.cli.show_problems import errors_json, problems_json
from runner.errors import ManifestError, Problem


@pytest.fixture(autouse=True)
def in_a_pipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.chdir(tmp_path)


def in_row(number: int, *, got: str = "5", line: int = 4, file: str = "m.yaml") -> Problem:
    message = f"`duration` must be 4, 6 or 8 for `veo3.1`, got `{got}`"
    return Problem(
        message=message, hint=f"not {got}", file=file, line=line, column=9,
        path="jobs[0].text_to_video.duration", rows=(f"shots.csv:{number}",),
    )  # fmt: skip


def printed(problems: list[Problem], capsys: pytest.CaptureFixture[str]) -> list[str]:
    Output().problems("error", problems)
    return capsys.readouterr().err.splitlines()


def test_a_thousand_rows_of_one_template_are_one_message() -> None:
    found = told([in_row(number, got=str(number)) for number in range(2, 1002)])
    [problem] = found.problems
    assert problem.count == 1000
    assert problem.message.endswith("got `2`")
    assert rows_words(problem) == (
        "shots.csv:2, and 999 more: shots.csv:3, shots.csv:4, shots.csv:5, shots.csv:6, …"
    )


def test_what_is_grouped_at_its_source_stays_so() -> None:
    problem = Problem(message="x", rows=("a.csv:1", "a.csv:2"), count=10)
    assert told([problem]).problems == [problem]
    assert rows_words(problem) == "a.csv:1, and 9 more: a.csv:2, …"


def test_two_rows_are_one_message_with_both_named() -> None:
    [problem] = told([in_row(2), in_row(3)]).problems
    assert rows_words(problem) == "shots.csv:2, and 1 more: shots.csv:3"


def test_one_row_is_named() -> None:
    assert rows_words(in_row(2)) == "shots.csv:2"


def test_rows_of_a_table_that_is_wrong_itself_are_one_message() -> None:
    problems = [
        Problem(message=f"{n} cells, expected 4", file="shots.csv", line=n) for n in (2, 3, 9)
    ]
    [problem] = told(problems).problems
    assert (problem.where, problem.count) == ("shots.csv:2", 3)
    assert rows_words(problem) == "and 2 more: shots.csv:3, shots.csv:9"


def test_a_row_that_is_wrong_in_two_columns_is_one_row_and_rows_are_in_order() -> None:
    problems = [
        Problem(
            message=f"the cell of column `{column}`: too long", file="m.yaml", line=4, column=9,
            rows=tuple(f"shots.csv:{n}" for n in rows), count=len(rows),
        )
        for column, rows in (("a", range(9, 14)), ("b", range(2, 14)))
    ]  # fmt: skip
    [problem] = told(problems).problems
    assert problem.count == 12
    assert problem.message == "the cell of column `b`: too long"
    assert rows_words(problem) == (
        "shots.csv:2, and 11 more: shots.csv:3, shots.csv:4, shots.csv:5, shots.csv:6, …"
    )


def test_rows_that_are_not_all_known_are_counted_by_problem() -> None:
    problems = [replace(in_row(2, got=got), count=5000) for got in ("a", "b")]
    [problem] = told(problems).problems
    assert problem.count == 10_000


def test_scripts_get_a_few_rows_of_each_problem() -> None:
    rows = tuple(f"shots.csv:{n}" for n in range(900))
    [found] = problems_json([Problem(message="x", rows=rows, count=900)])
    assert found["rows"] == list(rows[:5])


def test_other_places_kinds_and_files_stay_apart() -> None:
    other = Problem(message="other words", file="m.yaml", line=4, column=9, rows=("shots.csv:2",))
    problems = [in_row(2), in_row(2, line=5), in_row(2, file="n.yaml"), other]
    assert len(told(problems).problems) == 4


def test_a_few_problems_of_one_place_are_told_one_by_one_and_many_as_one() -> None:
    problems = [
        Problem(message=f"no job has the tag `{n}`", file="m.yaml", line=3, column=1)
        for n in range(5)
    ]
    assert len(told(problems[:3]).problems) == 3
    [many] = told(problems).problems
    assert rows_words(many) == "and 4 more like it"


def test_more_than_fifty_messages_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    problems = [Problem(message="x", file="m.yaml", line=line, column=1) for line in range(1, 61)]
    problems[-1] = Problem(message="x", file="m.yaml", line=60, rows=("a:1",), count=5)
    lines = printed(problems, capsys)
    assert len(lines) == MOST_GROUPS + 1
    assert lines[-1] == "… and 14 more problems"


def test_the_line_its_mark_the_rows_and_the_hint_stand_below(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("m.yaml").write_text("a\nb\nc\n      - ${{ row.duration }}\n")
    assert printed([in_row(2), in_row(7)], capsys) == [
        "m.yaml:4:9: error: `duration` must be 4, 6 or 8 for `veo3.1`, got `5`"
        " (jobs[0].text_to_video.duration)",
        "  4 |       - ${{ row.duration }}",
        "    |         ^^^^^^^^^^^^^^^^^^^",
        "  shots.csv:2, and 1 more: shots.csv:7",
        "  hint: not 5",
    ]


def test_the_setting_for_the_width_is_respected(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("m.yaml").write_text("x" * 500)
    problem = Problem(message="m", file="m.yaml", line=1, column=250)
    assert max(map(len, printed([problem], capsys)[1:])) <= 100
    monkeypatch.setenv("COLUMNS", "50")
    assert max(map(len, printed([problem], capsys)[1:])) <= 50


def test_neither_a_line_nor_a_message_shows_a_secret(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNWAYML_API_SECRET", "the-key-in-use")
    link = "https://cdn.example/a.png?_jwt=abcdef.ghijkl"
    Path("m.yaml").write_text(f"a: {link}\nb: the-key-in-use\nc: key_0123456789abcdef\n")
    problems = [
        Problem(message=f"got `{link}`", file="m.yaml", line=line, column=4) for line in (1, 2, 3)
    ]
    text = "\n".join(printed(problems, capsys))
    assert "ghijkl" not in text
    assert "the-key-in-use" not in text
    assert "0123456789" not in text


def test_a_message_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    Path("m.yaml").write_text("a: \x1b[2J\n")
    problem = Problem(message="\x1b[2J", file="m.yaml", line=1, column=1, rows=("\x1b",), hint="\r")
    assert not any(ord(char) < 32 for line in printed([problem], capsys) for char in line)


# For scripts


def test_scripts_get_every_problem_with_its_rows() -> None:
    problems = [in_row(number) for number in range(2, 102)]
    found = errors_json(ManifestError(problems))
    assert len(found) == 100
    assert found[0]["rows"] == ["shots.csv:2"]
    assert found[0]["count"] == 1
    assert "rows" not in errors_json(ManifestError([Problem(message="x")]))[0]


def test_of_very_many_scripts_get_the_first_and_a_count() -> None:
    problems = [Problem(message="x", line=n, count=2) for n in range(MOST_IN_JSON + 500)]
    found = problems_json(problems)
    assert len(found) == MOST_IN_JSON + 1
    assert found[-1]["message"] == "and 1,000 more problems"
    assert found[-1]["count"] == 1000
    assert len(json.dumps(found)) < 200_000
