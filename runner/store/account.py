"""Readings of the account as rows, and what follows from the newest: quotas and the balance.

A reading counts what Runway had answered when it was asked. Our own creates that were answered
later, or not at all, come on top of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from sqlite3 import Connection

from runner.core.quota import DAY, MARGIN, DailyQuota, OwnCreates, daily_quota
from runner.core.task import ModelLimits, Organization, Reading
from runner.store.codec import from_micros, optional_time, to_micros, to_plain
from runner.store.rows import Row

#: readings older than this are dropped
KEPT = timedelta(days=3)
#: those older than this are thinned to one in THIN
ALL_OF = timedelta(hours=1)
THIN = timedelta(minutes=5)

_BATCHES = "(SELECT batch FROM batches WHERE base_url = :service)"
#: entries of the account's batches. The plus keeps SQLite from walking over all entries of them:
#: what these queries want is a few recent ones, by time
OURS = f"+ledger.batch IN {_BATCHES}"

_NOTE = (
    "INSERT INTO readings (service, asked_at, answered_at, balance, most_monthly, models)"
    " VALUES (:service, :asked, :answered, :balance, :monthly, :models)"
)
NEWEST = "SELECT * FROM readings WHERE service = :service ORDER BY asked_at DESC LIMIT 1"
_SINCE = "SELECT * FROM readings WHERE service = ? AND asked_at >= ? ORDER BY asked_at, reading"
_LAST_BEFORE = """
  SELECT COALESCE((SELECT reading FROM readings WHERE service = :service
    AND answered_at < ledger.intended_at ORDER BY asked_at DESC LIMIT 1), 0) FROM ledger
"""
# a create in doubt is judged by the last reading before it, however long that takes
_DROP = f"""
DELETE FROM readings WHERE service = :service AND asked_at < :recent
AND reading NOT IN (
  SELECT MIN(reading) FROM readings WHERE service = :service AND asked_at >= :kept
  GROUP BY asked_at / :thin)
AND reading NOT IN ({_LAST_BEFORE} WHERE ledger.batch IN {_BATCHES} AND state = 'in_doubt')
AND reading NOT IN ({_LAST_BEFORE} WHERE {OURS} AND answered_at IS NULL)
"""  # noqa: S608 - made of constants
OWN_CREATES = f"""
SELECT COALESCE(SUM(intended_at > :start AND (answered_at IS NULL OR answered_at >= :asked)), 0)
    AS since_reading,
  COALESCE(SUM(arrived = 1 AND intended_at <= :start AND intended_at > :counted
    AND answered_at < :asked), 0) AS left_since,
  COALESCE(SUM(intended_at > :start), 0) AS in_window,
  MIN(CASE WHEN intended_at > :start THEN intended_at END) AS oldest
FROM ledger WHERE lane = :lane AND intended_at > MIN(:start, :counted) AND arrived IS NOT 0
  AND {OURS}
"""  # noqa: S608
#: at most so many are not in the reading's count: most often that is all one needs to know
UNREAD = f"""
SELECT COUNT(*) AS creates FROM (
  SELECT 1 FROM ledger WHERE answered_at IS NULL AND {OURS} AND +lane = :lane
    AND arrived IS NOT 0
  UNION ALL
  SELECT 1 FROM ledger WHERE answered_at >= :asked AND {OURS} AND +lane = :lane
    AND arrived IS NOT 0)
"""  # noqa: S608
_NOT_IN_BALANCE = f"{OURS} AND arrived IS NOT 0 AND (settled_at IS NULL OR settled_at >= :asked)"
UNREAD_CREDITS = f"""
SELECT COALESCE(SUM(credits), 0) AS credits FROM (
  SELECT credits FROM ledger WHERE answered_at IS NULL AND {_NOT_IN_BALANCE}
  UNION ALL
  SELECT credits FROM ledger WHERE answered_at >= :asked AND {_NOT_IN_BALANCE})
