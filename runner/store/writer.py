"""Who runs calls on a connection: a thread that owns it, or, for tests, the caller itself."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol, TypeVar

from runner.errors import StoreError
from runner.store.connection import MEMORY, connect_memory
from runner.store.transaction import Call, Outcome, commit

T = TypeVar("T")

#: calls in one transaction
GROUP = 64
#: creates that leave together after one commit: a crash puts at most so many in doubt at once
INTENTS = 8

WRITE = "BEGIN IMMEDIATE"
READ = "BEGIN"
_IN_MEMORY = Path(MEMORY)


class Sql(Protocol):
    """Runs calls on a connection."""

    async def run(self, work: Callable[[sqlite3.Connection], T], *, intent: bool = False) -> T:
        """`work(connection)` in a transaction; returns after the commit.

        Args:
            work: the call; what it wrote is undone when it raises.
            intent: whether a create leaves after the commit.

        Raises:
            StoreError, StoreLocked, DiskFull: nothing was written.
            Whatever `work` raises.
        """
        ...

    async def close(self) -> None:
        """Do what is in the queue, then close the connection. May be called twice."""
        ...


class SqlThread:
    """One thread that owns one connection: calls go in by a queue, results come out.

    Calls that wait together share a commit, up to GROUP of them. A caller cancelled while its call
    is still in the queue takes it out; later it is done all the same.

    Args:
        connect: opens the connection, in the thread.
        path: for messages.
        begin: how a transaction starts, WRITE or READ.
    """

    def __init__(
        self, connect: Callable[[], sqlite3.Connection], path: Path, *, begin: str = WRITE
    ) -> None:
        self._connect = connect
        self._path = path
        self._begin = begin
        self._queue: SimpleQueue[Call | None] = SimpleQueue()
        self._held: deque[Call] = deque()  # taken from the queue, left for the next commit
        self._closing = False
        self._opened: Future[None] = _uncancellable()
        self._ended: Future[None] = _uncancellable()
        # a daemon: a program that dies without closing must not hang on this thread
        self._thread = threading.Thread(target=self._main, name=f"state {begin}", daemon=True)

    async def start(self) -> None:
        """Open the connection; raises what opening raises."""
        self._thread.start()
        await asyncio.wrap_future(self._opened)

    async def run(self, work: Callable[[sqlite3.Connection], T], *, intent: bool = False) -> T:
        if self._closing:
            raise _closed(self._path)
        call = Call(work, intent)
        self._queue.put(call)
        result: T = await asyncio.wrap_future(call.future)
        return result

    async def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._queue.put(None)
        await asyncio.wrap_future(self._ended)
        self._thread.join()

    def _main(self) -> None:
        opening = Outcome()
        with opening:
            db = opening.result = self._connect()
        if opening.error is not None:
            self._ended.set_result(None)
            opening.deliver(self._opened)
            return
        self._opened.set_result(None)
        while group := self._next_group():
            commit(db, self._begin, group, self._path)
        db.close()
        self._ended.set_result(None)

    def _next_group(self) -> list[Call]:
        """The calls that share the next commit, in order; empty once closed and drained."""
        group: list[Call] = []
        intents = 0
        while len(group) < GROUP:
            call = self._take(wait=not group)
            if call is None:
                break
            if call.intent and intents == INTENTS:
                self._held.append(call)
                break
            intents += call.intent
            group.append(call)
        return group

    def _take(self, *, wait: bool) -> Call | None:
        if self._held:
            return self._held.popleft()
        if not wait and self._queue.empty():
            return None
        call = self._queue.get()
        if call is None and not wait:
            self._queue.put(None)  # the end comes after this commit
        return call


class SqlInline:
    """In memory and without a thread: a call is done when it returns, in no virtual time."""

    def __init__(self) -> None:
        self._db = connect_memory()
        self._closing = False

    async def run(self, work: Callable[[sqlite3.Connection], T], *, intent: bool = False) -> T:
        if self._closing:
            raise _closed(_IN_MEMORY)
        call = Call(work, intent)
        commit(self._db, WRITE, [call], _IN_MEMORY)
        result: T = call.future.result()
        return result

    async def close(self) -> None:
        self._closing = True
        self._db.close()


def _uncancellable() -> Future[None]:
    """A cancelled wait must not cancel what the thread does."""
    future: Future[None] = Future()
    future.set_running_or_notify_cancel()
    return future


def _closed(path: Path) -> StoreError:
    return StoreError(f"the state file `{path}` is closed")
