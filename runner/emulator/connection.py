"""Faults on a live connection: answers that never come, come late or by half."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress

from aiohttp import web

from runner.clock import Clock
from runner.emulator import faults
from runner.emulator.faults import Reply
from runner.emulator.rules import Fault

#: the fault that strikes a request
FAULT: web.RequestKey[Fault] = web.RequestKey("fault", Fault)

#: seconds between two looks whether a client that was left waiting is gone; real ones
LOOK_S = 0.05
#: linger for no time: closing sends a reset
_RESET = struct.pack("ii", 1, 0)


class Connections:
    """Ends connections in every way that a server can."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Let go of every client that was left waiting."""
        self._stopping.set()

    async def before(self, fault: Fault, request: web.Request) -> web.StreamResponse | None:
        """The answer that takes the place of carrying out the request, if any."""
        if fault.do == "refuse":
            return respond(faults.refusal(fault))
        return await self.silence(fault, request) if fault.do == "drop" else None

    async def after(
        self, fault: Fault, request: web.Request, answer: web.StreamResponse
    ) -> web.StreamResponse:
        """What becomes of the answer of a request that was carried out; not of a download's."""
        if answer.prepared or not isinstance(answer, web.Response):
            return answer
        body = answer.body if isinstance(answer.body, bytes) else b""
        match fault.do:
            case "lose" if fault.how == "cut":
                return await _half(request, body)
            case "lose":
                return await self.silence(fault, request)
            case "deny":
                return respond(faults.refusal(fault))
            case "garble":
                return respond(faults.garbled(fault, body))
        return answer

    async def silence(self, fault: Fault, request: web.Request) -> web.StreamResponse:
        """End the connection without an answer. The returned response is never seen."""
        if fault.how == "hang":
            await self.wait(request, fault.seconds)
        elif fault.how == "reset":
            _reset(request)
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)

    async def wait(self, request: web.Request, seconds: float) -> None:
        """Do nothing for a time; without one until the client is gone or the server stops."""
        if seconds > 0:
            await self._clock.sleep(seconds)
            return
        stopping = asyncio.ensure_future(self._stopping.wait())
        while not stopping.done() and request.transport is not None:
            await asyncio.wait([stopping], timeout=LOOK_S)
        stopping.cancel()


def respond(reply: Reply) -> web.Response:
    headers = {**reply.headers, "Content-Type": reply.content_type}
    return web.Response(body=reply.body, status=reply.status, headers=headers)


def hang_up(request: web.Request) -> None:
    """Close the connection after what was written has left."""
    if request.transport is not None:
        request.transport.close()


async def _half(request: web.Request, body: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    hang_up(request)
    return response


def _reset(request: web.Request) -> None:
    found = None if request.transport is None else request.transport.get_extra_info("socket")
    if found is not None:
        with suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
