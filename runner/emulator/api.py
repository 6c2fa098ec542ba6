"""The routes under /v1 over HTTP: key, version, JSON."""

from __future__ import annotations

from aiohttp import web

from runner.emulator import answers
from runner.emulator.backend import Backend
from runner.emulator.calls import PREFIX, Call, Calls, body_of
from runner.emulator.connection import FAULT
from runner.emulator.records import KeyEntry
from runner.emulator.uploads import Uploads

API_VERSION = "2024-11-06"


class Api:
    """Hands requests to `Calls`."""

    def __init__(self, backend: Backend, uploads: Uploads) -> None:
        self._backend = backend
        self._calls = Calls(backend, uploads)

    def routes(self) -> list[web.RouteDef]:
        return [web.route("*", PREFIX + "{path:.*}", self.answer)]

    async def answer(self, request: web.Request) -> web.Response:
        """Any call of the API."""
        key = self._identify(request)
        path = request.match_info["path"]
        handler, item = self._calls.route(request.method, path)
        call = Call(
            key=key,
            method=request.method,
            path=path,
            body=body_of(await request.read()),
            query=request.query,
            script=request[FAULT].script,
            item=item,
        )
        found = handler(call)
        return web.Response(status=204) if found is None else web.json_response(found)

    def _identify(self, request: web.Request) -> KeyEntry:
        """Key and version header, as every call needs them."""
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise answers.bad_key()
        entry = self._backend.login(key.strip())
        if request.headers.get("X-Runway-Version") != API_VERSION:
            raise answers.no_version(API_VERSION)
        return entry
