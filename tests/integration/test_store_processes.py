"""Several processes on one state file, and processes that die."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
from pathlib import Path

from runner.core.job import JobStatus
from runner.core.ledger import Caps, LedgerTotals
from runner.errors import CapReached, StaleJob
from runner.store.process import this_process
from runner.store.store import JobStore
from runner.testing import FakeClock, make_spec
from tests.integration.store_steps import add, happen, started
from tests.integration.store_victim import CAP, JOBS

ROOT = Path(__file__).parents[2]
KILLS = 10


def killed_run(path: Path, number: int, statement: int) -> dict[str, int]:
    """Start a run that dies at this SQL statement; the newest version it reported of each job."""
    module = "tests.integration.store_victim"
    command = [sys.executable, "-m", module, str(path), f"run-{number}", str(statement)]
    victim = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, check=False)
    assert victim.returncode == -signal.SIGKILL, "it was to die in the middle"
    return {job_id: int(version) for job_id, version in map(str.split, victim.stdout.splitlines())}


async def test_kill_9_at_any_moment_loses_no_commit_and_leaves_no_half_of_one(
    tmp_path: Path,
) -> None:
    path, rng, told = tmp_path / "state.db", random.Random(7), 0
    for number in range(KILLS):
        reported = await asyncio.to_thread(killed_run, path, number, rng.randrange(1, 400))
        told += len(reported)
        async with await JobStore.open(path, clock=FakeClock()) as store:
            assert await store.check("b") == []
            stored = {job.id: job async for job in store.jobs("b")}
            assert len(stored) == JOBS
            assert all(stored[job_id].version >= version for job_id, version in reported.items())
            assert (await store.totals("b")).used <= CAP
    async with await JobStore.open(path, clock=FakeClock()) as store:
        assert told > KILLS
        before = await store.counts("b")
        lease = await store.acquire("b", run_id="last", owner=this_process())
        healed = await store.heal("b")
        after = await store.counts("b")
        assert lease.predecessor is not None
        assert lease.predecessor.run_id == f"run-{KILLS - 1}"
        assert len(healed) == before.get(JobStatus.SUBMITTING, 0)
        assert after.get(JobStatus.IN_DOUBT, 0) == before.get(JobStatus.IN_DOUBT, 0) + len(healed)
        assert await store.check("b") == []


async def test_processes_that_race_for_the_last_credits_never_pass_the_cap(tmp_path: Path) -> None:
    stores = [await JobStore.open(tmp_path / "state.db", clock=FakeClock()) for _ in range(4)]
    await stores[0].upsert_batch("b")
    jobs = await add(stores[0], *(make_spec(f"j{n}") for n in range(80)))
    await stores[0].set_caps("b", Caps(batch=260, models={"gen4_turbo": 265}))

    results = await asyncio.gather(
        *(happen(stores[n % 4], job, started(25)) for n, job in enumerate(jobs)),
        return_exceptions=True,
    )
    assert sum(not isinstance(result, BaseException) for result in results) == 10
    assert {type(result) for result in results} - {type(jobs[0])} == {CapReached}
    assert await stores[1].totals("b") == LedgerTotals(reserved=250)
    assert await stores[2].check("b") == []
    for store in stores:
        await store.close()


async def test_processes_that_race_for_one_job_submit_it_once(tmp_path: Path) -> None:
    stores = [await JobStore.open(tmp_path / "state.db", clock=FakeClock()) for _ in range(4)]
    await stores[0].upsert_batch("b")
    [job] = await add(stores[0], make_spec("a"))
    results = await asyncio.gather(
        *(happen(store, job, started()) for store in stores * 3), return_exceptions=True
    )
    assert [type(result) for result in results].count(StaleJob) == 11
    assert await stores[3].totals("b") == LedgerTotals(reserved=25)
    for store in stores:
        await store.close()
