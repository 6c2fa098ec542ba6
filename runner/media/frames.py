"""Stills of videos as PNG files, kept by the content of their video and made once.

Each is a file that an upload can read; after a day without use it makes room.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from weakref import WeakValueDictionary

from runner.core.spec import AssetRef
from runner.errors import DownloadError, PermanentApiError, TransientApiError

from .extra import INSTALL_HINT, media_extra_missing

#: a picture of 4K takes some 100 MB while it is worked on
DECODED_AT_ONCE = 2
#: seconds that a still is kept after its last use, by the disk's own clock
KEPT_S = 86_400.0
_PNG_HEAD, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xae\x42\x60\x82"

#: writes a file whole or not at all, also where others write the same one
Write = Callable[[Path, bytes], None]


class FrameFolder:
    """Fits `FrameReader`. Keeps what it decodes in a folder of its own."""

    def __init__(self, folder: Path, write: Write) -> None:
        self._folder = folder
        self._write = write
        self._at_once = asyncio.Semaphore(DECODED_AT_ONCE)
        self._turns: WeakValueDictionary[Path, asyncio.Lock] = WeakValueDictionary()
        self._is_tidy = False

    async def frame(self, video: Path, *, sha256: str, which: str) -> AssetRef:
        """The still of a video, see `FrameReader`. Callers of one still share one decoding."""
        still = self._folder / f"{sha256}-{which}.png"
        turn = self._turns.setdefault(still, asyncio.Lock())
        async with turn:
            known = await asyncio.to_thread(_kept, still)
            if known is not None:
                return known
            async with self._at_once:
                return await asyncio.to_thread(self._make, video, sha256, which, still)

    def _make(self, video: Path, sha256: str, which: str, still: Path) -> AssetRef:
        png = _png(video, sha256, which)
        try:
            self._write(still, png)
        except DownloadError as error:
            raise TransientApiError(error.message) from error
        if not self._is_tidy:
            self._is_tidy = True
            _tidy(self._folder, still)
        return _asset(still, png)


def _png(video: Path, sha256: str, which: str) -> bytes:
    """The still's bytes, the same for the same video.

    Raises:
        PermanentApiError: the video is gone or changed, gives no picture, or cannot be read here.
    """
    name = f"cannot take the {which} frame of `{video}`"
    if (missing := media_extra_missing()) is not None:
        raise PermanentApiError(f"{name}: {missing}", hint=INSTALL_HINT)
    try:
        from .decoding import NoFrame, picture
    except ImportError as error:  # a package of this name, but not for this machine
        raise PermanentApiError(f"{name}: {error}", hint=INSTALL_HINT) from error
    try:
        if not _is_unchanged(video, sha256):
            raise PermanentApiError(
                f"{name}: it changed since it was verified",
                hint="`runway-batch fetch` downloads it again",
            )
        image = picture(video, which)
    except NoFrame as error:
        raise PermanentApiError(f"{name}: it {error}") from error
    except OSError as error:
        raise PermanentApiError(f"{name}: {error.strerror or type(error).__name__}") from error
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _is_unchanged(video: Path, sha256: str) -> bool:
    with video.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256


def _kept(still: Path) -> AssetRef | None:
    """What an earlier call, perhaps of another run, has left; None where it is not whole."""
    try:
        png = still.read_bytes()
        os.utime(still)
    except OSError:
        return None
    is_whole = png.startswith(_PNG_HEAD) and png.endswith(_PNG_END)
    return _asset(still, png) if is_whole else None


def _asset(still: Path, png: bytes) -> AssetRef:
    digest = hashlib.sha256(png).hexdigest()
    return AssetRef(path=str(still), sha256=digest, bytes=len(png), media="image")


def _tidy(folder: Path, newest: Path) -> None:
    """Take away stills that nobody used for long, and what a kill has left of writing one."""
    with suppress(OSError):
        since_s = newest.stat().st_mtime - KEPT_S
        for entry in os.scandir(folder):
            with suppress(OSError):
                if entry.is_file(follow_symlinks=False) and entry.stat().st_mtime < since_s:
                    Path(entry.path).unlink()
