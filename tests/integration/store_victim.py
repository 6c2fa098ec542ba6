"""A run that only writes, and is killed by signal 9 at its N-th SQL statement.

    python -m tests.integration.store_victim STATE RUN N

It says `ID VERSION` after each commit. Statements are counted in the writer thread, so the kill
falls between any two of them: inside a savepoint, before a commit, or after it.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
import sqlite3
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path

from runner.clock import SystemClock
from runner.core.events import RetryScheduled, SubmitUnknown
from runner.core.job import Job, JobStatus
from runner.core.ledger import Caps
from runner.errors import CapReached
from runner.store.process import this_process
from runner.store.store import JobStore
from runner.testing import START, make_spec
from tests.integration.store_steps import accepted, add, finished, gave_up, happen, started

JOBS = 200
CAP = 4000


async def live(store: JobStore, job: Job, rng: random.Random) -> None:
    """Whatever may happen to a job, until it rests."""
    later = START + timedelta(seconds=1)
    retry = RetryScheduled(at=START, not_before=later, code="INTERNAL", reason="x", credits=0)
    while True:
        match job.status:
            case JobStatus.PENDING:
                events = [started(25)]
            case JobStatus.SUBMITTING:
                unknown = SubmitUnknown(at=START, reason="reset")
                events = [rng.choice([accepted(), accepted(), accepted(), unknown, gave_up()])]
            case JobStatus.QUEUED:
                events = [rng.choice([finished()[2], retry, gave_up(5)])]
            case JobStatus.RUNNING:
                events = [rng.choice([finished(credits=20)[3], retry])]
            case JobStatus.DOWNLOADING:
                events = [finished()[4]]
            case _:
                return
        job = await happen(store, job, *events)
        sys.stdout.write(f"{job.id} {job.version}\n")
        sys.stdout.flush()


def kill_at(statement: int, db: sqlite3.Connection) -> None:
    count = itertools.count(1)

    def seen(_: str) -> None:
        if next(count) == statement:
            os.kill(os.getpid(), signal.SIGKILL)

    db.set_trace_callback(seen)


async def main(path: Path, run_id: str, statement: int) -> None:
    rng = random.Random(run_id)
    async with await JobStore.open(path, clock=SystemClock()) as store:
        await store.upsert_batch("b")
        await store.acquire("b", run_id=run_id, owner=this_process())
        await store.heal("b")
        specs = [make_spec(f"j{n}", needs=[f"j{n - 1}"] if n % 4 == 3 else []) for n in range(JOBS)]
        jobs = await add(store, *specs)
        await store.set_caps("b", Caps(batch=CAP, run=CAP))
        await store._writer.run(partial(kill_at, statement))
        results = await asyncio.gather(
            *(live(store, job, rng) for job in jobs), return_exceptions=True
        )
        assert all(result is None or isinstance(result, CapReached) for result in results)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
