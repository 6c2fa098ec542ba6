"""Opening the state file, and what SQLite's errors mean to people."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from enum import StrEnum
from functools import partial
from pathlib import Path

from runner.errors import DiskFull, RunnerError, StoreBusy, StoreError
from runner.store.backup import keep_old_version
from runner.store.privacy import PRIVATE_FOLDER, make_private, tighten
from runner.store.version import APPLICATION_ID, OLDEST_SQLITE, SCHEMA_VERSION

#: how long a transaction waits for another process
BUSY_TIMEOUT_S = 10.0
#: tries to switch the log of a new file on while others do
_WAL_TRIES = 100

MEMORY = ":memory:"


class Mode(StrEnum):
    """SQLite's own words for how a file is opened."""

    CREATE = "rwc"
    WRITE = "rw"
    READ = "ro"


def connect(
    path: Path, mode: Mode, *, busy_timeout_s: float = BUSY_TIMEOUT_S
) -> sqlite3.Connection:
    """A connection to a state file of this version, migrated where it may be written.

    Where it may be written it becomes its owner's alone, and a copy of an older version is kept.

    Raises:
        StoreError: missing, not a state file, damaged, or of a newer version; nothing was changed.
        StoreLocked: another process kept it locked for longer than the timeout.
        DiskFull: it cannot grow.
    """
    _check_sqlite()
    if mode is Mode.CREATE:
        _make_folder(path.parent)
        make_private(path)
    elif not path.exists():
        raise StoreError(f"no state file at `{path}`", hint="`runway-batch run` makes it")
    _check_not_emptied(path)
    address = f"{path.absolute().as_uri()}?mode={mode}"
    try:
        connection = sqlite3.connect(
            address, uri=True, timeout=busy_timeout_s, isolation_level=None, cached_statements=256
        )
        try:
            prepare(connection, mode, path)
            if mode is not Mode.READ:
                tighten(path)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise explained(error, path) from None
    return connection


def _check_not_emptied(path: Path) -> None:
    """An empty file beside a log with content was cut: to begin anew would pay for it all again."""
    log = path.with_name(f"{path.name}-wal")
    try:
        emptied = log.stat().st_size > 0 and path.stat().st_size == 0
    except OSError:
        return  # there is no log, or nothing yet
    if emptied:
        raise StoreError(
            f"`{path}` was emptied, while `{log.name}` beside it still has content",
            hint="put a copy of it back; to begin anew for certain, move both files away",
        )


def connect_memory() -> sqlite3.Connection:
    """A state file that lives as long as its connection."""
    _check_sqlite()
    connection = sqlite3.connect(MEMORY, isolation_level=None, cached_statements=256)
    prepare(connection, Mode.CREATE, Path(MEMORY))
    return connection


def prepare(connection: sqlite3.Connection, mode: Mode, path: Path) -> None:
    """Check the version first, then the settings of the connection, then migrate."""
    connection.row_factory = sqlite3.Row
    version = read_version(connection, path)
    connection.execute("PRAGMA foreign_keys = ON")
    if mode is Mode.READ:
        if version < SCHEMA_VERSION:
            raise StoreError(
                f"state file `{path}` is of an older version, or empty",
                hint="`runway-batch run` brings it up to date",
            )
        return
    _write_ahead(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = ON")  # macOS: fsync alone stops at the drive's cache
    if version < SCHEMA_VERSION:
        # sqlite-utils takes a noticeable time to import, and most starts do not need it
        from runner.store.migrations import migrate

        migrate(connection, first=partial(_keep_old, connection, path))


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch the log on. SQLite does not wait for that, so several may fail who begin one file."""
    for _ in range(_WAL_TRIES):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
        else:
            return
        connection.execute("BEGIN IMMEDIATE")  # this does wait until the other is ready
        connection.execute("ROLLBACK")
    connection.execute("PRAGMA journal_mode = WAL")


def explained(error: sqlite3.Error, path: Path) -> Exception:
    """The error of ours that says what to do, or the error itself where it is a bug of ours."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return error
    found = _explain(code & 0xFF, error, path)
    return error if found is None else found


def _explain(code: int, error: sqlite3.Error, path: Path) -> RunnerError | None:
    match code:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreBusy(
                f"another process keeps the state file `{path}` locked",
                hint="wait until it has finished, then run again",
            )
        case sqlite3.SQLITE_FULL:
            return DiskFull(
                f"the disk is full: cannot write the state file `{path}`",
                hint="free some space, then run again; nothing paid is lost",
            )
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            return StoreError(
                f"`{path}` is damaged or not a state file: {error}",
                hint="put a copy of it back, then `runway-batch doctor --adopt`, or name another"
                " file with `--state`",
            )
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM | sqlite3.SQLITE_READONLY:
            return StoreError(
                f"cannot open the state file `{path}` for writing: {error}",
                hint="check the permissions of the file and of its folder, or use `--state`",
            )
        case sqlite3.SQLITE_IOERR:
            return StoreError(
                f"cannot read or write the state file `{path}`: {error}",
                hint="check the disk; a state file belongs on a local disk, not on a network share",
            )
    return None


def read_version(connection: sqlite3.Connection, path: Path) -> int:
    """The schema's version, 0 for an empty file.

    Raises:
        StoreError: of another program, or of a newer version.
    """
    connection.execute("BEGIN")  # one state for all three: another run may just be making the file
    empty = connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    ours = int(connection.execute("PRAGMA application_id").fetchone()[0]) == APPLICATION_ID
    connection.execute("COMMIT")
    if not ours and not (empty and version == 0):
        raise StoreError(
            f"`{path}` is a database of another program",
            hint="name another file with `--state`",
        )
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"state file `{path}` was written by a newer version of runway-batch",
            hint="upgrade runway-batch",
        )
    return version


def version_of(path: Path) -> int:
    """The version of a file that exists, 0 for an empty one; changes nothing.

    Raises:
        StoreError: damaged, of another program, or of a newer version.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            db.isolation_level = None
            return read_version(db, path)
    except sqlite3.Error as error:
        raise explained(error, path) from None


def _keep_old(connection: sqlite3.Connection, path: Path) -> None:
    """Under the write lock: another process may have brought the file up to date meanwhile."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if 0 < version < SCHEMA_VERSION:
        keep_old_version(path, version)


def _check_sqlite() -> None:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise StoreError(
            f"SQLite {sqlite3.sqlite_version} is too old: 3.35 or newer is needed",
            hint="use a newer Python, which brings a newer SQLite",
        )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot make the folder `{folder}`: {error.strerror}",
            hint="name another place with `--state`",
        ) from error
