"""A manifest as data: shape checked, templates not rendered yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.core.budget import BudgetSpec
from runner.core.halting import HaltLimits
from runner.core.price_override import PriceOverrides
from runner.core.schedule import Window
from runner.core.spec import Json
from runner.manifest.matrix import Matrix
from runner.manifest.places import Document, Path
from runner.manifest.rows.table import RowSource

DEFAULT_NAME = "${{ batch }}/${{ job }}${{ part }}.${{ ext }}"
#: of batches so large that a folder with all their files would be slow to look into
SHARDED_NAME = "${{ batch }}/${{ job | shard }}/${{ job }}${{ part }}.${{ ext }}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ConcurrencySpec:
    """Upper bounds on tasks at Runway; the account's own limits always apply too."""

    total: int | None = None
    models: Mapping[str, int] = field(default_factory=dict)
    queue_ahead: int = 1  # tasks kept waiting per model


@dataclass(frozen=True, kw_only=True, slots=True)
class ScheduleSpec:
    """When jobs may be submitted; None = at any time, for as long as it takes."""

    window: Window | None = None
    max_duration_s: float | None = None  # of a run


@dataclass(frozen=True, kw_only=True, slots=True)
class RetrySpec:
    attempts: int = 3  # creates for one job at most


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountSpec:
    exclusive: bool = False  # nobody else spends on the key


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputSpec:
    dir: str = "outputs"  # relative to the manifest
    name: str = DEFAULT_NAME
    sidecar: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class DefaultsLayer:
    """The `defaults` of one file, as written."""

    document: Document = field(repr=False)
    job: Mapping[str, Json] = field(default_factory=dict)
    models: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    endpoints: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Foreach:
    """What a template makes a job of each of: the rows of a table, or the jobs of a template."""

    path: Path  # where it is written
    rows: RowSource | None = None
    jobs: str = ""  # name of a template
    key: str = ""  # a column or a text with expressions; empty: see product.md, "Rows"
    where: str = ""  # an expression; empty: all


@dataclass(frozen=True, kw_only=True, slots=True)
class JobTemplate:
    """An entry of `jobs`, as written."""

    index: int  # over all files, those that are included first
    path: Path  # in its document
    document: Document = field(repr=False)
    folder: str = ""  # of its file, below the manifest's; what its paths are relative to
    id: str  # may hold expressions
    endpoint: str  # may hold expressions, under `request`
    body: Mapping[str, Json]
    body_path: Path
    keys: Mapping[str, Json]  # takes, needs, tags, priority, max_credits, unchecked, output …
    foreach: Foreach | None = None
    matrix: Matrix | None = None
    uses_defaults: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """A manifest whose shape is sound. Where its values stand is in `document`."""

    file: str  # as it was named
    name: str  # of the batch
    jobs: tuple[JobTemplate, ...]  # those of included files first
    budget: BudgetSpec = field(default_factory=BudgetSpec)
    confirm_over: int = 500  # credits
    concurrency: ConcurrencySpec = field(default_factory=ConcurrencySpec)
    schedule: ScheduleSpec = field(default_factory=ScheduleSpec)
    retry: RetrySpec = field(default_factory=RetrySpec)
    halt: HaltLimits = field(default_factory=HaltLimits)
    account: AccountSpec = field(default_factory=AccountSpec)
    output: OutputSpec = field(default_factory=OutputSpec)
    allow: tuple[str, ...] = ()  # folders for inputs, relative to the manifest
    defaults: tuple[DefaultsLayer, ...] = ()  # the manifest's own last
    prices: PriceOverrides = field(default_factory=dict)  # credits, over those of the catalogue
    vars: Mapping[str, Json] = field(default_factory=dict)
    document: Document = field(repr=False)
