"""What no real service has: `/_emulator/`, for tests and demonstrations.

GET  /_emulator/           state: accounts, tasks and charges, requests seen, faults that struck
POST /_emulator/advance    {"seconds": 3600}: push the emulator's clock
POST /_emulator/scenario   a scenario as JSON (scenario.py); replaces the one in force
POST /_emulator/reset      a new, empty world
"""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any

from aiohttp import web

from runner.emulator import answers, views
from runner.emulator.api import body_of
from runner.emulator.backend import Backend
from runner.emulator.records import TaskRecord
from runner.emulator.scenario import Scenario, describe, parse_scenario
from runner.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

Json = Any


class BackDoor:
    """Looks at everything, changes the clock and the scenario."""

    def __init__(
        self, backend: Backend, seen: Counter[str], scenario: Callable[[], Scenario],
        use: Callable[[Scenario], None],
    ) -> None:  # fmt: skip
        self._backend = backend
        self._seen = seen
        self._scenario = scenario
        self._use = use

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/_emulator/", self.show),
            web.post("/_emulator/advance", self.advance),
            web.post("/_emulator/scenario", self.set_scenario),
            web.post("/_emulator/reset", self.reset),
        ]

    async def show(self, request: web.Request) -> web.Response:
        return web.json_response(self.state())

    async def advance(self, request: web.Request) -> web.Response:
        seconds = (await body_of(request)).get("seconds", 0)
        if not isinstance(seconds, int | float) or seconds < 0:
            raise answers.refusal(400, "expected `seconds`, zero or more")
        self._backend.advance(float(seconds))
        return web.json_response({"now": views.iso(self._backend.ground.now())})

    async def set_scenario(self, request: web.Request) -> web.Response:
        try:
            scenario = parse_scenario(
                await request.json(), self._backend.ground.rng("scenario"), source="scenario"
            )
        except UsageError as error:
            raise answers.refusal(400, error.message, hint=error.hint) from error
        except ValueError as error:
            raise answers.refusal(400, "Invalid JSON") from error
        self._use(scenario)
        return web.json_response({"faults": len(scenario.faults)})

    async def reset(self, request: web.Request) -> web.Response:
        self._backend.reset()
        self._seen.clear()
        return web.json_response({})

    def state(self) -> Json:
        """The world as JSON. `charged` is what was taken and not given back."""
        now = self._backend.settle()
        state, scenario = self._backend.state, self._scenario()
        accounts: dict[str, Json] = {}
        for key in state.keys.values():
            account = state.accounts[key.account]
            tasks = [t for t in state.tasks.values() if t.account == account.id]
            accounts[key.id] = {
                "balance": account.balance,
                "tier": account.tier,
                "charged": sum(task.charged for task in tasks),
                "creates": len(tasks),
                "tasks": [_task(task, now) for task in tasks],
            }
        struck = zip(scenario.faults, scenario.struck(), strict=True)
        return {
            "pid": os.getpid(),
            "now": views.iso(now),
            "accounts": accounts,
            "requests": dict(self._seen),
            "faults": [{**describe(fault), "struck": count} for fault, count in struck],
        }


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
