"""Any legal history: rows, events, money and groups agree after every step, and with a notebook."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
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

from runner.core.credits import CostBand
from runner.core.events import (
    Added,
    Adopted,
    Downloaded,
    Edited,
    Event,
    Flagged,
    Held,
    Imported,
    Renamed,
    SubmitStarted,
    SubmitUnknown,
    Verdict,
)
from runner.core.groups import groups_of
from runner.core.job import Job, JobStatus, OutputFile
from runner.core.ledger import Caps, ledger_move, totals_of
from runner.core.lifecycle import TRANSITIONS, create, transition
from runner.core.limits import Terms
from runner.core.spec import JobSpec
from runner.core.task import ModelLimits, Organization, Reading
from runner.errors import CapReached, NotNow, StaleJob
from runner.store.lease import Lease
from runner.store.process import this_process
from runner.store.store import JobStore
from runner.testing import START, FakeClock, make_spec
from tests.integration.notebook import Notebook

T = TypeVar("T")

OWNER = this_process()
KINDS = [kind for kind in get_args(Event) if kind not in {Added, Edited}]
DIGESTS = st.lists(st.sampled_from(["0", "1"]), unique=True).map(tuple)
TIMES = st.integers(0, 60).map(lambda hours: START + timedelta(hours=hours))
CREDITS = st.integers(0, 60)
FILES = st.builds(
    OutputFile, index=st.integers(0, 2), path=st.just("a.mp4"), bytes=st.just(1),
    sha256=st.sampled_from(["0", "1"]), media_type=st.just("video/mp4"),
)  # fmt: skip
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "at": TIMES, "not_before": TIMES, "stale": st.booleans(), "orphaned": st.booleans(),
    "reserve": CREDITS, "task_id": st.sampled_from(["t1", "t2"]),
    "estimated": st.none() | CREDITS, "credits": st.none() | CREDITS, "reason": st.just("reason"),
    "code": st.sampled_from(["INTERNAL", "SAFETY.INPUT"]), "parent": st.just("parent"),
    "verdict": st.sampled_from(Verdict), "outputs": st.none() | st.integers(1, 3),
    "output": FILES, "collect_by": st.none() | TIMES, "counted": st.booleans(),
    "group": st.just("prompt:p"), "accepted": st.booleans(), "consumed": DIGESTS,
    "identity": st.just("i"), "source": st.just("other"), "position": st.just(0),
}  # fmt: skip
LIMITS = st.none() | st.integers(0, 150)
CAPS = st.builds(
    Caps, batch=LIMITS, run=LIMITS,
    models=st.dictionaries(st.sampled_from(["m0", "m1"]), st.integers(0, 100)),
    tags=st.dictionaries(st.sampled_from(["red", "blue"]), st.integers(0, 100)),
    day=LIMITS, month=LIMITS, keep_balance=st.none() | st.integers(0, 50),
)  # fmt: skip
TERMS = st.none() | st.builds(Terms, slots=st.integers(1, 3), refusals=st.integers(1, 2))
MODELS = st.dictionaries(
    st.sampled_from(["m0", "m1"]),
    st.builds(
        ModelLimits, max_concurrent=st.just(1), max_daily=st.none() | st.integers(0, 3),
        daily_used=st.integers(0, 3),
    ),
)  # fmt: skip
READINGS = st.builds(
    lambda at, balance, models: Reading(
        asked_at=at, answered_at=at + timedelta(seconds=1),
        organization=Organization(credit_balance=balance, models=models),
    ), TIMES, st.integers(0, 200), MODELS,
)  # fmt: skip


class History(RuleBasedStateMachine):
    """One batch, up to five jobs, everything that may happen to them, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.store = self.do(JobStore.in_memory(clock=FakeClock()))
        self.jobs: dict[str, Job] = {}
        self.runs = 0
        self.lease: Lease | None = None
        self.caps = Caps()
        self.notebook = Notebook()
        self.renamed: dict[str, str] = {}  # the id before: the id after

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
        self.keep(before, after, event)

    def keep(self, before: Job | None, after: Job, event: Event) -> None:
        if isinstance(event, Renamed) and before is not None:
            del self.jobs[before.id]
            self.renamed[before.id] = after.id
            self.notebook.rename(before, after)
        self.jobs[after.id] = after
        if before is not None:
            self.notebook.write(before, after, event)
        if isinstance(event, Downloaded | Imported):
            for child in [job for job in self.jobs.values() if after in self.parents(job)]:
                if self.is_outdated(child):
                    flagged = Flagged(at=event.at, stale=True, orphaned=child.orphaned)
                    self.keep(child, transition(child, flagged), flagged)

    def parents(self, job: Job) -> list[Job]:
        """The jobs that a job needs, under the names that they have now."""
        return [self.jobs[self.name_now(need)] for need in job.spec.needs]

    def name_now(self, job_id: str) -> str:
        while job_id in self.renamed:
            job_id = self.renamed[job_id]
        return job_id

    def is_outdated(self, job: Job) -> bool:
        """Whether a finished job was made of something that its parents no longer have."""
        parents = self.parents(job)
        if job.status is not JobStatus.DONE or job.stale or not job.consumed:
            return False
        present = {output.sha256 for parent in parents for output in parent.outputs}
        is_known = all(parent.status is JobStatus.DONE for parent in parents)
        return is_known and not present.issuperset(job.consumed)

    def event_of(self, kind: type[Any], job: Job, data: st.DataObject) -> Event:
        known = FIELDS | ({"outputs": st.tuples(FILES)} if kind in {Imported, Adopted} else {})
        known |= {"was": st.just(job.id), "position": st.just(job.position)}
        job_id = f"{job.id}x" if kind is Renamed else job.id
        fields = {
            name: self.spec(job_id, data) if name == "spec" else data.draw(known[name], label=name)
            for name in kind.__dataclass_fields__
        }
        event: Event = kind(**fields)
        return event

    def spec(self, job_id: str, data: st.DataObject) -> JobSpec:
        others = sorted(other for other in self.jobs if other[:2] < job_id[:2])
        confidence = data.draw(st.sampled_from(["high", "low"]), label="confidence")
        spec = make_spec(
            job_id,
            body={"promptText": data.draw(st.sampled_from(["a", "b"]), label="prompt")},
            model=data.draw(st.sampled_from(["m0", "m1", "m2"]), label="model"),
            needs=data.draw(st.lists(st.sampled_from(others), unique=True)) if others else [],
            tags=data.draw(st.lists(st.sampled_from(["red", "blue"])), label="tags"),
            priority=data.draw(st.integers(0, 2), label="priority"),
        )
        return replace(spec, estimate=CostBand(low=9, expected=9, worst=9, confidence=confidence))

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
        event = self.event_of(data.draw(st.sampled_from(legal), label="kind"), job, data)
        after = transition(job, event)
        terms = data.draw(TERMS, label="terms") if isinstance(event, SubmitStarted) else None
        expected = self.refusal(job, event, terms)
        assert self.try_it(job, after, event, terms) == expected

    def try_it(self, job: Job, after: Job, event: Event, terms: Terms | None) -> str:
        """What the store says against it; empty where it took the event."""
        try:
            self.do(self.store.save(job, after, event, ledger_move(job, event), terms))
        except CapReached as error:
            return error.cap
        except NotNow as error:
            return type(error).__name__
        self.keep(job, after, event)
        return ""

    def refusal(self, job: Job, event: Event, terms: Terms | None) -> str:
        """What speaks first against the event, as the notebook sees it."""
        if not isinstance(event, SubmitStarted):
            return ""
        for name, left in self.room(job).items():
            if event.reserve > left:
                return name
        return self.notebook.refusal(job, event, self.jobs, self.caps, terms)

    def room(self, job: Job) -> dict[str, int]:
        """What each counted cap leaves that applies to the job; below 0 where it was passed."""
        left = {}
        for cap in self.do(self.store.caps_in_force("b")):
            kind, _, value = cap.name.partition(":")
            applies = {"model": value == job.lane, "tag": value in job.spec.tags,
                       "run": value == f"r{self.runs}", "batch": True}  # fmt: skip
            if applies.get(kind):
                left[cap.name] = cap.limit - cap.used
        return left

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def save_twice(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(list(self.jobs.values())), label="job")
        older = job.evolve(version=job.version - 1)
        for kind in KINDS:
            if (job.status, kind) in TRANSITIONS:
                event = self.event_of(kind, job, data)
                move = ledger_move(older, event)
                try:
                    self.do(self.store.save(older, transition(older, event), event, move))
                except StaleJob:
                    return
                raise AssertionError("an old version was written")

    @rule(caps=CAPS)
    def set_caps(self, caps: Caps) -> None:
        self.caps = caps
        self.do(self.store.set_caps("b", caps))

    @rule(reading=READINGS)
    def read_account(self, reading: Reading) -> None:
        at = reading.asked_at
        if all(at > known.asked_at for known in self.notebook.readings):
            self.notebook.readings.append(reading)
            self.do(self.store.note_reading("b", reading))

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def hold(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(list(self.jobs.values())), label="job")
        group = data.draw(st.sampled_from(groups_of("b", job.spec)), label="group")
        event = Held(at=START, code="SAFETY.INPUT", reason="reason", group=group.id)
        found = {
            job.id: job
            for job in self.jobs.values()
            if job.status is JobStatus.PENDING
            and not job.orphaned
            and group in groups_of("b", job.spec)
        }
        assert self.do(self.store.hold("b", event, group=group.id)) == len(found)
        for held in found.values():
            self.keep(held, transition(held, event), event)

    @rule()
    def begin_run(self) -> None:
        self.runs += 1
        if self.lease is not None:
            self.do(self.lease.release(0))
        self.lease = self.do(self.store.acquire("b", run_id=f"r{self.runs}", owner=OWNER))
        for job, event in self.do(self.store.heal("b")):
            assert job.status is JobStatus.IN_DOUBT
            assert isinstance(event, SubmitUnknown)
            self.keep(self.jobs[job.id], job, event)

    @invariant()
    def rows_events_and_money_agree(self) -> None:
        expected = sorted(self.jobs.values(), key=lambda job: job.position)
        assert self.do(self.stored()) == expected
        assert list(self.do(self.store.rebuild("b"))) == expected
        assert self.do(self.store.totals("b")) == totals_of(expected)
        assert self.do(self.store.check("b")) == []

    @invariant()
    def money_and_groups_are_what_the_notebook_says(self) -> None:
        lines = {(e.job, e.attempt): e for e in self.do(self.store.entries("b", since=START))}
        told = {
            key: (e.credits, e.arrived, e.intended_at, e.answered_at, e.settled_at)
            for key, e in lines.items()
        }
        assert told == {
            key: (line.credits, line.arrived, line.at, line.answered, line.settled)
            for key, line in self.notebook.lines.items()
        }
        for job in self.jobs.values():
            for state in self.do(self.store.group_states(job)):
                assert state == self.notebook.state(state.group, self.jobs.values())
        now = START + timedelta(hours=48)
        caps = {cap.name: cap.used for cap in self.do(self.store.caps_in_force("b", now=now))}
        for name, hours in (("day", 24), ("month", 720)):
            if name in caps:
                assert caps[name] == self.notebook.spent_since(now - timedelta(hours=hours))

    async def stored(self) -> list[Job]:
        return [job async for job in self.store.jobs("b", page=2)]

    @invariant()
    def ready_and_doomed_are_what_a_walk_over_the_jobs_finds(self) -> None:
        late = START + timedelta(days=9)
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
        return (
            job.status is JobStatus.PENDING
            and not job.stale
            and not job.orphaned
            and all(
                parent.status is JobStatus.DONE and (not parent.stale or parent.accepted)
                for parent in self.parents(job)
            )
        )

    def is_doomed(self, job: Job) -> bool:
        failed = {JobStatus.FAILED, JobStatus.SKIPPED, JobStatus.CANCELLED}
        return (
            job.status is JobStatus.PENDING
            and not job.orphaned
            and any(parent.status in failed for parent in self.parents(job))
        )


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
