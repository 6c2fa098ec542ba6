"""The unfinished file on disk, and what is known of it in a small file beside it.

Bytes count as present only after an fsync whose length is written down: what a kill or a power
cut leaves behind that, whole or not, is fetched again.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import aiofiles

from .atomic import disk_errors, make_folder, temporary_of, write_text
from .ranges import Incoming, PartState
from .signature import HEAD_BYTES

PIECE_BYTES = 1 << 20  # one write; small ones cost a thread switch each
SYNC_BYTES = 16 << 20  # what a kill can cost at most


class PartFile:
    """Writes one download in large pieces, hashing as it goes. Use with `async with`."""

    def __init__(
        self,
        path: Path,
        incoming: Incoming,
        *,
        piece_bytes: int = PIECE_BYTES,
        sync_bytes: int = SYNC_BYTES,
    ) -> None:
        self._path = path
        self._piece_bytes = piece_bytes
        self._sync_bytes = sync_bytes
        self._state = _state_for(incoming)
        self._waiting = bytearray()
        self._digest = hashlib.sha256()
        self._file: Any = None
        #: still true after a failure or a cancel: what of it is on disk cannot be known, and a
        #: later fsync may succeed without what an earlier one has lost
        self._is_unsure = False
        self._start = incoming.start
        self._synced = incoming.start
        self.size = incoming.start  # bytes of the file so far

    async def __aenter__(self) -> Self:
        """Opens nothing yet: bytes that are here must be read before a cut takes them away."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """A cut keeps what came; a write that failed or was left alone vouches for nothing."""
        try:
            if kind is not None and not self._is_unsure and self.size > self._synced:
                await self.sync()
        finally:
            if self._file is not None:
                with disk_errors(self._path):
                    await self._file.close()

    async def write(self, data: bytes) -> None:
        """Take some bytes; they reach the disk in pieces."""
        self._waiting += data
        self.size += len(data)
        if len(self._waiting) >= self._piece_bytes:
            await self._flush()
            if self.size - self._synced >= self._sync_bytes:
                await self.sync()

    async def sync(self) -> None:
        """All of it on disk, and written down how much."""
        await self._flush()
        self._is_unsure = True
        with disk_errors(self._path):
            await self._file.flush()
            await asyncio.to_thread(os.fsync, self._file.fileno())
        self._is_unsure = False
        self._synced = self.size
        if self._state is not None:
            self._state = replace(self._state, synced=self.size)
            await asyncio.to_thread(_save_state, self._path, self._state)

    async def head(self) -> bytes:
        """The file's first bytes."""
        await self._flush()
        with disk_errors(self._path):
            await self._file.seek(0)
            head: bytes = await self._file.read(HEAD_BYTES)
            await self._file.seek(self.size)
        return head

    async def distrust(self) -> None:
        """Never go on from these bytes."""
        self._state = None
        with disk_errors(self._path):
            await asyncio.to_thread(state_path(self._path).unlink, missing_ok=True)

    @property
    def sha256(self) -> str:
        """Digest of everything that reached the disk."""
        return self._digest.hexdigest()

    async def _flush(self) -> None:
        if not self._waiting:
            return
        if self._file is None:
            await self._open()
        piece, self._waiting = bytes(self._waiting), bytearray()
        self._is_unsure = True
        with disk_errors(self._path):
            await self._file.write(piece)
        await asyncio.to_thread(self._digest.update, piece)
        self._is_unsure = False

    async def _open(self) -> None:
        """Go to the start; what no state vouches for is dropped, what stays is hashed."""
        mode: Literal["r+b", "w+b"] = "r+b" if self._start else "w+b"
        with disk_errors(self._path):
            await asyncio.to_thread(make_folder, self._path.parent)
            if not self._start:  # what vouches for the old bytes goes before they do
                await asyncio.to_thread(state_path(self._path).unlink, missing_ok=True)
            self._file = await aiofiles.open(self._path, mode)
            if self._start:
                await self._file.truncate(self._start)
            while self._start and (piece := await self._file.read(PIECE_BYTES)):
                await asyncio.to_thread(self._digest.update, piece)


def state_path(part: Path) -> Path:
    """Where the state of an unfinished file is kept."""
    return part.with_name(part.name + ".etag")


def load_state(part: Path) -> PartState | None:
    """What an earlier try left; None where it cannot be continued."""
    try:
        data = json.loads(state_path(part).read_bytes())
        state = PartState(etag=data["etag"], length=data["length"], synced=data["synced"])
        if not all(type(number) is int for number in (state.length, state.synced)):
            return None
        is_there = 0 < state.synced <= state.length and part.stat().st_size >= state.synced
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return state if is_there and isinstance(state.etag, str) else None


def forget_state(part: Path) -> None:
    """Take away what is kept beside an unfinished file, and what a kill left of writing it."""
    for path in (state_path(part), temporary_of(state_path(part))):
        path.unlink(missing_ok=True)


def _save_state(part: Path, state: PartState) -> None:
    write_text(state_path(part), json.dumps(asdict(state)))


def _state_for(incoming: Incoming) -> PartState | None:
    if not incoming.can_resume or incoming.length is None:
        return None
    return PartState(etag=incoming.etag, length=incoming.length, synced=incoming.start)
