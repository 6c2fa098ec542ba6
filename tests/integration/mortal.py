"""A runner that can be killed in virtual time, at a write of its state file, and run again."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from runner.core.job import Job, JobStatus
from runner.core.outcome import Reason
from runner.engine.scheduler import Scheduler
from runner.store.process import Owner, this_process
from runner.store.store import JobStore
from runner.testing import FakeApi, FakeClock, FakeDownloader, FakeTask
from tests.engine_rig import OUT, Rig

#: no platform gives out a process number as high as this: whoever owns a lease by it is gone
GONE = replace(this_process(), pid=2**30, pid_started="1")


class Killed(BaseException):
    """The process is gone: nothing of it may go on."""


@dataclass
class Life:
    """How long the process lives, counted in writes of a job."""

    at_write: int | None = None  # 1 = the first; None: it lives on
    after: bool = False  # killed right after that write, not right before it
    writes: int = 0
    dead: bool = False

    def check(self) -> None:
        if self.dead:
            raise Killed

    def before_write(self) -> None:
        self.writes += 1
        if self.writes == self.at_write and not self.after:
            self.dead = True
        self.check()

    def after_write(self) -> None:
        if self.writes == self.at_write:
            self.dead = True
        self.check()


class Mortal:
    """Any port whose calls end with the process."""

    def __init__(self, inner: Any, life: Life) -> None:
        self._inner = inner
        self._life = life

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def call(*args: Any, **kwargs: Any) -> Any:
            self._life.check()
            result = await found(*args, **kwargs)
            self._life.check()
            return result

        return call


class MortalStore(Mortal):
    """A store at whose n-th write the process is killed."""

    async def save(self, *args: Any) -> None:
        self._life.before_write()
        await self._inner.save(*args)
        self._life.after_write()


@dataclass
class Runner:
    """Runs of one batch, one after the other; each may be killed."""

    rig: Rig
    cap: int | None = None
    runs: int = 0
    most_charged: int = 0
    owner: Owner = GONE

    async def start(self) -> None:
        """What a run does before its scheduler: lease, then healing."""
        self.runs += 1
        await self.rig.store.acquire("b", run_id=f"run-{self.runs}", owner=self.owner)
        await self.rig.store.heal("b")

    async def run(
        self,
        life: Life | None = None,
        meanwhile: Callable[[Scheduler], Awaitable[None]] | None = None,
    ) -> list[Reason] | None:
        """One run; None where it was killed."""
        life = life or Life()
        await self.start()
        mortal: Any = replace(
            self.rig,
            store=MortalStore(self.rig.store, life),
            api=Mortal(self.rig.api, life),
            downloader=Mortal(self.rig.downloader, life),
        )
        bystanders = asyncio.all_tasks()
        reasons: list[Reason] | None = None
        try:
            scheduler = await mortal.scheduler()
            running = asyncio.create_task(scheduler.run())
            if meanwhile is not None:
                await meanwhile(scheduler)
            reasons = await running
        except (Killed, BaseExceptionGroup) as error:
            if not _is_killed(error):
                raise
        if life.dead:
            await bury(bystanders)
            return None
        return reasons


def _is_killed(error: BaseException) -> bool:
    """Whether the end of the process is all there is to it."""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_killed(each) for each in error.exceptions)
    return isinstance(error, Killed)


async def bury(bystanders: set[asyncio.Task[Any]]) -> None:
    """End every coroutine that the process has left."""
    while left := asyncio.all_tasks() - bystanders:
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


@asynccontextmanager
async def runner(cap: int | None = None, **api: Any) -> AsyncIterator[Runner]:
    """A batch `b` whose runs belong to a process that is gone."""
    clock = FakeClock()
    async with await JobStore.in_memory(clock=clock) as store:
        await store.upsert_batch("b")
        made = Runner(
            Rig(clock, FakeApi(clock, **api), FakeDownloader(clock), store), cap=cap
        )  # fmt: skip
        _watch_charge(made)
        yield made
    clock.close()


def _watch_charge(made: Runner) -> None:
    """Note the most that was ever charged, at the moment in which it can be most."""
    api = made.rig.api

    def note(*_: object) -> None:
        made.most_charged = max(made.most_charged, api.charged)

    api.after_create = note


def is_free_failure(task: FakeTask) -> bool:
    return task.failure_code is not None and task.refunded


def unclaimed(api: FakeApi, jobs: dict[str, Job]) -> dict[str, list[str]]:
    """By prompt: tasks that no job knows of."""
    known = {task_id for job in jobs.values() for task_id in job.task_ids}
    found: dict[str, list[str]] = {}
    for task in api.tasks.values():
        if task.id not in known:
            found.setdefault(task.body["promptText"], []).append(task.id)
    return found


async def assert_promises(made: Runner) -> None:
    """What must hold after every run, killed or not."""
    rig = made.rig
    jobs = await rig.jobs()
    paid = Counter(
        task.body["promptText"] for task in rig.api.tasks.values() if not is_free_failure(task)
    )
    assert all(count == 1 for count in paid.values()), f"paid twice: {paid}"
    await rig.check()
    totals = await rig.store.totals("b")
    assert totals.used >= rig.api.charged, "more was charged than is on the books"
    if made.cap is not None:
        assert totals.used <= made.cap, "the books pass the budget"
        assert max(made.most_charged, rig.api.charged) <= made.cap, "the charge passes the budget"
    for job in jobs.values():
        if job.status is JobStatus.DONE:
            _assert_files(rig, job)


async def assert_settled(made: Runner) -> None:
    """What must hold besides, once a run came to its end."""
    await assert_promises(made)
    totals = await made.rig.store.totals("b")
    assert totals.reserved == 0, "something is still reserved"
    assert totals.spent + totals.in_doubt >= made.rig.api.charged
    if totals.in_doubt == 0:
        assert totals.spent == made.rig.api.charged, "the books differ from the charge"


def _assert_files(rig: Rig, job: Job) -> None:
    task = rig.api.tasks.get(job.task_id or "")
    assert task is not None
    assert [output.index for output in job.outputs] == list(range(task.outputs))
    for output in job.outputs:
        assert rig.downloader.files.get(str(OUT / output.path)) == output.sha256
