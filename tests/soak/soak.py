"""Weeks of a batch in virtual time: one account, one state file, run after run.

A soak is a sequence of runs, as cron and people make them: each ends by its deadline, by a second
Ctrl-C or by a kill, the next one follows hours later on the same state file. The client is the real
one, on the emulator's backend in this process.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from runner.core.events import Event, SubmitStarted
from runner.core.job import Job, JobStatus
from runner.core.ledger import Caps
from runner.core.policy import Policies, PollPolicy
from runner.core.schedule import Window
from runner.core.spec import JobSpec
from runner.engine.rules import Rules
from runner.errors import TransientApiError
from runner.store.process import this_process
from runner.store.store import JobStore
from runner.testing import FakeClock, make_spec
from tests.emulated_api import EmulatedService
from tests.engine_rig import Rig
from tests.soak.weather import weather

PARIS = ZoneInfo("Europe/Paris")
OPENS, CLOSES = time(22), time(7)
LANE, PRICE = "gen4_turbo", 25
#: jobs of one template
TEMPLATE_SIZE = 50
#: runs after which a soak has hung
MOST_RUNS = 200
#: how runs end unless they do by themselves
ENDS = ("kill", "leave", "deadline")
#: half as many readings as by default
POLICIES = Policies(poll=PollPolicy(interval_s=10))

BODY = {
    "promptImage": "https://example.com/plate.png", "ratio": "1280:720", "duration": 5
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """How large a soak is."""

    jobs: int
    per_day: int  # the account's daily quota
    start: datetime
    harsh: float = 1.0
    slots: int = 5
    link_life_s: float = 6 * 3600.0
    seed: int = 1
    #: of a run, and of the time until the next one
    longest_run_days: float = 4.0
    longest_gap_h: float = 30.0


@dataclass
class Soak:
    """One state file on one account, and what its runs did."""

    scale: Scale
    rig: Rig
    service: EmulatedService
    clock: FakeClock
    rng: random.Random
    ends: Counter[str] = field(default_factory=Counter)  # how runs ended
    exits: Counter[int] = field(default_factory=Counter)  # of the runs that ended by themselves
    days: list[str] = field(default_factory=list)  # a line for each run
    intents: list[datetime] = field(default_factory=list)

    def note(self, job: Job, event: Event) -> None:
        """Listener: when creates were about to leave."""
        if isinstance(event, SubmitStarted):
            self.intents.append(event.at)

    async def to_the_end(self) -> None:
        """Run after run until nothing is left that can move."""
        for number in range(MOST_RUNS):
            if await self._one_run(number):
                return
            await self.clock.sleep(self.rng.uniform(0.1, self.scale.longest_gap_h) * 3600)
        raise AssertionError(f"not done after {MOST_RUNS} runs: {self.ends} {self.exits}")

    async def _one_run(self, number: int) -> bool:
        """Whether it came to the end of all work."""
        store = self.rig.store
        owner = replace(this_process(), pid_started="another")  # seen by the next run, it is dead
        lease = await store.acquire("b", run_id=f"run-{number}", owner=owner)
        await store.heal("b")
        lasts = timedelta(days=self.scale.longest_run_days * self.rng.uniform(0.2, 1))
        self.rig.seed = number
        self.rig.rules = replace(self.rig.rules, deadline=self.clock.now() + lasts)
        how = ENDS[number % len(ENDS)]
        ended = await self._until(how, lasts.total_seconds() * self.rng.uniform(0.1, 0.9))
        self.ends[how if ended is None else "itself"] += 1
        if how != "kill" or ended is not None:
            await lease.release(0)
        self.exits.update(ended or ())
        done = (await store.counts("b")).get(JobStatus.DONE, 0)
        self.days.append(f"{self.clock.now():%m-%d %H:%M} run {number} {how} {ended} {done} done")
        return ended is not None and not await self._is_left()

    async def _until(self, how: str, seconds: float) -> list[int] | None:
        """Exit codes of a run that ended by itself; None: it was made to end."""
        try:
            scheduler = await self.rig.scheduler()
        except TransientApiError as error:
            return [error.exit_code]
        others = asyncio.all_tasks()
        running = asyncio.create_task(scheduler.run())
        if how == "deadline":
            return [reason.exit_code for reason in await running]
        timer = asyncio.create_task(self.clock.sleep(seconds))
        await asyncio.wait({running, timer}, return_when=asyncio.FIRST_COMPLETED)
        timer.cancel()
        if running.done():
            return [reason.exit_code for reason in running.result()]
        if how == "leave":
            scheduler.leave()
        else:
            for task in asyncio.all_tasks() - others:
                if task is not self.clock._pump:
                    task.cancel()
        await asyncio.wait({running})
        return None

    async def _is_left(self) -> bool:
        counts = await self.rig.store.counts("b")
        ended = {JobStatus.DONE, JobStatus.FAILED, JobStatus.IN_DOUBT}
        return bool(set(counts) - ended)


@asynccontextmanager
async def soak(scale: Scale) -> AsyncIterator[Soak]:
    """A soak that is ready to begin."""
    clock = FakeClock(scale.start)
    service = EmulatedService(clock, credits=10**9, lanes=[LANE], seed=scale.seed)
    limits = {"concurrent": scale.slots, "daily": scale.per_day}
    service.controls.set_limits(LANE, limits)
    service.script(**_weather(scale))
    store = await JobStore.in_memory(clock=clock)
    async with store:
        await store.upsert_batch("b")
        rules = Rules(window=Window(OPENS, CLOSES, "Europe/Paris"), exclusive=True)
        rig = Rig(clock=clock, api=service.api(), downloader=service.downloader(), store=store,
                  rules=rules, policies=POLICIES)  # fmt: skip
        await rig.load(specs(scale.jobs), _caps(scale))
        rng = random.Random(scale.seed)
        made = Soak(scale=scale, rig=rig, service=service, clock=clock, rng=rng)
        rig.listeners.append(made.note)
        yield made
    clock.close()


def specs(count: int) -> Sequence[JobSpec]:
    """Jobs of one model, in templates, with a prompt and an id each."""
    return [
        replace(make_spec(f"j{n:05}", worst=PRICE, body=BODY), template=f"t{n // TEMPLATE_SIZE}")
        for n in range(count)
    ]


def _caps(scale: Scale) -> Caps:
    """Room for every job once, for those in doubt that never arrive, and for a day's quota."""
    return Caps(batch=scale.jobs * PRICE * 2, day=scale.per_day * PRICE + 10 * PRICE)


def _weather(scale: Scale):
    local = scale.start.astimezone(PARIS)
    opens = local.replace(hour=OPENS.hour, minute=0, second=0, microsecond=0)
    first_night_s = (opens - local).total_seconds()
    return weather(first_night_s=first_night_s, link_life_s=scale.link_life_s, harsh=scale.harsh)
