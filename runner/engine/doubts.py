"""Settles creates in doubt without a person, where that is proof and not a guess.

Two ways: the history of a model router names the task of a lost `generate/*` create; and on an
account that nobody else uses, balance and daily counts prove that a create did not arrive.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from runner.core.events import Event, Resolved, SubmitUnknown, Verdict
from runner.core.evidence import APART, evidence_of
from runner.core.job import Job, JobStatus
from runner.core.ledger import EntryState
from runner.core.quota import DAY
from runner.core.spec import router_of
from runner.errors import ApiError, DiskFull, StaleJob

from .account import AccountWatch
from .gatekeeper import Gatekeeper
from .rules import Rules
from .tools import Tools

#: a create gives up after two minutes: what it made began so long before it was in doubt at most,
#: and not later than clocks may differ
ROUTER_BEFORE, ROUTER_AFTER = timedelta(seconds=150), timedelta(seconds=30)
#: seconds before each look: into a router's history, and for evidence of the account. After the
#: last one a person is left to decide
ROUTER_LOOKS_S = (5.0, 30.0, 120.0)
EVIDENCE_LOOKS_S = (5.0, *(APART.total_seconds() + 30,) * 4)
#: entries that may matter for a balance: nothing of ours stays open for longer
LOOK_BACK = timedelta(days=3)
#: endpoints whose creates go through a router: the history of one router holds tasks of them all
ROUTED = "generate/"


@dataclass(slots=True)
class _Doubt:
    """A job in doubt that may still be settled."""

    job: Job
    router: str | None
    due_s: float
    looks: int = 0

    @property
    def waits_s(self) -> Sequence[float]:
        return EVIDENCE_LOOKS_S if self.router is None else ROUTER_LOOKS_S


class DoubtSettler:
    """Works on the jobs in doubt of one batch, beside its run."""

    def __init__(
        self,
        tools: Tools,
        rules: Rules,
        account: AccountWatch,
        keeper: Gatekeeper,
        told: Callable[[], None],
    ) -> None:
        self._tools = tools
        self._rules = rules
        self._account = account
        self._keeper = keeper
        self._told = told
        self._looking = False
        self._open: dict[str, _Doubt] = {}
        self._came = asyncio.Event()

    @property
    def has_work(self) -> bool:
        """Whether something may still be settled in this run."""
        return bool(self._open) or self._looking

    def note(self, job: Job, event: Event) -> None:
        """A job came into doubt, or out of it."""
        if isinstance(event, SubmitUnknown):
            self._take(job)
        elif isinstance(event, Resolved):
            self._open.pop(job.id, None)

    def begin_with(self, jobs: Sequence[Job]) -> None:
        """What earlier runs left in doubt."""
        for job in jobs:
            self._keeper.health.doubted_before(job.lane, self._tools.clock.now())
            self._take(job)

    def _take(self, job: Job) -> None:
        router = router_of(job.spec.body)
        if router is None and not (self._rules.exclusive and self._is_provable(job)):
            return  # only a person can say
        doubt = _Doubt(job, router, due_s=self._tools.clock.monotonic())
        doubt.due_s += doubt.waits_s[0]
        self._open[job.id] = doubt
        if router is None:
            self._keeper.close_lane(job.lane, "creates in doubt are looked into")
        self._came.set()

    def _is_provable(self, job: Job) -> bool:
        """The account counts the creates of 24 hours: beyond them nothing proves anything."""
        now = self._tools.clock.now()
        return now - (job.since or now) < DAY

    async def forget_settled(self) -> None:
        """What a person has settled is not looked into any more, and its lane goes on."""
        known = list(self._open.values())
        if not known:
            return
        left = {job.id for job in await self._tools.store.in_doubt(self._tools.batch)}
        for doubt in known:
            if doubt.job.id not in left:
                self._open.pop(doubt.job.id, None)
                self._open_lane_of(doubt)

    async def watch(self) -> None:
        """Look for proof when it is time, until cancelled."""
        while True:
            if not self._open:
                self._came.clear()
                await self._came.wait()
                continue
            due_s = min(doubt.due_s for doubt in self._open.values())
            await self._tools.clock.sleep(due_s - self._tools.clock.monotonic())
            self._looking = True
            await self._look()
            self._looking = False
            self._told()

    async def _look(self) -> None:
        now_s = self._tools.clock.monotonic()
        due = [doubt for doubt in self._open.values() if doubt.due_s <= now_s]
        for router in {doubt.router for doubt in due if doubt.router is not None}:
            await self._ask_router(router)
        lanes = {doubt.job.lane for doubt in due if doubt.router is None}
        if lanes:
            await self._account.read_once()
        for lane in lanes:
            await self._judge(lane)
        for doubt in due:
            self._looked(doubt)

    def _looked(self, doubt: _Doubt) -> None:
        """When to look again, if at all."""
        doubt.looks += 1
        if doubt.looks < len(doubt.waits_s):
            doubt.due_s = self._tools.clock.monotonic() + doubt.waits_s[doubt.looks]
        else:
            self._open.pop(doubt.job.id, None)
        self._open_lane_of(doubt)

    def _open_lane_of(self, doubt: _Doubt) -> None:
        lane = doubt.job.lane
        if not any(d.job.lane == lane and d.router is None for d in self._open.values()):
            self._keeper.open_lane(lane)

    async def _judge(self, lane: str) -> None:
        """Release what has provably not arrived."""
        doubts = [d for d in self._open.values() if d.job.lane == lane and d.router is None]
        since = self._tools.clock.now() - LOOK_BACK
        entries = await self._tools.store.entries(self._tools.batch, since=since)
        readings = await self._tools.store.readings(self._tools.batch, since=since)
        if not evidence_of(lane, entries, readings).not_arrived:
            return
        for doubt in doubts:  # those of which the entries tell
            await self._resolve(doubt.job, Verdict.NOT_ARRIVED)

    async def _ask_router(self, router: str) -> None:
        """A router's history names the tasks it made: one that no job has is the lost one."""
        jobs = [doubt.job for doubt in self._open.values() if doubt.router == router]
        if len(jobs) != 1:
            return  # nobody can say which task is whose
        [job] = jobs
        at = job.since or self._tools.clock.now()
        try:
            router_id = await self._tools.api.find_router(router)
            if router_id is None:
                return
            sent = await self._tools.api.get_router_requests(router_id, since=at - ROUTER_BEFORE)
        except ApiError:
            return  # asked again in the next round
        near = [request.task_id for request in sent if request.created_at <= at + ROUTER_AFTER]
        if None in near:
            return  # one of them may be ours, and nobody can say which task it is
        if await self._is_shared(job):
            return
        unknown = [task for task in near if task and not await self._tools.store.has_task(task)]
        if len(unknown) == 1:
            await self._resolve(job, Verdict.ADOPTED, unknown[0])

    async def _is_shared(self, job: Job) -> bool:
        """Whether a task that nobody has may belong to another create, of any batch.

        To be asked after the history was read, and before it is asked whose the tasks are.
        """
        at = job.since or self._tools.clock.now()
        since = self._tools.clock.now() - LOOK_BACK
        return any(
            entry.answered_at is None
            or (entry.state is EntryState.IN_DOUBT and entry.intended_at > at - ROUTER_BEFORE * 2)
            for entry in await self._tools.store.entries(self._tools.batch, since=since)
            if (entry.endpoint == job.spec.endpoint or entry.endpoint.startswith(ROUTED))
            and (entry.batch, entry.job) != (job.batch, job.id)
        )

    async def _resolve(self, job: Job, verdict: Verdict, task_id: str | None = None) -> None:
        current = await self._tools.store.job(self._tools.batch, job.id)
        if current is None or current.status is not JobStatus.IN_DOUBT:
            return
        event = Resolved(at=self._tools.clock.now(), verdict=verdict, task_id=task_id)
        try:
            await self._tools.recorder.record(current, event)
        except (StaleJob, DiskFull):
            return  # a person was faster, or the next run does it
