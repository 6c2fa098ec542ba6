"""Files by a pattern: one row for each, with the column `file`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from runner.core.catalog import closest
from runner.manifest.assets import AssetProblem, neighbour, place_inside
from runner.manifest.rows.pattern import Matcher, Pattern, parse_pattern
from runner.manifest.rows.table import FileName, Row, RowProblem
from runner.manifest.words import shown

MAX_FILES = 1_000_000

_LOOKED_AT = 10_000  # files, for a hint


@dataclass(frozen=True, kw_only=True, slots=True)
class Files:
    """The files that match, sorted by path: folder by folder, name by name."""

    text: str  # the pattern as written
    pattern: Pattern
    base: Path
    allow: Sequence[Path]
    columns: tuple[str, ...] = ("file",)
    is_text: bool = False
    folder: str = ""

    def __iter__(self) -> Iterator[Row]:
        count = 0
        for count, file in enumerate(self._walk(self.pattern), start=1):
            if count > MAX_FILES:
                raise RowProblem(
                    f"`{self.text}` matches more than {MAX_FILES:,} files", hint="narrow it"
                )
            yield Row({"file": file}, file)
        if not count:
            raise RowProblem(f"`{self.text}` matches no file", hint=self._hint())

    def _walk(self, pattern: Pattern) -> Iterator[FileName]:
        return _Tree(Matcher(pattern.parts), self.base, self.allow).files(pattern.folder)

    def _hint(self) -> str:
        """What lies there instead."""
        where = f"`{self.pattern.folder}`" if self.pattern.folder else "the manifest's folder"
        found = islice(self._walk(self.pattern.with_last("*")), _LOOKED_AT)
        endings = Counter(file.suffix or file.name for file in found)
        near = closest(self.pattern.ending, list(endings)) if self.pattern.ending else None
        if near and near != self.pattern.ending:
            return f"{where} has files that end in `{near}`"
        common = ", ".join(f"`{ending}`" for ending, _ in endings.most_common(4))
        return f"in {where} it finds {common}" if common else f"looked in {where}: no files there"


def open_files(text: str, *, base: Path, allow: Sequence[Path]) -> Files:
    """Find the first file.

    Raises:
        RowProblem: nothing matches, or the pattern leads out of `base` and `allow`.
    """
    try:
        pattern = parse_pattern(text)
        folder = place_inside(pattern.folder or ".", base, allow, is_folder=True)
    except ValueError as error:
        raise RowProblem(f"{shown(text)} has {error}", hint="write `FOLDER/*.png`") from None
    except AssetProblem as problem:
        raise RowProblem(problem.message, hint=problem.hint) from None
    if not _is_folder(folder):
        raise RowProblem(
            f"`{text}` matches no file: there is no folder `{pattern.folder}`",
            hint=neighbour(folder),
        )
    if Path(pattern.folder).is_absolute() and folder.is_relative_to(base.resolve()):
        inside = folder.relative_to(base.resolve()).as_posix()
        pattern = Pattern(folder="" if inside == "." else inside, parts=pattern.parts)
    files = Files(text=text, pattern=pattern, base=base, allow=allow)
    next(iter(files))
    return files


class _Tree:
    """A walk through folders, after symbolic links never outside of where inputs may lie."""

    def __init__(self, matcher: Matcher, base: Path, allow: Sequence[Path]) -> None:
        self._matcher = matcher
        self._base = base
        self._allow = allow

    def files(self, folder: str) -> Iterator[FileName]:
        """Those that match below a folder, as written from the manifest's."""
        waiting = [(self._matcher.start, self._entries(folder))]
        while waiting:
            state, entries = waiting[-1]
            found = next(entries, None)
            if found is None:
                waiting.pop()
                continue
            path, entry = found
            if _leads_to_folder(entry):
                below = self._matcher.below(state, entry.name, is_link=entry.is_symlink())
                if below:
                    self._check(path, entry, is_folder=True)
                    waiting.append((below, self._entries(path)))
            elif self._matcher.is_file(state, entry.name) and _leads_to_file(entry):
                self._check(path, entry, is_folder=False)
                yield FileName(path)

    def _entries(self, folder: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """What lies in a folder, sorted by name, with its path."""
        try:
            with os.scandir(self._base / folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            message = f"the folder `{folder or '.'}` cannot be read: {error.strerror}"
            raise RowProblem(message) from error
        above = f"{folder.rstrip('/')}/" if folder else ""
        return ((above + entry.name, entry) for entry in found)

    def _check(self, path: str, entry: os.DirEntry[str], *, is_folder: bool) -> None:
        try:
            path.encode()
            if entry.is_symlink():
                place_inside(path, self._base, self._allow, is_folder=is_folder)
        except UnicodeEncodeError:
            name = path.encode("utf-8", "replace").decode()
            raise RowProblem(f"the file name `{name}` is not UTF-8", hint="rename it") from None
        except AssetProblem as problem:
            raise RowProblem(problem.message, hint=problem.hint, place=path) from None


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that no file system takes
        return False


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of links
        return False


def _leads_to_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False
