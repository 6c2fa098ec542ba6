"""Collects what is wrong while a manifest is expanded: each thing once, however many jobs share it.

A template with a mistake makes a thousand jobs with the same mistake. What is kept is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

from runner.errors import Problem
from runner.manifest.hints import Hint
from runner.manifest.merging import Layers, Origin
from runner.manifest.places import Document, Path

#: rows named with one problem
MOST_ROWS = 1_000
#: different messages about one place; further ones are counted
MOST_MESSAGES = 20
#: hints that are worked out; it is all that anybody reads
MOST_HINTS = 50


@dataclass(slots=True)
class _Seen:
    """One message about one place."""

    hint: str = ""
    count: int = 0
    rows: list[str] = field(default_factory=list)
    last: str = ""
    is_note: bool = False

    def add(self, row: str) -> None:
        """Count one more row; takes and cells of a row come together, and are one."""
        if row and row == self.last:
            return
        self.last = row
        self.count += 1
        if row and len(self.rows) < MOST_ROWS:
            self.rows.append(row)


@dataclass(slots=True)
class _Place:
    """What is said of one place."""

    document: Document
    path: Path
    messages: dict[str, _Seen] = field(default_factory=dict)
    further: _Seen = field(default_factory=_Seen)

    def seen(self, message: str, hint: Callable[[], str]) -> _Seen:
        """How often a message was said; `hint` is asked for when it is new."""
        seen = self.messages.get(message)
        if seen is None and len(self.messages) >= MOST_MESSAGES:
            return self.further
        if seen is None:
            seen = self.messages[message] = _Seen(hint=hint())
        return seen

    def problems(self) -> Iterator[Problem]:
        for message, seen in self.messages.items():
            problem = self.document.problem(self.path, message, seen.hint)
            yield replace(problem, rows=tuple(seen.rows), count=seen.count, is_note=seen.is_note)
        if self.further.count:
            problem = self.document.problem(self.path, "more of the kind at this place")
            yield replace(problem, rows=tuple(self.further.rows), count=self.further.count)


class Problems:
    """Errors and warnings in the order of the files."""

    def __init__(self) -> None:
        self._errors: dict[tuple[int, Path], _Place] = {}
        self._warnings: dict[tuple[int, Path], _Place] = {}
        self._hints = 0  # that were worked out

    @property
    def errors(self) -> tuple[Problem, ...]:
        return _sorted(self._errors)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return _sorted(self._warnings)

    def error(self, origin: Origin, message: str, hint: Hint = "", *, row: str = "") -> None:
        self._say(self._errors, origin, message, hint, row)

    def warning(self, origin: Origin, message: str, hint: Hint = "", *, row: str = "") -> None:
        self._say(self._warnings, origin, message, hint, row)

    def note(self, origin: Origin, message: str, hint: Hint = "") -> None:
        """A warning of what is most likely meant."""
        self._say(self._warnings, origin, message, hint, "").is_note = True

    def in_layers(
        self, layers: Layers, path: Path, job: str, message: str, hint: Hint = "", *,
        severity: str = "error", row: str = "",
    ) -> None:  # fmt: skip
        """Something about a merged value: said where it was written, with the job if elsewhere."""
        origin = layers.origin(path)
        if layers.is_shared(origin):
            message = f"{message} (job `{job}`)"
        report = self.error if severity == "error" else self.warning
        report(origin, message, hint, row=row)

    def _say(
        self, places: dict[tuple[int, Path], _Place], origin: Origin, message: str, hint: Hint,
        row: str,
    ) -> _Seen:  # fmt: skip
        document, path = origin
        place = places.get((id(document), path))
        if place is None:
            place = places[id(document), path] = _Place(document, path)
        seen = place.seen(message, partial(self._hint, hint))
        seen.add(row)
        return seen

    def _hint(self, hint: Hint) -> str:
        """What it says, where it is there or may still be worked out."""
        if isinstance(hint, str):
            return hint
        self._hints += 1
        return hint() if self._hints <= MOST_HINTS else ""


def _sorted(places: dict[tuple[int, Path], _Place]) -> tuple[Problem, ...]:
    found = [problem for place in places.values() for problem in place.problems()]
    return tuple(sorted(found, key=lambda problem: (problem.file, problem.line, problem.column)))
