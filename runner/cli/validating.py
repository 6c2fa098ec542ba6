"""`validate`: one manifest after the other, so that pre-commit hears of all problems at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.app.planning import check_project
from runner.app.project import load_project
from runner.errors import RunnerError

from .options import Flags
from .output import Output
from .show_notes import show_notes
from .show_problems import errors_json, problems_json


@dataclass(slots=True)
class _Findings:
    """What is known after some files."""

    good: list[dict[str, Any]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    exit_code: int = 0


def validate_files(flags: Flags, files: Sequence[Path], sets: Mapping[str, str]) -> int:
    """Check each; 2 where one cannot be used."""
    out, found = flags.output(), _Findings()
    for file in dict.fromkeys(files):
        try:
            _check(file, flags, sets, out, found)
        except RunnerError as error:
            found.exit_code = found.exit_code or error.exit_code
            found.errors += errors_json(error)
            if not out.json:
                out.failure(error)
    if out.json:
        is_single = len(files) == 1
        data: Any = {"files": found.good}
        if is_single:
            data = found.good[0] if found.good else None
        out.envelope("validate", data, ok=not found.exit_code, errors=found.errors)
    return found.exit_code


def _check(
    file: Path, flags: Flags, sets: Mapping[str, str], out: Output, found: _Findings
) -> None:
    project = load_project(file, flags.settings(), sets=sets)
    checked = check_project(project)
    found.good.append(
        {
            "file": str(file),
            "batch": project.batch,
            "jobs": checked.jobs,
            "warnings": problems_json(checked.warnings),
        }
    )
    if not out.json:
        show_notes(out, checked.warnings)
        out.data(f"{file}: ok, {checked.jobs:,} {'job' if checked.jobs == 1 else 'jobs'}")
