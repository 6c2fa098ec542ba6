"""HTTP to the API's own host: the only place that adds the key.

Creates and reads have connections of their own. A create reuses none that was idle for more than
half a second: near the server's idle limit the answer of a create that arrived gets lost (measured:
26 of 480 with long-lived connections, 0 with this limit). aiohttp repeats a request on a dropped
connection by itself, but only idempotent methods, so never a create.
"""

from __future__ import annotations

import asyncio
import platform
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace, TracebackType
from typing import Self
from urllib.request import getproxies

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from runner.core.links import proxy_for

from .answers import Answer, Lost
from .wire import BASE_URL, Request, checked_base_url, headers

MOST_JSON_BYTES = 8 << 20
_PIECE_BYTES = 64 << 10

#: everything a broken network can raise; no other OSError can happen here
_NETWORK_ERRORS = (aiohttp.ClientError, HttpProcessingError, TimeoutError, OSError)


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiSettings:
    """Where the API is and how patient to be with it."""

    key: str = field(repr=False)
    version: str  # of runway-batch, for the User-Agent
    base_url: str = BASE_URL
    create_timeout_s: float = 120.0
    read_timeout_s: float = 60.0
    connect_timeout_s: float = 20.0
    create_keepalive_s: float = 0.5
    read_keepalive_s: float = 30.0
    reads_at_once: int = 16
    #: scheme to proxy; handed in by tests, else the environment's
    proxies: Mapping[str, str] = field(default_factory=getproxies, repr=False)

    @property
    def user_agent(self) -> str:
        return f"runway-batch/{self.version} (python {platform.python_version()})"


@dataclass(slots=True)
class _Mark:
    """What became of one request."""

    connected: bool = False


class Transport:
    """Sends requests; gives back an answer, or that there was none. Open it with `async with`."""

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings
        self._base_url = checked_base_url(settings.base_url)
        # aiohttp's own `trust_env` would also send what a .netrc file holds for the host
        self._proxy = proxy_for(self._base_url, settings.proxies)
        self._reads_at_once = asyncio.Semaphore(settings.reads_at_once)
        self._creates: aiohttp.ClientSession | None = None
        self._reads: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"Transport({self._base_url!r})"

    async def __aenter__(self) -> Self:
        its = self._settings
        self._creates = self._session(its.create_keepalive_s, its.create_timeout_s)
        self._reads = self._session(its.read_keepalive_s, its.read_timeout_s)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for session in (self._creates, self._reads):
            if session is not None:
                await session.close()

    async def send_create(self, request: Request) -> Answer | Lost:
        """Send once, on a connection that is new or was just used."""
        return await self._send(self._open(self._creates), request)

    async def send_read(self, request: Request) -> Answer | Lost:
        """Send what costs nothing; a few at once, the rest wait without using up their timeout."""
        async with self._reads_at_once:
            return await self._send(self._open(self._reads), request)

    def _session(self, keepalive_s: float, timeout_s: float) -> aiohttp.ClientSession:
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(_connected)
        trace.on_connection_reuseconn.append(_connected)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=keepalive_s),
            timeout=aiohttp.ClientTimeout(
                total=timeout_s, connect=self._settings.connect_timeout_s
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trace_configs=[trace],
        )

    def _open(self, session: aiohttp.ClientSession | None) -> aiohttp.ClientSession:
        if session is None:
            raise RuntimeError("the transport is used before `async with`")
        return session

    async def _send(self, session: aiohttp.ClientSession, request: Request) -> Answer | Lost:
        mark = _Mark()
        fields = headers(self._settings.key, self._settings.user_agent)
        if request.body is not None:
            fields["Content-Type"] = "application/json"
        try:
            async with session.request(
                request.method,
                URL(self._base_url + request.path, encoded=True),
                data=request.body,
                headers=fields,
                allow_redirects=False,
                trace_request_ctx=mark,
                proxy=self._proxy.url if self._proxy else None,
                proxy_headers=self._proxy.headers if self._proxy else None,
            ) as response:
                return await _answer(response)
        except _NETWORK_ERRORS as error:
            return Lost(began=mark.connected, reason=_reason(error))


async def _connected(
    session: aiohttp.ClientSession, context: SimpleNamespace, params: object
) -> None:
    """From here on the request may leave."""
    context.trace_request_ctx.connected = True


async def _answer(response: aiohttp.ClientResponse) -> Answer:
    """Status and headers came; a body that is cut, too long or garbled counts as none."""
    fields = {name.lower(): value for name, value in response.headers.items()}
    try:
        body = await _body(response)
    except _NETWORK_ERRORS:
        body = b""
    unpacked = _unpacked(body, fields.get("content-encoding", "identity").strip().lower())
    return Answer(status=response.status, headers=fields, body=unpacked)


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in response.content.iter_chunked(_PIECE_BYTES):
        body += piece
        if len(body) > MOST_JSON_BYTES:
            response.close()
            return b""
    return bytes(body)


def _unpacked(body: bytes, encoding: str) -> bytes:
    """Compression is not asked for, but a create that was paid must be readable all the same."""
    if encoding in {"", "identity"}:
        return body
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        return b""
    inflate: Callable[[bytes, int], bytes] = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress
    try:
        plain = inflate(body, MOST_JSON_BYTES + 1)
    except zlib.error:
        return b""
    return plain if len(plain) <= MOST_JSON_BYTES else b""


def _reason(error: BaseException) -> str:
    """Why there was no answer, without addresses."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "the name of the host does not resolve"
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return "no trusted TLS connection"
        case TimeoutError():
            return "no answer in time"
        case aiohttp.ServerDisconnectedError():
            return "the connection was closed before an answer came"
        case OSError(strerror=str(text)) if text:
            return text[:1].lower() + text[1:]
        case _:
            return "the connection broke"
