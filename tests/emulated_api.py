"""Our client and a downloader on the emulator's backend, without sockets: for virtual time.

`EmulatedService` is the account and its faults; any number of clients may use it, one after the
other or at once, as runs and processes do. `EmulatedApi` is `RunwayClient` itself on another
transport, so that every answer becomes the error that it becomes over HTTP. A call costs the same
however many tasks there are.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from email.utils import formatdate
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import runner
from runner.core.catalog import Catalog
from runner.emulator import answers, faults, truth
from runner.emulator.backend import Backend
from runner.emulator.calls import PREFIX, Call, Calls, WrongMethod, body_of, place_of
from runner.emulator.controls import Controls
from runner.emulator.faults import Reply
from runner.emulator.injector import Injector
from runner.emulator.links import token_of
from runner.emulator.options import DEFAULT_KEY, EmulatorOptions
from runner.emulator.rules import Fault
from runner.emulator.rules import Request as Aim
from runner.emulator.tiers import TierTable
from runner.emulator.uploads import Uploads
from runner.errors import DownloadError, LinkRefused
from runner.ports import Fetched
from runner.runway.answers import Answer, Lost
from runner.runway.client import RunwayClient
from runner.runway.transport import ApiSettings
from runner.runway.wire import Request
from runner.testing import FakeClock, FakeDownloader

URL = "https://emulated.example"
#: downloads that end without a file, worth another try
BROKEN = frozenset({"drop", "cut", "stall", "wrong_length", "gzip", "page"})


@cache
def catalog() -> Catalog:
    raw = (Path(runner.__file__).parent / "data/catalog.json").read_text(encoding="utf-8")
    return Catalog.from_dict(json.loads(raw))


class EmulatedService:
    """One world of the emulator in virtual time, and what went in and out of it."""

    def __init__(
        self, clock: FakeClock, *, create_s: float = 0.2, read_s: float = 0.05,
        timeout_s: float = 60.0, lanes: Collection[str] = (), **options: Any,
    ) -> None:  # fmt: skip
        """
        Args:
            clock: of the client too.
            create_s: what a create takes; half of it before it is carried out.
            read_s: what any other call takes.
            timeout_s: the client's patience.
            lanes: the only models that the account has limits for; none: all. The fewer, the
                quicker is a look at the account.
            options: fields of `EmulatorOptions`.
        """
        self.clock = clock
        self.create_s, self.read_s, self.timeout_s = create_s, read_s, timeout_s
        self.backend = Backend(catalog(), clock, EmulatorOptions(media="plain", **options))
        self.backend.ground.public_url = URL
        if lanes:
            self.backend.ground.tiers = _only(self.backend.ground.tiers, lanes)
        self.injector = Injector(self.backend)
        self.controls = Controls(self.backend)
        self.seen: Counter[str] = Counter()  # requests that arrived, by place
        self._calls = Calls(self.backend, Uploads(self.backend))
        self._date = (0, "")

    def script(self, *rules: Any, **scenario: Any) -> None:
        """Faults, and the other keys of a scenario, from now on."""
        self.injector.script({"faults": list(rules), **scenario})

    def api(self, *, key: str = DEFAULT_KEY, **client: Any) -> EmulatedApi:
        """A client; what it is given besides the key is the client's own."""
        return EmulatedApi(self, key, **client)

    def downloader(self) -> EmulatedDownloader:
        return EmulatedDownloader(self.clock, service=self)

    # The account of truth

    def totals(self, key: str = DEFAULT_KEY) -> dict[str, Any]:
        """Sums of an account, see `truth.totals`."""
        found: dict[str, Any] = truth.totals(self.backend)["accounts"][key]
        return found

    def creates(self) -> list[Any]:
        """A line for each create that made a task, see `truth.creates`."""
        return truth.creates(self.backend)

    @property
    def prompts(self) -> Counter[str]:
        """Tasks by prompt: more than one for a prompt is a double payment."""
        tasks = self.backend.state.tasks.values()
        return Counter(task.body["promptText"] for task in tasks if not task.is_others)

    # One call

    async def send(self, request: Request, key: str) -> Answer | Lost:
        """What comes back of a request."""
        url = urlsplit(request.path)
        path = unquote(url.path)
        on = place_of(request.method, path)
        is_create = on == "create"
        await self.clock.sleep(self.create_s / 2 if is_create else self.read_s)
        if self.injector.is_dark:
            return Lost(began=False, reason="connection refused")
        self.seen[on] += 1
        fault = self.injector.choose(self._aim(on, request, path))
        wait_s = faults.seconds_before(fault, on)
        await self._pause(wait_s)
        if fault.do == "refuse":
            return self._answer(faults.refusal(fault))
        if fault.do == "drop":
            return await self._silence(fault)
        reply = self._carry_out(request, path, dict(parse_qsl(url.query)), key, fault)
        wait_s += faults.seconds_after(fault, on)
        await self._pause(faults.seconds_after(fault, on))
        if is_create:
            await self.clock.sleep(self.create_s / 2)
        if wait_s >= self.timeout_s:
            return Lost(began=True, reason="no answer in time")
        return await self._returned(reply, fault)

    async def _returned(self, reply: Reply, fault: Fault) -> Answer | Lost:
        """What becomes of the answer; a refusal is left as it is."""
        is_hit = 200 <= reply.status < 300
        match fault.do:
            case "lose" if is_hit and fault.how == "cut":
                return Answer(status=reply.status, headers={}, body=b"")
            case "lose" if is_hit:
                return await self._silence(fault)
            case "deny" if is_hit:
                return self._answer(faults.refusal(fault))
            case "garble" if is_hit:
                return self._answer(faults.garbled(fault, reply.body))
        return self._answer(reply)

    def _carry_out(
        self, request: Request, path: str, query: dict[str, str], key: str, fault: Fault
    ) -> Reply:
        try:
            entry = self.backend.login(key)
            below = path.removeprefix(PREFIX)
            handler, item = self._calls.route(request.method, below)
            body = body_of(request.body or b"")
            call = Call(key=entry, method=request.method, path=below, body=body, query=query,
                        script=fault.script, item=item)  # fmt: skip
            found = handler(call)
        except answers.Refusal as refusal:
            return _reply(refusal.status, refusal.body)
        except WrongMethod:
            return _reply(405, {"error": "Method not allowed"})
        return _reply(204 if found is None else 200, found)

    def _aim(self, on: str, request: Request, path: str) -> Aim:
        if on == "create":
            below = path.removeprefix(PREFIX)
            return self.injector.of_create(below, json.loads(request.body or b"{}"))
        return self.injector.of_task(on, request.method, path.rpartition("/")[2])

    async def _silence(self, fault: Fault) -> Lost:
        if fault.how == "hang":
            await self._pause(fault.seconds or self.timeout_s)
        return Lost(began=True, reason="the connection was closed before an answer came")

    async def _pause(self, seconds: float) -> None:
        """Nobody waits longer than the client does."""
        if seconds > 0:
            await self.clock.sleep(min(seconds, self.timeout_s))

    def _answer(self, reply: Reply) -> Answer:
        headers = {name.lower(): value for name, value in reply.headers.items()}
        return Answer(
            status=reply.status, headers={**headers, "date": self._told_date()}, body=reply.body
        )

    def _told_date(self) -> str:
        ground = self.backend.ground
        second = int(ground.now() + ground.knobs.date_skew_s)
        if second != self._date[0]:
            self._date = second, formatdate(second, usegmt=True)
        return self._date[1]


