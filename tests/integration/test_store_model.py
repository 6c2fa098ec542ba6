"""Any legal history: rows, events and money agree after every step."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar, get_args

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from runner.core.events import Added, Edited, Event, Flagged, SubmitStarted, Verdict
from runner.core.job import Job, JobStatus, OutputFile
from runner.core.ledger import Caps, ledger_move, totals_of
from runner.core.lifecycle import TRANSITIONS, create, transition
from runner.core.spec import JobSpec
from runner.errors import CapReached, StaleJob
from runner.store.lease import Lease
from runner.store.process import this_process
from runner.store.store import JobStore
from runner.testing import START, FakeClock, make_spec

T = TypeVar("T")

OWNER = this_process()
KINDS = [kind for kind in get_args(Event) if kind not in {Added, Edited}]
TIMES = st.integers(0, 50).map(lambda seconds: START + timedelta(seconds=seconds))
CREDITS = st.integers(0, 60)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "at": TIMES, "not_before": TIMES, "stale": st.booleans(), "orphaned": st.booleans(),
    "reserve": CREDITS, "task_id": st.sampled_from(["t1", "t2"]),
    "estimated": st.none() | CREDITS, "credits": st.none() | CREDITS, "reason": st.just("reason"),
    "code": st.sampled_from(["INTERNAL", "HTTP_429"]), "parent": st.just("parent"),
    "verdict": st.sampled_from(Verdict), "outputs": st.none() | st.integers(1, 3),
    "output": st.builds(
        OutputFile, index=st.integers(0, 2), path=st.just("a.mp4"), bytes=st.just(1),
        sha256=st.just("0"), media_type=st.just("video/mp4"),
    ),
}  # fmt: skip
LIMITS = st.none() | st.integers(0, 150)
CAPS = st.builds(
    Caps, batch=LIMITS, run=LIMITS,
    models=st.dictionaries(st.sampled_from(["m0", "m1"]), st.integers(0, 100)),
    tags=st.dictionaries(st.sampled_from(["red", "blue"]), st.integers(0, 100)),
)  # fmt: skip


def event_of(kind: type[Any], data: st.DataObject) -> Event:
    fields = {name: data.draw(FIELDS[name], label=name) for name in kind.__dataclass_fields__}
    event: Event = kind(**fields)
    return event


class History(RuleBasedStateMachine):
    """One batch, up to five jobs, everything that may happen to them, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.store = self.do(JobStore.in_memory(clock=FakeClock()))
        self.jobs: dict[str, Job] = {}
        self.runs = 0
        self.lease: Lease | None = None

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def teardown(self) -> None:
        self.do(self.store.close())
        self.runner.close()

    @initialize()
    def make(self) -> None:
        self.do(self.store.upsert_batch("b"))

    def apply(self, before: Job | None, after: Job, event: Event) -> None:
        self.do(self.store.apply_plan("b", [(before, after, event)]))
        self.jobs[after.id] = after

    def spec(self, job_id: str, data: st.DataObject) -> JobSpec:
        others = sorted(other for other in self.jobs if other < job_id)
        return make_spec(
            job_id,
            model=data.draw(st.sampled_from(["m0", "m1", "m2"]), label="model"),
            needs=data.draw(st.lists(st.sampled_from(others), unique=True)) if others else [],
            tags=data.draw(st.lists(st.sampled_from(["red", "blue"])), label="tags"),
            priority=data.draw(st.integers(0, 2), label="priority"),
        )  # fmt: skip

    @precondition(lambda self: len(self.jobs) < 5)
    @rule(data=st.data())
    def add(self, data: st.DataObject) -> None:
        position = len(self.jobs)
        added = Added(at=START, spec=self.spec(f"j{position}", data), position=position)
        self.apply(None, create("b", added), added)

    @precondition(lambda self: any(self.editable()))
    @rule(data=st.data())
    def edit(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(self.editable()))
        event = Edited(at=START, spec=self.spec(job.id, data), position=job.position)
        self.apply(job, transition(job, event), event)

    def editable(self) -> list[Job]:
        return [job for job in self.jobs.values() if (job.status, Edited) in TRANSITIONS]

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def happen(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(list(self.jobs.values())), label="job")
        legal = [kind for kind in KINDS if (job.status, kind) in TRANSITIONS or kind is Flagged]
        event = event_of(data.draw(st.sampled_from(legal), label="kind"), data)
        after = transition(job, event)
        room = self.room(job)
        fits = not isinstance(event, SubmitStarted) or event.reserve <= room
        try:
            self.do(self.store.save(job, after, event, ledger_move(job, event)))
        except CapReached:
            assert not fits
        else:
            assert fits
            self.jobs[job.id] = after

    def room(self, job: Job) -> float:
        """What the caps that apply to the job leave; below 0 where one is passed already."""
        left = [math.inf]
        for cap in self.do(self.store.caps_in_force("b")):
            kind, _, value = cap.name.partition(":")
            applies = {"model": value == job.lane, "tag": value in job.spec.tags,
                       "run": value == f"r{self.runs}", "batch": True}  # fmt: skip
            if applies[kind]:
                left.append(cap.limit - cap.used)
        return min(left)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def save_twice(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(list(self.jobs.values())), label="job")
        older = job.evolve(version=job.version - 1)
        for kind in KINDS:
            if (job.status, kind) in TRANSITIONS:
                event = event_of(kind, data)
                move = ledger_move(older, event)
                try:
                    self.do(self.store.save(older, transition(older, event), event, move))
                except StaleJob:
                    return
                raise AssertionError("an old version was written")

    @rule(caps=CAPS)
    def set_caps(self, caps: Caps) -> None:
        self.do(self.store.set_caps("b", caps))

    @rule()
    def begin_run(self) -> None:
        self.runs += 1
        if self.lease is not None:
            self.do(self.lease.release(0))
        self.lease = self.do(self.store.acquire("b", run_id=f"r{self.runs}", owner=OWNER))
        for job, _ in self.do(self.store.heal("b")):
            assert job.status is JobStatus.IN_DOUBT
            self.jobs[job.id] = job

    @invariant()
    def rows_events_and_money_agree(self) -> None:
        expected = sorted(self.jobs.values(), key=lambda job: job.position)
        assert self.do(self.stored()) == expected
        assert list(self.do(self.store.rebuild("b"))) == expected
        assert self.do(self.store.totals("b")) == totals_of(expected)
        assert self.do(self.store.check("b")) == []

    async def stored(self) -> list[Job]:
        return [job async for job in self.store.jobs("b", page=2)]

    @invariant()
    def ready_and_doomed_are_what_a_walk_over_the_jobs_finds(self) -> None:
        late = START + timedelta(days=1)
        lanes = self.do(self.store.ready_lanes("b"))
        ready = {
            job.id
            for lane in lanes
            for job in self.do(self.store.ready("b", lane, now=late, limit=9))
        }
        startable = {job.id: job for job in self.jobs.values() if self.startable(job)}
        assert ready == set(startable)
        assert set(lanes) == {job.lane for job in startable.values()}
        dues = [job.not_before for job in startable.values() if job.not_before]
        later = [due for due in dues if due > START]
        assert self.do(self.store.next_due("b", after=START)) == min(later, default=None)
        doomed = {job.id for job, _ in self.do(self.store.doomed("b"))}
        assert doomed == {job.id for job in self.jobs.values() if self.is_doomed(job)}

    def startable(self, job: Job) -> bool:
        parents = [self.jobs[need] for need in job.spec.needs]
        return (
            job.status is JobStatus.PENDING
            and not job.stale
            and not job.orphaned
            and all(p.status is JobStatus.DONE and not p.stale for p in parents)
        )

    def is_doomed(self, job: Job) -> bool:
        failed = {JobStatus.FAILED, JobStatus.SKIPPED}
        return (
            job.status is JobStatus.PENDING
            and not job.orphaned
            and any(self.jobs[need].status in failed for need in job.spec.needs)
        )


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
