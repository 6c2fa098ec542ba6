"""Problems of a manifest for people and for scripts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from runner.errors import ManifestError, Problem, RunnerError
from runner.runway.redact import without_secrets
from runner.settings import KEY_VARIABLES

from .excerpt import excerpt
from .problem_groups import MOST_IN_JSON, MOST_ROWS, rows_words, told
from .source_lines import source_lines
from .wrapping import wrapped


def problem_lines(problems: Sequence[Problem], *, width: int) -> Iterator[tuple[str, str]]:
    """Everything to print: place and message, then without a place the line, rows and hint.

    Args:
        width: cells that an excerpt may take.
    """
    shown = told(problems)
    lines = source_lines((problem.file, problem.line) for problem in shown.problems)
    for problem in shown.problems:
        path = f" ({problem.path})" if problem.path else ""
        # a message may repeat a value, and a value may be a signed link
        yield problem.where, without_secrets(f"{problem.message}{path}")
        for text in _below(problem, lines.get((problem.file, problem.line)), width):
            yield "", text
    if shown.left_out:
        yield "", f"… and {shown.left_out:,} more problem{'' if shown.left_out == 1 else 's'}"


def _below(problem: Problem, line: str | None, width: int) -> Iterator[str]:
    if line is not None:
        secrets = [os.environ.get(name, "") for name in KEY_VARIABLES]
        yield from excerpt(line, problem, width=width, secrets=secrets)
    if rows := rows_words(problem):
        yield f"  {rows}"
    if problem.hint:
        yield from wrapped(f"  hint: {problem.hint}", width, indent=len("  hint: "))


def errors_json(error: RunnerError) -> list[dict[str, Any]]:
    """The `errors` of the envelope: one for each problem of a manifest."""
    if isinstance(error, ManifestError):
        return [{"code": error.code, **found} for found in problems_json(error.problems)]
    return [{"code": error.code, "message": error.message, "hint": error.hint, "where": ""}]


def problem_json(problem: Problem) -> dict[str, Any]:
    """A problem for scripts; rows only where it stands for several."""
    found: dict[str, Any] = {
        "message": problem.message,
        "hint": problem.hint,
        "where": problem.where,
        "path": problem.path,
    }
    if problem.rows:
        found |= {"rows": list(problem.rows[: MOST_ROWS + 1]), "count": problem.count}
    return found


def problems_json(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    """All of them; of very many the first, and one more that says how many are left out."""
    found = [problem_json(problem) for problem in problems[:MOST_IN_JSON]]
    if left_out := sum(problem.count for problem in problems[MOST_IN_JSON:]):
        message = f"and {left_out:,} more problem{'' if left_out == 1 else 's'}"
        found.append({"message": message, "hint": "", "where": "", "path": "", "count": left_out})
    return found
