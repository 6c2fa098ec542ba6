"""Two connections on one real file that race for the last room: exactly as many as fit get it."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from runner.core.job import Job
from runner.core.ledger import Caps
from runner.core.limits import Terms
from runner.errors import (
    CapReached,
    GroupFull,
    SlotsTaken,
    StoreBusy,
)
from runner.store.connection import Mode, connect
from runner.store.process import this_process
from runner.store.store import JobStore
from runner.testing import START, FakeClock, make_spec
from tests.integration.store_steps import (
    ROOMY,
    add,
    reading,
    same_prompt,
    start,
)

LANE = "gen4_turbo"
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("caps", "terms", "errors"),
    [
        (Caps(day=260), ROOMY, {CapReached}),
        (Caps(month=260), ROOMY, {CapReached}),
        (Caps(keep_balance=740), ROOMY, {CapReached}),
        (Caps(), Terms(slots=10, refusals=99), {SlotsTaken}),
        (Caps(), Terms(slots=99, refusals=10), {GroupFull}),
        (Caps(models={LANE: 260}), Terms(slots=11, refusals=11), {CapReached}),
    ],
)
async def test_two_processes_that_race_at_a_limit_never_pass_it(
    tmp_path: Path, caps: Caps, terms: Terms, errors: set[type[Exception]]
) -> None:
    path = tmp_path / "state.db"
    stores = [await JobStore.open(path, clock=FakeClock()) for _ in range(2)]
    await stores[0].upsert_batch("b")
    jobs = await add(stores[0], *(same_prompt(f"j{n}") for n in range(24)))
    await stores[0].set_caps("b", caps)
    await stores[0].note_reading("b", reading(START - HOUR, balance=1000))
    results = await asyncio.gather(
        *(start(stores[n % 2], job, terms=terms) for n, job in enumerate(jobs)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, Job) for result in results) == 10
    assert {type(result) for result in results} - {Job} == errors
    assert (await stores[1].totals("b")).reserved == 250
    assert await stores[1].check("b") == []
    for store in stores:
        await store.close()


async def test_two_runs_that_race_for_the_daily_quota_never_pass_it(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    stores = [await JobStore.open(path, clock=FakeClock()) for _ in range(2)]
    for name, store in zip("ab", stores, strict=True):
        await store.upsert_batch(name)
        await store.acquire(name, run_id=name, owner=this_process())
    jobs = [
        await add(store, *(make_spec(f"{name}{n}") for n in range(12)), batch=name)
        for name, store in zip("ab", stores, strict=True)
    ]
    await stores[0].note_reading("a", reading(START - HOUR, most=17, used=7))
    results = await asyncio.gather(
        *(start(stores[n], job) for n in (0, 1) for job in jobs[n]), return_exceptions=True
    )
    assert sum(isinstance(result, Job) for result in results) == 10
    for store in stores:
        await store.close()


def test_a_file_that_another_process_just_begins_is_waited_for(tmp_path):
    path = tmp_path / "state.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # as who begins the file holds it before the log is on
    ended: list[BaseException | None] = []

    def begin():
        try:
            connect(path, Mode.CREATE).close()
            ended.append(None)
        except StoreBusy as error:
            ended.append(error)

    starting = threading.Thread(target=begin)
    starting.start()
    starting.join(0.1)  # it gets as far as it can
    other.execute("COMMIT")
    other.close()
    starting.join()
    assert ended == [None]
