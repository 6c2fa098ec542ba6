"""State files of version 1, and a process that dies while it brings one up to date.

python -m tests.integration.old_state STATE POINT
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from runner.store import backup, connection
from runner.store.migrations import migrations

POINTS = ("before the copy", "in the copy", "after the copy", "in the migration", "after it")


def make_old(path: Path, *statements: str) -> None:
    """A file of version 1 with a batch in it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        migrations.apply(Database(db), stop_before="m002_money")
        db.execute(
            "INSERT INTO batches (name, manifest, base_url, output_dir, created_at)"
            " VALUES ('old', '', '', '', 0)"
        )
        for statement in statements:
            db.execute(statement)


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_before(owner: Any, name: str) -> None:
    setattr(owner, name, die)


def die_after(owner: Any, name: str) -> None:
    real: Callable[..., Any] = getattr(owner, name)

    def call(*args: Any, **kwargs: Any) -> None:
        real(*args, **kwargs)
        die()

    setattr(owner, name, call)


def main(path: Path, point: str) -> None:
    match POINTS.index(point):
        case 0:
            die_before(backup, "_copy")
        case 1:
            die_before(backup, "_sync")
        case 2:
            die_after(connection, "keep_old_version")
        case 3:
            die_after(migrations._migrations[1], "fn")
        case 4:
            die_before(connection, "tighten")
    connection.connect(path, connection.Mode.WRITE)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