"""  # noqa: S608


def service_of(db: Connection, batch: int) -> str:
    """The base URL that a batch runs on: batches with the same one share an account."""
    row = db.execute("SELECT base_url FROM batches WHERE batch = ?", (batch,)).fetchone()
    return str(row["base_url"])


def note(db: Connection, service: str, reading: Reading) -> None:
    """Keep a reading, and drop those that nothing rests on any more."""
    found = reading.organization
    values = {
        "service": service, "asked": to_micros(reading.asked_at),
        "answered": to_micros(reading.answered_at), "balance": found.credit_balance,
        "monthly": found.max_monthly_credit_spend,
        "models": json.dumps({lane: to_plain(limits) for lane, limits in found.models.items()}),
    }  # fmt: skip
    db.execute(_NOTE, values)
    now = reading.asked_at
    edges = {"recent": to_micros(now - ALL_OF), "kept": to_micros(now - KEPT)}
    thin = THIN // timedelta(microseconds=1)
    db.execute(_DROP, {"service": service, "thin": thin, **edges})


def newest(db: Connection, service: str) -> Reading | None:
    row = db.execute(NEWEST, {"service": service}).fetchone()
    return None if row is None else _reading(row)


def readings(db: Connection, service: str, since: datetime) -> list[Reading]:
    """Asked for at `since` or later, oldest first."""
    return [_reading(row) for row in db.execute(_SINCE, (service, to_micros(since)))]


def quotas(db: Connection, service: str, now: datetime) -> dict[str, DailyQuota]:
    """The daily quota of every lane that the newest reading lists."""
    reading = newest(db, service)
    if reading is None:
        return {}
    return {lane: quota(db, service, lane, reading, now) for lane in reading.organization.models}


def quota(db: Connection, service: str, lane: str, reading: Reading, now: datetime) -> DailyQuota:
    """Where a lane that the reading lists stands."""
    limits = reading.organization.models[lane]
    own = _own_creates(db, service, lane, reading, now)
    return daily_quota(lane, limits, own, now=now)


def unread_creates(db: Connection, service: str, lane: str, reading: Reading) -> int:
    """At most so many creates of a lane are not in the reading's count."""
    values = {"service": service, "lane": lane, "asked": to_micros(reading.asked_at)}
    return int(db.execute(UNREAD, values).fetchone()["creates"])


def unread_credits(db: Connection, service: str, reading: Reading) -> int:
    """What we have asked for that the reading's balance does not show yet."""
    values = {"service": service, "asked": to_micros(reading.asked_at)}
    return int(db.execute(UNREAD_CREDITS, values).fetchone()["credits"])


def _own_creates(
    db: Connection, service: str, lane: str, reading: Reading, now: datetime
) -> OwnCreates:
    """A create in doubt counts; as having left the window only what is known to have arrived."""
    values = {
        "service": service, "lane": lane, "asked": to_micros(reading.asked_at),
        "start": to_micros(now - DAY - MARGIN),
        # what left the window while the account was being read may not be in the count
        "counted": to_micros(reading.answered_at - DAY),
    }  # fmt: skip
    row = db.execute(OWN_CREATES, values).fetchone()
    return OwnCreates(
        since_reading=row["since_reading"],
        left_since=row["left_since"],
        in_window=row["in_window"],
        oldest=optional_time(row["oldest"]),
    )


def _reading(row: Row) -> Reading:
    return Reading(
        asked_at=from_micros(row["asked_at"]),
        answered_at=from_micros(row["answered_at"]),
        organization=Organization(
            credit_balance=row["balance"],
            models=_models(row["models"]),
            max_monthly_credit_spend=row["most_monthly"],
        ),
    )


@lru_cache(maxsize=8)  # the newest reading is looked at before every create
def _models(text: str) -> Mapping[str, ModelLimits]:
    return {lane: ModelLimits(**limits) for lane, limits in json.loads(text).items()}
