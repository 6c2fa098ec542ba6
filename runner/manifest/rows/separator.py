"""How a file of separated cells is written, judged by its header alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

#: lines that a header with quoted line breaks may have
_HEADER_LINES = 100
_QUOTED = re.compile(r'"[^"]*"')
_DECLARED = re.compile(r"sep=([;,|\t])\s*", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Writing:
    """What stands between cells."""

    separator: str
    is_spaced: bool = False  # a space after each separator is no part of a cell
    is_declared: bool = False  # the first line is `sep=;`, as Excel takes it

    @property
    def shown(self) -> str:
        return "a tab" if self.separator == "\t" else f"`{self.separator}`"


def writing_of(lines: Iterator[str], default: str) -> Writing:
    """Judge a file by its first lines.

    A tab is never part of a name, so one tells; else the most frequent of `; , |` outside quotes.

    Args:
        default: the separator of a header that has none.
    """
    header = _header(lines)
    if declared := _DECLARED.fullmatch(header):
        return Writing(separator=declared[1], is_declared=True)
    bare = _QUOTED.sub("", header)
    if "\t" in bare:
        return Writing(separator="\t")
    separator = max(";,|", key=bare.count)
    count = bare.count(separator)
    if not count:
        return Writing(separator=default)
    return Writing(separator=separator, is_spaced=bare.count(separator + " ") == count)


def _header(lines: Iterator[str]) -> str:
    """The first line with text; more of them where a quote is still open at its end."""
    first = text = ""
    for number, line in enumerate(lines):
        text = text + line if text.strip() else line
        first = first if first.strip() else line
        if text.strip() and text.count('"') % 2 == 0:
            return text
        if number == _HEADER_LINES:
            break
    return first
