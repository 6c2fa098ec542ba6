"""A file of rows: found where it may lie, opened as often as needed."""

from __future__ import annotations

import io
import tempfile
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO, BinaryIO, cast

from runner.manifest.assets import AssetProblem, place_inside, regular_file
from runner.manifest.rows.table import RowProblem, folder_of

#: bytes of a standard input that are kept in memory; the rest goes to a temporary file
_IN_MEMORY = 8 * 1024 * 1024
MAX_STDIN_BYTES = 2 * 1024**3
_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class DataFile:
    """What can be opened, and how messages call it."""

    name: str  # as written, or `stdin`
    folder: str  # relative to the manifest's; empty: the same
    open: Callable[[], BinaryIO]  # from the beginning; raises OSError


def data_file(value: str, *, base: Path, allow: Sequence[Path]) -> DataFile:
    """The file of a written path.

    Raises:
        RowProblem: missing, no regular file, or outside of `base` and the folders of `allow`.
    """
    try:
        path = place_inside(value, base, allow)
        regular_file(value, path)
    except AssetProblem as problem:
        raise RowProblem(problem.message, hint=problem.hint) from None
    name = PurePath(value).as_posix()
    return DataFile(name=name, folder=folder_of(name), open=lambda: path.open("rb"))


def spooled(stdin: BinaryIO) -> DataFile:
    """The standard input, read once to its end and kept.

    Raises:
        RowProblem: it cannot be read, or is larger than MAX_STDIN_BYTES.
    """
    spool = _Spool()
    try:
        spool.fill(stdin)
    except OSError as error:
        raise RowProblem(f"the standard input cannot be read: {error.strerror}") from error
    return DataFile(name="stdin", folder="", open=spool.open)


class _Spool:
    """Bytes that many readers share, each with a position of its own."""

    def __init__(self) -> None:
        spool = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed below
        self._file = cast(IO[bytes], spool)
        weakref.finalize(self, self._file.close)

    def fill(self, stdin: BinaryIO) -> None:
        size = 0
        while chunk := stdin.read(_CHUNK_BYTES):
            size += self._file.write(chunk)
            if size > MAX_STDIN_BYTES:
                raise RowProblem(
                    f"the standard input is larger than {MAX_STDIN_BYTES // 1024**3} GiB",
                    hint="write it to a file, and name that",
                )

    def open(self) -> BinaryIO:
        return io.BufferedReader(_View(self))

    def read_at(self, position: int, size: int) -> bytes:
        self._file.seek(position)
        return self._file.read(size)

    def size(self) -> int:
        return self._file.seek(0, io.SEEK_END)


class _View(io.RawIOBase):
    def __init__(self, spool: _Spool) -> None:
        self._spool = spool
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = (0, self._position, self._spool.size())[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._spool.read_at(self._position, len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
