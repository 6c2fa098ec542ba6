"""Rolling caps: what all batches of one service have spent in any 24 hours or 30 days.

`spending` keeps the sum of every hour, so that a month is a few hundred rows and not every create
of it; only the hour in which the window begins is summed from its entries.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from sqlite3 import Connection

from runner.core.credits import format_credits
from runner.core.quota import DAY as DAY_LONG
from runner.errors import CapReached
from runner.store.account import OURS
from runner.store.caps import DAY, MONTH, where
from runner.store.codec import from_micros, to_micros
from runner.store.rows import Row

HOUR_MICROS = 3_600_000_000

#: of which caps: how long, what people call it, the manifest's word
_WINDOWS = {
    DAY: (DAY_LONG, "24 hours", "budget.per_day"),
    MONTH: (timedelta(days=30), "30 days", "budget.per_month"),
}
_ADD = (
    "INSERT INTO spending (service, hour, credits) VALUES (:service, :hour, :more)"
    " ON CONFLICT (service, hour) DO UPDATE SET credits = credits + excluded.credits"
)
WHOLE_HOURS = (
    "SELECT COALESCE(SUM(credits), 0) AS credits FROM spending"
    " WHERE service = :service AND hour > :hour"
)
FIRST_HOUR = (
    "SELECT COALESCE(SUM(credits), 0) AS credits FROM ledger"  # noqa: S608 - made of constants
    f" WHERE intended_at > :start AND intended_at < :full AND {OURS}"
)
OLDEST = (
    "SELECT intended_at, credits FROM ledger WHERE intended_at > :start"  # noqa: S608
    f" AND {OURS} ORDER BY intended_at"
)
_OFF = f"""
SELECT hour, SUM(credits) AS off FROM (
  SELECT hour, -credits AS credits FROM spending WHERE service = :service
  UNION ALL
  SELECT intended_at / 3600000000, credits FROM ledger
  WHERE {OURS}
) GROUP BY hour HAVING off <> 0 ORDER BY hour
"""  # noqa: S608


def add(db: Connection, service: str, intended_at: int, more: int) -> None:
    """Count a change of an entry in the hour of its intent."""
    if more:
        values = {"service": service, "hour": intended_at // HOUR_MICROS, "more": more}
        db.execute(_ADD, values)


def check(db: Connection, service: str, caps: Iterable[Row], credits: int, at: datetime) -> None:
    """Whether a reserve fits under the caps over a rolling time.

    Raises:
        CapReached: it does not; `until` is when enough of what was spent has left the window.
    """
    for cap in caps:
        if cap["name"] in _WINDOWS:
            left = cap["limit_credits"] - used(db, service, cap["name"], at)
            if credits > left:
                raise _reached(db, service, cap, credits, left, at)


def used(db: Connection, service: str, name: str, now: datetime) -> int:
    """Credits spent, reserved or in doubt whose intent lies in the window that ends now."""
    start = to_micros(now - _WINDOWS[name][0])
    hour = start // HOUR_MICROS
    values = {"service": service, "start": start, "hour": hour, "full": (hour + 1) * HOUR_MICROS}
    whole = db.execute(WHOLE_HOURS, values).fetchone()["credits"]
    return int(whole + db.execute(FIRST_HOUR, values).fetchone()["credits"])


def hours_off(db: Connection, service: str) -> list[datetime]:
    """Hours whose sum is not that of their entries: none, unless there is a bug."""
    rows = db.execute(_OFF, {"service": service})
    return [from_micros(row["hour"] * HOUR_MICROS) for row in rows]


def recount(db: Connection, service: str) -> list[datetime]:
    """Sum the entries up again; returns the hours whose sum was wrong."""
    rows = db.execute(_OFF, {"service": service}).fetchall()
    for row in rows:
        add(db, service, row["hour"] * HOUR_MICROS, row["off"])
    return [from_micros(row["hour"] * HOUR_MICROS) for row in rows]


def _reached(
    db: Connection, service: str, cap: Row, credits: int, left: int, at: datetime
) -> CapReached:
    _, words, key = _WINDOWS[cap["name"]]
    until = room_at(db, service, cap["name"], cap["limit_credits"], credits, at)
    comes = f"room comes at {until:%Y-%m-%d %H:%M} UTC; or " if until is not None else ""
    available = max(0, left)
    return CapReached(
        f"the cap of {format_credits(cap['limit_credits'])} for any {words} has"
        f" {format_credits(available)} left, and the job may cost {format_credits(credits)}",
        cap=cap["name"],
        available=available,
        hint=f"{comes}raise {where(key, cap)}, then run again",
        until=until,
    )


def room_at(
    db: Connection, service: str, name: str, limit: int, credits: int, at: datetime
) -> datetime | None:
    """When so much of the oldest spending has left the window that credits fit; None: never."""
    if credits > limit:
        return None
    length = _WINDOWS[name][0]
    too_much = used(db, service, name, at) + credits - limit
    values = {"service": service, "start": to_micros(at - length)}
    for row in db.execute(OLDEST, values):
        too_much -= row["credits"]
        if too_much <= 0:
            return from_micros(row["intended_at"]) + length
    return None
