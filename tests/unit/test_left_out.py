"""Rows that `where` leaves out are said, once for each template, with the values they have."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.manifest.read import read_manifest
from tests.language_rig import CATALOG, STILL, Folder

MANIFESTS = Path(__file__).resolve().parents[2] / "manifests"

BODY = "  text_to_image: {model: gen4_image, ratio: '1920:1080'}\n"
ROWS = "id,promptText,status\n"


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def shots(where):
    return f"jobs:\n- id: s\n  foreach: {{csv: shots.csv, where: {where!r}}}\n{BODY}"


def write(folder, *cells):
    rows = "".join(f"r{n},x,{cell}\n" for n, cell in enumerate(cells))
    folder.write("shots.csv", ROWS + rows)


def found(folder, text):
    expander = folder.expander(text)
    assert list(expander.specs())
    return [(each.message, each.hint, each.is_note) for each in expander.warnings]


def test_what_a_condition_leaves_out_is_counted_by_value(folder):
    write(folder, "go", "hold", "hold", "omit", "go")
    [(message, _, is_note)] = found(folder, shots('row.status == "go"'))
    assert message == "3 of 5 rows left out by `where`: `hold` 2, `omit` 1"
    assert is_note


def test_values_that_nearly_match_are_a_warning_with_a_way_out(folder):
    write(folder, "go", "hold", "GO", "go ")
    [(message, hint, is_note)] = found(folder, shots('row.status == "go"'))
    assert message == "3 of 4 rows left out by `where`: `hold` 1, `GO` 1, `go ` 1"
    assert hint == "to take `GO` as well: `row.status | trim | lower == 'go'`"
    assert not is_note


def test_a_condition_that_leaves_nothing_out_says_nothing(folder):
    write(folder, "go", "go")
    assert found(folder, shots('row.status == "go"')) == []


def test_of_other_conditions_only_the_count_is_known(folder):
    write(folder, "go", "hold")
    [(message, _, _)] = found(folder, shots('row.status != "hold"'))
    assert message == "1 of 2 rows left out by `where`"


@pytest.mark.parametrize(
    "where",
    ['"go" == row.status', 'row["status"] == "go"', 'row.status | d("") == "go"'],
)
def test_a_comparison_may_be_written_in_other_ways(folder, where):
    write(folder, "go", "", "hold")
    cells = [message for message, _, _ in found(folder, shots(where))]
    assert cells == ["2 of 3 rows left out by `where`: nothing 1, `hold` 1"]


def test_values_are_few_short_and_no_links(folder):
    link = "https://a.example/x.png?_jwt=abc.def"
    write(folder, "go", *(f"v{n}" for n in range(9)), "v8", "l" * 200, link, link, link)
    [(message, _, _)] = found(folder, shots('row.status == "go"'))
    assert message == (
        "14 of 15 rows left out by `where`: "
        "`https://a.example/x.png?…` 3, `v8` 2, `v0` 1, `v1` 1, `v2` 1, …"
    )


def test_jobs_that_are_left_out_are_jobs(folder):
    write(folder, "go", "hold", "hold")
    text = (
        f"jobs:\n- id: s\n  foreach: shots.csv\n{BODY}"
        "- id: t\n  foreach: {jobs: s, where: \"row.status == 'go'\"}\n  " + STILL % "more" + "\n"
    )
    [(message, _, _)] = found(folder, text)
    assert message == "2 of 3 jobs left out by `where`: `hold` 2"


@pytest.mark.parametrize("name", ["extend-a-shot", "spreadsheet-to-video"])
def test_an_example_leaves_out_what_is_on_hold_without_a_warning(name):
    _, expansion = read_manifest(MANIFESTS / f"{name}.yaml", CATALOG)
    assert [each.message for each in expansion.warnings if not each.is_note] == []
    [note] = expansion.warnings
    assert note.message == "1 of 3 rows left out by `where`: `hold` 1"
