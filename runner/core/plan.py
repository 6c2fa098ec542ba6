"""What a run would do with a batch, in numbers: what `plan` shows and a gate judges.

A plan holds sums and the first names, never all jobs: its size does not grow with the batch. Jobs
one by one, each with its reason, are `PlanEntry`s: a stream of them comes from
`runner.app.planning.plan_entries`.

Made by `core/planner.py`. To show it:

    plan.rows          a row for each (template, endpoint, model): jobs, words, credits, confidence
    plan.cost          what all jobs that start may cost together, first attempts only
    plan.starting      how many start; plan.jobs how many there are, orphans included
    plan.counts        jobs by `Action`; plan.statuses by the status that they have afterwards
    plan.lanes         by lane: what starts, what it may cost, what is used; plan.tags likewise
    plan.stale …       `Listing`s: count, price and the first names of jobs of one kind
    plan.notes         what prices rest on, with the number of jobs; plan.warnings of the manifest
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runner.core.credits import CostBand
from runner.core.deciding import Action, Elsewhere, Parents
from runner.core.events import Edited, Renamed, Requeued
from runner.core.job import JobStatus
from runner.core.lifecycle import TRANSITIONS
from runner.core.price_memory import PriceNote
from runner.core.spec import JobSpec
from runner.errors import Problem

#: names kept of each kind of jobs
MOST_LISTED = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownJob:
    """What the state file has under an id, as far as a plan needs it."""

    number: int  # of its row: stays when the job is renamed
    id: str
    key: str
    status: JobStatus
    hold: int  # credits
    charged: int  # credits
    same_spec: bool = False  # as the manifest has it, in everything; told only where it matters
    stale: bool = False
    orphaned: bool = False
    accepted: bool = False
    outdated: bool = False  # what it consumed is no longer what its parents have
    for_another: bool = False  # held because its content was being made for another job


@dataclass(frozen=True, kw_only=True, slots=True)
class Holder:
    """A job of the state file that has, or makes, or once had a content."""

    number: int  # of its row
    batch: str
    id: str
    status: JobStatus
    is_present: bool  # the content is its own now, not that of an earlier result
    has_result: bool  # made with this content, verified, and the files are there
    is_gone: bool = False  # of another batch, whose manifest is no longer there
    hold: int = 0  # credits
    charged: int = 0  # credits


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What other jobs have of a content: settled when all ids of the manifest were seen."""

    elsewhere: Elsewhere = Elsewhere.NOWHERE
    source: int | None = None  # row of the job whose result is taken over
    renamed: int | None = None  # row of the orphan that takes the new id


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanEntry:
    """What becomes of one job."""

    action: Action
    spec: JobSpec  # of the manifest; for an orphan the stored one
    stored: KnownJob | None  # of a renamed job: the orphan
    position: int
    parents: Parents = Parents.FINE
    source: int | None = None  # ADOPT: row of the job whose result is taken over
    is_twin: bool = False  # another job that is asked for has the same content

    @property
    def status(self) -> JobStatus:
        """The status after the plan is applied."""
        after = _AFTER.get(self.action)
        if after is not None:
            return after
        if self.stored is None:
            return JobStatus.PENDING
        event = _MOVES.get(self.action)
        before = self.stored.status
        return before if event is None else TRANSITIONS[before, event]

    @property
    def is_ours(self) -> bool:
        """Whether the manifest asks for it."""
        return self.action is not Action.ORPHAN

    @property
    def is_stale(self) -> bool:
        """Whether it is stale after the plan is applied."""
        if self.action is Action.ORPHAN:
            return self.stored is not None and self.stored.stale
        return self.action is Action.STALE

    @property
    def is_pending(self) -> bool:
        """Whether the manifest waits for it to be sent."""
        return (
            self.is_ours and self.action is not Action.STALE and (self.status is JobStatus.PENDING)
        )

    @property
    def starts(self) -> bool:
        """Whether a run would send it."""
        return self.is_pending and self.parents in {Parents.FINE, Parents.REFRESHED}

    @property
    def word(self) -> str:
        """For people: what becomes of it, or for a kept job its status."""
        if self.action is Action.KEEP:
            if self.status is JobStatus.PENDING and not self.starts:
                return "waiting"
            return self.status.value
        return WORDS[self.action]


