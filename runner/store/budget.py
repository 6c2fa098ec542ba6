"""Ledger entries as rows: money rules as conditional updates.

Entries are the truth; caps and the hours of `spending` are their sums, kept in the same
transaction.
"""

from __future__ import annotations

from datetime import datetime
from sqlite3 import Connection

from runner.core.job import Job
from runner.core.ledger import Cap, EntryState, LedgerMove, LedgerTotals
from runner.core.limits import Terms
from runner.core.spec import JobSpec
from runner.store import account, intents, windows
from runner.store.caps import (
    BALANCE,
    COMPUTED,
    Scope,
    all_caps,
    check_counted,
    count,
    scope_of,
)
from runner.store.codec import to_micros, to_text
from runner.store.rows import Row

_ENTRY = "SELECT lane, tags, run, credits, intended_at FROM ledger WHERE job = ? AND attempt = ?"
_BEGIN = (
    "INSERT INTO ledger (job, attempt, batch, run, lane, tags, state, credits, at, endpoint, held,"
    " asked, arrived, intended_at, answered_at, settled_at)"
    " VALUES (:job, :attempt, :batch, :run, :lane, :tags, :state, :credits, :at, :endpoint,"
    " :credits, :asked, :arrived, :at, :settled_at, :settled_at)"
)
_GO_ON = (
    "UPDATE ledger SET state = :state, credits = :credits, at = :at,"
    " held = CASE WHEN :settled_at IS NULL THEN MAX(held, :credits) ELSE held END,"
    " asked = COALESCE(:asked, asked), arrived = COALESCE(:arrived, arrived),"
    " answered_at = COALESCE(answered_at, :at), settled_at = :settled_at"
    " WHERE job = :job AND attempt = :attempt"
)
_TOTALS = "SELECT state, SUM(credits) AS credits FROM ledger WHERE batch = ? GROUP BY state"


def apply_move(
    db: Connection, batch: int, job: int, after: Job, run: int | None, move: LedgerMove,
    at: datetime, terms: Terms | None,
) -> None:  # fmt: skip
    """Write the entry, and count the difference under every cap that applies.

    Raises:
        NotNow: a reserve did not fit; the caller undoes the transaction.
    """
    row = db.execute(_ENTRY, (job, move.attempt)).fetchone()
    scope = _scope(after.spec, run) if row is None else scope_of(row)
    more = move.credits - (0 if row is None else row["credits"])
    caps = all_caps(db, batch)
    count(db, batch, caps, scope, more, must_fit=move.must_fit)
    if move.must_fit:
        intents.check(db, batch, job, after, move.credits, at, caps, terms)
    micros = to_micros(at)
    _write(db, batch, job, after.spec, run, move, micros, is_new=row is None)
    windows.add(
        db, account.service_of(db, batch), micros if row is None else row["intended_at"], more
    )


def check_room(
    db: Connection, batch: int, spec: JobSpec, run: int | None, credits: int, now: datetime
) -> None:
    """Whether a reserve for the job would fit; raises `CapReached` where it would not."""
    caps = all_caps(db, batch)
    check_counted(caps, _scope(spec, run), credits)
    intents.check_room(db, batch, credits, now, caps)


def totals(db: Connection, batch: int) -> LedgerTotals:
    """Credits of a batch, from its entries."""
    found = {row["state"]: row["credits"] for row in db.execute(_TOTALS, (batch,))}
    return LedgerTotals(
        spent=found.get(EntryState.SETTLED, 0),
        reserved=found.get(EntryState.RESERVED, 0),
        in_doubt=found.get(EntryState.IN_DOUBT, 0),
    )


def caps_in_force(db: Connection, batch: int, now: datetime | None) -> list[Cap]:
    """Every cap of the batch with what counts against it.

    For the balance the limit is what may be spent of it. It is left out where the account was
    never read, and `day` and `month` where nobody says which time it is.
    """
    service = account.service_of(db, batch)
    found = [_as_cap(db, service, row, now) for row in all_caps(db, batch)]
    return [cap for cap in found if cap is not None]


def _as_cap(db: Connection, service: str, row: Row, now: datetime | None) -> Cap | None:
    name, limit = row["name"], row["limit_credits"]
    if name not in COMPUTED:
        return Cap(name=name, limit=limit, used=row["used_credits"])
    if name == BALANCE:
        reading = account.newest(db, service)
        if reading is None:
            return None
        most = max(0, reading.organization.credit_balance - limit)
        return Cap(name=name, limit=most, used=account.unread_credits(db, service, reading))
    if now is None:
        return None
    return Cap(name=name, limit=limit, used=windows.used(db, service, name, now))


def _write(
    db: Connection, batch: int, job: int, spec: JobSpec, run: int | None, move: LedgerMove,
    at: int, *, is_new: bool,
) -> None:  # fmt: skip
    values = {
        "job": job, "attempt": move.attempt, "state": move.state.value, "credits": move.credits,
        "at": at, "asked": move.asked,
        "arrived": None if move.arrived is None else int(move.arrived),
        "settled_at": at if move.state is EntryState.SETTLED else None,
    }  # fmt: skip
    if is_new:
        # an attempt that is settled when it is first heard of was found finished on disk
        values |= {"batch": batch, "run": run, "lane": spec.lane, "tags": to_text(spec.tags),
                   "endpoint": spec.endpoint}  # fmt: skip
    db.execute(_BEGIN if is_new else _GO_ON, values)


def _scope(spec: JobSpec, run: int | None) -> Scope:
    return Scope(lane=spec.lane, tags=spec.tags, run=run)
