from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from runner.errors import DiskFull, StaleJob, StoreError, StoreLocked
from runner.store.connection import Mode, connect
from runner.store.transaction import Call, commit
from runner.store.writer import GROUP, INTENTS, SqlThread

Work = Callable[[sqlite3.Connection], object]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
async def writer(path: Path) -> AsyncIterator[SqlThread]:
    thread = SqlThread(lambda: connect(path, Mode.CREATE, busy_timeout_s=0.02), path)
    await thread.start()
    yield thread
    await thread.close()


def put(name: str) -> Work:
    """A write that needs no batch."""
    return lambda db: db.execute("INSERT INTO assets VALUES ('u', ?, 'x', 1)", (name,)).rowcount


def names(path: Path) -> set[str]:
    db = sqlite3.connect(path)
    try:
        return {row[0] for row in db.execute("SELECT sha256 FROM assets")}
    finally:
        db.close()


class Gate:
    """Holds the writer so that calls pile up behind it; tells commits by counting them."""

    def __init__(self, writer: SqlThread) -> None:
        self._writer = writer
        self._open = threading.Event()
        self.begins = 0
        self.sizes: list[int] = []

    async def hold(self) -> asyncio.Task[object]:
        entered = asyncio.Event()
        loop = asyncio.get_running_loop()

        def work(db: sqlite3.Connection) -> None:
            db.set_trace_callback(self._trace)
            loop.call_soon_threadsafe(entered.set)
            self._open.wait(10)

        task: asyncio.Task[object] = asyncio.create_task(self._writer.run(work))
        await entered.wait()
        return task

    def release(self) -> None:
        self._open.set()

    def _trace(self, statement: str) -> None:
        if statement.startswith("BEGIN"):
            self.sizes.append(0)
        elif statement.startswith("SAVEPOINT") and self.sizes:
            self.sizes[-1] += 1


async def pile(writer: SqlThread, *works: Work, intent: bool = False) -> list[asyncio.Task[object]]:
    tasks = [asyncio.create_task(writer.run(work, intent=intent)) for work in works]
    ready = asyncio.Event()
    asyncio.get_running_loop().call_soon(ready.set)
    await ready.wait()  # every task has put its call into the queue by now
    return tasks


async def test_a_result_arrives_after_the_commit(writer: SqlThread, path: Path) -> None:
    assert await writer.run(put("a")) == 1
    assert names(path) == {"a"}


async def test_calls_that_wait_together_share_a_commit_of_at_most_64(writer: SqlThread) -> None:
    gate = Gate(writer)
    held = await gate.hold()
    tasks = await pile(writer, *(put(f"n{n}") for n in range(GROUP + 6)))
    gate.release()
    await asyncio.gather(held, *tasks)
    assert gate.sizes == [GROUP, 6]


async def test_at_most_8_intents_share_a_commit_and_the_order_is_kept(writer: SqlThread) -> None:
    gate, order = Gate(writer), []
    held = await gate.hold()
    intents = await pile(writer, *(lambda db, n=n: order.append(n) for n in range(20)), intent=True)
    others = await pile(writer, *(lambda db, n=n: order.append(n) for n in range(20, 23)))
    gate.release()
    await asyncio.gather(held, *intents, *others)
    assert gate.sizes == [INTENTS, INTENTS, 4 + 3]
    assert order == list(range(23))


async def test_one_refused_call_does_not_undo_its_neighbours(writer: SqlThread, path: Path) -> None:
    def refused(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO assets VALUES ('u', 'refused', 'x', 1)")
        raise StaleJob("no")

    gate = Gate(writer)
    held = await gate.hold()
    tasks = await pile(writer, put("before"), refused, put("before"), put("after"))
    gate.release()
    await held
    results = await asyncio.gather(*tasks, return_exceptions=True)

    assert gate.sizes == [4]
    assert results[0] == results[3] == 1
    assert isinstance(results[1], StaleJob)
    assert isinstance(results[2], sqlite3.IntegrityError)  # a bug of the caller: as it is
    assert names(path) == {"before", "after"}


async def test_a_bug_in_a_call_reaches_its_caller_and_the_thread_goes_on(
    writer: SqlThread,
) -> None:
    with pytest.raises(ZeroDivisionError):
        await writer.run(lambda db: 1 // 0)
    assert await writer.run(lambda db: 2) == 2


async def test_closing_does_what_is_in_the_queue_first(writer: SqlThread, path: Path) -> None:
    gate = Gate(writer)
    held = await gate.hold()
    tasks = await pile(writer, *(put(f"n{n}") for n in range(GROUP + 1)))
    closing = asyncio.create_task(writer.close())
    gate.release()
    await asyncio.gather(held, *tasks, closing)
    assert len(names(path)) == GROUP + 1
    with pytest.raises(StoreError, match="is closed"):
        await writer.run(put("late"))
    await writer.close()


async def test_a_call_cancelled_in_the_queue_is_never_made(writer: SqlThread, path: Path) -> None:
    gate = Gate(writer)
    held = await gate.hold()
    gone, kept = await pile(writer, put("gone"), put("kept"))
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    gate.release()
    await asyncio.gather(held, kept)
    assert names(path) == {"kept"}


async def test_a_file_locked_for_too_long_says_so(writer: SqlThread, path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreLocked, match="another process keeps") as caught:
        await writer.run(put("a"))
    assert caught.value.hint
    other.execute("ROLLBACK")
    other.close()
    assert await writer.run(put("a")) == 1


async def test_a_full_disk_is_told_apart_and_later_calls_work(
    writer: SqlThread, path: Path
) -> None:
    def limit(pages: int) -> Work:
        return lambda db: db.execute(f"PRAGMA max_page_count = {pages}").fetchone()

    await writer.run(limit(1))  # SQLite lifts it to the present size
    big = "x" * 1_000_000
    with pytest.raises(DiskFull, match="disk is full") as caught:
        await writer.run(put(big))
    assert caught.value.exit_code == 7
    await writer.run(limit(1_000_000))
    assert await writer.run(put("small")) == 1
    assert names(path) == {"small"}


def test_a_commit_that_fails_fails_every_call_of_it(tmp_path: Path) -> None:
    db = connect(tmp_path / "state.db", Mode.CREATE)
    calls = [Call(put("a")), Call(lambda db: db.execute("ROLLBACK")), Call(put("b"))]
    commit(db, "BEGIN IMMEDIATE", calls, tmp_path)
    assert all(isinstance(call.future.exception(), sqlite3.Error) for call in calls)
    db.close()
    assert names(tmp_path / "state.db") == set()
