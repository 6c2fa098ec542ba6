"""Local files to `runway://` URIs, once per content and day.

Two steps, as Runway's documentation has them: ask the API for a place, then send one form to it.
The place is on another host: the key never goes there. A failed second step asks for a new place.
"""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
import os
import random
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import BinaryIO, Protocol, Self
from urllib.request import getproxies

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from runner.clock import Clock
from runner.core.links import is_safe, proxy_for
from runner.core.spec import AssetRef
from runner.errors import PermanentApiError, TransientApiError
from runner.ports import UploadCache

from .retrying import Repeater, RepeatPolicy
from .shapes import UploadSlot

#: a URI lives 24 hours; one hour less, so that it outlives the create that uses it
URI_LIFE = timedelta(hours=23)
UPLOADS_AT_ONCE = 4
#: each try asks for a new place
UPLOAD_REPEATS = RepeatPolicy(attempts=4)
_CONNECT_S = 20.0
ANSWER_S = 120.0  # after the last byte was sent
_TOTAL_S = 3600.0  # 200 MB at 60 kB/s

#: the API wants a media extension in the name; for files that have none
_EXTENSIONS: Mapping[str, str] = MappingProxyType(
    {"image": ".png", "video": ".mp4", "audio": ".mp3"}
)
_RETRIED_4XX = (408, 429)
_NETWORK_ERRORS = (aiohttp.ClientError, HttpProcessingError, TimeoutError, ConnectionError)


class UploadSlots(Protocol):
    """What gives out places to upload to: `RunwayClient`."""

    async def create_upload(self, filename: str) -> UploadSlot: ...


class FormUploader:
    """Fits `Uploader`. Open it with `async with`."""

    def __init__(
        self,
        slots: UploadSlots,
        cache: UploadCache,
        *,
        clock: Clock,
        rng: random.Random,
        repeats: RepeatPolicy = UPLOAD_REPEATS,
        proxies: Mapping[str, str] | None = None,
        answer_s: float = ANSWER_S,
    ) -> None:
        self._slots = slots
        self._answer_s = answer_s
        self._cache = cache
        self._repeat = Repeater(repeats, clock=clock, rng=rng)
        self._clock = clock
        self._proxies = getproxies() if proxies is None else proxies
        self._under_way: dict[str, asyncio.Task[str]] = {}
        self._at_once = asyncio.Semaphore(UPLOADS_AT_ONCE)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(
                total=_TOTAL_S, connect=_CONNECT_S, sock_read=self._answer_s
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # the answer's body is not read: how it is packed is no matter
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        under_way = list(self._under_way.values())
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def uri_for(self, asset: AssetRef) -> str:
        """A URI that lives at least another hour. Callers of one content share one upload.

        Raises:
            PermanentApiError: the file is gone, changed since planning, or refused.
            TransientApiError: worth another try later.
            AccountError: the key was refused.
        """
        task = self._under_way.get(asset.sha256)
        if task is None:
            task = asyncio.create_task(self._uri_for(asset))
            self._under_way[asset.sha256] = task
            task.add_done_callback(lambda done: self._ended(asset.sha256, done))
        return await asyncio.shield(task)

    def _ended(self, sha256: str, task: asyncio.Task[str]) -> None:
        del self._under_way[sha256]
        if not task.cancelled():
            task.exception()  # seen here, in case every caller was cancelled meanwhile

    async def _uri_for(self, asset: AssetRef) -> str:
        not_before = self._clock.now() - URI_LIFE
        uri = await self._cache.uploaded(asset.sha256, not_before=not_before)
        if uri is not None:
            return uri
        async with self._at_once:
            try:
                return await self._repeat(lambda: self._upload(asset))
            except _StorageRefused as error:
                raise PermanentApiError(error.message, status=error.status) from error

    async def _upload(self, asset: AssetRef) -> str:
        file = await asyncio.to_thread(_opened_unchanged, asset)
        try:
            before = _stamp(file)
            at = self._clock.now()
            slot = await self._slots.create_upload(_filename(asset))
            if not is_safe(slot.url):
                raise PermanentApiError("Runway named an unsafe address to upload to")
            await self._send(file, asset, slot)
            if await asyncio.to_thread(_stamp_of, asset.path) != before:
                raise _changed(asset)
        finally:
            await asyncio.to_thread(file.close)
        await self._cache.remember_upload(asset.sha256, slot.uri, at=at)
        return slot.uri

    async def _send(self, file: BinaryIO, asset: AssetRef, slot: UploadSlot) -> None:
        if self._session is None:
            raise RuntimeError("the uploader is used before `async with`")
        proxy = proxy_for(slot.url, self._proxies)
        try:
            async with self._session.post(
                URL(slot.url, encoded=True),
                data=_form(file, asset, slot),
                allow_redirects=False,
                proxy=proxy.url if proxy else None,
                proxy_headers=proxy.headers if proxy else None,
            ) as response:
                status = response.status
        except _NETWORK_ERRORS:  # their messages carry the signed address
            raise TransientApiError("the upload's storage broke the connection") from None
        _check(status)


class _StorageRefused(TransientApiError):
    """Worth a new place; final when the tries are used up."""


def _check(status: int) -> None:
    if 200 <= status < 300:
        return
    refused = 400 <= status < 500 and status not in _RETRIED_4XX
    kind = _StorageRefused if refused else TransientApiError
    raise kind(f"the upload's storage answered with {status}", status=status)


def _form(file: BinaryIO, asset: AssetRef, slot: UploadSlot) -> aiohttp.FormData:
    """Every given field in its order, the file last; streamed, with a known length."""
    form = aiohttp.FormData()
    for name, value in slot.fields.items():
        form.add_field(name, value)
    name = _filename(asset)
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    form.add_field("file", file, filename=name, content_type=media_type)
    return form


def _filename(asset: AssetRef) -> str:
    """A name that tells nothing of the person's folders; only the extension matters."""
    suffix = Path(asset.path).suffix.lower()
    usable = suffix.isascii() and suffix[1:].isalnum()
    return asset.sha256[:16] + (suffix if usable else _EXTENSIONS.get(asset.media, ".bin"))


def _opened_unchanged(asset: AssetRef) -> BinaryIO:
    """The file at its start, its content being what was planned with."""
    try:
        with ExitStack() as until_checked:
            file = until_checked.enter_context(Path(asset.path).open("rb"))
            if hashlib.file_digest(file, "sha256").hexdigest() == asset.sha256:
                file.seek(0)
                until_checked.pop_all()
                return file
    except OSError as error:
        raise PermanentApiError(
            f"cannot read the input file `{asset.path}`: {error.strerror}"
        ) from error
    raise _changed(asset)


def _changed(asset: AssetRef) -> PermanentApiError:
    return PermanentApiError(
        f"the input file `{asset.path}` changed since the job was planned",
        hint="`runway-batch run` again plans with the file as it is now",
    )


def _stamp(file: BinaryIO) -> tuple[int, int, int]:
    return _facts(os.fstat(file.fileno()))


def _stamp_of(path: str) -> tuple[int, int, int] | None:
    try:
        return _facts(Path(path).stat())
    except OSError:
        return None


def _facts(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
