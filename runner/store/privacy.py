"""Who may read the state file: its owner, and nobody else (on POSIX).

SQLite gives the files beside it (`-wal`, `-shm`) the permissions of the file itself.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
_OF_OTHERS = 0o077
_BESIDE = ("", "-wal", "-shm")


def make_private(path: Path) -> None:
    """An empty file that is the owner's from its first moment; one that is there is left alone.

    Where it cannot be made, SQLite says so with better words.
    """
    if os.name != "posix":
        return
    with suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE_FILE))


def loose(path: Path) -> list[Path]:
    """The state file, and what belongs to it, as far as others may read or write it."""
    if os.name != "posix":
        return []
    return [file for file in files_of(path) if _mode(file) & _OF_OTHERS]


def tighten(path: Path) -> list[Path]:
    """Take the permissions of others away; returns the files that had some.

    A file of another user, or on a disk without permissions, stays as it is.
    """
    changed = []
    for file in loose(path):
        with suppress(OSError):
            file.chmod(PRIVATE_FILE)
            changed.append(file)
    return changed


def files_of(path: Path) -> list[Path]:
    """The state file, and what SQLite keeps beside it."""
    return [path.with_name(path.name + ending) for ending in _BESIDE]


def _mode(file: Path) -> int:
    try:
        found = file.stat()
    except OSError:
        return 0
    return stat.S_IMODE(found.st_mode) if stat.S_ISREG(found.st_mode) else 0
