"""Signed links to verified files. A link is a secret: only its host is ever shown.

The API's key is unknown here, so it cannot be sent. A link leads to the open internet by HTTPS, or
to this machine where that is allowed; redirects are followed by hand, because each step must be as
safe as the first. Names are judged by the addresses they lead to, except through a proxy, which
resolves them itself.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlsplit
from urllib.request import getproxies

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from runner.clock import Clock, SystemClock
from runner.core.links import host_of, is_loopback, may_fetch, proxy_for
from runner.core.sidecar import Unpacked
from runner.errors import DownloadError
from runner.ports import Fetched

from . import atomic
from .arriving import DEFAULT_LIMITS, BodyLimits, plain
from .partfile import PIECE_BYTES, SYNC_BYTES, PartFile, forget_state, load_state
from .ranges import Incoming, PartState, range_headers, read_answer
from .resolving import PublicResolver
from .signature import is_html, judge
from .unpacking import unpack

MOST_REDIRECTS = 5
#: archives; each keeps a thread and the disk busy
UNPACKED_AT_ONCE = 2
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: printable ASCII stays as it is, signatures cover it; anything else would break the request
_PLAIN = "".join(map(chr, range(0x21, 0x7F)))
_NETWORK_ERRORS = (aiohttp.ClientError, HttpProcessingError, TimeoutError, ConnectionError)


class HttpDownloader:
    """Fits `Downloader`. Open it with `async with`."""

    def __init__(
        self,
        *,
        user_agent: str = "runway-batch",
        allow_loopback: bool = False,
        stall_s: float = 60.0,
        connect_s: float = 20.0,
        limits: BodyLimits = DEFAULT_LIMITS,
        piece_bytes: int = PIECE_BYTES,
        sync_bytes: int = SYNC_BYTES,
        proxies: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Set limits.

        Args:
            user_agent: what to call ourselves.
            allow_loopback: links may lead to this machine, as the API itself does.
            stall_s: a download without a byte for so long is given up.
            connect_s: for name, connection and TLS together.
            limits: what else no output needs.
            piece_bytes: size of one write.
            sync_bytes: fsync after so many.
            proxies: scheme to proxy; default: the environment's.
            clock: to measure how fast bytes come; default: the system's.
        """
        self._user_agent = user_agent
        self._allow_loopback = allow_loopback
        self._answer_s = connect_s + stall_s
        self._limits = limits
        self._clock = clock or SystemClock()
        self._timeout = aiohttp.ClientTimeout(total=None, connect=connect_s, sock_read=stall_s)
        self._piece_bytes = piece_bytes
        self._sync_bytes = sync_bytes
        self._proxies = getproxies() if proxies is None else proxies
        self._unpacking = asyncio.Semaphore(UNPACKED_AT_ONCE)
        self._direct: aiohttp.ClientSession | None = None
        self._proxied: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        resolver = PublicResolver(allow_loopback=self._allow_loopback)
        self._direct = self._session(aiohttp.TCPConnector(limit=0, resolver=resolver))
        self._proxied = self._session(aiohttp.TCPConnector(limit=0))
        return self

    def _session(self, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=connector,
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"User-Agent": self._user_agent, "Accept-Encoding": "identity"},
        )

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for session in (self._direct, self._proxied):
            if session is not None:
                await session.close()

    async def fetch(self, url: str, part: Path) -> Fetched:
        """Download to `part`; see `Downloader`."""
        url = _quoted(url)
        self._check(url)
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
        with atomic.disk_errors(part):  # first: after the move nobody would look for it
            await asyncio.to_thread(forget_state, part)
        await asyncio.to_thread(atomic.place, part, target, sha256)

    async def unpack(self, archive: Path) -> Unpacked:
        """Extract into a folder beside it; see `Downloader`. A cancel stops the thread, too."""
        stop = threading.Event()
        async with self._unpacking:
            try:
                return await asyncio.to_thread(unpack, archive, is_stopped=stop.is_set)
            finally:
                stop.set()

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
        here = url
        for _ in range(MOST_REDIRECTS + 1):
            async with asyncio.timeout(self._answer_s):  # a trickle of headers has an end, too
                response = await self._get(here, extra)
            if response.status not in _REDIRECTS:
                return response
            response.close()
            here = next_stop(here, _quoted(response.headers.get("Location", "")))
            self._check(here)
        raise DownloadError(f"the download from `{host_of(url)}` is redirected too often")

    async def _get(self, url: str, extra: Mapping[str, str]) -> aiohttp.ClientResponse:
        proxy = proxy_for(url, self._proxies)
        session = self._proxied if proxy else self._direct
        if session is None:
            raise RuntimeError("the downloader is used before `async with`")
        return await session.get(
            URL(url, encoded=True),
            headers=extra,
            allow_redirects=False,
            proxy=proxy.url if proxy else None,
            proxy_headers=proxy.headers if proxy else None,
        )

    def _check(self, url: str) -> None:
        """Refuse what leads elsewhere than outputs may be, as far as the link itself tells."""
        if not may_fetch(url, allow_loopback=self._allow_loopback) or not _is_read_alike(url):
            where = host_of(url)[:100]
            raise DownloadError(f"not a safe link: neither HTTPS nor to a public host: `{where}`")

    async def _save(
        self, response: aiohttp.ClientResponse, incoming: Incoming, url: str, part: Path
    ) -> Fetched:
        sizes = {"piece_bytes": self._piece_bytes, "sync_bytes": self._sync_bytes}
        async with PartFile(part, incoming, **sizes) as file:
            body = plain(
                response.content, incoming, host_of(url), limits=self._limits, clock=self._clock
            )
            async for data in body:
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
        DownloadError: from HTTPS to plain HTTP, from outside to this machine, or nowhere.
    """
    try:
        there = str(URL(here, encoded=True).join(URL(location, encoded=True)))
    except ValueError:
        there = ""
    is_downgrade = urlsplit(here).scheme == "https" and not there.startswith("https:")
    if not location or is_downgrade or (is_loopback(there) and not is_loopback(here)):
        raise DownloadError(f"not a safe link: the redirect that came from `{host_of(here)}`")
    return there


def _quoted(url: str) -> str:
    return quote(url, safe=_PLAIN, errors="surrogatepass")


def _is_read_alike(url: str) -> bool:
    """Whether the library that connects sees the same host as the one that judged it."""
    try:
        return (URL(url, encoded=True).raw_host or "").lower() == host_of(url)
    except ValueError:
        return False


def _reason(error: BaseException) -> str:
    """What went wrong, without the link that aiohttp's own messages carry."""
    match error:
        case aiohttp.ConnectionTimeoutError() | aiohttp.ClientConnectorError():
            return "cannot be started: no connection"
        case TimeoutError():
            return "stalled"
        case _:
            return "was cut"
