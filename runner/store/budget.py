"""Ledger entries and caps as rows: money rules as conditional updates.

Entries are the truth, `used_credits` of a cap is their sum, kept in the same transaction.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from sqlite3 import Connection

from runner.core.credits import format_credits
from runner.core.ledger import Cap, Caps, EntryState, LedgerMove, LedgerTotals
from runner.core.spec import JobSpec
from runner.errors import CapReached
from runner.store.codec import to_micros, to_text
from runner.store.rows import Row

_CAPS = "SELECT name, run, limit_credits, used_credits FROM caps WHERE batch = ? ORDER BY name"
_FIT = (
    "UPDATE caps SET used_credits = used_credits + :more WHERE batch = :batch AND name = :name"
    " AND used_credits + :more <= limit_credits"
)
_COUNT = "UPDATE caps SET used_credits = used_credits + :more WHERE batch = :batch AND name = :name"
_ENTRY = "SELECT lane, tags, run, credits FROM ledger WHERE job = ? AND attempt = ?"
_SET_ENTRY = (
    "INSERT INTO ledger (job, attempt, batch, run, lane, tags, state, credits, at)"
    " VALUES (:job, :attempt, :batch, :run, :lane, :tags, :state, :credits, :at)"
    " ON CONFLICT (job, attempt) DO UPDATE"
    " SET state = excluded.state, credits = excluded.credits, at = excluded.at"
)
_TOTALS = "SELECT state, SUM(credits) AS credits FROM ledger WHERE batch = ? GROUP BY state"
_SUMS = (
    "SELECT lane, tags, run, SUM(credits) AS credits FROM ledger WHERE batch = ?"
    " GROUP BY lane, tags, run"
)
_ADD_CAP = (
    "INSERT INTO caps (batch, name, run, limit_credits, used_credits)"
    " VALUES (:batch, :name, :run, :limit, :used)"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """What decides which caps count an entry: fixed when the credits were reserved."""

    lane: str
    tags: Collection[str]
    run: int | None

    def covers(self, cap: Row | Mapping[str, object]) -> bool:
        """Whether the cap counts what has this scope."""
        kind, _, value = str(cap["name"]).partition(":")
        match kind:
            case "run":
                return cap["run"] is not None and cap["run"] == self.run
            case "model":
                return value == self.lane
            case "tag":
                return value in self.tags
        return True


def apply_move(
    db: Connection, batch: int, job: int, spec: JobSpec, run: int | None, move: LedgerMove,
    at: datetime,
) -> None:  # fmt: skip
    """Write the entry, and count the difference under every cap that applies.

    Raises:
        CapReached: a reserve did not fit; the caller undoes the transaction.
    """
    row = db.execute(_ENTRY, (job, move.attempt)).fetchone()
    scope = Scope(lane=spec.lane, tags=spec.tags, run=run) if row is None else _scope(row)
    more = move.credits - (0 if row is None else row["credits"])
    _count(db, batch, scope, more, must_fit=move.must_fit)
    db.execute(
        _SET_ENTRY,
        {
            "job": job, "attempt": move.attempt, "batch": batch, "run": run, "lane": scope.lane,
            "tags": to_text(tuple(scope.tags)), "state": move.state.value,
            "credits": move.credits, "at": to_micros(at),
        },
    )  # fmt: skip


def check_room(db: Connection, batch: int, spec: JobSpec, run: int | None, credits: int) -> None:
    """Whether a reserve for the job would fit; raises `CapReached` where it would not."""
    scope = Scope(lane=spec.lane, tags=spec.tags, run=run)
    for cap in _caps(db, batch, scope):
        if cap["used_credits"] + credits > cap["limit_credits"]:
            raise _reached(cap, credits)


def totals(db: Connection, batch: int) -> LedgerTotals:
    """Credits of a batch, from its entries."""
    found = {row["state"]: row["credits"] for row in db.execute(_TOTALS, (batch,))}
    return LedgerTotals(
        spent=found.get(EntryState.SETTLED, 0),
        reserved=found.get(EntryState.RESERVED, 0),
        in_doubt=found.get(EntryState.IN_DOUBT, 0),
    )


def set_caps(db: Connection, batch: int, caps: Caps, run: int | None, run_id: str | None) -> None:
    """Replace the batch's caps; what counts against them is summed up from the entries.

    A cap below what is used already is kept: nothing more starts under it.
    """
    db.execute("DELETE FROM caps WHERE batch = ?", (batch,))
    limits: dict[str, int | None] = {"batch": caps.batch}
    limits |= {f"model:{lane}": most for lane, most in caps.models.items()}
    limits |= {f"tag:{tag}": most for tag, most in caps.tags.items()}
    if run is not None:
        limits[f"run:{run_id}"] = caps.run
    sums = _sums(db, batch)
    for name, limit in limits.items():
        if limit is not None:
            cap = {"name": name, "run": run if name.startswith("run:") else None}
            used = sum(credits for scope, credits in sums if scope.covers(cap))
            db.execute(_ADD_CAP, {**cap, "batch": batch, "limit": limit, "used": used})


def caps_in_force(db: Connection, batch: int) -> list[Cap]:
    """Every cap of the batch with what counts against it."""
    return [
        Cap(name=row["name"], limit=row["limit_credits"], used=row["used_credits"])
        for row in db.execute(_CAPS, (batch,))
    ]


def caps_off(db: Connection, batch: int) -> list[str]:
    """Names of caps whose count is not the sum of the entries: none, unless there is a bug."""
    sums = _sums(db, batch)
    return [
        cap["name"]
        for cap in db.execute(_CAPS, (batch,)).fetchall()
        if cap["used_credits"] != sum(credits for scope, credits in sums if scope.covers(cap))
    ]


def _count(db: Connection, batch: int, scope: Scope, more: int, *, must_fit: bool) -> None:
    for cap in _caps(db, batch, scope):
        values = {"batch": batch, "name": cap["name"], "more": more}
        if db.execute(_FIT if must_fit else _COUNT, values).rowcount == 0:
            raise _reached(cap, more)


def _caps(db: Connection, batch: int, scope: Scope) -> Iterable[Row]:
    return [cap for cap in db.execute(_CAPS, (batch,)).fetchall() if scope.covers(cap)]


def _sums(db: Connection, batch: int) -> list[tuple[Scope, int]]:
    rows = db.execute(_SUMS, (batch,)).fetchall()
    return [(_scope(row), row["credits"]) for row in rows]


def _scope(row: Row) -> Scope:
    return Scope(lane=row["lane"], tags=json.loads(row["tags"]), run=row["run"])


def _reached(cap: Row, asked: int) -> CapReached:
    available = max(0, cap["limit_credits"] - cap["used_credits"])
    kind, _, value = str(cap["name"]).partition(":")
    words, remedy = {
        "batch": ("the batch's budget", "raise `budget.credits` in the manifest"),
        "run": ("this run's cap", "raise `--max-credits`"),
        "model": (f"the cap of model `{value}`", f"raise `budget.models.{value}` in the manifest"),
        "tag": (f"the cap of tag `{value}`", f"raise `budget.tags.{value}` in the manifest"),
    }[kind]
    return CapReached(
        f"{words} of {format_credits(cap['limit_credits'])} has {format_credits(available)} left,"
        f" and the job may cost {format_credits(asked)}",
        cap=cap["name"],
        available=available,
        hint=f"{remedy}, then run again",
    )
