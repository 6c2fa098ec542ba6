"""A manifest as data: shape checked, templates not rendered yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.core.budget import BudgetSpec
from runner.core.halting import HaltLimits
from runner.core.schedule import Window
from runner.core.spec import Json
from runner.manifest.places import Document, Path

DEFAULT_NAME = "${{ batch }}/${{ job }}${{ part }}.${{ ext }}"


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
class Defaults:
    """What lies under every job, as written."""

    job: Mapping[str, Json] = field(default_factory=dict)
    models: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    endpoints: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class JobTemplate:
    """An entry of `jobs`, as written."""

    index: int
    id: str  # may hold expressions
    endpoint: str
    body: Mapping[str, Json]
    keys: Mapping[str, Json]  # takes, needs, tags, priority, max_credits, unchecked, output
    uses_defaults: bool = True

    @property
    def path(self) -> Path:
        return ("jobs", self.index)


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """A manifest whose shape is sound. Where its values stand is in `document`."""

    file: str  # as it was named
    name: str  # of the batch
    jobs: tuple[JobTemplate, ...]
    budget: BudgetSpec = field(default_factory=BudgetSpec)
    confirm_over: int = 500  # credits
    concurrency: ConcurrencySpec = field(default_factory=ConcurrencySpec)
    schedule: ScheduleSpec = field(default_factory=ScheduleSpec)
    retry: RetrySpec = field(default_factory=RetrySpec)
    halt: HaltLimits = field(default_factory=HaltLimits)
    account: AccountSpec = field(default_factory=AccountSpec)
    output: OutputSpec = field(default_factory=OutputSpec)
    allow: tuple[str, ...] = ()  # folders for inputs, relative to the manifest
    defaults: Defaults = field(default_factory=Defaults)
    vars: Mapping[str, Json] = field(default_factory=dict)
    document: Document = field(repr=False)
