"""Random faults, stops, kills and verdicts in virtual time: the promises hold after every run."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.events import Requeued, Resolved, Verdict
from runner.core.job import Job, JobStatus
from runner.core.ledger import Caps, ledger_move
from runner.core.lifecycle import transition
from runner.core.outcome import Reason
from runner.core.spec import OutputRef
from runner.engine.scheduler import Scheduler
from runner.errors import (
    AccountError,
    DiskFull,
    DownloadError,
    LinkRefused,
    PermanentApiError,
    SubmitUncertain,
    TransientApiError,
)
from runner.testing import FakeClock, FakeTask, make_spec
from tests.integration.mortal import (
    Life,
    Runner,
    assert_promises,
    assert_settled,
    runner,
    unclaimed,
)

STOP = Reason(exit_code=130, message="stopped by SIGINT")
#: eight jobs, some in a chain, under a budget that does not hold them all at once
CAP = 6 * 25

#: what may become of a create, in words a failing example can be read by
CREATES: dict[str, Callable[[], Exception] | None] = {
    "ok": None,
    "busy": lambda: TransientApiError("busy", status=503),
    "quota": lambda: TransientApiError("quota", status=429, retry_after_s=90),
    "no route": lambda: TransientApiError("no route"),
    "refused": lambda: PermanentApiError("`ratio` is wrong", status=400),
    "account": lambda: AccountError("key refused", status=401),
    "never arrived": lambda: SubmitUncertain("connection reset"),
    "answer lost": lambda: SubmitUncertain("no answer"),
    "fails free": None,
    "fails paid": None,
    "moderated": None,
    "dear": None,
    "three files": None,
}
READS: dict[str, Callable[[], Exception] | None] = {
    "ok": None,
    "busy": lambda: TransientApiError("busy", status=502),
    "no route": lambda: TransientApiError("no route"),
    "teapot": lambda: PermanentApiError("?", status=418),
    "key": lambda: AccountError("key refused", status=401),
}
FETCHES: dict[str, Callable[[], Exception] | None] = {
    "ok": None,
    "cut": lambda: DownloadError("cut"),
    "link": lambda: LinkRefused("403"),
    "disk": lambda: DiskFull("the disk is full"),
    "os": lambda: OSError(28, "No space left on device"),
}
MOVES = ("run", "stop", "leave", "kill before", "kill after", "settle", "retry")


def often_fine(words: dict[str, Any], *, most: int) -> st.SearchStrategy[list[str]]:
    """Scripts in which about every second step goes well."""
    step = st.one_of(st.just("ok"), st.sampled_from(sorted(words)))
    return st.lists(step, max_size=most)


@dataclass
class Script:
    """Faults in the order in which they strike; nothing goes wrong once they are used up."""

    creates: list[str] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    fetches: list[str] = field(default_factory=list)
    _fate: str = "ok"

    def play(self, made: Runner) -> None:
        api = made.rig.api
        note = api.after_create
        assert note is not None

        def after_create(*args: Any) -> None:
            note(*args)
            if self._fate == "answer lost":
                raise SubmitUncertain("no answer")

        api.before_create = self._before_create
        api.after_create = after_create
        api.shape = self._shape
        api.before_read = lambda _task: self._strike(self.reads, READS)
        made.rig.downloader.before_fetch = lambda *_: self._strike(self.fetches, FETCHES)

    def end(self) -> None:
        """From here on everything goes well."""
        for faults in (self.creates, self.reads, self.fetches):
            faults.clear()

    def _before_create(self, *_: object) -> None:
        self._fate = self.creates.pop(0) if self.creates else "ok"
        error = CREATES[self._fate]
        if error is not None and self._fate != "answer lost":
            raise error()

    def _shape(self, task: FakeTask, _count: int) -> None:
        match self._fate:
            case "fails free":
                task.failure_code = "INTERNAL"
            case "fails paid":
                task.failure_code, task.refunded = "INTERNAL", False
            case "moderated":
                task.failure_code = "SAFETY.INPUT.TEXT"
            case "three files":
                task.outputs = 3
            case "dear":
                task.cost = 20  # settled below its reserve
            case _:
                pass

    @staticmethod
    def _strike(script: list[str], words: dict[str, Callable[[], Exception] | None]) -> None:
        error = words[script.pop(0)] if script else None
        if error is not None:
            raise error()


def specs():
    parent = make_spec("parent")
    ref = OutputRef(job="parent", key=parent.key, media="video")
    child = make_spec("child", needs=["parent"], body={"promptImage": ref.to_json()})
    both = make_spec("both", needs=["parent", "a"])
    return [child, both, parent, *(make_spec(name) for name in "abcd"), make_spec("e", priority=3)]


async def record(made: Runner, job: Job, event: Any) -> None:
    await made.rig.store.save(job, transition(job, event), event, ledger_move(job, event))


async def settle_by_the_truth(made: Runner) -> None:
    """As a person with the account's history: adopt what is there, re-queue what is not."""
    jobs = await made.rig.jobs()
    found = unclaimed(made.rig.api, jobs)
    for job in jobs.values():
        if job.status is JobStatus.IN_DOUBT:
            [task_id] = found.get(job.id, [None])
            verdict = Verdict.ADOPTED if task_id else Verdict.NOT_ARRIVED
            event = Resolved(at=made.rig.clock.now(), verdict=verdict, task_id=task_id)
            await record(made, job, event)


