"""Lines of the files that problems are about, read again for an excerpt: bounded, never required.

A file may have changed, vanished or be no text: then there is no line, and nothing fails.
"""

from __future__ import annotations

import codecs
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

#: as large as a manifest may be
MOST_BYTES = 32 * 1024 * 1024
MOST_FILES = 20

_LINE_END = re.compile(rb"\r\n|\r|\n")
_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def source_lines(places: Iterable[tuple[str, int]]) -> Mapping[tuple[str, int], str]:
    """The text of each (file, line), as far as it can be read; lines are 1-based."""
    wanted: dict[str, set[int]] = {}
    for file, line in places:
        if file and line > 0 and (file in wanted or len(wanted) < MOST_FILES):
            wanted.setdefault(file, set()).add(line)
    return {
        (file, line): text
        for file, lines in wanted.items()
        for line, text in _lines(Path(file), lines).items()
    }


def _lines(path: Path, wanted: set[int]) -> dict[int, str]:
    data = _text(path)
    found, start = {}, 0
    if not data:
        return {}
    for number, end in enumerate(_LINE_END.finditer(data), start=1):
        if number in wanted:
            found[number] = _decoded(data[start : end.start()])
            if len(found) == len(wanted):
                return found
        start = end.end()
    last = number + 1 if start else 1
    if last in wanted:
        found[last] = _decoded(data[start:])
    return found


def _text(path: Path) -> bytes:
    """The content as UTF-8; empty where it is none, is too large, or cannot be read."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return b""  # a pipe or device may never end
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError):  # ValueError: a null character in the path
        return b""
    if len(data) > MOST_BYTES:
        return b""
    if data.startswith(_WIDE_MARKS):
        data = data.decode("utf-16", "replace").encode("utf-8", "replace")
    return b"" if b"\0" in data[:8192] else data.removeprefix(codecs.BOM_UTF8)


def _decoded(line: bytes) -> str:
    return line.decode("utf-8", "replace")
