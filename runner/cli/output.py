"""What people and scripts see: results on stdout, talk on stderr. The only place that prints.

Text from manifests and from the API never reaches a terminal as it is: every line goes through
`clean`, and tables are built from plain text, never from markup.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from runner.errors import Problem

#: version of the envelope
VERSION = 1
#: a table in a pipe is never cut to the width of a terminal
WIDE = 1000

# C0 and C1 controls, marks that turn the direction of text, and line separators
_CONTROL = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]+"
)


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

    def trace(self, text: str) -> None:
        """Lines that nobody of ours has written, such as a traceback, on stderr."""
        for line in text.splitlines():
            _write(sys.stderr, clean(line))

    def problems(self, kind: str, problems: Iterable[Problem]) -> None:
        """Problems of a manifest, by file and line: `file:line:column: message`."""
        colour = "red" if kind == "error" else "yellow"
        for problem in sorted(problems, key=lambda p: (p.file, p.line, p.column)):
            path = f" ({problem.path})" if problem.path else ""
            label = click.style(kind, fg=colour, bold=True) if _is_colourful(sys.stderr) else kind
            text = clean(f"{problem.message}{path}")
            _write(sys.stderr, f"{clean(problem.where)}: {label}: {text}")
            if problem.hint:
                _write(sys.stderr, f"  hint: {clean(problem.hint)}")

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Aligned columns on stdout; a header that starts with `>` is a column of numbers."""
        for line in table_lines(headers, rows):
            _write(sys.stdout, line)

    def envelope(
        self,
        command: str,
        data: Any,
        *,
        ok: bool = True,
        errors: Sequence[Mapping[str, str]] = (),
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

    def _labelled(self, label: str, colour: str, message: str) -> None:
        if _is_colourful(sys.stderr):
            label = click.style(label, fg=colour, bold=True)
        _write(sys.stderr, f"{label}: {clean(local_times(message))}")


def table_lines(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table as lines of text, as wide as the terminal or the setting `COLUMNS`."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    is_narrow = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit()
    console = Console(file=sys.stdout, width=None if is_narrow else WIDE, highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        justify = "right" if header.startswith(">") else "left"
        table.add_column(header.lstrip(">"), justify=justify, overflow="fold")  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*(Text(clean(cell)) for cell in row))
    with console.capture() as captured:
        console.print(table)
    return [line.rstrip() for line in captured.get().splitlines()]


def _is_colourful(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _write(stream: TextIO, line: str) -> None:
    """Print a line; a reader that went away (`| head`) or a full disk does not stop the work."""
    try:
        print(line, file=stream, flush=True)
    except OSError:
        with suppress(OSError):  # where it cannot be silenced, each line fails for itself
            _silence(stream)


def _silence(stream: TextIO) -> None:
    """What is still to be written goes nowhere, the interpreter's last flush included."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    finally:
        os.close(nowhere)
