"""What a state file knows of itself: its home, its files on disk, its leases, its soundness."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from sqlite3 import Connection

from runner.clock import Clock
from runner.store import lease, repair
from runner.store.backup import damages
from runner.store.codec import from_text, to_micros, to_text
from runner.store.identity import Home
from runner.store.lease import LiveRun
from runner.store.rows import Row
from runner.store.saving import batch_row
from runner.store.writer import Sql

_GET = "SELECT value FROM meta WHERE name = ?"
_SET = (
    "INSERT INTO meta (name, value) VALUES (?, ?)"
    " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)
_HOME = "home"
_FILES = "SELECT outputs FROM jobs WHERE batch = ? AND outputs <> '[]'"
_TASKS = "SELECT task_ids FROM jobs WHERE batch = ? AND task_ids <> '[]'"
_NEWEST = (
    "SELECT outputs FROM jobs WHERE batch = ? AND status = 'done' AND outputs <> '[]'"
    " ORDER BY since DESC LIMIT 1"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownFiles:
    """What a batch has, as its state file has it."""

    first_outputs: frozenset[str]  # a path for each job with files: sidecars are named after it
    tasks: frozenset[str]  # of all attempts, and those that a person has set aside
    newest: str | None  # first output of the job that was done last; None where none is


class StateFacts:
    """Reads only."""

    def __init__(self, reader: Sql) -> None:
        self._sql = reader

    async def home(self) -> Home | None:
        """Where a run last worked on the file; None before the first run."""
        text = await self._sql.run(lambda db: _value(db, _HOME))
        return None if text is None else from_text(Home, text)

    async def known_files(self, batch: str) -> KnownFiles:
        """What the file knows of the batch's outputs and tasks."""
        return await self._sql.run(lambda db: _known_files(db, batch))

    async def damages(self) -> Sequence[str]:
        """What SQLite finds wrong with the file; reads all of it."""
        return await self._sql.run(damages)

    async def live_runs(self) -> Sequence[LiveRun]:
        """Runs that hold a batch, or died holding it."""
        return await self._sql.run(lease.live_runs)


class StateCare(StateFacts):
    """Also writes."""

    def __init__(self, reader: Sql, writer: Sql, clock: Clock) -> None:
        super().__init__(reader)
        self._writer = writer
        self._clock = clock

    async def take_home(self, home: Home) -> None:
        """From now on the file belongs here."""
        text = to_text(home)
        await self._writer.run(lambda db: _put(db, _HOME, text))

    async def set_aside(self, batch: str, tasks: Collection[str]) -> None:
        """Tasks found on disk that no job can take; they are not asked about again."""

        def work(db: Connection) -> None:
            known = set(json.loads(_value(db, _aside(batch)) or "[]"))
            _put(db, _aside(batch), json.dumps(sorted(known | set(tasks))))

        await self._writer.run(work)

    async def repair(self, batch: str) -> Sequence[str]:
        """Compute again what follows from jobs and ledger; says what was wrong."""
        return await self._writer.run(lambda db: repair.recount(db, batch))

    async def end_dead_runs(self) -> Sequence[LiveRun]:
        """End the leases of processes that have provably died; returns them."""
        now = self._clock.now()
        return await self._writer.run(lambda db: lease.end_dead(db, to_micros(now)))


def _known_files(db: Connection, batch: str) -> KnownFiles:
    number = batch_row(db, batch)
    tasks = {task for row in db.execute(_TASKS, (number,)) for task in json.loads(row["task_ids"])}
    tasks |= set(json.loads(_value(db, _aside(batch)) or "[]"))
    newest = db.execute(_NEWEST, (number,)).fetchone()
    return KnownFiles(
        first_outputs=frozenset(map(_first_path, db.execute(_FILES, (number,)))),
        tasks=frozenset(tasks),
        newest=None if newest is None else _first_path(newest),
    )


def _first_path(row: Row) -> str:
    return str(json.loads(row["outputs"])[0]["path"])


def _value(db: Connection, name: str) -> str | None:
    row = db.execute(_GET, (name,)).fetchone()
    return None if row is None else str(row["value"])


def _put(db: Connection, name: str, value: str) -> None:
    db.execute(_SET, (name, value))


def _aside(batch: str) -> str:
    return f"aside:{batch}"
