"""All records of the pretend service, and which of them still have to be written down."""

from __future__ import annotations

from bisect import insort
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from typing import Protocol

from runner.emulator.records import (
    Account,
    KeyEntry,
    Knobs,
    Meta,
    Record,
    RoutedRequest,
    RouterRecord,
    TaskRecord,
    Totals,
    UploadRecord,
)
from runner.emulator.tiers import DAY_S


class Journal(Protocol):
    """Where records survive a kill."""

    def write(self, records: Iterable[Record]) -> None:
        """Keep all of them or none; safe when it returns."""
        ...

    def forget(self) -> None:
        """Drop everything kept so far."""
        ...


class Forgetful:
    """A journal for a world that lives in memory only."""

    def write(self, records: Iterable[Record]) -> None:
        """Keep nothing."""

    def forget(self) -> None:
        """Nothing is kept."""


class State:
    """Records by id. `put` changes one, `flush` writes down what changed."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._dirty: dict[str, Record] = {}
        self.meta: Meta | None = None
        self.knobs: Knobs | None = None
        self.accounts: dict[str, Account] = {}
        self.totals: dict[str, Totals] = {}
        self.keys: dict[str, KeyEntry] = {}
        self.tasks: dict[str, TaskRecord] = {}
        self.uploads: dict[str, UploadRecord] = {}
        self.routers: dict[str, RouterRecord] = {}
        self.routed: dict[str, RoutedRequest] = {}
        self.history: defaultdict[str, list[RoutedRequest]] = defaultdict(list)  # by router
        self._creates: dict[tuple[str, str], deque[float]] = {}

    def put(self, record: Record) -> None:
        self._place(record)
        self._dirty[f"{type(record).__name__}/{record.id}"] = record

    def flush(self) -> None:
        if self._dirty:
            self._journal.write(list(self._dirty.values()))
            self._dirty.clear()

    def load(self, records: Iterable[Record]) -> None:
        """Records of an earlier life, tasks in the order of their index."""
        for record in records:
            self._place(record)
            if isinstance(record, TaskRecord):
                self.count_create(record)

    def count_create(self, task: TaskRecord) -> None:
        """A create uses up the rolling quota of its lane, whatever becomes of it."""
        times = self._creates.setdefault((task.account, task.lane), deque())
        if times and task.created_at < times[-1]:
            insort(times, task.created_at)  # made by others, and told of afterwards
        else:
            times.append(task.created_at)

    def creates_of_day(self, account: str, lane: str, now: float) -> int:
        """Creates within the last 24 hours."""
        times = self._creates.get((account, lane), deque())
        while times and times[0] <= now - DAY_S:
            times.popleft()
        return len(times)

    def lanes_used(self, account: str) -> Iterator[str]:
        """Lanes with a create within the last day or so."""
        return (
            lane for (owner, lane), times in self._creates.items() if times and owner == account
        )

    def _place(self, record: Record) -> None:
        match record:
            case Meta():
                self.meta = record
            case Knobs():
                self.knobs = record
            case Totals():
                self.totals[record.id] = record
            case Account():
                self.accounts[record.id] = record
            case KeyEntry():
                self.keys[record.id] = record
            case TaskRecord():
                self.tasks[record.id] = record
            case UploadRecord():
                self.uploads[record.id] = record
            case RouterRecord():
                self.routers[record.id] = record
            case RoutedRequest():
                self.routed[record.id] = record
                self.history[record.router].append(record)
