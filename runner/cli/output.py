"""What people and scripts see: results on stdout, talk on stderr. The only place that prints.

Text from manifests and from the API never reaches a terminal as it is: every line goes through
`clean`, and tables are built from plain text, never from markup.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, TextIO

import click

from runner.errors import ManifestError, RunnerError

if TYPE_CHECKING:
    from runner.errors import Problem

#: version of the envelope
VERSION = 1
#: a table in a pipe is never cut to the width of a terminal
WIDE = 1000
#: cells of a page that is made for reading, and of an excerpt, in a pipe
PAGE = 80
#: nothing can be read in less
NARROWEST = 40
#: cells of a label and what sets it off
LABEL = 10

# C0 and C1 controls, marks that turn the direction of text, and line separators
_CONTROL = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]+"
)


_NOT_ASCII = re.compile("[^\\x00-\\x7f]+")

# messages from below the command line name moments so
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d(?::\d\d)?) UTC\b")


def local_times(text: str) -> str:
    """`2026-01-02 03:10 UTC` as the clock of the person shows it; JSON keeps what it says."""
    return _MOMENT.sub(_here, text)


def _here(found: re.Match[str]) -> str:
    try:
        at = datetime.fromisoformat(f"{found[1]} {found[2]}+00:00").astimezone()
    except (ValueError, OverflowError):
        return found[0]  # only looks like a moment
    return f"{at:%Y-%m-%d %H:%M:%S}" if found[2].count(":") > 1 else f"{at:%Y-%m-%d %H:%M}"


def clean(text: str) -> str:
    """One line without control characters: nobody else moves the cursor or forges a line."""
    return _CONTROL.sub(" ", text).rstrip()


class Output:
    """Where a command's words go."""

    def __init__(self, *, json: bool = False, quiet: bool = False, verbose: int = 0) -> None:
        self.json = json
        self.quiet = quiet
        self.verbose = verbose

    def data(self, line: str = "") -> None:
        """A line of the result, on stdout."""
        _write(sys.stdout, clean(local_times(line)))

    def lines(self, lines: Iterable[str]) -> bool:
        """Many lines of the result at once; False once nobody reads them any more."""
        return _write(sys.stdout, "\n".join(clean(line) for line in lines))

    def note(self, label: str, text: str, colour: str | None = None) -> None:
        """A remark of the result under a label: wrapped, in colour on a terminal."""
        from .wrapping import wrapped

        width = page_width()
        indent = " " * LABEL
        for number, line in enumerate(wrapped(clean(local_times(text)), width - LABEL)):
            head = indent if number else _painted(label.ljust(LABEL), colour, sys.stdout)
            _write(sys.stdout, f"{head}{line}")

    def say(self, line: str) -> None:
        """Talk, on stderr."""
        if not self.quiet:
            _write(sys.stderr, clean(local_times(line)))

    def warning(self, message: str) -> None:
        if not self.quiet:
            self._labelled("warning", "yellow", message)

    def error(self, message: str) -> None:
        self._labelled("error", "red", message)

    def hint(self, message: str) -> None:
        if message:
            self._labelled("hint", "cyan", message)

    def failure(self, error: RunnerError) -> None:
        """What stopped a command: one line and a hint, or all problems of a manifest."""
        if isinstance(error, ManifestError):
            self.problems("error", error.problems)
        else:
            self.error(error.message)
            self.hint(error.hint)

    def trace(self, text: str) -> None:
        """Lines that nobody of ours has written, such as a traceback, on stderr."""
        for line in text.splitlines():
            _write(sys.stderr, clean(line))

    def problems(self, kind: str, problems: Iterable[Problem]) -> None:
        """Problems of a manifest, each as `file:line:column: message` with the line itself."""
        from .show_problems import problem_lines

        colour = "red" if kind == "error" else "yellow"
        label = click.style(kind, fg=colour, bold=True) if _is_colourful(sys.stderr) else kind
        for where, text in problem_lines(list(problems), width=_talk_width()):
            _write(sys.stderr, (f"{clean(where)}: {label}: " if where else "") + clean(text))

    def table(
        self, headers: Sequence[str], rows: Iterable[Sequence[str]], *, most: int = WIDE
    ) -> None:
        """Aligned columns on stdout; `>name` is a column of numbers, `!name` is never cut."""
        for line in table_lines(headers, rows, most=most):
            _write(sys.stdout, line)

    def envelope(
        self,
        command: str,
        data: Any,
        *,
        ok: bool = True,
        errors: Sequence[Mapping[str, Any]] = (),
        **more: Any,
    ) -> None:
        """A result as one line of JSON."""
        self.json_line(
            {**more, "version": VERSION, "command": command, "ok": ok, "data": data,
             "errors": list(errors)}
        )  # fmt: skip

    def json_line(self, value: Mapping[str, Any]) -> None:
        """One object as one line. Escaped to ASCII, so that no control character gets out."""
        _write(sys.stdout, json.dumps(value).replace("\x7f", "\\u007f"))

    def json_part(self, text: str) -> bool:
        """A piece of a line of JSON; False once nobody reads it any more."""
        return _write(sys.stdout, text.replace("\x7f", "\\u007f"), end="")

    def json_text(self, text: str) -> None:
        """JSON that was written for people, in its own lines, escaped to ASCII."""
        plain = text.rstrip("\n").replace("\x7f", "\\u007f")
        _write(sys.stdout, _NOT_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], plain))

    def _labelled(self, label: str, colour: str, message: str) -> None:
        from .wrapping import wrapped

        text = f"{label}: {clean(local_times(message))}"
        first, *others = wrapped(text, _talk_width(), indent=2) if _is_talk_narrow() else [text]
        if _is_colourful(sys.stderr):
            first = first.replace(label, click.style(label, fg=colour, bold=True), 1)
        for line in (first, *others):
            _write(sys.stderr, line)


