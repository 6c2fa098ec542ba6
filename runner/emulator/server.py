"""HTTP around the pretend service: keys, headers, scripted faults, and one loopback socket."""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from email.utils import formatdate
from typing import Any, TypeAlias

from aiohttp import web

from runner.clock import Clock
from runner.core.catalog import Catalog
from runner.emulator import answers, faults
from runner.emulator.api import Api
from runner.emulator.backdoor import BackDoor
from runner.emulator.backend import Backend
from runner.emulator.calls import PREFIX, WrongMethod, place_of
from runner.emulator.connection import FAULT, Connections
from runner.emulator.door import Door
from runner.emulator.files import Files
from runner.emulator.injector import Injector, seeded
from runner.emulator.media import MediaMaker
from runner.emulator.options import LOOPBACK, EmulatorOptions
from runner.emulator.rules import Outage, Request, Scenario
from runner.emulator.scenario import load_scenario
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
        self.injector = Injector(self.backend)
        self.connections = Connections(clock)
        self._blackout: asyncio.Task[None] | None = None
        self._door: Door | None = None
        self.use(scenario)
        self.seen: Counter[str] = Counter()  # requests by place: create, read, download …
        self.last_request = clock.monotonic()
        self._clock = clock
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`, once it serves."""
        return self.backend.ground.public_url

    @property
    def scenario(self) -> Scenario:
        """The one in force."""
        return self.injector.scenario

    def use(self, scenario: Scenario) -> None:
        """Take another scenario into force."""
        self.injector.use(scenario)
        self._black_out(scenario.outages)

    def script(self, raw: Any) -> None:
        """Take a scenario from data into force.

        Raises:
            UsageError: names the place and what was expected.
        """
        self._black_out(self.injector.script(raw).outages)

    async def __aenter__(self) -> Emulator:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        runner = web.AppRunner(self.app(), access_log=None, shutdown_timeout=STOP_S)
        await runner.setup()
        host = self.options.host
        door = Door(runner, host, self.options.port)
        try:
            await door.open()
        except OSError:
            await runner.cleanup()
            raise
        self._runner, self._door = runner, door
        host = f"[{host}]" if ":" in host else host
        self.backend.ground.public_url = f"http://{host}:{door.port}"
        self._black_out(self.scenario.outages)

    async def stop(self) -> None:
        self.connections.stop()
        if self._blackout is not None:
            self._blackout.cancel()
        if self._runner is not None and self._door is not None:
            await self._runner.cleanup()
            self._door.close()
            self._runner = self._door = None
        if self._world is not None:
            self._world.close()
            self._world = None

    # Refused connections

    async def shut(self) -> None:
        """Refuse connections from now on; the back door is behind the same socket."""
        if self._door is not None:
            await self._door.shut()

    async def reopen(self) -> None:
        """Accept connections again."""
        if self._door is not None:
            await self._door.open()

    def begin_outage(self, how: str, seconds: float) -> None:
        """An outage from now on; connections are refused as soon as the caller next waits."""
        self.injector.begin_outage(how, seconds)
        if self.injector.is_dark:
            self._black_out((Outage(begin=0.0, end=seconds),))

    def _black_out(self, outages: Sequence[Outage]) -> None:
        """Only these, from now on; without a socket there is nothing to shut."""
        if self._blackout is not None:
            self._blackout.cancel()
        if self._door is not None and (outages or self._blackout is not None):
            self._blackout = asyncio.ensure_future(self._play(outages))

    async def _play(self, outages: Sequence[Outage]) -> None:
        await self.reopen()
        now = 0.0
        for outage in sorted(outages, key=lambda outage: outage.begin):
            await self._pause(outage.begin - now)
            await self.shut()
            if outage.end == math.inf:
                return
            await self._pause(outage.end - max(now, outage.begin))
            await self.reopen()
            now = max(now, outage.end)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=BODY_BYTES, middlewares=[self._enter])
        app.on_response_prepare.append(self._date)
        uploads = Uploads(self.backend)
        files = Files(
            self.backend, uploads, self._maker, clock=self._clock, connections=self.connections
        )
        back_door = BackDoor(self.injector, self.seen, self)
        app.add_routes(Api(self.backend, uploads).routes())
        app.add_routes(
            [
                web.post("/storage/{id}", files.store),
                web.get("/outputs/{task}/{index}/{name}", files.send),
            ]
        )
        app.add_routes(back_door.routes())
        return app

    # The way of a request

    @web.middleware
    async def _enter(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Faults first, then headers and key, then the handler."""
        self.last_request = self._clock.monotonic()
        try:
            return await self._answer(request, handler)
        except answers.Refusal as refusal:
            return web.json_response(refusal.body, status=refusal.status)
        except web.HTTPNotFound:
            return web.json_response({"error": "Not found"}, status=404)
        except WrongMethod as error:
            headers = {"Allow": error.allowed}
            return web.json_response({"error": "Method not allowed"}, status=405, headers=headers)
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
        fault = self.injector.choose(seen)
        request[FAULT] = fault
        await self._pause(faults.seconds_before(fault, seen.on))
        if (early := await self.connections.before(fault, request)) is not None:
            return early
        try:
            answer = await handler(request)
        finally:  # a refusal is as late as any other answer
            await self._pause(faults.seconds_after(fault, seen.on))
        return await self.connections.after(fault, request, answer)

    async def _date(self, request: web.Request, response: web.StreamResponse) -> None:
        """Every answer tells the emulator's time, with the skew that it was given."""
        ground = self.backend.ground
        at = ground.now() + ground.knobs.date_skew_s
        response.headers["Date"] = formatdate(at, usegmt=True)

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            await self._clock.sleep(seconds)

    async def _describe(self, request: web.Request) -> Request:
        """What faults are chosen by. For a task it is the request that made it."""
        on = place_of(request.method, request.path)
        if on == "create":
            endpoint, body = request.path.removeprefix(PREFIX), await _json_of(request)
            return self.injector.of_create(endpoint, body, request.method)
        parts = request.path.split("/")
        found = parts[2] if on == "download" else parts[-1]
        return self.injector.of_task(on, request.method, found)


def _scenario_of(options: EmulatorOptions) -> Scenario:
    """The scenario that the options name; a quiet one by default."""
    if options.scenario is None:
        return Scenario()
    return load_scenario(options.scenario, seeded(options.seed))


async def _json_of(request: web.Request) -> Mapping[str, Any]:
    """The body as sent, before anything is checked; empty where it is no JSON object."""
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, Mapping) else {}
