"""The one door through which a job changes."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from runner.clock import Clock
from runner.core.events import Event
from runner.core.job import Job
from runner.core.ledger import ledger_move
from runner.core.lifecycle import transition
from runner.core.limits import Terms
from runner.errors import StoreBusy
from runner.ports import Listener, Store

#: a state file that another program keeps locked is tried again, up to about ten minutes
BUSY_TRIES, BUSY_PAUSE_S = 60, 1.0

_log = logging.getLogger(__name__)


class Recorder:
    """Look the transition up, save job, event and ledger in one transaction, tell listeners."""

    def __init__(self, store: Store, listeners: Sequence[Listener], *, clock: Clock) -> None:
        self._store = store
        self._listeners = list(listeners)
        self._clock = clock
        self._engine: list[Listener] = []

    def tell(self, listener: Listener) -> None:
        """Add a part of the engine: a failure in it is a bug, and ends the run."""
        self._engine.append(listener)

    async def record(self, job: Job, event: Event, terms: Terms | None = None) -> Job:
        """The job after the event, which is on disk when this returns.

        Raises:
            IllegalTransition: the table has no such row.
            StaleJob: somebody else changed the job since it was read.
            NotNow: an intent does not fit: cap, slots, quota or group.
            StoreBusy: the state file stayed locked for minutes.
        """
        after = transition(job, event)
        move = ledger_move(job, event)
        for tries_left in reversed(range(BUSY_TRIES)):
            try:
                await self._store.save(job, after, event, move, terms)
                break
            except StoreBusy:
                if not tries_left:
                    raise
                await self._clock.sleep(BUSY_PAUSE_S)
        self._announce(after, event)
        return after

    def _announce(self, job: Job, event: Event) -> None:
        """What is saved is saved: a listener that fails is switched off and harms no job."""
        for part in self._engine:
            part(job, event)
        for listener in list(self._listeners):
            try:
                listener(job, event)
            except Exception:  # noqa: BLE001 - whatever a listener raises is its own affair
                self._listeners.remove(listener)
                _log.exception("a listener failed and is switched off")
