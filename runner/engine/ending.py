"""How a run comes to its end: told to stop, told to submit no more, and for how long it drains."""

from __future__ import annotations

import asyncio

from runner.clock import Clock
from runner.core.job import Job, JobStatus
from runner.core.outcome import Reason


class Ending:
    """What is known about the end of a run; it begins with nothing."""

    def __init__(self, clock: Clock, drain_s: float) -> None:
        self._clock = clock
        self._signal_drain_s = drain_s
        self._is_patient = False  # tasks at Runway may end too
        self._until_s = 0.0
        self.reasons: list[Reason] = []
        #: nothing starts any more, and the run ends once it is drained
        self.stopping = False
        #: why nothing is sent any more, while what is at Runway is collected
        self.not_submitting: Reason | None = None
        #: leave at once: even answers of creates get a last moment only
        self.leaving = asyncio.Event()

    @property
    def may_submit(self) -> bool:
        return not self.stopping and self.not_submitting is None

    def stop(self, reason: Reason, drain_s: float | None) -> None:
        """End; a second reason may shorten the time to drain, and never lengthens it.

        Args:
            reason: why.
            drain_s: seconds in which tasks at Runway may end too; None: they are left there.
        """
        self.reasons.append(reason)
        self._is_patient = drain_s is not None
        seconds = self._signal_drain_s if drain_s is None else drain_s
        until_s = self._clock.monotonic() + seconds
        self._until_s = min(self._until_s, until_s) if self.stopping else until_s
        self.stopping = True

    def leave(self) -> None:
        """End at once."""
        self.stopping = True
        self.leaving.set()

    def stop_submitting(self, reason: Reason) -> bool:
        """Collect what is at Runway, send nothing more; whether that is new."""
        if self.not_submitting is not None:
            return False
        self.not_submitting = reason
        self.reasons.append(reason)
        return True

    def until_s(self) -> float:
        """When draining ends, by the monotonic clock."""
        return self._until_s

    def leaves(self, job: Job) -> bool:
        """At a stop: nothing is lost by leaving it; at a stop by time it may end all the same."""
        if job.status is JobStatus.PENDING:
            return True
        at_runway = job.status not in {JobStatus.SUBMITTING, JobStatus.DOWNLOADING}
        return at_runway and not self._is_patient
