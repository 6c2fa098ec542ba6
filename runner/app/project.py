"""A manifest made ready to be planned and run, and the caps that apply to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runner.clock import SystemClock
from runner.core.budget import BudgetSpec, lowest, stricter
from runner.core.catalog import Catalog
from runner.core.ledger import Caps
from runner.core.limits import Bounds
from runner.core.price_memory import PriceMemory
from runner.core.spending_policy import NO_POLICY, SpendingPolicy
from runner.manifest.catalog_file import load_catalog
from runner.manifest.expand import Expander
from runner.manifest.inputs import LocalInputs
from runner.manifest.model import Manifest
from runner.manifest.pricing import Inputs
from runner.settings import Settings, state_path

from .capcheck import named
from .manifests import open_manifest, piped

_MANIFEST = "the manifest"
#: of a run's cap; a source in back-ticks is its own place, others are where the cap's key stands
_RUN_SOURCES = ("`max_credits_per_run` of the policy", "`--max-credits`")


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """A manifest that may run, and where its things are. Its jobs are made when they are asked for.

    `runner.app.planning` reads them, checks them and compares them with the state file.
    """

    path: Path
    manifest: Manifest
    catalog: Catalog
    inputs: Inputs
    date: str  # the day of the plan, for file names: `2026-10-23`
    state: Path
    output_dir: Path
    service: str  # where it runs, see `Settings.service`
    policy: SpendingPolicy = NO_POLICY
    sets: Mapping[str, str] = field(default_factory=dict)  # of a table: what `--set` says

    @property
    def batch(self) -> str:
        return self.manifest.name

    def expander(self, *, memory: PriceMemory | None = None, sharded: bool = False) -> Expander:
        """Makes the jobs, parents before the jobs that need them, as often as they are asked for.

        Args:
            memory: what Runway asked and charged before.
            sharded: whether default file names are spread over folders.
        """
        return Expander(
            self.manifest, self.catalog, self.inputs,
            date=self.date, memory=memory, sharded=sharded,
        )  # fmt: skip


def load_project(
    path: Path, settings: Settings, *, sets: Mapping[str, str] | None = None
) -> Project:
    """Read and check a manifest, except for its jobs. No network.

    Args:
        path: of a manifest, or of a table; `-` is a table on the standard input.
        settings: what the command was told.
        sets: of a table, what `--set` says of its jobs.

    Raises:
        ManifestError: with every problem found.
        UsageError: what is said of a table's jobs cannot be used.
    """
    catalog = load_catalog()
    manifest = open_manifest(path, sets or {}, catalog)
    folder = path.resolve().parent
    return Project(
        path=path.resolve(),
        manifest=manifest,
        catalog=catalog,
        inputs=LocalInputs(path.parent, manifest.allow, stdin=piped(path)),
        sets=sets or {},
        date=SystemClock().now().date().isoformat(),
        state=state_path(folder, settings),
        output_dir=settings.output_dir or folder / manifest.output.dir,
        service=settings.service,
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
        ours = _RUN_SOURCES if name == "run" else ("the policy", _MANIFEST)
        found[name] = ours[0] if policy.get(name) == limit else ours[1]
    if found.get("batch") == _MANIFEST and _is_one_number(project.manifest.budget):
        found["batch"] = "`budget` in the manifest"  # where a number is the whole of it
    return found


def _is_one_number(budget: BudgetSpec) -> bool:
    return budget == BudgetSpec(credits=budget.credits)


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
