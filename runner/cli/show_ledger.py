"""The ledger for people, for scripts and for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from runner.app.ledger_view import LedgerView, read_ledger
from runner.core.credits import CREDITS_PER_DOLLAR, format_credits
from runner.core.ledger import Cap
from runner.errors import UsageError
from runner.store.accounting import By, LedgerRow
from runner.store.runs import StoredRun

from .caps import cap_words, in_order, is_of_run
from .options import Flags
from .output import Output, clean
from .places import find_all

#: cells that begin so are formulas to a spreadsheet
_FORMULA = ("=", "+", "-", "@")
_AMOUNTS = ("spent", "reserved", "in_doubt", "released")


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerFlags:
    """What `ledger` was told."""

    batch: str | None
    by: str | None
    as_csv: bool
    emulator: bool


async def ledger(flags: Flags, asked: LedgerFlags) -> int:
    """Show it; reads only."""
    out = flags.output()
    if out.json and asked.as_csv:
        raise UsageError("either `--json` or `--csv`")
    state, batch = await find_all(flags, asked.batch, emulator=asked.emulator)
    view = await read_ledger(state, batch, By(asked.by) if asked.by else None)
    if out.json:
        out.envelope("ledger", ledger_json(view))
    elif asked.as_csv:
        for line in csv_lines(view):
            out.data(line)
    else:
        show_ledger(view, out)
    return 0


def show_ledger(view: LedgerView, out: Output) -> None:
    """A table in credits, the total and the caps in both units."""
    runs = {run.id: run for run in view.runs}
    rows = [(_name(view, row, runs), *_numbers(row)) for row in view.rows]
    headers = (view.by.value, ">spent", ">reserved", ">in doubt", ">released", ">attempts")
    out.table(headers, rows)
    out.data()
    total = view.total
    parts = [f"{format_credits(total.spent)} spent"]
    parts += [
        f"{format_credits(amount)} {word}"
        for amount, word in ((total.reserved, "reserved"), (total.in_doubt, "in doubt"))
        if amount
    ]
    attempts = "1 attempt" if total.attempts == 1 else f"{total.attempts:,} attempts"
    out.data(f"total: {', '.join(parts)}, {attempts}")
    _show_caps(view, out)


def _show_caps(view: LedgerView, out: Output) -> None:
    """Batch by batch, with the batch's name only where there are several."""
    if not view.caps:
        return
    batches = dict.fromkeys(batch for batch, _ in view.caps)
    rows = [
        (batch, _cap_name(cap), *(format_credits(n) for n in (cap.used, cap.limit, cap.available)))
        for batch in batches
        for cap in in_order(cap for of, cap in view.caps if of == batch)
    ]
    headers = ("batch", "cap", ">used", ">of", ">left")
    out.data()
    if view.batch is None:
        out.table(headers, rows)
    else:
        out.table(headers[1:], [row[1:] for row in rows])


def _cap_name(cap: Cap) -> str:
    """The ledger outlives runs."""
    return "latest run" if is_of_run(cap) else cap_words(cap.name)


def _name(view: LedgerView, row: LedgerRow, runs: dict[str, StoredRun]) -> str:
    run = runs.get(row.name)
    if run is not None:
        who = f"{run.user}@{run.host}" if run.user else run.host
        return f"{run.started_at.astimezone():%Y-%m-%d %H:%M:%S} {who}: {run.command}"
    if row.name:
        return row.name
    return {By.TAG: "(no tag)", By.RUN: "(short commands)"}.get(view.by, "")


def _numbers(row: LedgerRow) -> tuple[str, ...]:
    return (*(f"{getattr(row, name):,}" for name in _AMOUNTS), f"{row.attempts:,}")


def ledger_json(view: LedgerView) -> dict[str, Any]:
    runs = {run.id: run for run in view.runs}
    return {
        "batch": view.batch,
        "by": view.by.value,
        "rows": [
            _row_json(row) | ({"run": run_json(runs[row.name])} if row.name in runs else {})
            for row in view.rows
        ],
        "total": _row_json(view.total),
        "caps": [
            {"batch": batch, "name": cap.name, "limit": cap.limit, "used": cap.used,
             "available": cap.available}
            for batch, cap in view.caps
        ],
    }  # fmt: skip


def _row_json(row: LedgerRow) -> dict[str, Any]:
    amounts = {name: getattr(row, name) for name in _AMOUNTS}
    return {"name": row.name, **amounts, "attempts": row.attempts}


def run_json(run: StoredRun) -> dict[str, Any]:
    return {
        "user": run.user,
        "host": run.host,
        "command": run.command,
        "started_at": run.started_at.isoformat(),
        "ended_at": run.ended_at.isoformat() if run.ended_at else None,
        "exit_code": run.exit_code,
    }


def csv_lines(view: LedgerView) -> Iterable[str]:
    """Header and rows; no cell is a formula to the program that opens them."""
    runs = {run.id: run for run in view.runs}
    who = ("user", "host", "command") if view.by is By.RUN else ()
    amounts = [word for name in _AMOUNTS for word in (name, f"{name}_usd")]
    yield _csv([view.by.value, *who, *amounts, "attempts"])
    for row in view.rows:
        run = runs.get(row.name)
        told = [getattr(run, word) if run else "" for word in who]
        money = [text for name in _AMOUNTS for text in _both_units(getattr(row, name))]
        yield _csv([row.name, *told, *money, str(row.attempts)])


def _both_units(credits: int) -> tuple[str, str]:
    return str(credits), f"{credits / CREDITS_PER_DOLLAR:.2f}"


def _csv(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(safe_cell(cell) for cell in cells)
    return text.getvalue()


def safe_cell(text: str) -> str:
    """Text that a spreadsheet takes as text: a quote in front of what looks like a formula."""
    cleaned = clean(text)
    return f"'{cleaned}" if cleaned.lstrip().startswith(_FORMULA) else cleaned
