"""What no real service has: `/_emulator/`, for tests and demonstrations.

GET  /_emulator/           everything: accounts, tasks with their bodies, requests, faults
GET  /_emulator/totals     sums by key, requests by place; costs the same for any number of tasks
GET  /_emulator/state      the totals, the faults that struck, and a line for each create;
                           `?since=N`: creates from that index on
POST /_emulator/advance    {"seconds": 3600}: push the emulator's clock
POST /_emulator/scenario   a scenario as JSON (scenario.py); replaces the one in force
POST /_emulator/settings   fields of `settings` of a scenario
POST /_emulator/account    {"key", "tier", "balance", "add_credits", "disabled",
                           "limits": {"gen4_turbo": {"concurrent": 2, "daily": null}, "*": {}},
                           "recharge": {"below": 100, "to": 1000}}, each of them optional
POST /_emulator/others     {"key", "count", "endpoint", "model", "credits", "seconds", "age_s"}:
                           creates by other users of the account
POST /_emulator/outage     {"seconds": 7200, "how": "unavailable"}: on top of the scenario; `how` as
                           there, by default connections are refused, to this door as well
POST /_emulator/reset      a new, empty world
"""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias

from aiohttp import web

from runner.emulator import answers, truth, views
from runner.emulator.calls import body_of
from runner.emulator.controls import Controls, Creates
from runner.emulator.injector import Injector
from runner.emulator.options import DEFAULT_KEY, TIERS
from runner.emulator.reading import Reader
from runner.emulator.records import TaskRecord
from runner.emulator.scenario import OUTAGES, read_settings
from runner.errors import UsageError

Json = Any
Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Hands(Protocol):
    """What only the server can do."""

    def script(self, raw: Json) -> None:
        """Take a scenario from data into force."""
        ...

    def begin_outage(self, how: str, seconds: float) -> None:
        """An outage of a scenario's kind, from now on."""
        ...


