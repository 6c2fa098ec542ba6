"""The queue of one account and lane: so many at once, first in, first out.

Nothing ticks. Tasks carry times, and `Slots.until(now)` plays everything that happened since the
last look, in order: ends free slots, freed slots start waiting tasks. No step looks at more than
the tasks it is about, however many wait.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

Lane = tuple[str, str]  # account, lane


@dataclass(kw_only=True, slots=True)
class _Queue:
    busy: set[str] = field(default_factory=set)
    waiting: list[tuple[int, str]] = field(default_factory=list)  # a heap by arrival
    gone: set[str] = field(default_factory=set)  # still in the heap, taken out by a cancel


@dataclass(order=True, frozen=True, slots=True)
class _Moment:
    at: float
    order: int
    task: str = field(compare=False)
    lane: Lane = field(compare=False)
    is_end: bool = field(compare=False)


class Slots:
    """Who runs, who waits. Calls back when a task starts and when it ends."""

    def __init__(
        self,
        *,
        limit: Callable[[Lane], int | None],
        start: Callable[[str, float], float],
        end: Callable[[str, float], None],
    ) -> None:
        self._limit = limit
        self._start = start  # (task, start time) -> end time
        self._end = end
        self._queues: dict[Lane, _Queue] = {}
        self._moments: list[_Moment] = []
        self._held: dict[str, int] = {}  # task -> arrival
        self._order = 0
        self._arrivals = 0

    def add(self, lane: Lane, task: str, now: float, *, delay: float, held_until: float) -> None:
        """A new task: starts after `delay` if a slot is free, waits otherwise."""
        queue = self._queue(lane)
        self._arrivals += 1
        if held_until > now:
            self._held[task] = self._arrivals
            self._at(held_until, task, lane, is_end=False)
        elif self._has_room(lane):
            self._run(queue, lane, task, now + delay)
        else:
            heapq.heappush(queue.waiting, (self._arrivals, task))

    def resume(self, lane: Lane, task: str, end_at: float) -> None:
        """A task that was running when the world was saved."""
        self._queue(lane).busy.add(task)
        self._at(end_at, task, lane, is_end=True)

    def drop(self, lane: Lane, task: str, now: float) -> None:
        """Take out a task that has not begun to run; its slot goes to the next."""
        queue = self._queue(lane)
        if task in queue.busy:
            queue.busy.remove(task)
        elif self._held.pop(task, None) is None:
            queue.gone.add(task)
        self._fill(lane, now)

    def refill(self, now: float) -> None:
        """Start what fits, after limits have changed."""
        for lane in self._queues:
            self._fill(lane, now)

    def until(self, now: float) -> None:
        """Play all that happened up to now."""
        while self._moments and self._moments[0].at <= now:
            moment = heapq.heappop(self._moments)
            queue = self._queue(moment.lane)
            if not moment.is_end:
                self._release(queue, moment.task)
            elif moment.task in queue.busy:
                queue.busy.remove(moment.task)
                self._end(moment.task, moment.at)
            self._fill(moment.lane, moment.at)

    def _release(self, queue: _Queue, task: str) -> None:
        """A scripted wait is over; the task takes its old place in the queue."""
        arrival = self._held.pop(task, None)
        if arrival is not None:
            heapq.heappush(queue.waiting, (arrival, task))

    def _fill(self, lane: Lane, now: float) -> None:
        queue = self._queue(lane)
        while queue.waiting and self._has_room(lane):
            _, task = heapq.heappop(queue.waiting)
            if task in queue.gone:
                queue.gone.remove(task)
            else:
                self._run(queue, lane, task, now)

    def _run(self, queue: _Queue, lane: Lane, task: str, at: float) -> None:
        queue.busy.add(task)
        self._at(self._start(task, at), task, lane, is_end=True)

    def _has_room(self, lane: Lane) -> bool:
        limit = self._limit(lane)
        return limit is None or len(self._queue(lane).busy) < limit

    def _queue(self, lane: Lane) -> _Queue:
        return self._queues.setdefault(lane, _Queue())

    def _at(self, at: float, task: str, lane: Lane, *, is_end: bool) -> None:
        self._order += 1
        heapq.heappush(self._moments, _Moment(at, self._order, task, lane, is_end))
