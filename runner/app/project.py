"""A manifest made ready: checked, expanded, priced, compared with the state file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.clock import SystemClock
from runner.core.budget import BudgetSpec, lowest, stricter
from runner.core.catalog import Catalog
from runner.core.job import Job
from runner.core.ledger import Cap, Caps
from runner.core.limits import Bounds
from runner.core.plan import Plan, plan
from runner.core.spec import JobSpec
from runner.core.spending_policy import NO_POLICY, SpendingPolicy
from runner.errors import ManifestError, Problem
from runner.manifest.catalog_file import load_catalog
from runner.manifest.model import Manifest
from runner.manifest.read import read_manifest
from runner.settings import Settings, state_path
from runner.store.reader import StateReader

from .capcheck import named
from .policy_check import policy_problems, policy_warnings

#: of a run's cap; a source in back-ticks is its own place, others are where the cap's key stands
_RUN_SOURCES = ("`max_credits_per_run` of the policy", "`--max-credits`")


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
    policy: SpendingPolicy = NO_POLICY

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
    if forbidden := policy_problems(settings.policy, expansion.specs, manifest.file):
        raise ManifestError(forbidden)
    strange = policy_warnings(settings.policy, expansion.specs, catalog)
    folder = path.resolve().parent
    return Project(
        path=path.resolve(),
        manifest=manifest,
        catalog=catalog,
        specs=expansion.specs,
        warnings=(*expansion.warnings, *strange),
        state=state_path(folder, settings),
        output_dir=settings.output_dir or folder / manifest.output.dir,
        policy=settings.policy,
    )


def caps_of(project: Project, *, run_cap: int | None = None) -> Caps:
    """In credits, the lowest of policy and manifest; for the run, of the policy and its own cap."""
    budget = stricter(project.manifest.budget, project.policy.budget)
    return _caps(budget, lowest(run_cap, project.policy.max_credits_per_run))


def cap_sources(project: Project, *, run_cap: int | None = None) -> Mapping[str, str]:
    """Who set each cap, by its name; where both did, the policy: a manifest cannot raise it."""
    policy = named(_caps(project.policy.budget, project.policy.max_credits_per_run))
    found = {}
    for name, limit in named(caps_of(project, run_cap=run_cap)).items():
        ours = _RUN_SOURCES if name == "run" else ("the policy", "the manifest")
        found[name] = ours[0] if policy.get(name) == limit else ours[1]
    return found


def _caps(budget: BudgetSpec, run: int | None) -> Caps:
    return Caps(
        batch=budget.credits,
        run=run,
        models=dict(budget.models),
        tags=dict(budget.tags),
        day=budget.per_day,
        month=budget.per_month,
        keep_balance=budget.keep_balance,
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


async def caps_used(project: Project) -> Sequence[Cap]:
    """The caps of the last run and what counts against them now; empty where nothing has run."""
    if not project.state.is_file():
        return ()
    async with await StateReader.read(project.state) as reader:
        if await reader.batch(project.batch) is None:
            return ()
        return await reader.caps_in_force(project.batch, now=SystemClock().now())


async def plan_project(project: Project) -> Plan:
    """What a run would do. Works without a key and without a network."""
    return plan(project.specs, await stored_jobs(project))
