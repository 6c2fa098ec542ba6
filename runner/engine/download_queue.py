"""Who downloads next: a few at once, and the one whose links die first goes first."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime


class DownloadQueue:
    """A semaphore whose waiters are served by their time, not by their arrival."""

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._order = itertools.count()
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def turn(self, collect_by: datetime | None) -> AsyncIterator[None]:
        """Wait for a turn; those without a time come last."""
        await self._acquire(collect_by)
        try:
            yield
        finally:
            self._release()

    async def _acquire(self, collect_by: datetime | None) -> None:
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        due = float("inf") if collect_by is None else collect_by.timestamp()
        heapq.heappush(self._waiting, (due, next(self._order), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._release()  # it was its turn at that very moment
            raise

    def _release(self) -> None:
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)  # the place is handed on
                return
        self._free += 1
