"""A plan into the state file: a second pass over the manifest, written page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from runner.clock import Clock
from runner.core.changes import Change, Result, changes_of, needs_change
from runner.core.deciding import Action
from runner.core.events import Adopted
from runner.core.job import Job
from runner.core.plan import KnownJob, Plan, PlanEntry
from runner.errors import StaleJob
from runner.store.lookups import LOOKUP
from runner.store.store import JobStore

from .planning import open_reading
from .project import Project
from .taking_over import is_elsewhere, take_over, write_sidecar_of

#: jobs of a batch above which default file names are spread over folders
SHARD_ABOVE = 10_000


async def apply_plan(project: Project, store: JobStore, plan: Plan, *, clock: Clock) -> None:
    """Bring the state file to the plan. A crash leaves a part, and the next plan the rest.

    Raises:
        StaleJob: somebody changed a job since the plan was made; what was written is kept.
        UsageError: an input changed since, or a result that was to be taken over.
    """
    sharded = await _sharded(project, store, plan)
    reading = await open_reading(project, store, sharded=sharded)
    writer = _Writer(project, store, plan, clock)
    async for entries in reading.again(plan):
        async for changes in writer.pages(entries):
            await store.apply_plan(project.batch, changes)
            await writer.finish(changes)


async def _sharded(project: Project, store: JobStore, plan: Plan) -> bool:
    """Decided at the batch's first run, and never again."""
    stored = await store.batch(project.batch)
    if stored is not None and stored.sharded is not None:
        return stored.sharded
    lookups = store.lookups()
    is_first = not await lookups.size(project.batch, await lookups.last())
    sharded = is_first and plan.wanted > SHARD_ABOVE
    await store.set_sharded(project.batch, sharded)
    return sharded


class _Writer:
    """Entries to the changes that they need."""

    def __init__(self, project: Project, store: JobStore, plan: Plan, clock: Clock) -> None:
        self._project = project
        self._store = store
        self._accepts = plan.accept_stale
        self._clock = clock
        self._brought: set[str] = set()  # jobs whose files came from another output folder

    async def finish(self, changes: Sequence[Change]) -> None:
        """Write the sidecars of files that were brought here, once the state file knows them.

        Before that they would make it look older than what lies on disk.
        """
        for _, job, event in changes:
            if isinstance(event, Adopted) and job.id in self._brought:
                await write_sidecar_of(job, self._project.output_dir, self._clock.now())

    async def pages(self, entries: Sequence[PlanEntry]) -> AsyncIterator[list[Change]]:
        """The changes of entries, in order."""
        wanted = [e for e in entries if needs_change(e, accept_stale=self._accepts)]
        for start in range(0, len(wanted), LOOKUP):
            page = wanted[start : start + LOOKUP]
            jobs = await self._store.lookups().jobs(
                self._project.batch, [e.stored.number for e in page if e.stored is not None]
            )
            yield [change for entry in page for change in await self._changes(entry, jobs)]

    async def _changes(self, entry: PlanEntry, jobs: dict[int, Job]) -> list[Change]:
        before = None
        if entry.stored is not None:
            before = jobs.get(entry.stored.number)
            _check_same(entry.stored, before)
        return changes_of(
            self._project.batch,
            entry,
            before,
            self._clock.now(),
            accept_stale=self._accepts,
            result=await self._result(entry),
        )

    async def _result(self, entry: PlanEntry) -> Result | None:
        if entry.action is not Action.ADOPT or entry.source is None:
            return None
        stored = await self._store.lookups().result(entry.source, entry.spec.key)
        if stored is None:
            raise StaleJob(f"the result that `{entry.spec.id}` was to take over is gone")
        output_dir = self._project.output_dir
        if is_elsewhere(stored, output_dir):
            self._brought.add(entry.spec.id)
        return await take_over(stored, entry.spec, self._project.batch, output_dir)


def _check_same(known: KnownJob, job: Job | None) -> None:
    """A job that moved on since it was judged has to be judged again."""
    if job is None or (job.status, job.spec.key, job.stale, job.orphaned, job.accepted) != (
        known.status, known.key, known.stale, known.orphaned, known.accepted,
    ):  # fmt: skip
        raise StaleJob(
            f"job `{known.id}` was changed while the plan was written",
            hint="run the same command again",
        )
