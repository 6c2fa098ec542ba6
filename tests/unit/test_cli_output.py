"""What reaches a terminal: one line at a time, no control characters, results apart from talk."""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.cli.log_lines import say_logs
from runner.cli.output import Output, clean, table_lines
from runner.errors import Problem

#: a device that takes nothing
FULL = Path("/dev/full")


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)


@given(st.text())
def test_cleaned_text_is_one_printable_line(text: str) -> None:
    cleaned = clean(text)
    assert len(cleaned.splitlines()) <= 1
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in cleaned)
    assert clean(cleaned) == cleaned


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred\x1b[0m", " [31mred [0m"),
        ("two\nlines", "two lines"),
        ("a\u202egnp.exe", "a gnp.exe"),
        ("bell\x07", "bell"),
        ("\x9b2J", " 2J"),
        ("ünïcode 日本", "ünïcode 日本"),
    ],
)
def test_nobody_else_moves_the_cursor(text: str, expected: str) -> None:
    assert clean(text) == expected


def test_results_go_to_stdout_and_talk_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output()
    out.data("result")
    out.say("talk")
    out.warning("careful")
    out.error("wrong")
    out.hint("do this")
    out.hint("")
    printed = capsys.readouterr()
    assert printed.out == "result\n"
    assert printed.err == "talk\nwarning: careful\nerror: wrong\nhint: do this\n"


def test_quiet_keeps_errors_and_results(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output(quiet=True)
    out.data("result")
    out.say("talk")
    out.warning("careful")
    out.error("wrong")
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("result\n", "error: wrong\n")


def test_an_envelope_is_one_line_of_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    Output(json=True).envelope("status", {"prompt": "a\nb\x1b[0m é"})
    line = capsys.readouterr().out
    assert line.isascii()
    assert line.count("\n") == 1
    found = json.loads(line)
    assert list(found) == ["version", "command", "ok", "data", "errors"]
    assert found["data"]["prompt"] == "a\nb\x1b[0m é"


def test_problems_are_sorted_by_place(capsys: pytest.CaptureFixture[str]) -> None:
    problems = [
        Problem(message="b", file="m.yaml", line=10, column=1),
        Problem(message="a\x1b", file="m.yaml", line=9, column=30, path="jobs[0]", hint="so"),
    ]
    Output().problems("warning", problems)
    assert capsys.readouterr().err.splitlines() == [
        "m.yaml:9:30: warning: a  (jobs[0])",
        "  hint: so",
        "m.yaml:10:1: warning: b",
    ]


def test_a_table_in_a_pipe_is_aligned_and_never_cut() -> None:
    long = "x" * 300
    lines = table_lines(("name", ">credits"), [("a", "5"), (long, "1,000")])
    assert lines[0].startswith("name ")
    assert lines[1].startswith("a ")
    assert lines[2] == f"{long}    1,000"
    assert lines[1].endswith("      5")
    assert all(line == line.rstrip() for line in lines)


def test_markup_in_a_table_is_text() -> None:
    lines = table_lines(("a",), [("[red]not red[/red]",), ("[/]",), ("\x1b[31mno",)])
    assert lines[1:] == ["[red]not red[/red]", "[/]", " [31mno"]


def test_the_width_of_the_terminal_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    lines = table_lines(("a", "b"), [("word " * 30, "x")])
    assert len(lines) > 3
    assert max(map(len, lines)) <= 40


PROGRAM = """
from runner.cli.output import Output
out = Output()
for number in range(100_000):
    out.data(f"line {number}")
out.say("went on")
"""


def test_a_reader_that_goes_away_is_no_failure() -> None:
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"line 0\n"
    process.stdout.close()
    assert process.stderr is not None
    talk = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 0
    assert talk == b"went on\n"


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
@pytest.mark.parametrize("full", ["stdout", "stderr"])
def test_a_full_stream_is_given_up_and_the_work_goes_on(full: str) -> None:
    program = PROGRAM + "out.error('wrong')\nout.table(('a',), [('b',)])\nraise SystemExit(7)"
    other = "stderr" if full == "stdout" else "stdout"
    with FULL.open("wb") as device:
        streams = {full: device, other: subprocess.PIPE}
        ended = subprocess.run(  # type: ignore[call-overload]
            [sys.executable, "-W", "error", "-c", program],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            check=False,
            **streams,
        )
    assert ended.returncode == 7
    if full == "stdout":
        assert ended.stderr == b"went on\nerror: wrong\n"
    else:
        assert ended.stdout.endswith(b"line 99999\na\nb\n")


def test_a_stream_that_cannot_be_redirected_is_given_up_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Full(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())
    Output().data("result")
    Output().data("another")


def test_json_holds_no_control_character_at_all(capsys: pytest.CaptureFixture[str]) -> None:
    every = "".join(map(chr, range(0x110))) + "\u202e\u2028\ud800"
    Output(json=True).envelope("status", {"prompt": every})
    line = capsys.readouterr().out.removesuffix("\n")
    assert all(32 <= ord(c) < 127 for c in line)
    assert json.loads(line)["data"]["prompt"] == every


def test_a_traceback_is_cleaned_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    Output().trace("Traceback\n  File\x1b[2J\nKeyError: '\u202e'")
    assert capsys.readouterr().err == "Traceback\n  File [2J\nKeyError: ' '\n"


def test_what_is_logged_is_cleaned_and_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    say_logs()
    say_logs()
    logging.getLogger("runner.engine").critical("not recorded: %s", "task\x1b]0;x\x07")
    assert capsys.readouterr().err == "critical: not recorded: task ]0;x\n"


# moments


@pytest.fixture
def in_new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("in_new_york")
def test_people_read_the_time_of_their_own_clock(capsys: pytest.CaptureFixture[str]) -> None:
    Output().warning("the time is up: 2026-11-26 02:17 UTC")
    Output().say("since 2026-07-25 18:13:14 UTC, on 2026-99-99 25:00 UTC and 2026-11-25 (UTC)")
    assert capsys.readouterr().err.splitlines() == [
        "warning: the time is up: 2026-11-25 21:17",
        "since 2026-07-25 14:13:14, on 2026-99-99 25:00 UTC and 2026-11-25 (UTC)",
    ]


@pytest.mark.usefixtures("in_new_york")
def test_scripts_read_messages_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    Output(json=True).envelope("run", None, errors=[{"message": "up: 2026-11-26 02:17 UTC"}])
    assert "2026-11-26 02:17 UTC" in capsys.readouterr().out
