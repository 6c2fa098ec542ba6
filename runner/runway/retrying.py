"""Repeats what is safe to repeat, and never a create."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from runner.clock import Clock
from runner.core.spec import Body
from runner.core.task import CreatedTask, Organization, RouterRequest, Task
from runner.errors import TransientApiError
from runner.ports import TaskApi

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class RepeatPolicy:
    """How often to try, and how long to wait between tries: full jitter below a doubling bound."""

    attempts: int = 5
    first_s: float = 1.0
    most_s: float = 30.0
    #: a server that asks for a longer wait gets its error handed on instead
    most_retry_after_s: float = 120.0

    def delay(self, failures: int, rng: random.Random, error: TransientApiError) -> float | None:
        """Seconds until the next try, never less than the server asked for; None: give up."""
        asked = error.retry_after_s or 0.0
        if failures >= self.attempts or asked > self.most_retry_after_s:
            return None
        bound = min(self.most_s, self.first_s * 2.0 ** (failures - 1))
        return asked + rng.uniform(0.0, bound)


DEFAULT_REPEATS = RepeatPolicy()


class Repeater:
    """Runs a call again after a transient error."""

    def __init__(self, repeats: RepeatPolicy, *, clock: Clock, rng: random.Random) -> None:
        self._repeats = repeats
        self._clock = clock
        self._rng = rng

    async def __call__(self, call: Callable[[], Awaitable[T]]) -> T:
        failures = 0
        while True:
            try:
                return await call()
            except TransientApiError as error:
                failures += 1
                delay = self._repeats.delay(failures, self._rng, error)
                if delay is None:
                    raise
            await self._clock.sleep(delay)


class RetryingApi:
    """A `TaskApi` around another one: reads and cancels are repeated, creates pass through."""

    def __init__(
        self,
        api: TaskApi,
        *,
        clock: Clock,
        rng: random.Random,
        repeats: RepeatPolicy = DEFAULT_REPEATS,
    ) -> None:
        self._api = api
        self._repeat = Repeater(repeats, clock=clock, rng=rng)

    async def create_task(self, endpoint: str, body: Body) -> CreatedTask:
        """Once; when to try again is the scheduler's decision, made with the state on disk."""
        return await self._api.create_task(endpoint, body)

    async def get_task(self, task_id: str) -> Task:
        return await self._repeat(lambda: self._api.get_task(task_id))

    async def cancel_task(self, task_id: str) -> None:
        await self._repeat(lambda: self._api.cancel_task(task_id))

    async def find_router(self, slug: str) -> str | None:
        return await self._repeat(lambda: self._api.find_router(slug))

    async def get_router_requests(
        self, router_id: str, *, since: datetime
    ) -> Sequence[RouterRequest]:
        return await self._repeat(lambda: self._api.get_router_requests(router_id, since=since))

    async def get_organization(self) -> Organization:
        return await self._repeat(self._api.get_organization)
