"""Which jobs start now; why the others wait is said in waiting.py."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Collection, Iterable
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


def admit(
    ready: ReadyQueue,
    slots: Slots,
    live: Iterable[Job],
    now: datetime,
    *,
    closed: Collection[str] = (),
    allowance: Callable[[str], int | None] = lambda _lane: None,
    may_start: Callable[[Job], bool] = lambda _job: True,
) -> list[Job]:
    """Take from the queue what may start now, best first over all lanes.

    Args:
        ready: jobs that could start.
        slots: the account's limits.
        live: the jobs a run works on. Those that download hold no slot; those still pending are
            about to be sent, so they do.
        now: the time.
        closed: lanes that start nothing.
        allowance: jobs that a lane may start beyond those under way; None = no such limit.
        may_start: asked last; a job that may not is taken from the queue all the same.
    """
    used = Counter(job.lane for job in live if job.status is not JobStatus.DOWNLOADING)
    total = used.total()
    admitted: list[Job] = []
    open_lanes = {
        lane for lane in ready.lanes() if lane not in closed and slots.paused(lane, now) is None
    }
    started: Counter[str] = Counter()
    while slots.total is None or total < slots.total:
        open_lanes = {
            lane
            for lane in open_lanes
            if not ready.is_empty(lane)
            and used[lane] < slots.capacity(lane)
            and _is_within(started[lane], allowance(lane))
        }
        if not open_lanes:
            break
        lane = min(open_lanes, key=lambda name: _order(ready.first(name)))
        job = ready.pop(lane)
        if not may_start(job):
            continue
        admitted.append(job)
        started[lane] += 1
        used[lane] += 1
        total += 1
    return admitted


def _is_within(started: int, allowance: int | None) -> bool:
    return allowance is None or started < allowance
