"""A manifest's jobs, page by page, against the state file: how a plan is made and read.

Nothing here holds all jobs. `plan_project` sums them up in one pass; `plan_entries` gives them one
by one in a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from itertools import islice

from runner.core.claims import asks
from runner.core.plan import Holder, KnownJob, Plan, PlanEntry
from runner.core.planner import Planner
from runner.core.price_memory import PriceMemory
from runner.core.spec import JobSpec
from runner.core.tally import Tally
from runner.errors import ManifestError, Problem, UsageError
from runner.manifest.expand import Expander
from runner.store.lookups import LOOKUP, PlanLookups
from runner.store.reader import StateReader

from .content import Contents
from .policy_check import PolicyCheck
from .project import Project
from .start_check import StartCheck


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What somebody asks of stale jobs, for this one time."""

    refresh: bool = False  # make them again, and those that consume what is made again
    accept_stale: bool = False  # let jobs start on a stale parent


NO_WISH = Wish()


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """A manifest without a mistake."""

    jobs: int
    warnings: tuple[Problem, ...]


def check_project(project: Project) -> Checked:
    """Read, check and price every job once, without the state file.

    Raises:
        ManifestError: with every problem found.
    """
    source = _Source(project, project.expander())
    count = sum(1 for _ in source.specs(check=True))
    return Checked(jobs=count, warnings=source.warnings())


async def plan_project(project: Project, wish: Wish = NO_WISH) -> Plan:
    """What a run would do. Works without a key and without a network, and changes nothing.

    Raises:
        ManifestError: with every problem found.
    """
    async with AsyncExitStack() as stack:
        reader = None
        if project.state.is_file():
            reader = await stack.enter_async_context(await StateReader.read(project.state))
        return await plan_with(project, reader, wish)


async def plan_with(
    project: Project, reader: StateReader | None, wish: Wish = NO_WISH, *, check: bool = True
) -> Plan:
    """The plan against a state file that is open; None: there is none.

    Args:
        project: the manifest.
        reader: the state file.
        wish: what is asked of stale jobs.
        check: False where the same manifest was planned before: its bodies are known to be right.

    Raises:
        ManifestError: with every problem found.
    """
    newest = 0 if reader is None else await reader.lookups().newest_event()
    reading = await open_reading(project, reader)
    planner = Planner(project.batch, refresh=wish.refresh, accept_stale=wish.accept_stale)
    tally, start = Tally(), StartCheck(project)
    async for entries in reading.entries(planner, check=check):
        for entry in entries:
            tally.add(entry)
            start.look(entry)
    refusals = start.reasons
    refused = [Problem(message=reason, file=project.manifest.file) for reason in refusals]
    return replace(
        tally.plan(planner),
        warnings=(*reading.warnings(), *refused),
        refusals=refusals,
        price_notes=reading.memory.notes,
        event=newest,
    )


async def plan_entries(project: Project, plan: Plan) -> AsyncIterator[PlanEntry]:
    """Every job with what becomes of it, in the order of the manifest, orphans last.

    Raises:
        UsageError: an input changed since the plan was made.
    """
    async with AsyncExitStack() as stack:
        reader = None
        if project.state.is_file():
            reader = await stack.enter_async_context(await StateReader.read(project.state))
        reading = await open_reading(project, reader)
        async for entries in reading.again(plan):
            for entry in entries:
                yield entry


async def open_reading(
    project: Project, reader: StateReader | None, *, sharded: bool = False
) -> Reading:
    """Ready to read the jobs, with what the state file knows of prices and file names.

    `sharded` counts where no run of the batch has decided it yet.
    """
    if reader is None:
        return Reading(project, None, PriceMemory(), sharded=sharded)
    memory = await reader.remembered_prices(project.service)
    stored = await reader.batch(project.batch)
    if stored is not None and stored.sharded is not None:
        sharded = stored.sharded
    return Reading(project, reader.lookups(), memory, sharded=sharded, is_known=stored is not None)