def table_lines(
    headers: Sequence[str], rows: Iterable[Sequence[str]], *, most: int = WIDE
) -> list[str]:
    """A table as lines of text, as wide as the terminal or the setting `COLUMNS`.

    Args:
        headers: of the columns; `>` before one sets it to the right, `!` keeps it on one line,
            `>!` does both.
        rows: the cells.
        most: cells of a line at most, also in a pipe.
    """
    from .tables import columns_of, lines_of

    width = min(known_width() or most, most)
    cells = [[clean(cell) for cell in row] for row in rows]
    header, lines = lines_of(columns_of(headers, cells), width)
    return [*(_bold(line, sys.stdout) for line in header), *lines]


def known_width() -> int | None:
    """Cells of a line on stdout: `COLUMNS`, else the terminal's; None in a pipe."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit():
        return max(NARROWEST, shutil.get_terminal_size((PAGE, 24)).columns)
    return None


def page_width() -> int:
    """Cells of a page that is made for reading: `COLUMNS`, else the terminal's, else PAGE."""
    return known_width() or PAGE


def _talk_width() -> int:
    """Cells of a line on stderr: the setting `COLUMNS`, else the terminal's, else PAGE."""
    if _is_talk_narrow():
        return shutil.get_terminal_size((PAGE, 24)).columns
    return PAGE


def _is_talk_narrow() -> bool:
    """Whether a long line on stderr would be broken anywhere; in a pipe it stays whole."""
    return sys.stderr.isatty() or os.environ.get("COLUMNS", "").isdigit()


def _is_colourful(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _bold(text: str, stream: TextIO) -> str:
    return click.style(text, bold=True) if _is_colourful(stream) else text


def _painted(text: str, colour: str | None, stream: TextIO) -> str:
    return click.style(text, fg=colour) if colour and _is_colourful(stream) else text


def _write(stream: TextIO, line: str, *, end: str = "\n") -> bool:
    """Print a line; a reader that went away (`| head`) or a full disk does not stop the work.

    Returns:
        False where it went away just now.
    """
    try:
        print(line, end=end, file=stream, flush=True)
    except OSError:
        with suppress(OSError):  # where it cannot be silenced, each line fails for itself
            _silence(stream)
        return False
    return True


def _silence(stream: TextIO) -> None:
    """What is still to be written goes nowhere, the interpreter's last flush included."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    finally:
        os.close(nowhere)
