"""Text broken into lines, but never inside an amount of money, a moment, a count or a command."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

_HARD = "\N{NO-BREAK SPACE}"
# `1,250 cr ($12.50)`, `2026-01-02 03:10`, `1 orphaned`, `run --refresh stale`
_WHOLE = re.compile(
    r"-?[\d,]+ cr(?: \(-?\$[\d,.]+\))?|\d{4}-\d\d-\d\d \d\d:\d\d"
    r"|\b\d+(?:,\d{3})* (?:in doubt|[a-z]{1,12})\b|`[^`]{1,40}`"
)


def wrapped(text: str, width: int, *, indent: int = 0) -> list[str]:
    """Lines of at most so many cells; a longer word has a line of its own.

    Args:
        text: one line.
        width: cells of a line.
        indent: blanks before every line but the first.
    """
    whole = _WHOLE.sub(lambda found: found[0].replace(" ", _HARD), text)
    lines = textwrap.wrap(
        whole, max(1, width), subsequent_indent=" " * indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    return [line.replace(_HARD, " ") for line in lines] or [""]


def folded(text: str, width: int) -> list[str]:
    """The same for a cell of a table: a word that is longer than a line is broken."""
    return [part.strip() for line in wrapped(text, width) for part in _broken(line, max(2, width))]


def _broken(line: str, width: int) -> Iterator[str]:
    """Behind a `-`, `_`, `/` or `.` of the second half of a line, if there is one."""
    from rich.cells import cell_len, chop_cells

    while cell_len(line) > width:
        head = chop_cells(line, width)[0]
        cut = max(head.rfind(mark) + 1 for mark in "-_/.")
        cut = cut if cut > len(head) // 2 else len(head)
        yield line[:cut]
        line = line[cut:]
    yield line


def longest_word(text: str) -> str:
    """What cannot be broken without breaking a word."""
    return max(wrapped(text, 1), key=len)
