"""Everything that claims to be a `TaskApi`, with a hand on its other end."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import pytest

from runner.core.spec import Body
from runner.emulator.options import DEFAULT_KEY, EmulatorOptions
from runner.emulator.scenario import parse_scenario
from runner.emulator.server import Emulator
from runner.errors import AccountError, PermanentApiError, SubmitUncertain, TransientApiError
from runner.ports import TaskApi
from runner.runway.client import RunwayClient
from runner.runway.transport import ApiSettings
from runner.testing import FakeApi, FakeClock, FakeTask
from tests.integration.stage import CATALOG

ENDPOINT = "text_to_image"
BODY: Body = {"model": "gen4_image", "promptText": "A skyline at dawn", "ratio": "1920:1080"}
PRICE = 8
BALANCE = 100
#: what a create may be answered with, as faults of a scenario
ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "bad request": {"do": "refuse", "status": 400, "error": "`ratio` is wrong"},
    "unprocessable": {"do": "refuse", "status": 422, "error": "no"},
    "key": {"do": "refuse", "status": 401, "error": "The API key is disabled."},
    "forbidden": {"do": "refuse", "status": 403, "error": "no"},
    "quota": {"do": "refuse", "status": 429, "error": "quota", "retry_after": "30"},
    "busy": {"do": "refuse", "status": 503, "error": "overloaded"},
    "broken": {"do": "refuse", "status": 500, "error": "boom"},
    "gateway": {"do": "refuse", "status": 502, "body": "empty"},
    "conflict": {"do": "refuse", "status": 409, "error": "no"},
    "drop": {"do": "drop"},
    "lose": {"do": "lose"},
    "garble": {"do": "garble"},
}


class Service(Protocol):
    """One implementation under test."""

    api: TaskApi

    @property
    def created(self) -> int: ...

    @property
    def charged(self) -> int: ...

    def pass_time(self, seconds: float) -> None: ...

    def answer_creates(self, word: str) -> None:
        """From here on creates are answered so."""
        ...

    def fail_tasks(self, code: str, *, refund: bool) -> None:
        """New tasks will fail."""
        ...


@dataclass
class Fake:
    """`runner.testing.FakeApi`, told with its hooks what the emulator is told with a scenario."""

    api: FakeApi

    @property
    def created(self) -> int:
        return len(self.api.tasks)

    @property
    def charged(self) -> int:
        return self.api.charged

    def pass_time(self, seconds: float) -> None:
        self.api.clock.advance(seconds)

    def answer_creates(self, word: str) -> None:
        told = ANSWERS[word]

        def refuse(*_: object) -> None:
            raise self._error(told)

        if told["do"] in {"lose", "garble"}:
            self.api.after_create = refuse
        else:
            self.api.before_create = refuse

    def fail_tasks(self, code: str, *, refund: bool) -> None:
        def shape(task: FakeTask, _count: int) -> None:
            task.failure_code, task.refunded = code, refund

        self.api.shape = shape

    @staticmethod
    def _error(told: Mapping[str, Any]) -> Exception:
        """What the port's contract calls this answer."""
        status = told.get("status")
        match status:
            case 401 | 403:
                return AccountError("no", status=status)
            case 429 | 503:
                after = told.get("retry_after")
                return TransientApiError(
                    "later", status=status, retry_after_s=float(after) if after else None
                )
            case 400 | 422:
                return PermanentApiError("no", status=status)
            case _:
                return SubmitUncertain("no answer", status=status)


@dataclass
class Emulated:
    """Our client against the emulator, over a real socket."""

    api: RunwayClient
    emulator: Emulator
    clock: FakeClock

    @property
    def created(self) -> int:
        return len(self.emulator.backend.state.tasks)

    @property
    def charged(self) -> int:
        self.emulator.backend.settle()
        return sum(task.charged for task in self.emulator.backend.state.tasks.values())

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def answer_creates(self, word: str) -> None:
        self._script({"on": "create", **ANSWERS[word]})

    def fail_tasks(self, code: str, *, refund: bool) -> None:
        self._script({"on": "create", "do": "fail", "code": code, "refund": refund})

    def _script(self, *faults: Mapping[str, Any]) -> None:
        rng = self.emulator.backend.ground.rng("test")
        self.emulator.use(parse_scenario(list(faults), rng))


@asynccontextmanager
async def fake() -> AsyncIterator[Service]:
    clock = FakeClock()
    yield Fake(FakeApi(clock, balance=BALANCE, price=PRICE))
    clock.close()


@asynccontextmanager
async def emulated(key: str = DEFAULT_KEY) -> AsyncIterator[Service]:
    clock = FakeClock()
    options = EmulatorOptions(media="plain", credits=BALANCE)
    async with Emulator(CATALOG, clock, options) as emulator:
        told = ApiSettings(key=key, version="1.2.3", base_url=emulator.url, proxies={})
        async with RunwayClient(told, clock=clock) as client:
            yield Emulated(client, emulator, clock)


@asynccontextmanager
async def live() -> AsyncIterator[RunwayClient]:
    """The real service; the tests that use it make nothing and cost nothing."""
    key = os.environ.get("RUNWAYML_API_SECRET", "") or os.environ.get("RUNWAY_API_KEY", "")
    if not os.environ.get("RUNWAY_LIVE_TESTS") or not key:
        pytest.skip("live: set RUNWAY_LIVE_TESTS=1 and RUNWAYML_API_SECRET to ask the real service")
    told = ApiSettings(key=key, version="1.2.3")
    async with RunwayClient(told, clock=FakeClock()) as client:
        yield client
