"""A live run as others may change it: its limits, its manifest, and what it shall drop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from runner.clock import Clock
from runner.core.commands import CommandKind
from runner.core.job import Job
from runner.core.limits import Bounds
from runner.core.plan import Plan, changes, plan
from runner.engine.scheduler import Scheduler
from runner.errors import StaleJob, UsageError
from runner.settings import Settings
from runner.store.store import JobStore

from .command_watch import Handler
from .project import Project, bounds_of, cap_sources, caps_of, load_project

#: plans made of one reload: jobs go on while it is written
REPLANS = 20


class LiveRun:
    """What a run goes by, as far as it may change while it works."""

    def __init__(
        self, project: Project, settings: Settings, store: JobStore, *, clock: Clock
    ) -> None:
        self.project = project
        self._settings = settings
        self._store = store
        self._clock = clock
        self._run_cap: int | None = None
        self._jobs: Mapping[str | None, int] = {}
        self._scheduler: Scheduler | None = None

    def attach(self, scheduler: Scheduler) -> None:
        """From now on changes reach the work under way."""
        self._scheduler = scheduler

    @property
    def handlers(self) -> Mapping[CommandKind, Handler]:
        return {
            CommandKind.CANCEL: self._cancel,
            CommandKind.LIMITS: self._limit,
            CommandKind.RELOAD: self._reload,
        }

    def bounds(self, jobs: Mapping[str | None, int]) -> Bounds:
        """Upper bounds with what `-j` said."""
        self._jobs = jobs
        return bounds_of(self.project, jobs)

    async def apply(self, planned: Plan, run_cap: int | None) -> None:
        """Write the plan and the caps."""
        self._run_cap = run_cap
        batch = self.project.batch
        await self._store.apply_plan(batch, changes(batch, planned, self._clock.now()))
        await self._set_caps()

    async def plan(self) -> Plan:
        """The manifest against the state file."""
        batch = self.project.batch
        stored: dict[str, Job] = {job.id: job async for job in self._store.jobs(batch)}
        return plan(self.project.specs, stored)

    async def _set_caps(self) -> None:
        await self._store.set_caps(
            self.project.batch,
            caps_of(self.project, run_cap=self._run_cap),
            sources=cap_sources(self.project, run_cap=self._run_cap),
        )

    async def _cancel(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        abandon = bool(data.get("abandon_running"))
        wanted = {str(job_id): abandon for job_id in data.get("ids", ())}
        if self._scheduler is not None:
            self._scheduler.cancel(wanted)
        return {"asked": len(wanted)}

    async def _limit(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Bounds that are named replace those of the run; the manifest's stay upper bounds."""
        lanes: dict[str | None, int] = {**self._jobs, **data.get("lanes", {})}
        if data.get("total") is not None:
            lanes[None] = int(data["total"])
        bounds = self.bounds(lanes)
        if data.get("max_credits") is not None:
            self._run_cap = int(data["max_credits"])
            await self._set_caps()
        if self._scheduler is not None:
            self._scheduler.set_bounds(bounds)
        return {"total": bounds.total, "lanes": dict(bounds.lanes), "max_credits": self._run_cap}

    async def _replan(self, run_cap: int | None) -> Plan:
        """Plan and write, again where the work under way was faster than the plan."""
        for tries_left in reversed(range(REPLANS)):
            planned = await self.plan()
            try:
                await self.apply(planned, run_cap)
            except StaleJob:
                if not tries_left:
                    raise
            else:
                return planned
        raise AssertionError("the last try returns or raises")

    def _fixed_for_this_run(self, fresh: Project) -> list[str]:
        """What a run takes over when it begins, and the manifest says otherwise now."""
        was, now = self.project.manifest, fresh.manifest
        pairs = {
            "`schedule`": (was.schedule, now.schedule),
            "`halt`": (was.halt, now.halt),
            "`retry`": (was.retry, now.retry),
            "`account`": (was.account, now.account),
            "`output.dir`": (was.output.dir, now.output.dir),
        }
        return [name for name, (before, after) in pairs.items() if before != after]

    async def _reload(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Take the manifest as it is on disk now; what is at Runway is collected as submitted."""
        fresh = await asyncio.to_thread(load_project, self.project.path, self._settings)
        if fresh.batch != self.project.batch:
            return {"error": f"the manifest names another batch now: {fresh.batch}", "hint": ""}
        fixed = self._fixed_for_this_run(fresh)
        if fixed:
            return {
                "error": f"a run that is under way cannot change {', '.join(fixed)}",
                "hint": "stop it with Ctrl-C and run again; what is at Runway goes on meanwhile",
                "exit_code": UsageError.exit_code,
            }
        self.project = replace(fresh, output_dir=self.project.output_dir, state=self.project.state)
        given = data.get("max_credits")
        planned = await self._replan(self._run_cap if given is None else int(given))
        if self._scheduler is not None:
            self._scheduler.set_bounds(self.bounds(self._jobs))
        return {action.value: count for action, count in planned.counts.items()}
