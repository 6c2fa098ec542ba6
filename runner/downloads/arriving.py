"""A body as it arrives: measured, inflated where need be, and given up where it has no end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp

from runner.clock import Clock
from runner.errors import DownloadError

from .inflating import ENCODINGS, Inflater
from .ranges import Incoming

_CHUNK_BYTES = 256 << 10


@dataclass(frozen=True, kw_only=True, slots=True)
class BodyLimits:
    """What no output needs."""

    #: of one file, inflated
    most_bytes: int = 20_000_000_000
    #: fewer than `slow_bytes` in `slow_s` seconds of waiting count as a stall
    slow_s: float = 120.0
    slow_bytes: int = 64 << 10


DEFAULT_LIMITS = BodyLimits()


class Pace:
    """Notices a body that trickles: never silent for long, and never done."""

    def __init__(self, limits: BodyLimits, host: str) -> None:
        self._limits = limits
        self._host = host
        self._waited_s = 0.0
        self._bytes = 0

    def came(self, size: int, waited_s: float) -> None:
        """Some bytes came; what our own disk takes to write them is nobody's waiting.

        Raises:
            DownloadError: too few for too long.
        """
        self._waited_s += waited_s
        self._bytes += size
        if self._waited_s < self._limits.slow_s:
            return
        if self._bytes < self._limits.slow_bytes:
            raise DownloadError(
                f"the download from `{self._host}` stalled:"
                f" {self._bytes} bytes in {self._waited_s:.0f} s"
            )
        self._waited_s, self._bytes = 0.0, 0


async def plain(
    content: aiohttp.StreamReader,
    incoming: Incoming,
    host: str,
    *,
    limits: BodyLimits,
    clock: Clock,
) -> AsyncIterator[bytes]:
    """The body's bytes, inflated, and exactly as many as were announced.

    Raises:
        DownloadError: cut, too long, too slow, garbled, or packed in a way that is not known.
    """
    if incoming.encoding and incoming.encoding not in ENCODINGS:
        raise DownloadError(f"the download from `{host}` is compressed in an unknown way")
    inflate = Inflater(host, most_bytes=limits.most_bytes) if incoming.encoding else None
    async for data in _measured(content, incoming, host, limits, clock):
        if inflate is None:
            yield data
        else:
            for piece in inflate.pieces(data):
                yield piece
    if inflate is not None:
        yield inflate.finish()


async def _measured(
    content: aiohttp.StreamReader, incoming: Incoming, host: str, limits: BodyLimits, clock: Clock
) -> AsyncIterator[bytes]:
    """The bytes as they are on the way, none beyond the announced end."""
    if incoming.length is not None:
        _check_size(incoming.length, limits, host)
    pace = Pace(limits, host)
    came = incoming.start
    asked_s = clock.monotonic()
    while data := await content.read(_CHUNK_BYTES):
        pace.came(len(data), clock.monotonic() - asked_s)
        came += len(data)
        _check_size(came, limits, host)
        if incoming.length is not None and came > incoming.length:
            raise DownloadError(
                f"the download from `{host}` goes on beyond its {incoming.length} bytes"
            )
        yield data
        asked_s = clock.monotonic()
    if incoming.length is not None and came != incoming.length:
        raise DownloadError(
            f"the download from `{host}` ended at {came} of {incoming.length} bytes"
        )


def _check_size(size: int, limits: BodyLimits, host: str) -> None:
    if size > limits.most_bytes:
        raise DownloadError(
            f"the download from `{host}` is larger than any output: over {limits.most_bytes} bytes"
        )
