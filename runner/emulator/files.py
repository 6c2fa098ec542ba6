"""Storage of the pretend service: uploads by form, outputs by signed link, with ranges."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator

from aiohttp import BodyPartReader, web
from yarl import URL

from runner.clock import Clock
from runner.emulator import answers
from runner.emulator.backend import Backend
from runner.emulator.connection import FAULT, Connections, hang_up
from runner.emulator.delivery import Asked, deliver
from runner.emulator.links import token_of
from runner.emulator.media import MediaMaker
from runner.emulator.outputs import OutputFile
from runner.emulator.rules import Fault
from runner.emulator.uploads import SIZE_BYTES, Uploads

CHUNK_BYTES = 64 * 1024
MARK = "redirected"  # query of a link that was redirected once


class Files:
    """What is not under /v1."""

    def __init__(
        self,
        backend: Backend,
        uploads: Uploads,
        maker: MediaMaker,
        *,
        clock: Clock,
        connections: Connections,
    ) -> None:
        self._backend = backend
        self._uploads = uploads
        self._maker = maker
        self._clock = clock
        self._connections = connections
        self._versions = itertools.count()

    # Uploads

    async def store(self, request: web.Request) -> web.Response:
        """The second step of an upload: all fields first, then one part named `file`."""
        record = self._uploads.expected(request.match_info["id"])
        if "Authorization" in request.headers:
            raise answers.refusal(400, "Only one way of authorization is allowed")
        if not request.content_type.startswith("multipart/form-data"):
            raise answers.refusal(400, "Expected multipart/form-data")
        fields: dict[str, str] = {}
        data = b""
        reader = await request.multipart()
        async for part in reader:
            if not isinstance(part, BodyPartReader):
                raise answers.refusal(400, "Unexpected nested form")
            if part.name == "file":
                self._uploads.check_fields(record, fields)
                data = await _limited(part)
                break
            fields[part.name or ""] = await part.text()
        measures = await asyncio.to_thread(_measure, data)
        self._uploads.finish(record, len(data), measures)
        return web.Response(status=204)

    # Outputs

    def file_of(self, request: web.Request) -> OutputFile:
        """The output that a request asks for; 403 for a link that is not valid."""
        path, token = token_of(str(request.rel_url))
        return self._backend.open_link(path, token)

    async def send(self, request: web.Request) -> web.StreamResponse:
        """The bytes of an output, or what a scenario makes of them."""
        fault = request[FAULT]
        if fault.do == "expire":
            raise answers.refusal(403, "Access denied: the link is not valid any more")
        file = self.file_of(request)
        if fault.do == "redirect":
            self._redirect(request, fault)
        data = self._maker.cached(file)
        if data is None:
            data = self._maker.keep(file, await asyncio.to_thread(self._maker.draw, file))
        asked = Asked(
            range=request.headers.get("Range", ""), if_range=request.headers.get("If-Range")
        )
        sent = deliver(file, data, asked, fault, next(self._versions))
        response = web.StreamResponse(status=sent.status, headers=dict(sent.headers))
        if sent.length is None:
            response.enable_chunked_encoding()
        else:
            response.content_length = sent.length
        await response.prepare(request)
        if request.method == "HEAD" or sent.status == 416:
            return response
        async for piece in self._pieces(sent.body, fault, request):
            await response.write(piece)
        if fault.do in {"cut", "wrong_length"}:
            hang_up(request)
            return response
        await response.write_eof()
        return response

    def _redirect(self, request: web.Request, fault: Fault) -> None:
        """302, once to the same link, ever again to it, or to anywhere."""
        steps = int(request.query.get(MARK, "0"))
        if fault.location and fault.location != "loop":
            raise web.HTTPFound(URL(fault.location, encoded=True))
        if steps == 0 or fault.location == "loop":
            raise web.HTTPFound(request.rel_url.update_query({MARK: str(steps + 1)}))

    async def _pieces(
        self, body: bytes, fault: Fault, request: web.Request
    ) -> AsyncIterator[bytes]:
        if fault.do == "cut":
            yield body[: fault.bytes]
        elif fault.do == "stall":
            yield body[: fault.bytes]
            await self._connections.wait(request, fault.seconds)
            yield body[fault.bytes :]
        else:
            size = max(1, fault.bytes) if fault.do == "drip" else CHUNK_BYTES
            for start in range(0, len(body), size):
                if fault.do == "drip" and start:
                    await self._clock.sleep(fault.seconds)
                yield body[start : start + size]


async def _limited(part: BodyPartReader) -> bytes:
    """The file, unless it is too large for the service."""
    data = bytearray()
    while chunk := await part.read_chunk(CHUNK_BYTES * 4):
        data += chunk
        if len(data) > SIZE_BYTES[1]:
            raise answers.refusal(413, "The file is too large")
    return bytes(data)


def _measure(data: bytes) -> dict[str, float]:
    """Length and size of a file; nothing without the extra `media`."""
    try:
        from runner.emulator.encode import measure
    except ImportError:
        return {}
    return measure(data)
