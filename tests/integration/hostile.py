"""A server on this machine that answers exactly what a test says, however wrong that is."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from runner.clock import SystemClock


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes
    connection: int  # counted from 1


@dataclass(frozen=True, slots=True)
class Step:
    """What to send, and what to do with the connection afterwards."""

    data: bytes = b""
    then: str = "keep"  # keep, close, reset, stall or drip
    drip: bytes = b""  # sent again and again, as long as the other side takes it
    drip_every_s: float = 0.0


Script = Step | Callable[[Seen], Step]


def reply(status: int, body: bytes = b"", then: str = "keep", **fields: str) -> Step:
    """A correct answer, with further or other headers."""
    named = {"Content-Length": str(len(body))}
    named |= {name.replace("_", "-"): value for name, value in fields.items()}
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in named.items())]
    return Step("\r\n".join([*lines, "", ""]).encode() + body, then)


@dataclass
class HostileServer:
    """Answers request after request with its steps; the last one goes on for ever."""

    steps: list[Script]
    hangs_up: bool = False  # on every connection, before anything is read
    seen: list[Seen] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)  # a connection ended
    _connections: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def connections(self) -> int:
        """How many were made, whether anything was asked on them or not."""
        return self._connections

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._connections += 1
        number = self._connections
        if self.hangs_up:
            writer.transport.abort()
        try:
            with contextlib.suppress(
                asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError, ssl.SSLError
            ):
                while await self._one(reader, writer, number):
                    pass
        finally:
            writer.close()
            self.closed.set()

    async def _one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        method, path, _ = first.split(" ", 2)
        fields = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = await reader.readexactly(int(fields.get("content-length", "0")))
        seen = Seen(method, path, fields, body, number)
        self.seen.append(seen)
        script = self.steps[min(len(self.seen), len(self.steps)) - 1]
        step = script if isinstance(script, Step) else script(seen)
        writer.write(step.data)
        await writer.drain()
        if step.then == "stall":
            await reader.read()  # until the other side gives up
        while step.then == "drip":
            writer.write(step.drip)
            await writer.drain()
            await SystemClock().sleep(step.drip_every_s)
        if step.then == "reset":
            writer.transport.abort()
        return step.then == "keep"
