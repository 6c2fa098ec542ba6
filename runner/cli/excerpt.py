"""The line of a file that a problem is about, with a mark under the place.

The line is foreign text: what would move the cursor is written as an escape, secrets are cut out,
and the mark is placed by the width of what is shown.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

from rich.cells import cell_len

from runner.errors import Problem
from runner.runway.redact import without_secrets

TAB = 4
#: of a longer line only this much around the column is looked at
MOST_CHARS = 4_000

_ESCAPED = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
_YAML = (".yaml", ".yml")
_QUOTED = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^']|'')*'""")
_TEMPLATE = re.compile(r"\$\{\{.*?\}\}")
_BLANK = re.compile(r"\s")
#: what begins a block, a list, an anchor: no single value to underline
_OPENING = ("{", "[", "|", ">", "&", "*", "!", "%", "@", "`", "- ")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Marked:
    """A text, and the part of it that is marked."""

    text: str
    start: int = 0
    length: int = 0  # 0: nothing is marked

    @property
    def end(self) -> int:
        return self.start + self.length


def excerpt(
    line: str, problem: Problem, *, width: int, secrets: Iterable[str] = ()
) -> tuple[str, ...]:
    """The line in at most `width` cells and, where the column is known, the mark below it.

    Args:
        line: of the file, without its end.
        secrets: exact strings that must not be shown, such as the key in use.
    """
    found = _found(line, problem)
    found = None if found is None else _without_secrets(found, secrets)
    if found is None or not found.text.strip():
        return ()
    number = f"  {problem.line} | "
    shown, left, wide = _fitted(found, max(20, width - len(number)))
    if not wide:
        return (number + shown,)
    margin = " " * (len(number) - 2) + "| "
    return (number + shown, f"{margin}{' ' * left}{'^' * wide}")


def _found(line: str, problem: Problem) -> _Marked | None:
    """What is marked; None where only a piece of a long word could be shown: it may be a secret."""
    at = problem.column - 1
    is_known = 0 <= at <= len(line)
    at = at if is_known else 0
    start = max(0, at - MOST_CHARS // 2)
    if start:
        blank = _BLANK.search(line, start, at)
        if blank is None:
            return None
        start = blank.end()
    text = line[start : start + MOST_CHARS]
    length = _length(text, at - start, problem) if is_known else 0
    return _Marked(text=text, start=at - start, length=length)


def _length(line: str, at: int, problem: Problem) -> int:
    """Characters of the value at a position; 1 where its end is not known."""
    if not problem.file.lower().endswith(_YAML):
        return 1
    if line.startswith(('"', "'"), at):
        quoted = _QUOTED.match(line, at)
        return quoted.end() - at if quoted else 1
    if line.startswith(_OPENING, at):
        return 1
    end = _plain_end(line, at, _is_flow(line[:at]))
    word = line[at:end].rstrip()
    named = word == re.split(r"[.\[]", problem.path)[-1]
    return 1 if line.startswith(":", end) and not named else max(1, len(word))


def _plain_end(line: str, at: int, in_flow: bool) -> int:
    """Where text without quotes ends: at a comment, a key's colon, or what closes the flow."""
    place = at
    while place < len(line):
        if line.startswith("${{", place) and (close := line.find("}}", place)) > 0:
            place = close + 2
            continue
        char, after = line[place], line[place + 1 : place + 2]
        if char == ":" and (not after or after.isspace()):
            break
        if char == "#" and place > at and line[place - 1].isspace():
            break
        if in_flow and char in ",[]{}":
            break
        place += 1
    return place


def _is_flow(before: str) -> bool:
    """Whether a `{` or `[` is open, expressions and quotes left aside."""
    bare = _QUOTED.sub("", _TEMPLATE.sub("", before))
    return sum(map(bare.count, "{[")) > sum(map(bare.count, "}]"))


def _without_secrets(found: _Marked, secrets: Iterable[str]) -> _Marked:
    """With the mark where it was, if that part of the text is still there."""
    text = without_secrets(found.text, secrets=secrets)
    if text == found.text:
        return found
    same = next(
        (n for n, pair in enumerate(zip(text, found.text, strict=False)) if pair[0] != pair[1]),
        min(len(text), len(found.text)),
    )
    if found.start <= same:
        length = found.length if found.end <= same else min(1, found.length)
        return _Marked(text=text, start=found.start, length=length)
    from_end = len(found.text) - found.start
    if from_end <= len(text) and text[len(text) - from_end :] == found.text[found.start :]:
        return _Marked(text=text, start=len(text) - from_end, length=found.length)
    return _Marked(text=text)


def _fitted(found: _Marked, width: int) -> tuple[str, int, int]:
    """The text cut to `width` cells around the mark, and the cells left of and under the mark."""
    parts = _visible(found.text)
    ends = list(accumulate(cell_len(part) for part in parts))
    starts = [0, *ends]  # of each part, and of the end of the line
    total = starts[-1]
    left, right = starts[found.start], starts[min(found.end, len(parts))]
    right = max(right, left + min(1, found.length))
    first = last = 0
    if max(total, right) > width:
        room = width - 2  # for `…` on both sides
        skip = 0 if left <= room * 2 // 3 else left - room // 3
        first = next((n for n, start in enumerate(starts) if start >= skip), len(parts))
        last = next(
            (n for n in range(first, len(parts)) if ends[n] - starts[first] > room), len(parts)
        )
    else:
        last = len(parts)
    before, after = "…" if first else "", "…" if last < len(parts) else ""
    shown = f"{before}{''.join(parts[first:last])}{after}".rstrip()
    offset = len(before) - starts[first]
    wide = max(1, min(right + offset, cell_len(shown)) - left - offset) if found.length else 0
    return shown, left + offset, wide


def _visible(text: str) -> list[str]:
    """Each character as it is shown: a tab as blanks, what cannot be seen as an escape."""
    parts: list[str] = []
    cells = 0
    for char in text:
        if char == "\t":
            part = " " * (TAB - cells % TAB)
        elif unicodedata.category(char) in _ESCAPED:
            part = char.encode("unicode_escape").decode()
        else:
            part = char
        parts.append(part)
        cells += cell_len(part)
    return parts
