"""Sidecars in the output folder that the state file knows nothing of: it is older than they are.

A state file restored from a backup, or a new one beside old outputs, would pay again for what lies
on disk. Names that belong to known jobs are not even opened, so a look costs little more than the
names of all files.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

from runner.core.naming import MAX_FOLDERS, sidecar_path
from runner.core.sidecar import Sidecar, parse_sidecar
from runner.errors import StoreUntrusted
from runner.store.facts import KnownFiles
from runner.store.reader import StateReader

#: a larger file is no sidecar; a request in it is at most a few MB
MOST_BYTES = 64 << 20
#: files so much older than the newest known sidecar are opened too; older ones are history
SLACK_S = 3600.0
#: as many are enough to say that something is wrong
ENOUGH = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundSidecar:
    """A sidecar, and where it lies."""

    path: Path
    sidecar: Sidecar


async def check_sidecars(store: StateReader, batch: str, output_dir: Path) -> None:
    """Raise where results lie on disk that the state file does not know.

    Raises:
        StoreUntrusted: naming some of them; nothing may be sent.
    """
    found = await unknown_sidecars(store, batch, output_dir, most=ENOUGH)
    if found:
        names = ", ".join(f"`{item.sidecar.job}`" for item in found)
        raise StoreUntrusted(
            f"the state file is older than the outputs on disk: it lacks results of {names}",
            hint="`runway-batch doctor FILE --adopt` imports them, so that they are not paid again;"
            " to make them anew, use another output folder",
        )


async def unknown_sidecars(
    store: StateReader, batch: str, output_dir: Path, *, most: int | None = None,
    of_any_age: bool = False,
) -> Sequence[FoundSidecar]:  # fmt: skip
    """Sidecars of the batch whose task the state file does not know, at most so many."""
    known = await store.facts().known_files(batch)

    def look() -> list[FoundSidecar]:
        since_s = 0.0 if of_any_age else _since_s(output_dir, known)
        return list(islice(_unknown(output_dir, batch, known, since_s), most))

    return await asyncio.to_thread(look)


def _since_s(output_dir: Path, known: KnownFiles) -> float:
    """By the disk's own clock: that of the events may differ from it by hours."""
    if known.newest is None:
        return 0.0
    try:
        newest = output_dir / sidecar_path(PurePosixPath(known.newest))
        return newest.stat().st_mtime - SLACK_S
    except OSError:
        return 0.0


def _unknown(
    output_dir: Path, batch: str, known: KnownFiles, since_s: float
) -> Iterator[FoundSidecar]:
    names = {str(sidecar_path(PurePosixPath(path))) for path in known.first_outputs}
    for entry, name in _json_files(output_dir):
        if name in names:
            continue
        sidecar = _read(entry, since_s)
        if sidecar and sidecar.batch == batch and sidecar.task_id not in known.tasks:
            yield FoundSidecar(path=Path(entry.path), sidecar=sidecar)


def _read(entry: os.DirEntry[str], since_s: float) -> Sidecar | None:
    try:
        found = entry.stat(follow_symlinks=False)
        if found.st_mtime < since_s or found.st_size > MOST_BYTES or not entry.is_file():
            return None
        return parse_sidecar(Path(entry.path).read_bytes())
    except OSError:
        return None


def _json_files(
    folder: Path, above: str = "", depth: int = 0
) -> Iterator[tuple[os.DirEntry[str], str]]:
    """Every visible `.json` below a folder, with its relative name; links are not followed."""
    if depth > MAX_FOLDERS:
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.name.endswith(".json"):
            yield entry, above + entry.name
        elif entry.is_dir(follow_symlinks=False):
            yield from _json_files(Path(entry.path), f"{above}{entry.name}/", depth + 1)
