"""`include`: further files with jobs, defaults and variables of a manifest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from runner.errors import ManifestError, Problem
from runner.manifest.places import Document
from runner.manifest.reading import read_file
from runner.manifest.shape import check_shape, describe
from runner.manifest.yaml12 import parse_yaml

FRAGMENT = "fragment.schema.json"
#: files in files; a hundred is more than anybody can follow
MAX_FILES = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One file of a manifest."""

    document: Document
    folder: str = ""  # below the manifest's, with forward slashes


@dataclass(slots=True)
class Includes:
    """Reads what a manifest includes, each file before the one that names it."""

    base: Path  # the manifest's folder
    problems: list[Problem] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    _open: list[Path] = field(default_factory=list)
    _done: set[Path] = field(default_factory=set)

    def read(self, part: Part) -> Sequence[Part]:
        """All parts of the manifest whose own file is `part`, itself last."""
        self._open.append(Path(part.document.file).resolve())
        self._take(part)
        return self.parts

    def _take(self, part: Part) -> None:
        for index, written in enumerate(part.document.value.get("include", ())):
            for problem in self._include(part, written):
                self.problems.append(
                    part.document.problem(("include", index), problem.message, problem.hint)
                )
        self.parts.append(part)

    def _include(self, part: Part, written: str) -> Iterator[Problem]:
        name = PurePosixPath(part.folder, written)
        try:
            path = (self.base / name).resolve()
        except (OSError, RuntimeError, ValueError):  # a loop of links, a null character
            yield Problem(message=f"{describe(written)} is not a usable path")
            return
        if not path.is_relative_to(self.base.resolve()):
            yield Problem(
                message=f"`{written}` lies outside the manifest's folder", hint="move it there"
            )
        elif path in self._open:
            yield Problem(message=f"`{written}` includes itself", hint="leave it out")
        elif len(self._done) >= MAX_FILES:
            yield Problem(message=f"more than {MAX_FILES} files are included")
        elif path not in self._done:
            self._done.add(path)
            yield from self._read(path, name)

    def _read(self, path: Path, name: PurePosixPath) -> Iterator[Problem]:
        try:
            data = read_file(self.base / name)
        except ManifestError as error:
            yield from error.problems  # told where it is included: there is nothing else to show
            return
        try:
            document = parse_yaml(data, file=str(self.base / name))
        except ManifestError as error:
            self.problems.extend(error.problems)
            return
        shape = check_shape(document, FRAGMENT)
        if shape:
            self.problems.extend(shape)
            return
        self._open.append(path)
        folder = name.parent.as_posix()
        self._take(Part(document=document, folder="" if folder == "." else folder))
        self._open.pop()
