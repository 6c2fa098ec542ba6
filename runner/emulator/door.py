"""The loopback socket of a server, which can be shut so that connections are refused.

While it is shut a second socket, bound and not listening, keeps the port: nobody else gets it, and
a client that tries again and again cannot end up connected to itself.
"""

from __future__ import annotations

import os
import socket

from aiohttp import web

#: elsewhere these options mean something else
_CAN_SHARE = os.name == "posix" and hasattr(socket, "SO_REUSEPORT")


class Door:
    """Open, shut, open again at the same port."""

    def __init__(self, runner: web.AppRunner, host: str, port: int) -> None:
        self._runner = runner
        self._host = host
        self._site: web.SockSite | None = None
        self._keeper: socket.socket | None = None
        self.port = port

    async def open(self) -> None:
        """Listen.

        Raises:
            OSError: the port is taken.
        """
        if self._site is not None:
            return
        if self.port and self._keeper is None:
            self._bound("SO_REUSEADDR").close()  # taken by another server: say so, do not share
        listening = self._bound("SO_REUSEADDR", "SO_REUSEPORT")
        self.port = listening.getsockname()[1]
        if self._keeper is None and _CAN_SHARE:
            self._keeper = self._bound("SO_REUSEPORT")
        self._site = web.SockSite(self._runner, listening)
        await self._site.start()

    async def shut(self) -> None:
        """Refuse new connections, and reset those that are open."""
        if self._site is None:
            return
        site, self._site = self._site, None
        await site.stop()
        if self._runner.server is not None:
            for connection in self._runner.server.connections:
                if connection.transport is not None:
                    connection.transport.abort()

    def close(self) -> None:
        """Give the port back; the runner closes what listens."""
        if self._keeper is not None:
            self._keeper.close()

    def _bound(self, *options: str) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        made = socket.socket(family, socket.SOCK_STREAM)
        try:
            for name in options if _CAN_SHARE else ():
                made.setsockopt(socket.SOL_SOCKET, getattr(socket, name), 1)
            made.bind((self._host, self.port))
        except OSError:
            made.close()
            raise
        return made
