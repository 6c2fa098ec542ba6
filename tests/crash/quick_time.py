"""Real time, only faster, and the same for every process that is told the same beginning.

Back-off of half a minute and leases of seconds would make hundreds of kills take hours. Only what
goes through `SystemClock` is quick: sockets, disks and threads are as slow as ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from runner.clock import SystemClock

_now, _monotonic, _sleep = SystemClock.now, SystemClock.monotonic, SystemClock.sleep


@dataclass(frozen=True, kw_only=True, slots=True)
class QuickTime:
    """`rate` seconds in a second, counted from a beginning that all processes share."""

    rate: float
    began_at: str  # ISO 8601
    began_s: float  # the same moment by the clock that never goes back

    @classmethod
    def from_now(cls, rate: float) -> Self:
        clock = SystemClock()
        return cls(rate=rate, began_at=_now(clock).isoformat(), began_s=_monotonic(clock))

    def now(self) -> datetime:
        return datetime.fromisoformat(self.began_at) + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return (_monotonic(SystemClock()) - self.began_s) * self.rate

    async def sleep(self, seconds: float) -> None:
        await _sleep(SystemClock(), seconds / self.rate)

    def install(self) -> None:
        """Every `SystemClock` of this process goes by it from now on."""
        names = {"now": self.now, "monotonic": self.monotonic, "sleep": self.sleep}
        for name, method in names.items():
            setattr(SystemClock, name, staticmethod(method))