class _Transport:
    """Fits the client's `Transport`."""

    def __init__(self, service: EmulatedService, key: str) -> None:
        self._service = service
        self._key = key

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Nothing was opened."""

    async def send_create(self, request: Request) -> Answer | Lost:
        return await self._service.send(request, self._key)

    async def send_read(self, request: Request) -> Answer | Lost:
        return await self._service.send(request, self._key)


class EmulatedApi(RunwayClient):
    """A `TaskApi` on an `EmulatedService`. Needs no `async with`."""

    def __init__(self, service: EmulatedService, key: str = DEFAULT_KEY, **client: Any) -> None:
        settings = ApiSettings(key=key, version="0", base_url=URL, proxies={})
        super().__init__(settings, clock=service.clock, **client)
        self._transport: Any = _Transport(service, key)


class EmulatedDownloader(FakeDownloader):
    """A `Downloader` whose links expire and whose downloads the scenario's faults strike.

    A file is a function of the link without its token, as the service's files are.
    """

    def __init__(self, clock: FakeClock, service: EmulatedService) -> None:
        super().__init__(clock)
        self._service = service

    async def fetch(self, url: str, part: Path) -> Fetched:
        """As `FakeDownloader`, after the service and the scenario had their say."""
        path, token = token_of(url)
        service = self._service
        if service.injector.is_dark:
            raise DownloadError("the host cannot be reached")
        fault = service.injector.choose(
            service.injector.of_task("download", "GET", path.split("/")[2])
        )
        if fault.do == "expire" or (fault.do == "refuse" and 400 <= fault.status < 500):
            raise LinkRefused("the link was refused")
        if fault.do in BROKEN or fault.do == "refuse":
            await self.clock.sleep(min(fault.seconds, service.timeout_s))
            raise DownloadError("the download broke")
        try:
            service.backend.open_link(path, token)
        except answers.Refusal as refusal:
            raise LinkRefused(f"the link was refused ({refusal.status})") from refusal
        return await super().fetch(url.partition("?")[0], part)


def _only(tiers: TierTable, lanes: Collection[str]) -> TierTable:
    return replace(tiers, lanes={lane: tiers.lanes[lane] for lane in lanes})


def _reply(status: int, body: Any) -> Reply:
    data = b"" if body is None else json.dumps(body).encode()
    return Reply(status=status, body=data, content_type="application/json")
