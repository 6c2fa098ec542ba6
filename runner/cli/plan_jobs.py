"""Every job of a plan with its reason: told while they are read, page by page, never all held."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from runner.core.credits import format_credits
from runner.core.plan import PlanEntry
from runner.core.plan_reason import reason_of
from runner.errors import RunnerError

from .output import VERSION, WIDE, Output, known_width
from .plan_json import entry_json
from .show_problems import errors_json
from .wrapping import wrapped

#: jobs that are told at once
PAGE = 500
#: cells in which a reason can be read
_LEAST_WHY = 16
#: of the lines of a job that has no room for columns
_INDENT = 4
_HEADERS = ("job", "what", "model", "at worst", "why")


async def list_jobs(entries: AsyncIterator[PlanEntry], out: Output) -> None:
    """A line for each job. Columns only ever get wider; nothing is cut.

    Raises:
        UsageError: an input changed since the plan was made.
    """
    rows: list[Sequence[str]] = [_HEADERS]
    widths = [0] * len(_HEADERS)
    async for page in _pages(entries):
        rows += [_row(entry) for entry in page]
        widths = [
            max(width, *map(len, cells))
            for width, cells in zip(widths, zip(*rows, strict=True), strict=True)
        ]
        if not out.lines(line for row in rows for line in _lines(row, widths)):
            return
        rows = []


async def stream_json(
    data: Mapping[str, Any], entries: AsyncIterator[PlanEntry], out: Output,
    errors: Sequence[Mapping[str, Any]],
) -> int:  # fmt: skip
    """The envelope of `plan` in one line, with all jobs as `data.entries`.

    Returns:
        The exit code of what went wrong meanwhile, 0 where nothing did.
    """
    head = {"version": VERSION, "command": "plan"}
    text = f'{json.dumps(head)[:-1]}, "data": {json.dumps(data)[:-1]}, "entries": ['
    found: list[Mapping[str, Any]] = [*errors]
    code = 0
    try:
        async for page in _pages(entries):
            text += ", ".join(json.dumps(entry_json(entry)) for entry in page)
            if not out.json_part(text):
                return 0
            text = ", "
    except RunnerError as error:
        found += errors_json(error)
        code = error.exit_code
    end = {"ok": not found, "errors": found}
    out.json_part(f"{text.removesuffix(', ')}]}}, {json.dumps(end)[1:]}\n")
    return code


async def _pages(entries: AsyncIterator[PlanEntry]) -> AsyncIterator[list[PlanEntry]]:
    page: list[PlanEntry] = []
    async for entry in entries:
        page.append(entry)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page


def _row(entry: PlanEntry) -> Sequence[str]:
    spec = entry.spec
    cost = format_credits(spec.reserve) if entry.starts else "-"
    word = entry.word.replace("_", " ")
    return spec.id, word, spec.model or spec.endpoint, cost, reason_of(entry)


def _lines(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """One line in a pipe; where the page is narrower, the reason goes on below itself."""
    *cells, cost, why = row
    padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=False)]
    head = "  ".join([*padded, cost.rjust(widths[-2]), ""])
    width = known_width() or WIDE
    if width - len(head) < min(_LEAST_WHY, len(why)):
        return iter(wrapped(f"{'  '.join([*cells, cost])}  {why}", width, indent=_INDENT))
    first, *others = wrapped(why, max(_LEAST_WHY, width - len(head)))
    return iter([head + first, *(" " * len(head) + line for line in others)])
