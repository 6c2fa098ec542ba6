"""Several calls in one transaction, each in a savepoint of its own.

One that is refused does not undo its neighbours, and none hears of its success before the commit.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from runner.store.connection import explained


@dataclass(slots=True)
class Call:
    """Work for the connection, and where its result goes."""

    work: Callable[[sqlite3.Connection], Any]
    intent: bool = False
    future: Future[Any] = field(default_factory=Future)


@dataclass(slots=True)
class Outcome:
    """What a block returned or raised, kept for the coroutine that waits for it."""

    result: Any = None
    error: BaseException | None = None

    def __enter__(self) -> Outcome:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self.error = error
        return True  # not swallowed: `deliver` raises it where somebody waits

    def deliver(self, future: Future[Any]) -> None:
        if self.error is None:
            future.set_result(self.result)
        else:
            future.set_exception(self.error)


def commit(db: sqlite3.Connection, begin: str, calls: Sequence[Call], path: Path) -> None:
    """Run the calls that nobody has cancelled, commit, then deliver what became of each.

    Where the transaction as a whole fails, every call of it fails with the reason.
    """
    wanted = [call for call in calls if call.future.set_running_or_notify_cancel()]
    try:
        db.execute(begin)
        outcomes = [_attempt(db, call, path) for call in wanted]
        db.execute("COMMIT")
    except sqlite3.Error as error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        outcomes = [Outcome(error=explained(error, path)) for _ in wanted]
    for call, outcome in zip(wanted, outcomes, strict=True):
        outcome.deliver(call.future)


def _attempt(db: sqlite3.Connection, call: Call, path: Path) -> Outcome:
    db.execute("SAVEPOINT one_call")
    outcome = Outcome()
    with outcome:
        outcome.result = call.work(db)
    error = outcome.error
    if isinstance(error, sqlite3.Error):
        if not db.in_transaction:
            raise error  # SQLite gave up the whole transaction, neighbours included
        outcome.error = explained(error, path)
    if error is not None:
        db.execute("ROLLBACK TO one_call")
    db.execute("RELEASE one_call")
    return outcome
