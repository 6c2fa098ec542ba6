"""A live run as others may change it: its limits, its manifest, and what it shall drop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from runner.clock import Clock
from runner.core.commands import CommandKind
from runner.core.limits import Bounds
from runner.core.plan import WORDS, Plan
from runner.engine.scheduler import Scheduler
from runner.errors import RunnerError, StaleJob, UsageError
from runner.settings import Settings
from runner.store.store import JobStore

from .applying import apply_plan
from .command_watch import Handler
from .planning import NO_WISH, Wish, plan_with
from .project import Project, bounds_of, cap_sources, caps_of, load_project

#: plans made of one reload: jobs go on while it is written
REPLANS = 20


class LiveRun:
    """What a run goes by, as far as it may change while it works."""

    def __init__(
        self, project: Project, settings: Settings, store: JobStore, *, clock: Clock,
        wish: Wish = NO_WISH,
    ) -> None:  # fmt: skip
        self.project = project
        self._wish = wish
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
        """Write the plan and the caps.

        Raises:
            StaleJob: a job was changed since the plan was made.
            UsageError: an input changed since.
        """
        self._run_cap = run_cap
        await apply_plan(self.project, self._store, planned, clock=self._clock)
        await self._set_caps()

    async def plan(self, *, check: bool = True) -> Plan:
        """The manifest against the state file; unchecked where this very manifest was checked.

        Raises:
            ManifestError: with every problem found.
        """
        return await plan_with(self.project, self._store, self._wish, check=check)

    async def up_to_date(self, planned: Plan) -> Plan:
        """The plan, or another where the state file has changed since it was made."""
        is_same = await self._store.lookups().newest_event() == planned.event
        return planned if is_same else await self.plan(check=False)

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
        """Plan and write, again where the work under way was faster than the plan.

        Raises:
            UsageError: a job that this run works on has another id now.
        """
        for tries_left in reversed(range(REPLANS)):
            planned = await self.plan()
            if planned.moving:
                raise UsageError(
                    f"a run that is under way cannot rename what is at Runway:"
                    f" {', '.join(planned.moving.ids[:3])}",
                    hint="wait until it is done, or stop with Ctrl-C and run again",
                )
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
        sets = data.get("sets", self.project.sets)
        fresh = await asyncio.to_thread(load_project, self.project.path, self._settings, sets=sets)
        if fresh.batch != self.project.batch:
            return {"error": f"the manifest names another batch now: {fresh.batch}", "hint": ""}
        fixed = self._fixed_for_this_run(fresh)
        if fixed:
            return {
                "error": f"a run that is under way cannot change {', '.join(fixed)}",
                "hint": "stop it with Ctrl-C and run again; what is at Runway goes on meanwhile",
                "exit_code": UsageError.exit_code,
            }
        was, wish = self.project, self._wish
        self.project = replace(fresh, output_dir=was.output_dir, state=was.state)
        self._wish = Wish(
            refresh=bool(data.get("refresh")),
            accept_stale=wish.accept_stale or bool(data.get("accept_stale")),
        )
        given = data.get("max_credits")
        try:
            planned = await self._replan(self._run_cap if given is None else int(given))
        except RunnerError:
            self.project, self._wish = was, wish
            raise
        if self._scheduler is not None:
            self._scheduler.set_bounds(self.bounds(self._jobs))
        return {WORDS[action]: count for action, count in planned.counts.items()}
