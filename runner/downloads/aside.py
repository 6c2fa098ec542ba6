"""A damaged file makes room for a whole one, and is kept: a person may still want what is in it."""

from __future__ import annotations

import itertools
from pathlib import Path

from .atomic import place


def move_aside(path: Path) -> Path:
    """Give the file another name, `NAME.damaged` or the next one free; returns it. Blocks.

    Raises:
        DiskFull, DownloadError: the disk refused.
    """
    for number in itertools.count(1):
        again = f"-{number}" if number > 1 else ""
        target = path.with_name(f"{path.name}.damaged{again}")
        try:
            place(path, target, sha256="")
        except FileExistsError:
            continue
        return target
    raise AssertionError("numbers do not end")