class Reading:
    """The jobs of a project, with what the state file knows of them."""

    def __init__(
        self, project: Project, lookups: PlanLookups | None, memory: PriceMemory, *,
        sharded: bool, is_known: bool = False,
    ) -> None:  # fmt: skip
        self.memory = memory
        self._batch = project.batch
        self._lookups = lookups
        self._is_known = is_known
        self._contents = Contents(project)
        self._source = _Source(project, project.expander(memory=memory, sharded=sharded))

    def warnings(self) -> tuple[Problem, ...]:
        """Of the manifest and the policy, once all jobs were read."""
        return self._source.warnings()

    async def entries(self, planner: Planner, *, check: bool) -> AsyncIterator[Sequence[PlanEntry]]:
        """A first pass: what becomes of the jobs, not in order where it is known late.

        Raises:
            ManifestError: with every problem found, at the end.
        """
        async for entries in self._pass(planner, {}, check=check):
            yield entries

    async def again(self, plan: Plan) -> AsyncIterator[Sequence[PlanEntry]]:
        """A second pass: what the plan has decided, in order, orphans last.

        Raises:
            UsageError: what was read is not what the plan was made of.
        """
        planner = Planner(
            self._batch,
            refresh=plan.refresh,
            accept_stale=plan.accept_stale,
            verdicts=plan.verdicts,
        )
        renamed = {
            job_id: verdict.renamed
            for job_id, verdict in plan.verdicts.items()
            if verdict.renamed is not None
        }
        async for entries in self._pass(planner, renamed, check=False, digest=plan.digest):
            yield entries

    async def _pass(
        self, planner: Planner, renamed: Mapping[str, int], *, check: bool, digest: bytes = b""
    ) -> AsyncIterator[Sequence[PlanEntry]]:
        specs = self._source.specs(check=check)
        # what a second pass writes comes after: it is no orphan of the state file
        before = 0 if self._lookups is None else await self._lookups.last()
        while page := await asyncio.to_thread(_take, specs):
            known = await self._known(page, renamed)
            holders = await self._holders(page, known)
            yield list(planner.page(page, known, holders))
        if digest and planner.digest != digest:
            raise UsageError(
                "an input changed while it was read: the jobs are not those of the plan",
                hint="nothing of it was sent; run the same command again",
            )
        yield list(planner.finish())
        async for orphans in self._orphans(planner, before):
            yield orphans

    async def _known(
        self, specs: Sequence[JobSpec], renamed: Mapping[str, int]
    ) -> Mapping[str, KnownJob]:
        if self._lookups is None or not self._is_known:
            return {}
        known = await self._lookups.known(self._batch, specs)
        moved = {spec.id: renamed[spec.id] for spec in specs if spec.id in renamed}
        if moved:
            rows = await self._lookups.known_rows(moved.values())
            known |= {job_id: rows[number] for job_id, number in moved.items() if number in rows}
        return known

    async def _holders(
        self, specs: Sequence[JobSpec], known: Mapping[str, KnownJob]
    ) -> Mapping[str, Sequence[Holder]]:
        if self._lookups is None:
            return {}
        keys = [spec.key for spec in specs if asks(spec, known.get(spec.id))]
        found = await self._lookups.holders(keys) if keys else {}
        return await asyncio.to_thread(self._contents.usable, found) if found else {}

    async def _orphans(self, planner: Planner, before: int) -> AsyncIterator[Sequence[PlanEntry]]:
        """Jobs of the state file that the manifest does not have; most often there are none."""
        if self._lookups is None or not self._is_known:
            return
        if await self._lookups.size(self._batch, before) == planner.matched:
            return
        last = -1
        while numbers := await self._lookups.numbers(self._batch, last, before):
            last = numbers[-1]
            gone = [number for number in numbers if planner.is_orphan(number)]
            for start in range(0, len(gone), LOOKUP):
                some = gone[start : start + LOOKUP]
                known = await self._lookups.known_rows(some)
                jobs = await self._lookups.jobs(self._batch, some)
                yield [
                    planner.orphan(job.spec, known[number], job.position)
                    for number, job in jobs.items()
                    if number in known
                ]


class _Source:
    """The manifest's jobs, held against the policy as they come."""

    def __init__(self, project: Project, expander: Expander) -> None:
        self._project = project
        self._expander = expander
        self._policy = PolicyCheck(project.policy, project.manifest.file)

    def specs(self, *, check: bool) -> Iterator[JobSpec]:
        """Parents before the jobs that need them.

        Raises:
            ManifestError: with every problem found, at the end.
        """
        self._policy = PolicyCheck(self._project.policy, self._project.manifest.file)
        for spec in self._expander.specs(check=check):
            self._policy.look(spec)
            yield spec
        if problems := (*self._expander.problems, *self._policy.problems):
            raise ManifestError(problems)

    def warnings(self) -> tuple[Problem, ...]:
        return (*self._expander.warnings, *self._policy.warnings(self._project.catalog))


def _take(specs: Iterator[JobSpec]) -> list[JobSpec]:
    """A page. Blocks: expansion is work, and reads files."""
    return list(islice(specs, LOOKUP))
