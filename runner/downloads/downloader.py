"""Signed links to verified files. A link is a secret: only its host is ever shown.

The API's key is unknown here, so it cannot be sent. Redirects are followed by hand, because each
step must be as safe as the first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.request import getproxies

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from runner.core.links import host_of, is_loopback, is_safe, proxy_for
from runner.errors import DownloadError
from runner.ports import Fetched

from . import atomic
from .partfile import PIECE_BYTES, SYNC_BYTES, PartFile, load_state, state_path
from .ranges import Incoming, PartState, range_headers, read_answer
from .signature import is_html, judge
from .unpacking import ENCODINGS, Unpacker

MOST_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK_BYTES = 256 << 10
_NETWORK_ERRORS = (aiohttp.ClientError, HttpProcessingError, TimeoutError, ConnectionError)


class HttpDownloader:
    """Fits `Downloader`. Open it with `async with`."""

    def __init__(
        self,
        *,
        user_agent: str = "runway-batch",
        stall_s: float = 60.0,
        connect_s: float = 20.0,
        piece_bytes: int = PIECE_BYTES,
        sync_bytes: int = SYNC_BYTES,
        proxies: Mapping[str, str] | None = None,
    ) -> None:
        """Set limits.

        Args:
            user_agent: what to call ourselves.
            stall_s: a download without a byte for so long is given up.
            connect_s: for name, connection and TLS together.
            piece_bytes: size of one write.
            sync_bytes: fsync after so many.
            proxies: scheme to proxy; default: the environment's.
        """
        self._user_agent = user_agent
        self._timeout = aiohttp.ClientTimeout(total=None, connect=connect_s, sock_read=stall_s)
        self._piece_bytes = piece_bytes
        self._sync_bytes = sync_bytes
        self._proxies = getproxies() if proxies is None else proxies
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"User-Agent": self._user_agent, "Accept-Encoding": "identity"},
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def fetch(self, url: str, part: Path) -> Fetched:
        """Download to `part`; see `Downloader`."""
        if not is_safe(url):
            raise DownloadError("not a safe link: neither `https://` nor this machine")
        state = await asyncio.to_thread(load_state, part)
        try:
            fetched = await self._fetch(url, part, state)
            if fetched is None:
                fetched = await self._fetch(url, part, None)
        except _NETWORK_ERRORS as error:
            raise DownloadError(f"the download from `{host_of(url)}` {_reason(error)}") from None
        if fetched is None:
            raise DownloadError(f"the download from `{host_of(url)}` cannot be started over")
        return fetched

    async def place(self, part: Path, target: Path, sha256: str) -> None:
        """Move to the final name; see `Downloader`."""
        await asyncio.to_thread(atomic.place, part, target, sha256)
        with atomic.disk_errors(part):
            await asyncio.to_thread(state_path(part).unlink, missing_ok=True)

    async def sha256_of(self, path: Path) -> str | None:
        """Digest of a file, None where there is none."""
        return await asyncio.to_thread(atomic.sha256_of, path)

    async def write_sidecar(self, path: Path, text: str) -> None:
        """Write a sidecar atomically; see `Downloader`."""
        await asyncio.to_thread(atomic.write_sidecar, path, text)

    async def _fetch(self, url: str, part: Path, state: PartState | None) -> Fetched | None:
        """One try; None: what is here does not fit, start over."""
        response = await self._open(url, range_headers(state))
        async with response:
            fields = {name.lower(): value for name, value in response.headers.items()}
            incoming = read_answer(response.status, fields, state, host_of(url))
            if incoming is None:
                response.close()  # its body is of no use
                return None
            return await self._save(response, incoming, url, part)

    async def _open(self, url: str, extra: Mapping[str, str]) -> aiohttp.ClientResponse:
        """Follow redirects to the answer that counts."""
        if self._session is None:
            raise RuntimeError("the downloader is used before `async with`")
        here = url
        for _ in range(MOST_REDIRECTS + 1):
            proxy = proxy_for(here, self._proxies)
            response = await self._session.get(
                URL(here, encoded=True),
                headers=extra,
                allow_redirects=False,
                proxy=proxy.url if proxy else None,
                proxy_headers=proxy.headers if proxy else None,
            )
            if response.status not in _REDIRECTS:
                return response
            response.close()
            here = next_stop(here, response.headers.get("Location", ""))
        raise DownloadError(f"the download from `{host_of(url)}` is redirected too often")

    async def _save(
        self, response: aiohttp.ClientResponse, incoming: Incoming, url: str, part: Path
    ) -> Fetched:
        sizes = {"piece_bytes": self._piece_bytes, "sync_bytes": self._sync_bytes}
        async with PartFile(part, incoming, **sizes) as file:
            async for data in _plain(response, incoming, host_of(url)):
                await file.write(data)
            if file.size == 0:
                raise DownloadError(f"the download from `{host_of(url)}` is empty")
            head = await file.head()
            if is_html(head):
                await file.distrust()
                raise DownloadError(f"`{host_of(url)}` sent a web page instead of the file")
            await file.sync()
        verdict = judge(head, incoming.content_type, url)
        unsaid = "" if incoming.length else "the server did not say how long the file is"
        return Fetched(
            part=part,
            bytes=file.size,
            sha256=file.sha256,
            media_type=verdict.kind.media_type,
            ext=verdict.kind.ext,
            warning="; ".join(filter(None, (verdict.warning, unsaid))),
        )


def next_stop(here: str, location: str) -> str:
    """Where a redirect leads.

    Raises:
        DownloadError: it may not be followed: unsafe, or from outside to this machine.
    """
    try:
        there = str(URL(here, encoded=True).join(URL(location, encoded=True)))
    except ValueError:
        there = ""
    if not location or not is_safe(there) or (is_loopback(there) and not is_loopback(here)):
        raise DownloadError(f"the download from `{host_of(here)}` is redirected to an unsafe link")
    return there


async def _plain(
    response: aiohttp.ClientResponse, incoming: Incoming, host: str
) -> AsyncIterator[bytes]:
    """The body's bytes, unpacked where need be, and as many as were announced.

    Raises:
        DownloadError: cut, garbled, or packed in a way that was not asked for and is not known.
    """
    if incoming.encoding and incoming.encoding not in ENCODINGS:
        raise DownloadError(f"the download from `{host}` is compressed in an unknown way")
    unpack = Unpacker(host) if incoming.encoding else None
    came = incoming.start
    async for data in response.content.iter_chunked(_CHUNK_BYTES):
        came += len(data)
        if unpack is None:
            yield data
        else:
            for piece in unpack.pieces(data):
                yield piece
    if incoming.length is not None and came != incoming.length:
        raise DownloadError(
            f"the download from `{host}` ended at {came} of {incoming.length} bytes"
        )
    if unpack is not None:
        yield unpack.finish()


def _reason(error: BaseException) -> str:
    """What went wrong, without the link that aiohttp's own messages carry."""
    match error:
        case aiohttp.ConnectionTimeoutError() | aiohttp.ClientConnectorError():
            return "cannot be started: no connection"
        case TimeoutError():
            return "stalled"
        case _:
            return "was cut"
