"""What a run would do with a batch, decided before anything is written or sent.

The id is a job's name, the key its content. What follows from an edit of the manifest is one pure
function, `decide`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from runner.core.credits import CostBand
from runner.core.events import Added, Edited, Event, Flagged, Requeued
from runner.core.job import Job, JobStatus
from runner.core.lifecycle import TRANSITIONS, create, transition
from runner.core.spec import JobSpec


class Action(StrEnum):
    """What becomes of a job of the manifest or of the state file."""

    NEW = "new"
    KEEP = "keep"  # as stored
    EDIT = "edit"  # judged afresh: the stored job had nothing to lose; a cancelled one stays so
    REQUEUE = "requeue"  # was skipped for a job that is on its way again
    STALE = "stale"  # kept as it is, or collected as submitted; the new content is not made
    ORPHAN = "orphan"  # no longer in the manifest; in-flight ones are still collected


#: statuses in which a job takes a new content over at once: nothing of it is paid or under way
_REPLACEABLE = frozenset(
    {JobStatus.PENDING, JobStatus.HELD, JobStatus.SKIPPED, JobStatus.FAILED, JobStatus.CANCELLED}
)
#: statuses of a job that the jobs which need it cannot go on from
_DOOMING = frozenset({JobStatus.FAILED, JobStatus.SKIPPED, JobStatus.CANCELLED})


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanEntry:
    action: Action
    spec: JobSpec  # of the manifest; for an orphan the stored one
    stored: Job | None
    position: int

    @property
    def starts(self) -> bool:
        """Whether a run would send it."""
        is_ours = self.action not in {Action.STALE, Action.ORPHAN}
        return is_ours and self.status is JobStatus.PENDING

    @property
    def status(self) -> JobStatus:
        """The status after the plan is applied."""
        if self.stored is None:
            return JobStatus.PENDING
        before = self.stored.status
        match self.action:
            case Action.EDIT:
                return TRANSITIONS[before, Edited]
            case Action.REQUEUE:
                return TRANSITIONS[before, Requeued]
        return before


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """All entries, in manifest order, orphans last."""

    entries: tuple[PlanEntry, ...]

    @property
    def starting(self) -> tuple[PlanEntry, ...]:
        return tuple(entry for entry in self.entries if entry.starts)

    @property
    def counts(self) -> Mapping[Action, int]:
        return Counter(entry.action for entry in self.entries)

    @property
    def cost(self) -> CostBand:
        """What the jobs that a run would send may cost together, first attempts only."""
        bands = [entry.spec.estimate for entry in self.starting]
        return CostBand(
            low=sum(band.low for band in bands),
            expected=sum(band.expected for band in bands),
            worst=sum(entry.spec.reserve for entry in self.starting),
        )

    @property
    def renamed(self) -> tuple[PlanEntry, ...]:
        """New jobs whose content an orphan has already: keeping its id would cost nothing."""
        known = {e.spec.key for e in self.entries if e.action is Action.ORPHAN}
        return tuple(e for e in self.entries if e.action is Action.NEW and e.spec.key in known)

    @property
    def duplicates(self) -> tuple[PlanEntry, ...]:
        """Jobs that would pay again for content that an earlier entry makes."""
        seen: set[str] = set()
        found = []
        for entry in self.entries:
            if entry.starts and entry.spec.key in seen:
                found.append(entry)
            seen.add(entry.spec.key)
        return tuple(found)


def decide(spec: JobSpec | None, stored: Job | None) -> Action:
    """What becomes of a job that the manifest has as `spec` and the state file as `stored`."""
    if spec is None:
        return Action.ORPHAN
    if stored is None:
        return Action.NEW
    same_key = spec.key == stored.spec.key
    if stored.status is JobStatus.PENDING:
        return Action.KEEP if spec == stored.spec and not stored.orphaned else Action.EDIT
    if same_key:
        return Action.KEEP
    return Action.EDIT if stored.status in _REPLACEABLE else Action.STALE


def plan(specs: Sequence[JobSpec], stored: Mapping[str, Job]) -> Plan:
    """Compare the manifest's jobs with the state file's, by id."""
    entries = [
        PlanEntry(
            action=decide(spec, stored.get(spec.id)),
            spec=spec,
            stored=stored.get(spec.id),
            position=position,
        )
        for position, spec in enumerate(specs)
    ]
    wanted = {spec.id for spec in specs}
    entries += [
        PlanEntry(action=decide(None, job), spec=job.spec, stored=job, position=job.position)
        for job in stored.values()
        if job.id not in wanted
    ]
    return Plan(entries=tuple(_with_requeued(entries)))


def _with_requeued(entries: Sequence[PlanEntry]) -> list[PlanEntry]:
    """Skipped jobs whose needs are all on their way again go on, and theirs in turn."""
    by_id = {entry.spec.id: entry for entry in entries}

    def can_go_on(entry: PlanEntry) -> bool:
        needs = (by_id[need] for need in entry.spec.needs if need in by_id)
        is_skipped = entry.action is Action.KEEP and entry.status is JobStatus.SKIPPED
        return is_skipped and not any(need.status in _DOOMING for need in needs)

    while freed := [entry for entry in by_id.values() if can_go_on(entry)]:
        by_id |= {entry.spec.id: replace(entry, action=Action.REQUEUE) for entry in freed}
    return list(by_id.values())


Change = tuple[Job | None, Job, Event]


def changes(batch: str, planned: Plan, now: datetime) -> list[Change]:
    """The events that bring the state file to the plan: (before, after, event), parents first."""
    found: list[Change] = []
    for entry in planned.entries:
        event = _event(entry, now)
        if event is None:
            continue
        before = entry.stored
        if isinstance(event, Added):
            job = create(batch, event)
        else:
            assert before is not None, "only a stored job can be changed"  # noqa: S101 - our bug
            job = transition(before, event)
        found.append((before, job, event))
    return found


def _event(entry: PlanEntry, now: datetime) -> Event | None:
    stored = entry.stored
    if stored is None:
        return Added(at=now, spec=entry.spec, position=entry.position)
    if entry.action is Action.EDIT:
        return Edited(at=now, spec=entry.spec, position=entry.position)
    if entry.action is Action.REQUEUE:
        return Requeued(at=now)
    stale, orphaned = entry.action is Action.STALE, entry.action is Action.ORPHAN
    if orphaned:
        stale = stored.stale
    if (stored.stale, stored.orphaned) != (stale, orphaned):
        return Flagged(at=now, stale=stale, orphaned=orphaned)
    return None
