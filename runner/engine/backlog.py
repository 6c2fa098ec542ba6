"""The jobs that could start, a page per lane, and those that never can."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from runner.core.admission import ReadyQueue
from runner.core.events import Cancelled, Event, GaveUp, Skipped
from runner.errors import DiskFull, StaleJob

from .tools import Tools

#: ready jobs held per lane
PAGE = 1000


class Backlog:
    """What the store has to offer; the store is the truth, this is a page of it."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self.ready = ReadyQueue()
        self._look_for_doomed = True

    def look_again(self) -> None:
        """The store was changed by somebody else."""
        self.ready.clear()
        self._look_for_doomed = True

    def look_for_doomed(self) -> None:
        """Short commands may have ended jobs that others need."""
        self._look_for_doomed = True

    def note(self, event: Event) -> None:
        """A job that ended badly dooms those that need it."""
        if isinstance(event, GaveUp | Skipped | Cancelled):
            self._look_for_doomed = True

    async def refill(
        self, held: Collection[str], now: datetime, *, without: Collection[str]
    ) -> None:
        """Fill the empty lanes from the store.

        Args:
            held: jobs that are not asked for again.
            now: what is due later is left for later.
            without: lanes that get nothing.
        """
        store, batch = self._tools.store, self._tools.batch
        for lane in await store.ready_lanes(batch):
            if lane in without or not self.ready.is_empty(lane):
                continue
            for job in await store.ready(batch, lane, now=now, limit=PAGE, skip=held):
                self.ready.add(job)

    async def skip_doomed(self) -> None:
        """Jobs whose needs cannot be met are skipped, and theirs in turn."""
        while self._look_for_doomed:
            self._look_for_doomed = False
            now = self._tools.clock.now()
            for job, parent in await self._tools.store.doomed(self._tools.batch):
                try:
                    await self._tools.recorder.record(job, Skipped(at=now, parent=parent))
                except StaleJob:
                    self._look_for_doomed = True  # a short command was faster
                except DiskFull:
                    self._look_for_doomed = True
                    raise

    async def next_due(self, now: datetime) -> datetime | None:
        """When the next job that is put off may be tried again."""
        return await self._tools.store.next_due(self._tools.batch, after=now)
