"""A scheduler in virtual time: fake API and downloads, real SQLite in memory."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.core.events import Event
from runner.core.job import Job, JobStatus
from runner.core.ledger import Caps, ledger_move
from runner.core.lifecycle import transition
from runner.core.limits import Bounds, Slots
from runner.core.outcome import Reason
from runner.core.policy import Patience, Policies
from runner.core.spec import JobSpec
from runner.core.task import Reading
from runner.engine.recorder import Recorder
from runner.engine.rules import Rules
from runner.engine.scheduler import Scheduler
from runner.engine.tools import Tools
from runner.ports import Listener
from runner.store.process import this_process
from runner.store.store import JobStore
from runner.testing import (
    FakeApi,
    FakeClock,
    FakeDownloader,
    FakeFrames,
    FakeUploader,
    OutsideCalls,
)
from tests.plans import changes

OUT = Path("/out")


@dataclass
class Rig:
    """One state file, one account, any number of runs."""

    clock: FakeClock
    api: Any  # a `TaskApi`: most tests ask a `FakeApi` what it charged
    downloader: FakeDownloader
    store: JobStore
    policies: Policies = field(default_factory=Policies)
    bounds: Bounds = field(default_factory=lambda: Bounds(queue_ahead=0))
    events: list[tuple[str, str]] = field(default_factory=list)
    rules: Rules = field(default_factory=Rules)
    seed: int = 1
    rescued: list[str] = field(default_factory=list)
    listeners: list[Listener] = field(default_factory=list)
    uploader: Any = field(default_factory=FakeUploader)
    frames: Any = field(default_factory=FakeFrames)
    output_dir: Path = OUT

    async def load(
        self, specs: Sequence[JobSpec], caps: Caps | None = None, *, batch: str = "b"
    ) -> None:
        """Bring the state file to what a manifest says."""
        stored = {job.id: job async for job in self.store.jobs(batch)}
        found = changes(batch, specs, stored, self.clock.now())
        await self.store.apply_plan(batch, found)
        await self.store.set_caps(batch, caps or Caps())

    async def scheduler(self) -> Scheduler:
        store: Any = OutsideCalls(self.store, self.clock)
        tools = Tools(
            batch="b",
            api=self.api,
            uploader=self.uploader,
            downloader=self.downloader,
            frames=self.frames,
            store=store,
            recorder=Recorder(store, [self._listen, *self.listeners], clock=self.clock),
            clock=self.clock,
            rng=random.Random(self.seed),
            policies=self.policies,
            patience=Patience(self.policies.patience_s),
            output_dir=self.output_dir,
            tool="test",
            rescue=self.rescued.append,
        )
        slots = Slots(self.bounds)
        asked_at = self.clock.now()
        organization = await self.api.get_organization()
        slots.learn(organization)
        reading = Reading(
            asked_at=asked_at, answered_at=self.clock.now(), organization=organization
        )
        await self.store.note_reading("b", reading)
        await self.clock.sleep(0.01)  # what follows is certainly later
        return Scheduler(tools, slots, self.rules)

    async def run(self) -> list[Reason]:
        return await (await self.scheduler()).run()

    async def jobs(self) -> dict[str, Job]:
        return {job.id: job async for job in self.store.jobs("b")}

    async def statuses(self) -> dict[str, JobStatus]:
        return {name: job.status for name, job in (await self.jobs()).items()}

    async def check(self) -> None:
        """Rows, events and ledger agree, and what we booked is what the server charged."""
        assert list(await self.store.check("b")) == []

    def _listen(self, job: Job, event: Event) -> None:
        self.events.append((job.id, type(event).__name__))


async def record(r: Rig, batch: str, job_id: str, *events: Event) -> None:
    """What a short command, or another run, writes."""
    for event in events:
        before = await r.store.job(batch, job_id)
        assert before is not None
        after = transition(before, event)
        await r.store.save(before, after, event, ledger_move(before, event))


@asynccontextmanager
async def rig(**api: Any) -> AsyncIterator[Rig]:
    clock = FakeClock()
    store = await JobStore.in_memory(clock=clock)
    async with store:
        await store.upsert_batch("b")
        await store.acquire("b", run_id="run-1", owner=this_process())
        yield Rig(
            clock=clock,
            api=FakeApi(clock, **api),
            downloader=FakeDownloader(clock),
            store=store,
        )
    clock.close()
