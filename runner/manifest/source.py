"""The text of a file by line, for what parsers do not tell or tell differently."""

from __future__ import annotations

import functools
import re
from array import array

from runner.manifest.places import Place

_BOM = "\ufeff".encode()
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BREAK = re.compile(rb"\n")
_COLON = re.compile(r"[ \t]*:")


class Refused(Exception):
    """A text that is no manifest."""

    def __init__(self, message: str, place: Place, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.place, self.hint = message, place, hint


class Source:
    r"""UTF-8 text with `\n` as its only line end. Lines and columns count from 0.

    Raises:
        Refused: not UTF-8.
    """

    def __init__(self, data: bytes) -> None:
        self.data = _checked(data)
        self._last = -1, ""  # whole files of JSON are one line: it is decoded once

    @property
    def text(self) -> str:
        return self.data.decode()

    def line(self, number: int) -> str:
        """A line without its end."""
        if self._last[0] != number:
            start, end = self._starts[number], self._starts[number + 1] - 1
            self._last = number, self.data[start:end].decode()
        return self._last[1]

    def inside(self, line: int, column: int) -> tuple[int, int]:
        """A position, or the end of the text for one behind it: libyaml counts one line more."""
        return min((line, column), self._end)

    def behind_colon(self, line: int, column: int) -> tuple[int, int] | None:
        """Where the `:` ends that follows the key that ends here."""
        found = _COLON.match(self.line(line), column)
        return (line, found.end()) if found else None

    @functools.cached_property
    def _end(self) -> tuple[int, int]:
        last = self.data[self.data.rfind(b"\n") + 1 :]
        return self.data.count(b"\n"), len(last.decode())

    @functools.cached_property
    def _starts(self) -> array[int]:
        """Where every line begins, and what would be the next."""
        starts = array("Q", [0])
        starts.extend(match.end() for match in _BREAK.finditer(self.data))
        starts.append(len(self.data) + 1)
        return starts


def _checked(data: bytes) -> bytes:
    if data.startswith(_UTF16):
        raise Refused("UTF-16 text, not UTF-8", Place(1), "save the file as UTF-8")
    while data.startswith(_BOM):
        data = data.removeprefix(_BOM)
    try:
        if not data.isascii():
            data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Refused("not UTF-8 text", Place(line), "save the file as UTF-8") from None
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in data else data
