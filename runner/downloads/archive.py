"""What a ZIP archive holds, judged by its table of contents alone: nothing is extracted here.

An archive is somebody else's word. Names may lead out of the folder, sizes may fill the disk; one
member that is not safe keeps all of it packed.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from runner.core.naming import UnsafeName, check_member, same_id

#: what `zipfile` raises where an archive is not what it should be
_BROKEN = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, RuntimeError, OverflowError
)  # fmt: skip
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENCRYPTED = 0x1


@dataclass(frozen=True, kw_only=True, slots=True)
class UnpackLimits:
    """What no frame sequence needs."""

    most_members: int = 100_000
    most_bytes: int = 200_000_000_000
    #: unpacked bytes for each packed one, beyond those that any archive may have
    most_ratio: int = 20
    free_bytes: int = 1_000_000_000
    #: of the table of contents, which is read at once
    most_table_bytes: int = 16 << 20


DEFAULT_LIMITS = UnpackLimits()


class KeepPacked(Exception):
    """The archive stays as it is; the message says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A file of an archive."""

    path: PurePosixPath  # safe below any folder
    info: zipfile.ZipInfo


@dataclass(frozen=True, kw_only=True, slots=True)
class Archive:
    """An open archive that may be extracted."""

    zip: zipfile.ZipFile
    members: tuple[Member, ...]

    @property
    def bytes(self) -> int:
        """Of all members, as the archive says."""
        return sum(member.info.file_size for member in self.members)


@contextmanager
def opened(path: Path, limits: UnpackLimits) -> Iterator[Archive]:
    """Open an archive and judge its members.

    Raises:
        KeepPacked: broken, not safe, or too large; also of what happens while it is open.
        OSError: the file cannot be read.
    """
    with _Bounded(io.FileIO(path), limits.most_table_bytes) as file:
        try:
            with zipfile.ZipFile(file) as packed:
                members = _members(packed.infolist(), limits)
                archive = Archive(zip=packed, members=members)
                _check_bytes(archive.bytes, path.stat().st_size, limits)
                yield archive
        except _BROKEN as error:
            raise KeepPacked("it is broken") from error


class _Bounded(io.BufferedReader):
    """A file of which no more is read at once than a table of contents may have."""

    def __init__(self, raw: io.FileIO, most_bytes: int) -> None:
        super().__init__(raw)
        self._most_bytes = most_bytes

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > self._most_bytes:
            raise KeepPacked("its table of contents is too long")
        return super().read(self._most_bytes if size is None or size < 0 else size)

    def seek(self, target: int, whence: int = 0, /) -> int:
        try:
            return super().seek(target, whence)
        except OSError as error:  # to before its beginning, or beyond what any file has
            raise KeepPacked("it is broken") from error


def _members(infos: Iterable[zipfile.ZipInfo], limits: UnpackLimits) -> tuple[Member, ...]:
    files = [info for info in infos if not _is_folder(info)]
    if not files:
        raise KeepPacked("it holds no files")
    if len(files) > limits.most_members:
        raise KeepPacked(f"it holds more than {limits.most_members:,} files")
    members = tuple(Member(path=_path(info), info=info) for info in files)
    _check_distinct(members)
    return members


def _is_folder(info: zipfile.ZipInfo) -> bool:
    """Folders follow from the names of files; an entry of its own needs none."""
    return info.orig_filename.endswith("/")


def _path(info: zipfile.ZipInfo) -> PurePosixPath:
    """The member's path.

    Raises:
        KeepPacked: not a plain file under a safe name that can be read.
    """
    name = info.orig_filename  # `filename` is what Python made of it
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise KeepPacked(f"it holds something that is not a plain file: {_shown(name)}")
    if info.flag_bits & _ENCRYPTED:
        raise KeepPacked(f"it is encrypted: {_shown(name)}")
    if info.compress_type not in _METHODS:
        raise KeepPacked(f"it is compressed in an unknown way: {_shown(name)}")
    try:
        return check_member(name)
    except UnsafeName as error:
        raise KeepPacked(f"it holds a file whose name is not safe: {_shown(name)}") from error


def _check_distinct(members: Iterable[Member]) -> None:
    """No two names that some file system would take for one, no file where a folder must be."""
    files: set[str] = set()
    folders: dict[str, PurePosixPath] = {}
    for member in members:
        name = same_id(str(member.path))
        above = member.path.parents[:-1]
        if name in files or any(
            folders.setdefault(same_id(str(folder)), folder) != folder for folder in above
        ):
            raise KeepPacked(f"it holds two files of one name: {_shown(str(member.path))}")
        files.add(name)
    if both := files & set(folders):
        raise KeepPacked(f"it holds a file and a folder of one name: {_shown(min(both))}")


def _check_bytes(unpacked: int, packed: int, limits: UnpackLimits) -> None:
    most = min(limits.most_bytes, max(limits.most_ratio * packed, limits.free_bytes))
    if unpacked > most:
        raise KeepPacked(f"it would unpack to {unpacked:,} bytes, which is not plausible")


def _shown(name: str) -> str:
    """A name without what a terminal would obey."""
    plain = "".join(char if char.isprintable() else "?" for char in name)
    return f"`{plain[:80]}`"
