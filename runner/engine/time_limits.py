"""When a run ends before its work is done: deadline, patience with a wait, a silent service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from runner.core.commands import Wait
from runner.core.outcome import Reason
from runner.core.schedule import duration_words
from runner.errors import TransientApiError

from .rules import Rules
from .tools import Tools

#: seconds that an upload and its create may take, however impatient somebody is
CREATE_S = 150.0
#: product.md, exit codes: stopped by time or quota
TIME_EXIT = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Stop:
    """Why the run ends, and how long it collects."""

    reason: Reason
    drain_s: float | None  # None: what is at Runway is left there


class TimeLimits:
    """Judges, turn by turn, whether a run may go on waiting."""

    def __init__(self, tools: Tools, rules: Rules) -> None:
        self._tools = tools
        self._rules = rules
        self._idle_since_s: float | None = None

    @property
    def deadline(self) -> datetime | None:
        return self._rules.deadline

    def due(self) -> Stop | None:
        """The run has to end now."""
        if self._tools.patience.exhausted:
            return Stop(reason=_service_lost(), drain_s=None)
        if self.deadline is None or self._tools.clock.now() < self.deadline:
            return None
        asked = self._rules.drain_s
        drain_s = self._tools.policies.time_drain_s if asked is None else asked
        return Stop(reason=_deadline_passed(self.deadline), drain_s=drain_s)

    def busy(self) -> None:
        """Something is under way."""
        self._idle_since_s = None

    def waits_too_long(
        self, until: datetime | None, waits: Sequence[Wait], *, is_busy: bool = False
    ) -> Reason | None:
        """Nothing is under way: `--max-wait` may end the run.

        Args:
            until: the next time at which something can move, as far as is known.
            waits: why nothing starts.
            is_busy: an upload or a create is under way: it may take its time.
        """
        most_s, now_s = self._rules.max_wait_s, self._tools.clock.monotonic()
        if self._idle_since_s is None:
            self._idle_since_s = now_s
        if most_s is None:
            return None
        now = self._tools.clock.now()
        is_far = until is not None and (until - now).total_seconds() > most_s
        idle_s = now_s - self._idle_since_s
        if not is_far and idle_s < (max(most_s, CREATE_S) if is_busy else most_s):
            return None
        if idle_s == 0 and not is_far and not waits:
            return None  # the last job has only just ended
        return _waited_too_long(most_s, until, waits)


def _service_lost() -> Reason:
    return Reason(
        exit_code=TransientApiError.exit_code,
        message="Runway does not answer",
        hint="tasks go on there; run the same command again to go on",
    )


def _deadline_passed(deadline: datetime) -> Reason:
    return Reason(
        exit_code=TIME_EXIT,
        message=f"the time is up: {deadline:%Y-%m-%d %H:%M} UTC",
        hint="run the same command again to go on",
    )


def _waited_too_long(most_s: float, until: datetime | None, waits: Sequence[Wait]) -> Reason:
    why = f": {waits[0].reason}" if waits else ""
    when = f"before {until:%Y-%m-%d %H:%M} UTC" if until else "by itself"
    return Reason(
        exit_code=TIME_EXIT,
        message=f"nothing can move {when}, and `--max-wait` is {duration_words(most_s)}{why}",
        hint="run the same command again then" if until else "",
    )
