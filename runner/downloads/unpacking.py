"""Frame sequences come as archives: each is extracted into a folder beside it.

The folder appears whole, under a name that nothing else has. What a kill leaves is a hidden folder
that the next try begins with taking away. These functions block.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from runner.core.sidecar import Unpacked
from runner.errors import DiskFull

from .archive import DEFAULT_LIMITS, Archive, KeepPacked, Member, UnpackLimits, opened
from .atomic import disk_errors, sync_folder

_PIECE_BYTES = 1 << 20
#: what a file takes on the disk besides its bytes
_OVERHEAD_BYTES = 4096


class Stopped(Exception):
    """Nobody waits for it any more."""


def unpack(
    archive: Path,
    *,
    limits: UnpackLimits = DEFAULT_LIMITS,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Unpacked:
    """Extract into a folder named like the archive, or one of its versions.

    Raises:
        DownloadError: the disk refused.
        DiskFull: there is no room.
        Stopped: told to.
    """
    with disk_errors(archive):
        try:
            with opened(archive, limits) as packed:
                folder = _folder_with(packed, archive) or _extract(packed, archive, is_stopped)
                return Unpacked(folder=folder.name, members=len(packed.members))
        except KeepPacked as error:
            return Unpacked(warning=f"not unpacked: {error}")


def _extract(packed: Archive, archive: Path, is_stopped: Callable[[], bool]) -> Path:
    """By way of a hidden folder, which is gone afterwards."""
    mark = hashlib.sha256(archive.name.encode()).hexdigest()[:24]
    temporary = archive.with_name(f".{mark}.unpack")
    if os.path.lexists(temporary):
        shutil.rmtree(temporary)
    _check_room(packed, archive)
    try:
        temporary.mkdir()
        for member in packed.members:
            _write(packed, member, temporary / member.path, is_stopped)
        for made, _, _ in os.walk(temporary):
            sync_folder(Path(made))
        folder = next(name for name in _names(archive) if not os.path.lexists(name))
        temporary.rename(folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _check_room(packed: Archive, archive: Path) -> None:
    needed = packed.bytes + len(packed.members) * _OVERHEAD_BYTES
    if needed > shutil.disk_usage(archive.parent).free:
        raise DiskFull(
            f"no room to unpack `{archive}`: it needs {needed:,} bytes",
            hint="make room, then `runway-batch run` again",
        )


def _write(packed: Archive, member: Member, target: Path, is_stopped: Callable[[], bool]) -> None:
    """One member, with exactly as many bytes as announced; its checksum is looked at on the way."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with packed.zip.open(member.info) as source, target.open("xb") as file:
        while piece := source.read(_PIECE_BYTES):
            if is_stopped():
                raise Stopped
            file.write(piece)
        if file.tell() != member.info.file_size:
            raise KeepPacked("it is broken")
        file.flush()
        os.fsync(file.fileno())


def _folder_with(packed: Archive, archive: Path) -> Path | None:
    """The folder that an earlier try has made, if all of it is there."""
    for folder in itertools.takewhile(os.path.lexists, _names(archive)):
        if not folder.is_symlink() and all(_is_here(folder, each) for each in packed.members):
            return folder
    return None


def _names(archive: Path) -> Iterator[Path]:
    """What the folder may be called: nothing that has the name already is touched."""
    name = archive.stem.rstrip(". ") or "_"
    yield archive.with_name(name)
    for version in itertools.count(2):
        yield archive.with_name(f"{name}_v{version}")


def _is_here(folder: Path, member: Member) -> bool:
    """Whether a member is in the folder, by its size and checksum."""
    path = folder / member.path
    if path.is_symlink() or not path.is_file() or path.stat().st_size != member.info.file_size:
        return False
    checksum = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            checksum = zlib.crc32(piece, checksum)
    return checksum == member.info.CRC
