"""A world that survives a kill: its records in one SQLite file.

A change is on disk (as far as the operating system is concerned: a killed process loses nothing,
a power cut may lose the last second) before the answer that tells of it leaves.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from runner.emulator.records import Record, TaskRecord, from_json, kind_of, to_json
from runner.errors import UsageError

FILE = "world.db"
_SCHEMA = """
create table if not exists records (
  kind text not null, id text not null, data text not null, primary key (kind, id)
) without rowid
"""


class WorldFile:
    """The journal of one world.

    Raises:
        UsageError: another emulator holds the folder, or the file is no world of ours.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / FILE
        self._db = sqlite3.connect(self._path, isolation_level=None, timeout=0.0)
        try:
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = normal")
            self._db.execute("pragma locking_mode = exclusive")
            self._db.execute("begin exclusive")
            self._db.execute(_SCHEMA)
            self._db.execute("commit")
        except sqlite3.Error as error:
            self._db.close()
            raise UsageError(
                f"the emulator's world cannot be used: {self._path} ({error})",
                hint="another emulator may be running on it; otherwise use another folder",
            ) from error

    def read(self) -> list[Record]:
        """All records, tasks in the order of their index.

        Raises:
            UsageError: a record of another version.
        """
        rows = self._db.execute("select kind, data from records order by kind, id").fetchall()
        try:
            found = [from_json(kind, json.loads(data)) for kind, data in rows]
        except (KeyError, TypeError, ValueError) as error:
            self.close()
            raise UsageError(
                f"the emulator's world cannot be read: {self._path}",
                hint="it was written by another version; use another folder",
            ) from error
        return sorted(found, key=_order)

    def write(self, records: Iterable[Record]) -> None:
        """Keep all of them or none."""
        rows = [
            (kind_of(record), record.id, json.dumps(to_json(record), ensure_ascii=False))
            for record in records
        ]
        self._db.execute("begin immediate")
        self._db.executemany("insert or replace into records values (?, ?, ?)", rows)
        self._db.execute("commit")

    def forget(self) -> None:
        """Drop everything kept so far."""
        self._db.execute("delete from records")

    def close(self) -> None:
        self._db.close()


def _order(record: Record) -> tuple[int, float]:
    """Tasks by index; everything else as old as it is."""
    if isinstance(record, TaskRecord):
        return 1, record.index
    return 0, getattr(record, "created_at", 0.0)
