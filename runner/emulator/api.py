"""The routes under /v1: JSON in, JSON out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from aiohttp import web

from runner.emulator import answers
from runner.emulator.backend import Backend
from runner.emulator.faults import FAULT
from runner.emulator.records import KeyEntry
from runner.emulator.routing import Routers
from runner.emulator.uploads import Uploads
from runner.emulator.workflows import Workflows

Json = Any

API_VERSION = "2024-11-06"
KEY: web.RequestKey[KeyEntry] = web.RequestKey("key", KeyEntry)


class Api:
    """Handlers. Each answers a request whose key and version header are known to be good."""

    def __init__(self, backend: Backend, uploads: Uploads) -> None:
        self._backend = backend
        self._uploads = uploads
        self._routers = Routers(backend)
        self._workflows = Workflows(backend)

    def routes(self) -> list[web.RouteDef]:
        endpoints = self._backend.ground.catalog.endpoints.values()
        direct = [e for e in endpoints if not e.name.startswith(("generate/", "workflows/"))]
        return [
            *(web.post(endpoint.path, self.create) for endpoint in direct),
            web.post(r"/v1/generate/{media:video|image|audio}", self.generate),
            web.get("/v1/tasks/{id}", self.read_task),
            web.delete("/v1/tasks/{id}", self.delete_task),
            web.get("/v1/workflows", self.list_workflows),
            web.get("/v1/workflows/{id}", self.read_workflow),
            web.post("/v1/workflows/{id}", self.run_workflow),
            web.get("/v1/workflow_invocations/{id}", self.read_invocation),
            web.post("/v1/uploads", self.begin_upload),
            web.get("/v1/organization", self.read_organization),
            web.post("/v1/organization/usage", self.read_usage),
            web.get("/v1/routers", self.list_routers),
            web.post("/v1/routers", self.create_router),
            web.get("/v1/routers/{id}", self.read_router),
            web.patch("/v1/routers/{id}", self.change_router),
            web.delete("/v1/routers/{id}", self.delete_router),
            web.get("/v1/routers/{id}/requests", self.list_router_requests),
        ]

    # Generation

    async def create(self, request: web.Request) -> web.Response:
        endpoint = request.path.removeprefix("/v1/")
        task = self._backend.create(
            request[KEY], endpoint, await body_of(request), request[FAULT].script
        )
        answer: dict[str, Json] = {"id": task.id}
        if self._backend.ground.options.costs:
            answer["estimatedCost"] = {"credits": task.estimate}
        return web.json_response(answer)

    async def generate(self, request: web.Request) -> web.Response:
        media, body = request.match_info["media"], await body_of(request)
        return web.json_response(
            self._routers.generate(request[KEY], media, body, request[FAULT].script)
        )

    async def read_task(self, request: web.Request) -> web.Response:
        return web.json_response(self._backend.read(request[KEY], request.match_info["id"]))

    async def delete_task(self, request: web.Request) -> web.Response:
        self._backend.delete(request[KEY], request.match_info["id"])
        return web.Response(status=204)

    # Workflows

    async def list_workflows(self, request: web.Request) -> web.Response:
        return web.json_response(self._workflows.published())

    async def read_workflow(self, request: web.Request) -> web.Response:
        return web.json_response(self._workflows.read(request.match_info["id"]))

    async def run_workflow(self, request: web.Request) -> web.Response:
        workflow, body = request.match_info["id"], await body_of(request)
        return web.json_response(
            self._workflows.run(request[KEY], workflow, body, request[FAULT].script)
        )

    async def read_invocation(self, request: web.Request) -> web.Response:
        found = self._workflows.invocation(request[KEY], request.match_info["id"])
        return web.json_response(found)

    # Account and uploads

    async def begin_upload(self, request: web.Request) -> web.Response:
        return web.json_response(self._uploads.begin(request[KEY], await body_of(request)))

    async def read_organization(self, request: web.Request) -> web.Response:
        return web.json_response(self._backend.organization(request[KEY]))

    async def read_usage(self, request: web.Request) -> web.Response:
        body = await body_of(request)
        first, before = _day(body, "startDate"), _day(body, "beforeDate")
        return web.json_response(self._backend.usage(request[KEY], first, before))

    # Routers

    async def create_router(self, request: web.Request) -> web.Response:
        return web.json_response(self._routers.create(request[KEY], await body_of(request)))

    async def list_routers(self, request: web.Request) -> web.Response:
        limit, cursor = request.query.get("limit"), request.query.get("cursor")
        return web.json_response(self._routers.page(request[KEY], limit, cursor))

    async def read_router(self, request: web.Request) -> web.Response:
        return web.json_response(self._routers.read(request[KEY], request.match_info["id"]))

    async def change_router(self, request: web.Request) -> web.Response:
        router, body = request.match_info["id"], await body_of(request)
        return web.json_response(self._routers.change(request[KEY], router, body))

    async def delete_router(self, request: web.Request) -> web.Response:
        self._routers.delete(request[KEY], request.match_info["id"])
        return web.Response(status=204)

    async def list_router_requests(self, request: web.Request) -> web.Response:
        router = request.match_info["id"]
        limit, cursor = request.query.get("limit"), request.query.get("cursor")
        return web.json_response(self._routers.requests(request[KEY], router, limit, cursor))


async def body_of(request: web.Request) -> Mapping[str, Json]:
    """The JSON object that was sent; an empty body counts as an empty object."""
    data = await request.read()
    try:
        body = json.loads(data) if data.strip() else {}
    except (ValueError, RecursionError) as error:
        raise answers.refusal(400, "Invalid JSON") from error
    if not isinstance(body, Mapping):
        message = "Invalid input: expected object"
        raise answers.invalid_body([answers.issue("invalid_type", [], message)])
    return body


def _day(body: Mapping[str, Json], name: str) -> date | None:
    value = body.get(name)
    if value is None:
        return None
    try:
        return date.fromisoformat(str(value))
    except ValueError as error:
        problem = answers.issue("invalid_format", [name], "Invalid ISO date")
        raise answers.invalid_body([problem]) from error
