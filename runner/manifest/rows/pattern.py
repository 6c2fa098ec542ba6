"""A pattern of paths: `plates/**/*.png`, part by part."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

#: characters of a pattern; no system takes longer paths
MAX_LENGTH = 4096
ANY_FOLDERS = "**"
WILDCARDS = frozenset("*?[")


def is_pattern(path: str) -> bool:
    """Whether a written path stands for many files."""
    return not WILDCARDS.isdisjoint(path)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pattern:
    """The folder that a pattern begins in, and what to look for below it."""

    folder: str  # as written, with forward slashes; empty: the manifest's
    parts: tuple[str, ...]  # file and folder names with wildcards; the last one is the files'

    @property
    def ending(self) -> str:
        """`.png`, if the files' ending is fixed; else empty."""
        ending = PurePath(self.parts[-1]).suffix
        return "" if is_pattern(ending) else ending

    def with_last(self, part: str) -> Pattern:
        """The same folders, other files."""
        return Pattern(folder=self.folder, parts=(*self.parts[:-1], part))


def parse_pattern(text: str) -> Pattern:
    """Split a pattern at its first wildcard.

    Raises:
        ValueError: `..` after a wildcard, or nothing that a file could be named.
    """
    parts = PurePath(text).parts
    if not parts or len(text) > MAX_LENGTH:
        raise ValueError("no name of a file" if not parts else "too many characters")
    at = next((n for n, part in enumerate(parts) if is_pattern(part)), len(parts) - 1)
    rest = [
        part
        for n, part in enumerate(parts[at:])
        if part != ANY_FOLDERS or n == 0 or parts[at + n - 1] != ANY_FOLDERS
    ]
    if ".." in rest:
        raise ValueError("`..` after a wildcard")
    if rest[-1] == ANY_FOLDERS:
        rest.append("*")
    folder = PurePath(*parts[:at]).as_posix()
    return Pattern(folder="" if folder == "." else folder, parts=tuple(rest))


class Matcher:
    """Follows a pattern down a tree of folders, all ways of matching at once.

    A state is a set of positions in the pattern: the parts that the next name may match. So each
    folder is read once and each file found once, however often `**` stands in the pattern.
    """

    def __init__(self, parts: Sequence[str]) -> None:
        self._parts = parts
        self._rules = [re.compile(fnmatch.translate(part)) for part in parts]
        self.start = self._with_skips({0})

    def is_file(self, state: frozenset[int], name: str) -> bool:
        """Whether a file of that name is meant."""
        last = len(self._parts) - 1
        return last in state and self._fits(last, name)

    def below(self, state: frozenset[int], name: str, *, is_link: bool) -> frozenset[int]:
        """What to look for in a folder of that name; `**` does not follow links."""
        found: set[int] = set()
        for position in state - {len(self._parts) - 1}:
            if self._parts[position] == ANY_FOLDERS:
                found |= set() if is_link or name.startswith(".") else {position}
            elif self._fits(position, name):
                found.add(position + 1)
        return self._with_skips(found)

    def _fits(self, position: int, name: str) -> bool:
        """Hidden names are matched only by patterns that begin with the dot themselves."""
        if name.startswith(".") and not self._parts[position].startswith("."):
            return False
        return self._rules[position].match(name) is not None

    def _with_skips(self, positions: set[int]) -> frozenset[int]:
        """`**` also stands for no folder at all."""
        skipped = {n + 1 for n in positions if self._parts[n] == ANY_FOLDERS}
        return frozenset(positions | skipped)
