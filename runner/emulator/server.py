"""HTTP around the pretend service: keys, headers, scripted faults, and one loopback socket."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from aiohttp import web

from runner.clock import Clock
from runner.core.catalog import Catalog
from runner.emulator import answers, faults
from runner.emulator.api import API_VERSION, KEY, Api
from runner.emulator.backdoor import BackDoor
from runner.emulator.backend import Backend
from runner.emulator.files import Files
from runner.emulator.media import MediaMaker
from runner.emulator.options import LOOPBACK, EmulatorOptions
from runner.emulator.scenario import Request, Scenario, load_scenario
from runner.emulator.uploads import Uploads
from runner.emulator.world import WorldFile

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

BODY_BYTES = 128 * 1024 * 1024  # several data URIs of 5 MB
STOP_S = 1.0  # patience with requests under way when the server stops


class Emulator:
    """`async with Emulator(catalog, clock, options) as emulator: emulator.url`.

    Serves in the caller's loop, with the caller's clock. Not to be entered twice.

    Raises:
        UsageError: the world, the scenario or the port cannot be used.
        MissingExtra: playable media were asked for and PyAV or Pillow is not installed.
    """

    def __init__(
        self, catalog: Catalog, clock: Clock, options: EmulatorOptions | None = None
    ) -> None:
        self.options = options or EmulatorOptions()
        scenario = _scenario_of(self.options)
        self._maker = MediaMaker(self.options.media, self.options.plain_bytes)
        self._world = WorldFile(self.options.world) if self.options.world else None
        earlier = self._world.read() if self._world else []
        self.backend = Backend(catalog, clock, self.options, journal=self._world, earlier=earlier)
        self.use(scenario)
        self.seen: Counter[str] = Counter()  # requests by place: create, read, download …
        self.last_request = clock.monotonic()
        self._clock = clock
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`, once it serves."""
        return self.backend.ground.public_url

    def use(self, scenario: Scenario) -> None:
        """Take another scenario into force."""
        self.scenario = scenario
        for key in scenario.keys:
            self.backend.add_key(key)

    async def __aenter__(self) -> Emulator:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        runner = web.AppRunner(self.app(), access_log=None, shutdown_timeout=STOP_S)
        await runner.setup()
        site = web.TCPSite(runner, self.options.host, self.options.port)
        try:
            await site.start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        port = runner.addresses[0][1]
        host = self.options.host
        host = f"[{host}]" if ":" in host else host
        self.backend.ground.public_url = f"http://{host}:{port}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._world is not None:
            self._world.close()
            self._world = None

    def app(self) -> web.Application:
        app = web.Application(client_max_size=BODY_BYTES, middlewares=[self._door])
        uploads = Uploads(self.backend)
        files = Files(self.backend, uploads, self._maker, self._clock)
        door = BackDoor(self.backend, self.seen, lambda: self.scenario, self.use)
        app.add_routes(Api(self.backend, uploads).routes())
        app.add_routes(
            [
                web.post("/storage/{id}", files.store),
                web.get("/outputs/{task}/{index}/{name}", files.send),
            ]
        )
        app.add_routes(door.routes())
        return app

    # The way of a request

    @web.middleware
    async def _door(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Faults first, then headers and key, then the handler."""
        self.last_request = self._clock.monotonic()
        try:
            return await self._answer(request, handler)
        except answers.Refusal as refusal:
            return web.json_response(refusal.body, status=refusal.status)
        except web.HTTPNotFound:
            return web.json_response({"error": "Not found"}, status=404)
        except web.HTTPMethodNotAllowed as error:
            headers = {"Allow": error.headers["Allow"]}
            return web.json_response({"error": "Method not allowed"}, status=405, headers=headers)
        except web.HTTPRequestEntityTooLarge:
            return web.json_response({"error": "The body is too large"}, status=413)

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.url.host not in LOOPBACK:
            raise answers.wrong_host()
        if request.path.startswith("/_emulator/"):
            return await handler(request)
        seen = await self._describe(request)
        self.seen[seen.on] += 1
        fault = self.scenario.choose(seen)
        request[faults.FAULT] = fault
        await self._pause(faults.seconds_before(fault, seen.on))
        if (early := faults.before(fault, request)) is not None:
            return early
        if request.path.startswith("/v1/"):
            self._identify(request)
        answer = await handler(request)
        await self._pause(faults.seconds_after(fault, seen.on))
        return faults.after(fault, request, answer)

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            await self._clock.sleep(seconds)

    def _identify(self, request: web.Request) -> None:
        """Key and version header, as every call needs them."""
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise answers.bad_key()
        request[KEY] = self.backend.login(key.strip())
        if request.headers.get("X-Runway-Version") != API_VERSION:
            raise answers.no_version(API_VERSION)

    async def _describe(self, request: web.Request) -> Request:
        """What faults are chosen by. For a task it is the request that made it."""
        on = place_of(request.method, request.path)
        if on == "create":
            return Request(on=on, method=request.method, **await _aims(request))
        parts = request.path.split("/")
        task_id = parts[2] if on == "download" else parts[-1]
        task = self.backend.state.tasks.get(task_id)
        if task is None:
            return Request(on=on, method=request.method)
        return Request(on=on, method=request.method, endpoint=task.endpoint, model=task.lane)


def _scenario_of(options: EmulatorOptions) -> Scenario:
    """The scenario that the options name; a quiet one by default."""
    if options.scenario is None:
        return Scenario()
    return load_scenario(options.scenario, random.Random(f"{options.seed}/scenario"))


def place_of(method: str, path: str) -> str:
    """The word by which scenarios name a request."""
    head, _, tail = path.removeprefix("/v1/").partition("/")
    if path.startswith("/outputs/"):
        return "download"
    if path.startswith("/storage/"):
        return "store"
    if head in {"tasks", "workflow_invocations"}:
        return "cancel" if method == "DELETE" else "read"
    if head == "uploads":
        return "upload"
    if head == "organization":
        return "usage" if tail else "organization"
    return "create" if method == "POST" and head != "routers" else "other"


async def _aims(request: web.Request) -> dict[str, str]:
    """Endpoint and model of a create, before anything is checked."""
    endpoint = request.path.removeprefix("/v1/")
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError):
        body = None
    model = body.get("model", body.get("mode", "")) if isinstance(body, dict) else ""
    return {"endpoint": endpoint, "model": str(model)}
