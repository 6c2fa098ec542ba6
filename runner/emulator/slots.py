"""The queue of one account and lane: so many at once, first in, first out.

Nothing ticks. Tasks carry times, and `Slots.until(now)` plays everything that happened since the
last look, in order: ends free slots, freed slots start waiting tasks.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

Lane = tuple[str, str]  # account, lane


@dataclass(kw_only=True, slots=True)
class _Queue:
    busy: set[str] = field(default_factory=set)
    waiting: deque[str] = field(default_factory=deque)


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
        self._held: dict[str, float] = {}
        self._order = 0

    def add(self, lane: Lane, task: str, now: float, *, delay: float, held_until: float) -> None:
        """A new task: starts after `delay` if a slot is free, waits otherwise."""
        if held_until > now:
            self._held[task] = held_until
            self._at(held_until, task, lane, is_end=False)
        queue = self._queue(lane)
        if held_until <= now and self._has_room(lane):
            self._run(queue, lane, task, now + delay)
        else:
            queue.waiting.append(task)

    def resume(self, lane: Lane, task: str, end_at: float) -> None:
        """A task that was running when the world was saved."""
        self._queue(lane).busy.add(task)
        self._at(end_at, task, lane, is_end=True)

    def drop(self, lane: Lane, task: str, now: float) -> None:
        """Take out a task that has not begun to run; its slot goes to the next."""
        queue = self._queue(lane)
        queue.busy.discard(task)
        if task in queue.waiting:
            queue.waiting.remove(task)
        self._fill(lane, now)

    def until(self, now: float) -> None:
        """Play all that happened up to now."""
        while self._moments and self._moments[0].at <= now:
            moment = heapq.heappop(self._moments)
            queue = self._queue(moment.lane)
            if moment.is_end and moment.task in queue.busy:
                queue.busy.remove(moment.task)
                self._end(moment.task, moment.at)
            elif not moment.is_end:
                self._held.pop(moment.task, None)
            self._fill(moment.lane, moment.at)

    def running(self, lane: Lane) -> int:
        return len(self._queue(lane).busy)

    def _fill(self, lane: Lane, now: float) -> None:
        queue = self._queue(lane)
        while self._has_room(lane):
            ready = (task for task in queue.waiting if task not in self._held)
            task = next(ready, None)
            if task is None:
                return
            queue.waiting.remove(task)
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
