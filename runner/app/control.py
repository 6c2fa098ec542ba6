"""The reins of a run: how a signal reaches it."""

from __future__ import annotations

from runner.core.outcome import Reason
from runner.engine.scheduler import Scheduler


class RunControl:
    """Stops a run from outside, also before its scheduler is there."""

    def __init__(self) -> None:
        self._scheduler: Scheduler | None = None
        self._stop: Reason | None = None

    def attach(self, scheduler: Scheduler) -> None:
        """The run has a scheduler now."""
        self._scheduler = scheduler
        if self._stop is not None:
            scheduler.stop(self._stop)

    @property
    def has_begun(self) -> bool:
        """Whether the run may have sent something; before, there is nothing to wait for."""
        return self._scheduler is not None

    def stop(self, reason: Reason) -> None:
        """Submit nothing more, for a reason other than a signal."""
        if self._scheduler is not None:
            self._scheduler.stop(reason)

    def signal(self, number: int, name: str) -> None:
        """First: submit nothing more and collect what is under way. Second: leave at once."""
        if self._stop is None:
            self._stop = Reason(
                exit_code=128 + number,
                message=f"stopped by {name}",
                hint="tasks go on at Runway; run the same command again to collect them",
            )
            if self._scheduler is not None:
                self._scheduler.stop(self._stop)
        elif self._scheduler is not None:
            self._scheduler.leave()