class BackDoor:
    """Looks at everything, changes the clock, the account and the scenario."""

    def __init__(self, injector: Injector, seen: Counter[str], hands: Hands) -> None:
        self._injector = injector
        self._backend = injector.backend
        self._controls = Controls(injector.backend)
        self._seen = seen
        self._hands = hands

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/_emulator/", self.show),
            web.get("/_emulator/totals", self.show_totals),
            web.get("/_emulator/state", self.show_state),
            web.post("/_emulator/advance", _told(self.advance)),
            web.post("/_emulator/scenario", _told(self.set_scenario)),
            web.post("/_emulator/settings", _told(self.set_settings)),
            web.post("/_emulator/account", _told(self.set_account)),
            web.post("/_emulator/others", _told(self.create_by_others)),
            web.post("/_emulator/outage", _told(self.begin_outage)),
            web.post("/_emulator/reset", self.reset),
        ]

    # Looking

    async def show(self, request: web.Request) -> web.Response:
        return web.json_response(self.state())

    async def show_totals(self, request: web.Request) -> web.Response:
        return web.json_response(self._totals())

    async def show_state(self, request: web.Request) -> web.Response:
        since = request.query.get("since", "0")
        if not since.isascii() or not since.isdigit():
            raise answers.refusal(400, "expected `since`, the index of a create")
        creates = truth.creates(self._backend, int(since[:9]))
        injected = self._injector.describe()
        return web.json_response({**self._totals(), **injected, "creates": creates})

    def state(self) -> Json:
        """The world as JSON. `charged` is what was taken and not given back."""
        backend = self._backend
        now = backend.settle()
        by_account: defaultdict[str, list[Json]] = defaultdict(list)
        for task in backend.state.tasks.values():
            if not task.is_others:
                by_account[task.account].append(_task(task, now))
        accounts: dict[str, Json] = {}
        for key in backend.state.keys.values():
            account = backend.state.accounts[key.account]
            tasks = by_account[account.id]
            accounts[key.id] = {
                "balance": account.balance,
                "tier": account.tier,
                "charged": sum(task["charged"] for task in tasks),
                "creates": len(tasks),
                "tasks": tasks,
            }
        return {
            "pid": os.getpid(),
            "now": views.iso(now),
            "accounts": accounts,
            "requests": dict(self._seen),
            **self._injector.describe(),
        }

    def _totals(self) -> dict[str, Json]:
        found = truth.totals(self._backend)
        return {"pid": os.getpid(), **found, "requests": dict(self._seen)}

    # Changing

    async def advance(self, request: web.Request) -> web.Response:
        seconds = _reader(body_of(await request.read()), "seconds").number("seconds", 0.0)
        backend = self._backend
        backend.advance(seconds)
        return web.json_response({"now": views.iso(backend.ground.now())})

    async def set_scenario(self, request: web.Request) -> web.Response:
        try:
            raw = json.loads(await request.read())
        except (ValueError, RecursionError) as error:
            raise answers.refusal(400, "Invalid JSON") from error
        self._hands.script(raw)
        return web.json_response({"faults": len(self._injector.scenario.faults)})

    async def set_settings(self, request: web.Request) -> web.Response:
        self._controls.set_knobs(
            read_settings(Reader("settings", "", body_of(await request.read())))
        )
        return web.json_response({})

    async def set_account(self, request: web.Request) -> web.Response:
        names = ("key", "tier", "balance", "add_credits", "disabled", "limits", "recharge")
        told = _reader(body_of(await request.read()), *names)
        key, controls = told.text("key", DEFAULT_KEY), self._controls
        if told.has("tier"):
            controls.set_tier(told.whole("tier", 1, TIERS[0], TIERS[-1]), key=key)
        if told.has("balance"):
            controls.set_balance(told.whole("balance"), key=key)
        if told.has("add_credits"):
            controls.add_credits(told.whole("add_credits", 0, -(10**9)), key=key)
        if told.has("disabled"):
            controls.set_disabled(told.flag("disabled"), key=key)
        for lane, limits in _limits(told).items():
            controls.set_limits(lane, limits, key=key)
        if told.has("recharge"):
            recharge = told.inner("recharge")
            controls.recharge(recharge.whole("below"), recharge.whole("to"), key=key)
        return web.json_response(truth.totals(self._backend)["accounts"].get(key))

    async def create_by_others(self, request: web.Request) -> web.Response:
        plain = Creates()
        told = _reader(body_of(await request.read()), "key", *Creates.__dataclass_fields__)
        creates = Creates(
            count=told.whole("count", plain.count),
            endpoint=told.text("endpoint", plain.endpoint),
            model=told.text("model", plain.model),
            credits=told.whole("credits", plain.credits),
            seconds=told.number("seconds", plain.seconds),
            age_s=told.number("age_s", plain.age_s),
        )
        made = self._controls.create_by_others(creates, key=told.text("key", DEFAULT_KEY))
        return web.json_response({"made": len(made)})

    async def begin_outage(self, request: web.Request) -> web.StreamResponse:
        told = _reader(body_of(await request.read()), "seconds", "how")
        seconds, how = told.number("seconds", 0.0), told.choice("how", tuple(OUTAGES), "refused")
        answer = web.json_response({})
        await answer.prepare(request)
        await answer.write_eof()  # before the connection that it goes by is reset
        self._hands.begin_outage(how, seconds)
        return answer

    async def reset(self, request: web.Request) -> web.Response:
        self._backend.reset()
        self._injector.forget()
        self._seen.clear()
        return web.json_response({})


def _told(handler: Handler) -> Handler:
    """A bad value is a 400 that says where it is."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except UsageError as error:
            raise answers.refusal(400, error.message, hint=error.hint) from error

    return handle


def _reader(body: Mapping[str, Json], *names: str) -> Reader:
    told = Reader("body", "", body)
    told.only(*names)
    return told


def _limits(told: Reader) -> dict[str, dict[str, int | None]]:
    """Limits by lane; a limit that is null is unlimited, one that is absent the tier's."""
    lanes = told.inner("limits")
    found = {}
    for lane in lanes.names():
        limits = lanes.inner(lane)
        limits.only("concurrent", "daily")
        found[lane] = {
            name: limits.whole(name) if limits.has(name) else None for name in limits.names()
        }
    return found


def _task(task: TaskRecord, now: float) -> Json:
    return {
        "id": task.id,
        "endpoint": task.endpoint,
        "model": task.lane,
        "status": views.status_of(task, now),
        "deleted": task.deleted,
        "createdAt": views.iso(task.created_at),
        "estimate": task.estimate,
        "charged": task.charged,
        "failureCode": task.failure_code,
        "body": task.body,
    }
