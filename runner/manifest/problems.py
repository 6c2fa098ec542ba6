"""Collects what is wrong while a manifest is expanded: each thing once, however many jobs share it.

A template with a mistake makes a thousand jobs with the same mistake. What is kept is bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from runner.errors import Problem
from runner.manifest.merging import Layers, Origin
from runner.manifest.places import Document, Path

#: rows named with one problem
MOST_ROWS = 5
#: different messages about one place; further ones are counted
MOST_MESSAGES = 20
_Words = tuple[str, str]  # message and hint


@dataclass(slots=True)
class _Seen:
    """One message about one place."""

    count: int = 0
    rows: list[str] = field(default_factory=list)

    def add(self, row: str) -> None:
        self.count += 1
        if row and len(self.rows) < MOST_ROWS and row not in self.rows:
            self.rows.append(row)


@dataclass(slots=True)
class _Place:
    """What is said of one place."""

    document: Document
    path: Path
    messages: dict[_Words, _Seen] = field(default_factory=dict)
    further: _Seen = field(default_factory=_Seen)

    def add(self, words: _Words, row: str) -> None:
        seen = self.messages.get(words)
        if seen is None and len(self.messages) >= MOST_MESSAGES:
            seen = self.further
        elif seen is None:
            seen = self.messages[words] = _Seen()
        seen.add(row)

    def problems(self) -> Iterator[Problem]:
        for (message, hint), seen in self.messages.items():
            problem = self.document.problem(self.path, message, hint)
            yield replace(problem, rows=tuple(seen.rows), count=seen.count)
        if self.further.count:
            problem = self.document.problem(self.path, "more of the kind at this place")
            yield replace(problem, rows=tuple(self.further.rows), count=self.further.count)


class Problems:
    """Errors and warnings in the order of the files."""

    def __init__(self) -> None:
        self._errors: dict[tuple[int, Path], _Place] = {}
        self._warnings: dict[tuple[int, Path], _Place] = {}

    @property
    def errors(self) -> tuple[Problem, ...]:
        return _sorted(self._errors)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return _sorted(self._warnings)

    def error(self, origin: Origin, message: str, hint: str = "", *, row: str = "") -> None:
        self._say(self._errors, origin, (message, hint), row)

    def warning(self, origin: Origin, message: str, hint: str = "", *, row: str = "") -> None:
        self._say(self._warnings, origin, (message, hint), row)

    def in_layers(
        self, layers: Layers, path: Path, job: str, message: str, hint: str = "", *,
        severity: str = "error", row: str = "",
    ) -> None:  # fmt: skip
        """Something about a merged value: said where it was written, with the job if elsewhere."""
        origin = layers.origin(path)
        if layers.is_shared(origin):
            message = f"{message} (job `{job}`)"
        report = self.error if severity == "error" else self.warning
        report(origin, message, hint, row=row)

    @staticmethod
    def _say(
        places: dict[tuple[int, Path], _Place], origin: Origin, words: _Words, row: str
    ) -> None:
        document, path = origin
        place = places.setdefault((id(document), path), _Place(document, path))
        place.add(words, row)


def _sorted(places: dict[tuple[int, Path], _Place]) -> tuple[Problem, ...]:
    found = [problem for place in places.values() for problem in place.problems()]
    return tuple(sorted(found, key=lambda problem: (problem.file, problem.line, problem.column)))
