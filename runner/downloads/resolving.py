"""Names to addresses that may be fetched from. Judged here, after the name was resolved and right
before the connection is made, so that a name which changes its address in between gains nothing.
"""

from __future__ import annotations

import socket

from aiohttp import DefaultResolver
from aiohttp.abc import AbstractResolver, ResolveResult

from runner.core.links import is_loopback_host, is_public_address
from runner.errors import DownloadError


class PublicResolver(AbstractResolver):
    """Gives the public addresses of a name; those of this machine for `localhost`, if allowed."""

    def __init__(self, *, allow_loopback: bool, resolver: AbstractResolver | None = None) -> None:
        self._allow_loopback = allow_loopback
        self._resolver = resolver or DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """See `AbstractResolver`.

        Raises:
            DownloadError: none of the name's addresses may be fetched from.
        """
        found = await self._resolver.resolve(host, port, family)
        usable = [one for one in found if self._may_connect(host, one["host"])]
        if found and not usable:
            raise DownloadError(f"not a safe link: its host leads to a private address: `{host}`")
        return usable

    async def close(self) -> None:
        await self._resolver.close()

    def _may_connect(self, host: str, address: str) -> bool:
        if self._allow_loopback and is_loopback_host(host):
            return is_loopback_host(address)
        return is_public_address(address)