async def retry(made: Runner) -> None:
    """Failed jobs that cost nothing, again, with what was skipped because of them."""
    for job in (await made.rig.jobs()).values():
        free = job.status is JobStatus.FAILED and job.charged == 0
        if free or job.status is JobStatus.SKIPPED:
            await record(made, job, Requeued(at=made.rig.clock.now()))


async def move(made: Runner, word: str, amount: int) -> None:
    """One thing that happens to the batch."""

    async def end_it(scheduler: Scheduler) -> None:
        await made.rig.clock.sleep(amount * 1.7)
        scheduler.stop(STOP)
        if word == "leave":
            await made.rig.clock.sleep(0.3)
            scheduler.leave()

    match word:
        case "settle":
            await settle_by_the_truth(made)
        case "retry":
            await retry(made)
        case "stop" | "leave":
            await made.run(meanwhile=end_it)
        case "kill before" | "kill after":
            await made.run(Life(at_write=amount, after=word == "kill after"))
        case _:
            await made.run()


async def live_through(script: Script, moves: list[tuple[str, int]], *, slots: int) -> None:
    async with runner(cap=CAP, slots=slots) as made:
        script.play(made)
        await made.start()
        await made.rig.load(specs(), Caps(batch=CAP))
        for word, amount in moves:
            await move(made, word, amount)
            await assert_promises(made)
        await come_to_an_end(made, script)


async def come_to_an_end(made: Runner, script: Script) -> None:
    """With the trouble over, a few runs finish all that the budget pays for."""
    script.end()
    for _ in range(3):
        await settle_by_the_truth(made)
        await made.run()
        await assert_settled(made)
    assert (await made.rig.store.totals("b")).spent == made.rig.api.charged
    statuses = Counter((await made.rig.statuses()).values())
    assert set(statuses) <= {
        JobStatus.DONE, JobStatus.FAILED, JobStatus.SKIPPED, JobStatus.PENDING
    }  # fmt: skip
    if statuses[JobStatus.PENDING]:
        assert await nothing_more_fits(made)


async def nothing_more_fits(made: Runner) -> bool:
    """Whether every job that still waits waits for credits, or for one that does."""
    jobs = await made.rig.jobs()
    room = CAP - (await made.rig.store.totals("b")).used
    pending = [job for job in jobs.values() if job.status is JobStatus.PENDING]
    free = [
        job for job in pending
        if all(jobs[need].status is JobStatus.DONE for need in job.spec.needs)
    ]  # fmt: skip
    return bool(free) and all(job.spec.reserve > room for job in free)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    creates=often_fine(CREATES, most=14),
    reads=often_fine(READS, most=25),
    fetches=often_fine(FETCHES, most=12),
    moves=st.lists(st.tuples(st.sampled_from(MOVES), st.integers(1, 45)), max_size=5),
    slots=st.integers(1, 5),
)
def test_whatever_happens_nothing_is_paid_twice_and_the_budget_holds(
    creates, reads, fetches, moves, slots
):
    script = Script(creates, reads, fetches)
    asyncio.run(live_through(script, moves, slots=slots))


@pytest.mark.parametrize("seed", range(12))
async def test_a_long_bad_night(seed):
    """Dozens of stops, kills and faults of one batch, one after the other."""
    rng = random.Random(seed)
    script = Script(
        creates=rng.choices(sorted(CREATES), k=60),
        reads=rng.choices([*sorted(READS), "ok", "ok"], k=250),
        fetches=rng.choices([*sorted(FETCHES), "ok"], k=60),
    )
    moves = [(rng.choice(MOVES), rng.randint(1, 30)) for _ in range(25)]
    await live_through(script, moves, slots=rng.randint(1, 5))


@pytest.mark.parametrize("word", [word for word in CREATES if word != "ok"])
async def test_each_fate_of_a_create_alone(word):
    """The words of the random scripts mean something: each strikes once, here and alone."""
    script = Script(creates=[word])
    await live_through(script, [("run", 1)], slots=1)
    assert script.creates == []


@pytest.mark.parametrize("every", ["busy", "never arrived", "answer lost", "refused", "account"])
async def test_a_service_that_always_does_the_same(every):
    """Many runs against it pay for each job once at most."""
    script = Script(creates=[every] * 40)
    await live_through(script, [("stop", 20), ("run", 1), ("stop", 3)], slots=3)


class SlowLook:
    """A state file in which looking for ready jobs takes longer than a download."""

    def __init__(self, inner: Any, clock: FakeClock) -> None:
        self._inner = inner
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def ready_lanes(self, batch: str) -> Any:
        """No coroutine function, so that time goes on while it is waited for."""
        return self._look(batch)

    async def _look(self, batch: str) -> Any:
        found = await self._inner.ready_lanes(batch)
        await self._clock.sleep(2.5)
        return found


async def test_what_becomes_ready_while_the_scheduler_looks_is_started_in_the_same_run():
    async with runner() as made:
        await made.start()
        await made.rig.load([make_spec("parent"), make_spec("child", needs=["parent"])])
        made.rig.store = SlowLook(made.rig.store, made.rig.clock)  # type: ignore[assignment]
        await made.run()
        assert set((await made.rig.statuses()).values()) == {JobStatus.DONE}
