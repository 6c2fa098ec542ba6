"""Which jobs start now, and why the others wait."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from runner.core.job import Job, JobStatus
from runner.core.limits import Slots


class ReadyQueue:
    """Jobs that could start, a heap per lane: higher priority first, then manifest order."""

    def __init__(self) -> None:
        self._heaps: dict[str, list[tuple[int, int, str]]] = {}
        self._jobs: dict[str, Job] = {}

    def add(self, job: Job) -> None:
        if job.id in self._jobs:
            return
        self._jobs[job.id] = job
        heapq.heappush(self._heaps.setdefault(job.lane, []), _order(job))

    def lanes(self) -> list[str]:
        """Lanes with something in them."""
        return [lane for lane, heap in self._heaps.items() if heap]

    def is_empty(self, lane: str) -> bool:
        return not self._heaps.get(lane)

    def first(self, lane: str) -> Job:
        return self._jobs[self._heaps[lane][0][2]]

    def pop(self, lane: str) -> Job:
        return self._jobs.pop(heapq.heappop(self._heaps[lane])[2])

    def clear(self) -> None:
        """Forget everything; the store still has it."""
        self._heaps.clear()
        self._jobs.clear()

    def __len__(self) -> int:
        return len(self._jobs)


def _order(job: Job) -> tuple[int, int, str]:
    return (-job.spec.priority, job.position, job.id)


def admit(ready: ReadyQueue, slots: Slots, live: Iterable[Job], now: datetime) -> list[Job]:
    """Take from the queue what may start now, best first over all lanes.

    `live` are the jobs a run works on. Those that download hold no slot; those still pending are
    about to be sent, so they do.
    """
    used = Counter(job.lane for job in live if job.status is not JobStatus.DOWNLOADING)
    total = used.total()
    admitted: list[Job] = []
    open_lanes = {lane for lane in ready.lanes() if slots.paused(lane, now) is None}
    while slots.total is None or total < slots.total:
        open_lanes = {
            lane
            for lane in open_lanes
            if not ready.is_empty(lane) and used[lane] < slots.capacity(lane)
        }
        if not open_lanes:
            break
        lane = min(open_lanes, key=lambda name: _order(ready.first(name)))
        admitted.append(ready.pop(lane))
        used[lane] += 1
        total += 1
    return admitted


def why_waiting(job: Job, needs: Sequence[Job], now: datetime, *, no_room: str = "") -> str:
    """Why a pending job does not move, for people; empty where it is not pending.

    Args:
        job: the job.
        needs: the jobs it needs.
        now: the time.
        no_room: what the budget says, where the job's reserve does not fit.
    """
    if job.status is not JobStatus.PENDING:
        return ""
    for parent in needs:
        if parent.status is not JobStatus.DONE:
            return f"needs `{parent.id}` ({parent.status})"
        if parent.stale:
            return f"parent is stale: `{parent.id}`"
    if job.not_before is not None and job.not_before > now:
        cause = f": {job.error.message}" if job.error else ""
        return f"back-off until {job.not_before:%H:%M:%S} UTC{cause}"
    return no_room or "slot"
