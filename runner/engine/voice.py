"""Says why a run waits: to the state file, for other processes, and to who watches this one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from runner.core.commands import Wait
from runner.core.outcome import Reason
from runner.errors import DiskFull, StoreBusy
from runner.ports import Onlooker

from .tools import Tools


class Voice:
    """Speaks only when something has changed."""

    def __init__(self, tools: Tools, onlookers: Sequence[Onlooker]) -> None:
        self._tools = tools
        self._onlookers = onlookers
        self._said: Sequence[Wait] = ()

    async def say(self, waits: Sequence[Wait]) -> None:
        """Everything that keeps jobs waiting now."""
        if waits == self._said:
            return
        for wait in waits:
            if wait not in self._said:
                self.tell(wait)
        self._said = waits
        with suppress(StoreBusy, DiskFull):  # said again with the next change
            await self._tools.store.publish_waits(self._tools.batch, waits)

    def tell(self, notice: Wait | Reason) -> None:
        """One thing, to who watches."""
        for onlooker in self._onlookers:
            onlooker(notice)
