"""What the state file keeps twice, computed again from what it follows from.

Never touches jobs' states, events or ledger entries: where those differ, only a person knows.
"""

from __future__ import annotations

from sqlite3 import Connection

from runner.store import caps, group_rows, windows
from runner.store.account import service_of
from runner.store.saving import WAITING, batch_row

# the text put in is a constant
_COUNT_AGAIN = (
    f"UPDATE jobs SET waiting = {WAITING} WHERE batch = ? AND waiting <> {WAITING} RETURNING id"  # noqa: S608
)


def recount(db: Connection, batch: str) -> list[str]:
    """Needs of jobs, and counts of caps, groups and hours; says what was wrong, a sentence each."""
    number = batch_row(db, batch)
    found = [
        f"job `{row['id']}` counted its needs wrongly"
        for row in db.execute(_COUNT_AGAIN, (number,)).fetchall()
    ]
    found += [f"cap `{name}` was not the sum of its entries" for name in caps.recount(db, number)]
    service = service_of(db, number)
    found += [
        f"{label} counted its jobs in flight wrongly" for label in group_rows.recount(db, service)
    ]
    return found + [
        f"the spending of {hour:%Y-%m-%d %H} UTC was not its entries' sum"
        for hour in windows.recount(db, service)
    ]
