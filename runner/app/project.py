"""A manifest made ready: checked, expanded, priced, compared with the state file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.clock import SystemClock
from runner.core.catalog import Catalog
from runner.core.job import Job
from runner.core.ledger import Caps
from runner.core.limits import Bounds
from runner.core.plan import Plan, plan
from runner.core.spec import JobSpec
from runner.errors import Problem
from runner.manifest.catalog_file import load_catalog
from runner.manifest.model import Manifest
from runner.manifest.read import read_manifest
from runner.settings import Settings, state_path
from runner.store.reader import StateReader


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """A manifest that may run, and where its things are."""

    path: Path
    manifest: Manifest
    catalog: Catalog
    specs: tuple[JobSpec, ...]
    warnings: tuple[Problem, ...]
    state: Path
    output_dir: Path

    @property
    def batch(self) -> str:
        return self.manifest.name


def load_project(path: Path, settings: Settings) -> Project:
    """Read, check, expand and price a manifest. Reads local input files, no network.

    Raises:
        ManifestError: with every problem found.
    """
    catalog = load_catalog()
    today = SystemClock().now().date().isoformat()
    manifest, expansion = read_manifest(path, catalog, date=today)
    folder = path.resolve().parent
    return Project(
        path=path.resolve(),
        manifest=manifest,
        catalog=catalog,
        specs=expansion.specs,
        warnings=expansion.warnings,
        state=state_path(folder, settings),
        output_dir=settings.output_dir or folder / manifest.output.dir,
    )


def caps_of(project: Project, *, run_cap: int | None = None) -> Caps:
    """The manifest's caps in credits, with the run's own."""
    budget = project.manifest.budget
    return Caps(
        batch=budget.credits, run=run_cap, models=dict(budget.models), tags=dict(budget.tags)
    )


def bounds_of(project: Project, jobs: Mapping[str | None, int]) -> Bounds:
    """Upper bounds on tasks at Runway: the manifest's, lowered by `-j` (None = in total)."""
    concurrency = project.manifest.concurrency
    lanes = dict(concurrency.models)
    for lane, most in jobs.items():
        if lane is not None:
            lanes[lane] = min(most, lanes.get(lane, most))
    totals = [n for n in (concurrency.total, jobs.get(None)) if n is not None]
    return Bounds(total=min(totals, default=None), lanes=lanes, queue_ahead=concurrency.queue_ahead)


async def stored_jobs(project: Project) -> dict[str, Job]:
    """The batch as the state file has it; changes nothing, empty where there is no file."""
    if not project.state.is_file():
        return {}
    async with await StateReader.read(project.state) as reader:
        if await reader.batch(project.batch) is None:
            return {}
        return {job.id: job async for job in reader.jobs(project.batch)}


async def plan_project(project: Project) -> Plan:
    """What a run would do. Works without a key and without a network."""
    return plan(project.specs, await stored_jobs(project))
