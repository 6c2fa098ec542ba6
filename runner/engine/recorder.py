"""The one door through which a job changes."""

from __future__ import annotations

from collections.abc import Sequence

from runner.core.events import Event
from runner.core.job import Job
from runner.core.ledger import ledger_move
from runner.core.lifecycle import transition
from runner.ports import Listener, Store


class Recorder:
    """Look the transition up, save job, event and ledger in one transaction, tell listeners."""

    def __init__(self, store: Store, listeners: Sequence[Listener] = ()) -> None:
        self._store = store
        self._listeners = list(listeners)

    def tell(self, listener: Listener) -> None:
        """Add a listener."""
        self._listeners.append(listener)

    async def record(self, job: Job, event: Event) -> Job:
        """The job after the event, which is on disk when this returns.

        Raises:
            IllegalTransition: the table has no such row.
            StaleJob: somebody else changed the job since it was read.
            CapReached: a reserve did not fit under a cap.
        """
        after = transition(job, event)
        await self._store.save(job, after, event, ledger_move(job, event))
        for listener in self._listeners:
            listener(after, event)
        return after
