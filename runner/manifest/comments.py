"""Finds comments behind values, which parsers skip in silence."""

from __future__ import annotations

import re
from array import array

from runner.manifest.source import Source

_COMMENT = re.compile(r"[ \t]+(#.*)")
#: a `#` that touches what opens a block of text; what was meant, a comment or text, nobody knows
_TOUCHING = re.compile(r"([&!]\S*[ \t]+)*[|>][-+0-9]*#")
#: where either may be, once for a line; it begins with the `#`, which is found fastest
_HASH = re.compile(rb"#(?<=[ \t|>+0-9-]#)[^\n]*")
_NO_LINE = 1 << 62


class Comments:
    """Has to be asked in the order of the text, so that most lines are never looked at."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lines = iter(_lines_with_hash(source.data))
        #: the nearest line that may have a comment; before it there is nothing to ask
        self.line = next(self._lines, _NO_LINE)

    def behind(self, line: int, column: int) -> str:
        """The comment right behind a position, `#` included, else nothing."""
        found = _COMMENT.match(self._source.line(line), column) if self._reaches(line) else None
        return found[1] if found else ""

    def touching(self, line: int, column: int) -> int | None:
        """The column of a `#` that touches the `|` or `>` at a position."""
        found = _TOUCHING.match(self._source.line(line), column) if self._reaches(line) else None
        return found.end() - 1 if found else None

    def _reaches(self, line: int) -> bool:
        while self.line < line:
            self.line = next(self._lines, _NO_LINE)
        return self.line == line


def _lines_with_hash(data: bytes) -> array[int]:
    """The numbers of the lines that may have a comment, counted from 0, ascending."""
    found, line, counted = array("Q"), 0, 0
    for match in _HASH.finditer(data):
        line += data.count(b"\n", counted, match.start())
        counted = match.start()
        found.append(line)
    return found
