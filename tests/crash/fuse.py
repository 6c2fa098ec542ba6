"""Where a victim dies: at the n-th pass of a named point, by its own signal 9.

The product has no hooks. A point is a function of it, or of a library, that is wrapped in the
victim alone; what is wrapped works as before until the point is passed often enough.
"""

from __future__ import annotations

import functools
import inspect
import os
import signal
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from runner.clock import SystemClock
from runner.downloads import atomic, partfile
from runner.downloads.downloader import HttpDownloader
from runner.runway import transport
from runner.runway.transport import Transport
from runner.runway.wire import Request
from runner.store import lease, migrations, saving, transaction, writer
from runner.store.transaction import Call, Outcome
from tests.crash.points import kind_of_request

#: bytes of a download in one write, so that a small file has several, and of one fsync
PIECE_BYTES, SYNC_BYTES = 400, 800


@dataclass
class Fuse:
    """Counts passes of one point, and knows which ones were passed at all."""

    point: str
    nth: int
    passes: int = 0
    seen: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def hit(self, point: str) -> None:
        self.seen.add(point)
        if point != self.point:
            return
        with self.lock:
            self.passes += 1
            if self.passes == self.nth:
                os.kill(os.getpid(), signal.SIGKILL)


def arm(fuse: Fuse) -> None:
    """Wrap every point of this process."""
    _arm_commits(fuse)
    _arm_requests(fuse)
    _arm_files(fuse)
    _around(fuse, lease, "take", "lease")
    _around(fuse, lease, "heal", "heal")
    _arm_migration(fuse)


def small_pieces() -> None:
    """Also a small file arrives in several writes; for every victim."""
    defaults = HttpDownloader.__init__.__kwdefaults__
    assert defaults is not None
    defaults |= {"piece_bytes": PIECE_BYTES, "sync_bytes": SYNC_BYTES}


def _around(fuse: Fuse, owner: Any, name: str, point: str) -> None:
    """Points `before X` and `after X` of a function, or coroutine, of a module or class."""
    inner = getattr(owner, name)

    @functools.wraps(inner)
    def called(*args: Any, **kwargs: Any) -> Any:
        fuse.hit(f"before {point}")
        result = inner(*args, **kwargs)
        fuse.hit(f"after {point}")
        return result

    @functools.wraps(inner)
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        fuse.hit(f"before {point}")
        result = await inner(*args, **kwargs)
        fuse.hit(f"after {point}")
        return result

    setattr(owner, name, awaited if inspect.iscoroutinefunction(inner) else called)


# The state file


class _Kinds(threading.local):
    """Events that the transaction under way has written; each thread has its own."""

    def __init__(self) -> None:
        self.names: list[str] = []


def _arm_commits(fuse: Fuse) -> None:
    """Points `before commit of EVENT` and `after commit of EVENT`: before anybody hears of it."""
    kinds = _Kinds()
    event_values, commit, deliver = saving.event_values, transaction.commit, Outcome.deliver

    def noting(event: Any) -> Any:
        kinds.names.append(type(event).__name__)
        return event_values(event)

    def seen(statement: str) -> None:
        if statement == "COMMIT":
            for name in kinds.names:
                fuse.hit(f"before commit of {name}")

    def committing(db: sqlite3.Connection, begin: str, calls: Sequence[Call], path: Path) -> None:
        kinds.names.clear()
        db.set_trace_callback(seen)
        commit(db, begin, calls, path)

    def delivering(self: Outcome, future: Any) -> None:
        names = list(kinds.names)
        kinds.names.clear()
        for name in names:
            fuse.hit(f"after commit of {name}")
        deliver(self, future)

    _replace(saving, "event_values", noting)
    _replace(writer, "commit", committing)
    _replace(Outcome, "deliver", delivering)


def _arm_migration(fuse: Fuse) -> None:
    """Point `in migration`: before each statement, the commit at the latest."""
    migrate = migrations.migrate

    def seen(statement: str) -> None:
        if statement == "COMMIT":
            fuse.nth = min(fuse.nth, fuse.passes + 1)
        fuse.hit("in migration")

    def migrating(connection: sqlite3.Connection, *, first: Callable[[], None]) -> None:
        connection.set_trace_callback(seen)
        migrate(connection, first=first)
        connection.set_trace_callback(None)
        fuse.hit("after commit of migration")

    _replace(migrations, "migrate", migrating)


# Requests

_asked: ContextVar[str] = ContextVar("asked", default="")


def _arm_requests(fuse: Fuse) -> None:
    """Points `KIND asked`, `KIND sent` and `KIND answered`, see `kind_of_request`."""
    send, start, answer = Transport._send, aiohttp.ClientResponse.start, transport._answer

    async def sending(self: Transport, session: aiohttp.ClientSession, request: Request) -> Any:
        kind = kind_of_request(request.method, request.path)
        token = _asked.set(kind)
        fuse.hit(f"{kind} asked")
        try:
            return await send(self, session, request)
        finally:
            _asked.reset(token)

    async def starting(self: aiohttp.ClientResponse, connection: Any) -> Any:
        point = f"{_asked.get()} sent"
        if point in {fuse.point, "create sent"}:
            await SystemClock().sleep(0)  # the writer's turn: the bytes leave
            fuse.hit(point)
        return await start(self, connection)

    async def answering(response: aiohttp.ClientResponse) -> Any:
        found = await answer(response)
        fuse.hit(f"{_asked.get()} answered")
        return found

    _replace(Transport, "_send", sending)
    _replace(aiohttp.ClientResponse, "start", starting)
    _replace(transport, "_answer", answering)


# Files


def _arm_files(fuse: Fuse) -> None:
    _around(fuse, partfile.PartFile, "write", "piece")
    _around(fuse, partfile.PartFile, "sync", "fsync of a part")
    _around(fuse, partfile, "_save_state", "state of a part")
    _around(fuse, HttpDownloader, "fetch", "fetch")
    _around(fuse, HttpDownloader, "place", "place")
    _around(fuse, os, "link", "link")
    _around(fuse, os, "replace", "replace")
    _around(fuse, atomic, "write_sidecar", "sidecar")
    _around(fuse, HttpDownloader, "write_sidecar", "sidecar's turn")


def _replace(owner: Any, name: str, new: Any) -> None:
    setattr(owner, name, new)
