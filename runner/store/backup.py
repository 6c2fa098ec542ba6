"""What happens before a migration changes a file that holds something: check it, then keep it.

Both run while the caller holds the write lock, so that nobody else changes the file meanwhile.
"""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from runner.errors import DiskFull, StoreError
from runner.store.privacy import PRIVATE_FILE, files_of

#: of what `PRAGMA integrity_check` finds, the first so many are enough to say
MOST_DAMAGES = 5
#: the copy, as much again for the migration's log, and some air
_TIMES, _AIR_BYTES = 2, 1 << 20


def keep_old_version(
    path: Path, version: int, *, free: Callable[[Path], int] | None = None
) -> Path:
    """A consistent copy beside the file, as `state.db.v1.bak`; never in place of an older one.

    Raises:
        StoreError: the file is damaged, or the copy cannot be written; nothing was changed.
        DiskFull: no room for it; nothing was changed.
    """
    _check_room(path, free or _free_bytes)
    partial = path.with_name(f"{path.name}.bak.partial")  # one at a time: under the write lock
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as source:
            _check_whole(source, path)
            _copy(source, partial)
        target = _free_name(path, version)
        partial.rename(target)
        _sync(target.parent)
    except OSError as error:
        raise _unwritable(error, path) from error
    finally:
        for file in files_of(partial):
            with suppress(OSError):
                file.unlink(missing_ok=True)
    return target


def damages(db: sqlite3.Connection) -> list[str]:
    """What SQLite finds wrong with a file, a line each; normally nothing."""
    rows = db.execute(f"PRAGMA integrity_check({MOST_DAMAGES})").fetchall()
    return [str(row[0]) for row in rows if row[0] != "ok"]


def _check_whole(db: sqlite3.Connection, path: Path) -> None:
    found = damages(db)
    if found:
        raise StoreError(
            f"the state file `{path}` is damaged, and was not changed: {found[0]}",
            hint="`runway-batch doctor` says what can be done",
        )


def _copy(source: sqlite3.Connection, partial: Path) -> None:
    for file in files_of(partial):
        file.unlink(missing_ok=True)  # of a copy that was killed
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE_FILE))
    with closing(sqlite3.connect(partial)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # a file that is whole by itself
    _sync(partial)


def _free_name(path: Path, version: int) -> Path:
    for number in itertools.count(1):
        again = f"-{number}" if number > 1 else ""
        target = path.with_name(f"{path.name}.v{version}{again}.bak")
        if not target.exists():
            return target
    raise AssertionError("numbers do not end")


def _check_room(path: Path, free: Callable[[Path], int]) -> None:
    size = sum(file.stat().st_size for file in files_of(path)[:2] if file.exists())
    need = _TIMES * size + _AIR_BYTES
    if free(path.parent) < need:
        raise DiskFull(
            f"no room to bring the state file `{path}` up to date: {need >> 20} MB are needed",
            hint="free some space, then run again; the file was not changed",
        )


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _unwritable(error: OSError, path: Path) -> StoreError | DiskFull:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFull(
            f"the disk is full: no room for a copy of the state file `{path}`",
            hint="free some space, then run again; the file was not changed",
        )
    return StoreError(
        f"cannot keep a copy of the state file `{path}` before changing it: {error.strerror}",
        hint="check the permissions of its folder",
    )


def _sync(path: Path) -> None:
    """Make a file, or the names in a folder, durable; Windows has no such call for folders."""
    if os.name != "posix" and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
