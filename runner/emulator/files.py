"""Storage of the pretend service: uploads by form, outputs by signed link, with ranges."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiohttp import BodyPartReader, web

from runner.clock import Clock
from runner.emulator import answers
from runner.emulator.backend import Backend
from runner.emulator.faults import FAULT, hang_up
from runner.emulator.links import token_of
from runner.emulator.media import MediaMaker
from runner.emulator.outputs import OutputFile
from runner.emulator.scenario import Fault
from runner.emulator.uploads import SIZE_BYTES, Uploads

CHUNK_BYTES = 64 * 1024
RANGE = re.compile(r"bytes=(\d*)-(\d*)")
MARK = "redirected"  # query of a link that was redirected once


@dataclass(frozen=True, kw_only=True, slots=True)
class Slice:
    """The part of a file that is sent."""

    status: int
    start: int
    end: int  # exclusive


class Files:
    """What is not under /v1."""

    def __init__(self, backend: Backend, uploads: Uploads, maker: MediaMaker, clock: Clock) -> None:
        self._backend = backend
        self._uploads = uploads
        self._maker = maker
        self._clock = clock

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
        if fault.do == "redirect" and MARK not in request.query:
            raise web.HTTPFound(request.rel_url.update_query({MARK: "1"}))
        data = self._maker.cached(file)
        if data is None:
            data = self._maker.keep(file, await asyncio.to_thread(self._maker.draw, file))
        etag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
        part = _slice(request, etag, len(data), ignore=fault.do == "no_range")
        response = web.StreamResponse(status=part.status, headers=_headers(file, etag, part, data))
        length = part.end - part.start
        response.content_length = length + (fault.bytes if fault.do == "wrong_length" else 0)
        await response.prepare(request)
        if request.method == "HEAD" or part.status == 416:
            return response
        async for piece in self._pieces(data[part.start : part.end], fault):
            await response.write(piece)
        if fault.do in {"cut", "wrong_length"}:
            hang_up(request)
            return response
        await response.write_eof()
        return response

    async def _pieces(self, body: bytes, fault: Fault) -> AsyncIterator[bytes]:
        if fault.do == "cut":
            yield body[: fault.bytes]
        elif fault.do == "stall":
            yield body[: fault.bytes]
            await self._clock.sleep(fault.seconds)
            yield body[fault.bytes :]
        else:
            size = max(1, fault.bytes) if fault.do == "drip" else CHUNK_BYTES
            for start in range(0, len(body), size):
                if fault.do == "drip" and start:
                    await self._clock.sleep(fault.seconds)
                yield body[start : start + size]


def _headers(file: OutputFile, etag: str, part: Slice, data: bytes) -> dict[str, str]:
    headers = {"Content-Type": file.content_type, "ETag": etag, "Accept-Ranges": "bytes"}
    if part.status == 206:
        headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{len(data)}"
    elif part.status == 416:
        headers["Content-Range"] = f"bytes */{len(data)}"
    return headers


def _slice(request: web.Request, etag: str, size: int, *, ignore: bool) -> Slice:
    """One range at most; `If-Range` with another ETag means the whole file."""
    whole = Slice(status=200, start=0, end=size)
    match = RANGE.fullmatch(request.headers.get("Range", ""))
    if ignore or match is None or match.groups() == ("", ""):
        return whole
    if request.headers.get("If-Range", etag) != etag:
        return whole
    first, last = match.groups()
    if not first:
        return Slice(status=206, start=max(0, size - int(last)), end=size)
    start, end = int(first), min(size, int(last) + 1 if last else size)
    if start >= size or start >= end:
        return Slice(status=416, start=0, end=0)
    return Slice(status=206, start=start, end=end)


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
