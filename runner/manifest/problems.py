"""Collects what is wrong while a manifest is expanded, each thing once."""

from __future__ import annotations

from runner.errors import Problem
from runner.manifest.merging import Layers
from runner.manifest.places import Document, Path


class Problems:
    """Errors and warnings in the order of the file."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._errors: dict[Problem, None] = {}
        self._warnings: dict[Problem, None] = {}

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(sorted(self._errors, key=_position))

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return tuple(sorted(self._warnings, key=_position))

    def error(self, path: Path, message: str, hint: str = "") -> None:
        self._errors[self._document.problem(path, message, hint)] = None

    def warning(self, path: Path, message: str, hint: str = "") -> None:
        self._warnings[self._document.problem(path, message, hint)] = None

    def in_layers(
        self, layers: Layers, path: Path, job: str, message: str, hint: str = "", *,
        severity: str = "error",
    ) -> None:  # fmt: skip
        """Something about a merged value: said where it was written, with the job if elsewhere."""
        origin = layers.origin(path)
        if origin[0] != "jobs":
            message = f"{message} (job `{job}`)"
        report = self.error if severity == "error" else self.warning
        report(origin, message, hint)


def _position(problem: Problem) -> tuple[int, int]:
    return problem.line, problem.column
