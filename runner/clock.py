"""Time is handed in. This is the only module that reads the system's clock."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

#: an HTTP date says whole seconds, and the answer was on its way: less than this is no error
LEAST_OFFSET = timedelta(seconds=2)
#: a server that is further off than this is not believed
MOST_OFFSET = timedelta(days=3653)
_HALF_A_SECOND = timedelta(seconds=0.5)
_NONE = timedelta()


class Clock(Protocol):
    """What the code may know of time."""

    def now(self) -> datetime:
        """The time of day, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go backwards."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; zero or less only yields."""
        ...


class SystemClock:
    """The real one."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


class ServiceClock:
    """The time of day at the service: another clock, put right by the dates of its answers.

    The first answer is believed. One that says something else later needs a second one that agrees:
    a single wrong date would move all that is capped by the day out of its window, for good.

    `now` never goes back. Where it is ahead of what it should be, because the machine's clock was
    set back or an answer has put it right, it goes on at half speed until time has caught up: it
    never stands still, so that what waits for a time of day comes due. May be read by any thread.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = _NONE
        self._is_measured = False
        self._other: timedelta | None = None  # what the answer before measured, if not the offset
        self._latest: datetime | None = None
        self._read_at_s = clock.monotonic()
        self._lock = threading.Lock()

    def now(self) -> datetime:
        with self._lock:
            return self._now()

    def monotonic(self) -> float:
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)

    def floor(self, at: datetime) -> None:
        """Be no earlier than this from now on: the newest event on disk, whoever wrote it."""
        with self._lock:
            self._latest = max(self._now(), at)

    def heard(self, date: datetime, asked_at: datetime, answered_at: datetime) -> None:
        """Take an answer's date into account; to be called when the answer has just come.

        Args:
            date: of the answer's `Date` header.
            asked_at: when the request was sent.
            answered_at: when the answer came, by the same clock: only the time between counts.
        """
        half_trip = max(_NONE, answered_at - asked_at) / 2
        with self._lock:
            measured = date - (self._clock.now() - half_trip) + _HALF_A_SECOND
            unsure = max(LEAST_OFFSET, half_trip + _HALF_A_SECOND)
            if abs(measured) > MOST_OFFSET:
                return
            is_other = abs(measured - self._offset) >= unsure
            agrees = self._other is not None and abs(measured - self._other) < unsure
            if is_other and self._is_measured and not agrees:
                self._other = measured
                return
            self._is_measured, self._other = True, None
            if is_other:
                self._offset = measured if abs(measured) >= unsure else _NONE

    def here(self, at: datetime) -> datetime:
        """What it is by this clock when the machine's shows `at`: the end that a flag gave."""
        with self._lock:
            return at + (self._now() - self._clock.now())

    def _now(self) -> datetime:
        read_at_s = self._clock.monotonic()
        now = self._clock.now() + self._offset
        if self._latest is not None:
            elapsed = timedelta(seconds=max(0.0, read_at_s - self._read_at_s))
            now = max(now, self._latest + elapsed / 2)
        self._latest, self._read_at_s = now, read_at_s
        return now
