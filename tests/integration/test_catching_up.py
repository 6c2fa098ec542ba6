"""The display of a run follows what other processes change in the state file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from runner.cli.board import Board
from runner.cli.catching_up import LOOK_S, keep_up
from runner.core.events import Cancelled, SubmitStarted, TaskAccepted
from runner.core.job import JobStatus
from runner.store.store import JobStore
from runner.testing import START, FakeClock, make_spec
from tests.integration.stage import FastClock
from tests.integration.store_steps import add, happen
from tests.plans import plan

TRIES = 1000
ACCEPTED = TaskAccepted(at=START, task_id="t", estimated=None)
DROP = Cancelled(at=START, reason="dropped", credits=0)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[JobStore]:
    async with await JobStore.open(tmp_path / "state.db", clock=FakeClock()) as opened:
        await opened.upsert_batch("b")
        yield opened


@pytest.fixture
async def board(store: JobStore, tmp_path: Path) -> AsyncIterator[Board]:
    """Shows `a` and `b`, and is kept up with what happens in the state file."""
    board = Board()
    board.begin(plan([make_spec("a"), make_spec("b")], {}), None)
    looking = asyncio.create_task(keep_up(board, tmp_path / "state.db", "b", clock=FastClock()))
    yield board
    looking.cancel()
    with suppress(asyncio.CancelledError):
        await looking


async def looks(board: Board, expected: dict[JobStatus, int]) -> None:
    clock = FastClock()
    for _ in range(TRIES):
        if board.statuses() == expected:
            return
        await clock.sleep(LOOK_S)
    pytest.fail(f"the board still shows {board.statuses()}")


async def test_what_others_drop_and_add_is_shown(store: JobStore, board: Board) -> None:
    first, _ = await add(store, make_spec("a"), make_spec("b"))
    await happen(store, first, DROP)
    await looks(board, {JobStatus.CANCELLED: 1, JobStatus.PENDING: 1})
    await add(store, make_spec("a"), make_spec("b"), make_spec("c"))
    await looks(board, {JobStatus.CANCELLED: 1, JobStatus.PENDING: 2})
    assert (board.jobs, board.settled) == (3, 1)


async def test_a_look_at_the_past_changes_nothing(store: JobStore) -> None:
    board, [job] = Board(), await add(store, make_spec("a"))
    queued = await happen(store, job, SubmitStarted(at=START, reserve=8), ACCEPTED)
    board.note(queued)
    board.note(job)
    assert board.statuses() == {JobStatus.QUEUED: 1}
    board.note(replace(queued, status=JobStatus.RUNNING))
    assert board.statuses() == {JobStatus.RUNNING: 1}