#: status after an action, whatever it was before
_AFTER: Mapping[Action, JobStatus] = {
    Action.REFRESH: JobStatus.PENDING,
    Action.ADOPT: JobStatus.DONE,
    Action.HOLD: JobStatus.HELD,
}
#: actions whose event moves a stored job by the table of moves
_MOVES: Mapping[Action, type[Any]] = {
    Action.EDIT: Edited,
    Action.REQUEUE: Requeued,
    Action.RENAME: Renamed,
}

#: an action in the words of people; a kept job has its status
WORDS: Mapping[Action, str] = {
    Action.NEW: "new",
    Action.KEEP: "kept",
    Action.EDIT: "changed",
    Action.REQUEUE: "again",
    Action.RENAME: "renamed",
    Action.ADOPT: "adopted",
    Action.HOLD: "held",
    Action.STALE: "stale",
    Action.REFRESH: "refreshed",
    Action.ORPHAN: "orphaned",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """Jobs of one kind."""

    count: int = 0
    credits: int = 0  # what they would cost at worst
    ids: tuple[str, ...] = ()  # the first of them

    def __bool__(self) -> bool:
        return self.count > 0


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanRow:
    """The jobs of one template that use one model of one endpoint."""

    template: str
    endpoint: str
    model: str | None
    jobs: int
    words: Mapping[str, int]  # new, changed, stale … or the status of a kept job, with their number
    starting: int
    #: credits of the jobs that start, first attempts only
    low: int
    expected: int
    worst: int
    confidence: str = ""  # the lowest of their prices, see `CostBand`; empty where none starts
    tags: Mapping[str, int] = field(default_factory=dict)  # with the number of jobs that start


@dataclass(frozen=True, kw_only=True, slots=True)
class LanePlan:
    """The jobs of one lane."""

    starting: int
    worst: int  # credits, of the jobs that start
    spent: int  # credits
    reserved: int  # credits, in doubt included
    statuses: Mapping[JobStatus, int]  # after the plan is applied


@dataclass(frozen=True, kw_only=True, slots=True)
class TagPlan:
    """The jobs that have a tag."""

    worst: int  # credits, of the jobs that start
    used: int  # credits, spent or set aside


@dataclass(frozen=True, kw_only=True, slots=True)
class UnderWay:
    """A job that a run goes on with."""

    id: str
    lane: str
    status: JobStatus
    hold: int
    charged: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a run would do, in sums."""

    jobs: int  # orphans included
    wanted: int  # of the manifest
    starting: int
    cost: CostBand  # of the jobs that start, first attempts only
    rows: tuple[PlanRow, ...] = ()  # in manifest order, orphans last
    counts: Mapping[Action, int] = field(default_factory=dict)
    statuses: Mapping[JobStatus, int] = field(default_factory=dict)
    orphans: Mapping[JobStatus, int] = field(default_factory=dict)  # of `statuses`
    lanes: Mapping[str, LanePlan] = field(default_factory=dict)
    tags: Mapping[str, TagPlan] = field(default_factory=dict)
    under_way: tuple[UnderWay, ...] = ()

    renamed: Listing = Listing()
    adopted: Listing = Listing()  # credits: what they do not cost
    refreshed: Listing = Listing()
    duplicates: Listing = Listing()
    stale: Listing = Listing()
    orphaned: Listing = Listing()
    held: Listing = Listing()
    in_doubt: Listing = Listing()
    blocked: Listing = Listing()  # wait for a job that is stale
    doomed: Listing = Listing()  # need a job that failed, was skipped or cancelled
    #: of the renamed those that are at Runway, or may be: a live run knows them by the old id
    moving: Listing = Listing()
    unpriced: Listing = Listing()  # about to be sent, and nobody knows the worst case

    #: what the prices of starting jobs rest on, with the number of jobs
    notes: Mapping[str, int] = field(default_factory=dict)
    #: where Runway asked something else than the table says
    price_notes: tuple[PriceNote, ...] = ()
    warnings: tuple[Problem, ...] = ()  # of the manifest, and of the policy
    refusals: tuple[str, ...] = ()  # why a run would not begin, though the manifest is right

    #: the newest event of the state file that the plan knows of; 0: there was none
    event: int = 0
    #: for the second pass, which writes what this one decided
    digest: bytes = b""  # over id and key of every job of the manifest, in order
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)  # by id
    refresh: bool = False
    accept_stale: bool = False
