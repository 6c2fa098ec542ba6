"""What was spent, by whatever is asked, and every cap with what is left of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.clock import Clock, SystemClock
from runner.core.ledger import Cap
from runner.store.accounting import By, LedgerRow
from runner.store.reader import StateReader
from runner.store.runs import StoredRun


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerView:
    """Sums of a batch, or of a whole state file."""

    batch: str | None  # None: all batches of the file
    by: By
    rows: Sequence[LedgerRow]
    total: LedgerRow
    caps: Sequence[tuple[str, Cap]]  # each with its batch
    runs: Sequence[StoredRun] = ()  # with `By.RUN`: who paid


async def read_ledger(
    state: Path, batch: str | None, by: By | None = None, *, clock: Clock | None = None
) -> LedgerView:
    """Reads only. Without `by`: of one batch by model, of a whole file by batch."""
    by = by or (By.BATCH if batch is None else By.MODEL)
    now = (clock or SystemClock()).now()
    async with await StateReader.read(state) as reader:
        names = [b.name for b in await reader.batches()] if batch is None else [batch]
        return LedgerView(
            batch=batch,
            by=by,
            rows=await reader.ledger(batch, by),
            total=_total(await reader.ledger(batch, By.BATCH)),
            caps=[(n, cap) for n in names for cap in await reader.caps_in_force(n, now=now)],
            runs=await reader.runs(batch) if by is By.RUN else (),
        )


def _total(rows: Sequence[LedgerRow]) -> LedgerRow:
    """Of the batches: sums by tag count what has two tags twice."""
    return LedgerRow(
        name="total",
        spent=sum(row.spent for row in rows),
        reserved=sum(row.reserved for row in rows),
        in_doubt=sum(row.in_doubt for row in rows),
        released=sum(row.released for row in rows),
        attempts=sum(row.attempts for row in rows),
    )
