"""The ledger for people, for scripts and for spreadsheets."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.app.ledger_view import LedgerView
from runner.cli.output import Output
from runner.cli.show_ledger import csv_lines, ledger_json, safe_cell, show_ledger
from runner.core.ledger import Cap
from runner.store.accounting import By, LedgerRow
from runner.store.runs import StoredRun
from runner.testing import START


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)


def row(name: str, spent: int = 0, reserved: int = 0, released: int = 0) -> LedgerRow:
    return LedgerRow(
        name=name, spent=spent, reserved=reserved, in_doubt=0, released=released, attempts=3
    )


RUN = StoredRun(
    id="5f", batch="b", user="ada", host="studio", pid=1, command="runway-batch run m.yaml",
    started_at=START, ended_at=None, exit_code=None, is_alive=True, is_here=True,
)  # fmt: skip
CAPS = [("b", Cap(name="batch", limit=2000, used=1300)), ("b", Cap(name="day", limit=9, used=9))]


def view(*rows: LedgerRow, by: By = By.MODEL, batch: str | None = "b") -> LedgerView:
    return LedgerView(
        batch=batch, by=by, rows=rows, total=row("total", 1250, 50), caps=CAPS, runs=[RUN]
    )


def test_sums_and_caps_are_in_both_units(capsys: pytest.CaptureFixture[str]) -> None:
    show_ledger(view(row("gen4_turbo", 1250, 50, 5)), Output())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        "model", "spent", "reserved", "in", "doubt", "released", "attempts",
    ]  # fmt: skip
    assert lines[1].split() == ["gen4_turbo", "1,250", "50", "0", "5", "3"]
    assert "total: 1,250 cr ($12.50) spent, 50 cr ($0.50) reserved, 3 attempts" in lines
    caps = [re.split(r" {2,}", line) for line in lines[lines.index("") + 3 :]]
    assert caps == [
        ["cap", "used", "of", "left"],
        ["batch", "1,300 cr ($13.00)", "2,000 cr ($20.00)", "700 cr ($7.00)"],
        ["24 hours", "9 cr ($0.09)", "9 cr ($0.09)", "0 cr ($0.00)"],
    ]


def test_who_paid_is_said_by_run(capsys: pytest.CaptureFixture[str]) -> None:
    show_ledger(view(row("5f", 8), row("", 0), by=By.RUN), Output())
    printed = capsys.readouterr().out
    assert "ada@studio: runway-batch run m.yaml" in printed
    assert "(short commands)" in printed


def test_of_a_whole_file_each_cap_names_its_batch(capsys: pytest.CaptureFixture[str]) -> None:
    show_ledger(view(row("b", 8), by=By.BATCH, batch=None), Output())
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[-3:]] == [
        ["batch", "cap"],
        ["b", "batch"],
        ["b", "24"],
    ]


def test_one_attempt_is_no_attempts(capsys: pytest.CaptureFixture[str]) -> None:
    one = replace(view(row("a")), total=replace(row("total", 8), attempts=1))
    show_ledger(one, Output())
    assert "total: 8 cr ($0.08) spent, 1 attempt\n" in capsys.readouterr().out


def test_what_has_no_tag_is_named_so(capsys: pytest.CaptureFixture[str]) -> None:
    show_ledger(view(row("", 8), by=By.TAG), Output())
    assert "(no tag)" in capsys.readouterr().out


def test_for_scripts_it_survives_json() -> None:
    found = json.loads(json.dumps(ledger_json(view(row("5f", 8), by=By.RUN))))
    assert found["rows"][0]["run"]["user"] == "ada"
    assert found["total"]["spent"] == 1250
    assert found["caps"][0] == {
        "batch": "b", "name": "batch", "limit": 2000, "used": 1300, "available": 700,
    }  # fmt: skip


def test_csv_has_a_header_and_both_units() -> None:
    lines = list(csv_lines(view(row("gen4_turbo", 1250, 50), by=By.MODEL)))
    assert lines == [
        "model,spent,spent_usd,reserved,reserved_usd,in_doubt,in_doubt_usd,released,"
        "released_usd,attempts",
        "gen4_turbo,1250,12.50,50,0.50,0,0.00,0,0.00,3",
    ]


def test_csv_by_run_says_who() -> None:
    header, first, second = csv_lines(view(row("5f", 8), row("", 1), by=By.RUN))
    assert header.startswith("run,user,host,command,spent,")
    assert first.startswith("5f,ada,studio,runway-batch run m.yaml,8,0.08,")
    assert second.startswith(",,,,1,0.01,")


@given(st.text(max_size=30))
def test_no_cell_is_a_formula_and_each_is_one_cell(name: str) -> None:
    _, line = csv_lines(view(row(name, 1)))
    [cells] = csv.reader(io.StringIO(line))
    assert len(cells) == 10
    assert not cells[0].lstrip().startswith(("=", "+", "-", "@"))
    assert "\n" not in line


@pytest.mark.parametrize("text", ["=1+1", "@SUM(A1)", "+1", "-2", " =x", "\t=x"])
def test_a_formula_becomes_text(text: str) -> None:
    assert safe_cell(text).startswith("'")
