"""Where an account stands: its newest reading, and what our ledger adds to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from sqlite3 import Connection

from runner.core.standing import Standing
from runner.core.task import Reading
from runner.store import account, windows
from runner.store.caps import DAY, MONTH


def standing(db: Connection, service: str, now: datetime, fresh: Reading | None) -> Standing:
    """Of all batches of a service.

    Args:
        db: the state file.
        service: a base URL.
        now: the time.
        fresh: a reading that nobody has written down; None: the newest that somebody has.
    """
    reading = fresh or account.newest(db, service)
    found = Standing(
        used_day=windows.used(db, service, DAY, now),
        used_month=windows.used(db, service, MONTH, now),
    )
    if reading is None:
        return found
    return replace(
        found,
        reading=reading,
        unread=account.unread_credits(db, service, reading),
        quotas={
            lane: account.quota(db, service, lane, reading, now)
            for lane in reading.organization.models
        },
    )
