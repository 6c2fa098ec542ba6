"""A second, smaller Runway: written from the published facts alone, sharing nothing with the
emulator. It knows no price fields, no ETag, no Range, no length of its files, and serves outputs
and uploads from another port than the API.
"""

from __future__ import annotations

import itertools
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

PNG = b"\x89PNG\r\n\x1a\n" + b"plain runway" * 200
READS = 2  # reads until a task has ended


@dataclass
class PlainRunway:
    """What the server saw."""

    key: str = "key_plain"
    creates: Counter[str] = field(default_factory=Counter)  # by prompt
    bodies: list[dict[str, object]] = field(default_factory=list)
    reads: Counter[str] = field(default_factory=Counter)
    uploads: dict[str, bytes] = field(default_factory=dict)
    agents: set[str] = field(default_factory=set)
    api_url: str = ""
    files_url: str = ""
    _ids: itertools.count[int] = field(default_factory=itertools.count)

    def _guard(self, request: web.Request) -> None:
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            raise web.HTTPUnauthorized(text='{"error": "no"}', content_type="application/json")
        if request.headers.get("X-Runway-Version") != "2024-11-06":
            raise web.HTTPBadRequest(text='{"error": "version"}', content_type="application/json")
        self.agents.add(request.headers.get("User-Agent", ""))

    async def organization(self, request: web.Request) -> web.Response:
        self._guard(request)
        limit = {"maxConcurrentGenerations": 3, "maxDailyGenerations": None, "someday": 1}
        tier = {"maxMonthlyCreditSpend": None, "models": {"gen4_image": limit}}
        return web.json_response({"creditBalance": 900, "tier": tier, "usage": {"models": {}}})

    async def create(self, request: web.Request) -> web.Response:
        self._guard(request)
        body = await request.json()
        self.creates[body["promptText"]] += 1
        self.bodies.append(body)
        return web.json_response({"id": str(uuid.UUID(int=next(self._ids), version=4))})

    async def task(self, request: web.Request) -> web.Response:
        self._guard(request)
        task_id = request.match_info["id"]
        self.reads[task_id] += 1
        answer: dict[str, object] = {"id": task_id, "createdAt": "2026-01-01T00:00:00.000Z"}
        if self.reads[task_id] <= READS:
            return web.json_response(answer | {"status": "RUNNING", "progress": 0.5, "new": []})
        link = f"{self.files_url}/f/{task_id}?_jwt=secret.token.here"
        return web.json_response(answer | {"status": "SUCCEEDED", "output": [link]})

    async def placeholder(self, request: web.Request) -> web.Response:
        self._guard(request)
        name = uuid.uuid4().hex
        fields = {"policy": "p", "key": name}
        answer = {"uploadUrl": f"{self.files_url}/put", "fields": fields}
        return web.json_response(answer | {"runwayUri": f"runway://{name}"})

    async def put(self, request: web.Request) -> web.Response:
        assert "Authorization" not in request.headers
        reader = await request.multipart()
        fields: dict[str, str] = {}
        while (part := await reader.next()) is not None:
            assert "file" not in fields, "the file comes last"
            if part.name == "file":
                self.uploads[f"runway://{fields['key']}"] = bytes(await part.read())
                fields["file"] = ""
            else:
                fields[str(part.name)] = await part.text()
        return web.Response(status=204)

    async def file(self, request: web.Request) -> web.StreamResponse:
        assert "Authorization" not in request.headers
        response = web.StreamResponse(headers={"Content-Type": "image/png"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(PNG + request.match_info["id"].encode())
        await response.write_eof()
        return response


@asynccontextmanager
async def plain_runway() -> AsyncIterator[PlainRunway]:
    plain = PlainRunway()
    api, files = web.Application(), web.Application()
    api.add_routes(
        [
            web.get("/v1/organization", plain.organization),
            web.post("/v1/text_to_image", plain.create),
            web.get("/v1/tasks/{id}", plain.task),
            web.post("/v1/uploads", plain.placeholder),
        ]
    )
    files.add_routes([web.get("/f/{id}", plain.file), web.post("/put", plain.put)])
    runners = [web.AppRunner(api), web.AppRunner(files)]
    urls = []
    for runner in runners:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        urls.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
    plain.api_url, plain.files_url = urls
    try:
        yield plain
    finally:
        for runner in runners:
            await runner.cleanup()
