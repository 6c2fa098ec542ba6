"""Plan entries, one after the other, summed up into a plan; an entry is forgotten once counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runner.core.credits import CostBand
from runner.core.deciding import Action, Parents
from runner.core.estimate import CONFIDENCES
from runner.core.job import ACTIVE, JobStatus
from runner.core.plan import (
    MOST_LISTED,
    LanePlan,
    Listing,
    Plan,
    PlanEntry,
    PlanRow,
    TagPlan,
    UnderWay,
)
from runner.core.planner import Planner
from runner.core.spec import JobSpec

#: different notes on prices that are kept
MOST_NOTES = 20
_LAST = 1 << 60  # after every job of a manifest


@dataclass(slots=True)
class _Names:
    """A `Listing` that grows."""

    count: int = 0
    credits: int = 0
    ids: list[str] = field(default_factory=list)

    def add(self, spec: JobSpec) -> None:
        self.count += 1
        self.credits += spec.reserve
        if self.count <= MOST_LISTED:
            self.ids.append(spec.id)

    def listing(self) -> Listing:
        return Listing(count=self.count, credits=self.credits, ids=tuple(self.ids))


@dataclass(slots=True)
class _Row:
    position: int = _LAST  # of its first job in the manifest
    jobs: int = 0
    starting: int = 0
    low: int = 0
    expected: int = 0
    worst: int = 0
    confidence: int | None = None  # the lowest; None: nothing starts
    words: Counter[str] = field(default_factory=Counter)
    tags: Counter[str] = field(default_factory=Counter)  # of the jobs that start


@dataclass(slots=True)
class _Lane:
    starting: int = 0
    worst: int = 0
    spent: int = 0
    reserved: int = 0
    statuses: Counter[JobStatus] = field(default_factory=Counter)


@dataclass(slots=True)
class _Tag:
    worst: int = 0
    used: int = 0


class Tally:
    """Counts entries."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str | None], _Row] = {}
        self._lanes: dict[str, _Lane] = {}
        self._tags: dict[str, _Tag] = {}
        self._actions: Counter[Action] = Counter()
        self._orphans: Counter[JobStatus] = Counter()
        self._listed: dict[str, _Names] = {}
        self._notes: Counter[str] = Counter()
        self._under_way: list[UnderWay] = []

    def add(self, entry: PlanEntry) -> None:
        """Count one entry."""
        spec, status, starts = entry.spec, entry.status, entry.starts
        self._actions[entry.action] += 1
        row = self._rows.get((spec.template, spec.endpoint, spec.model))
        if row is None:
            row = self._rows[spec.template, spec.endpoint, spec.model] = _Row()
        row.jobs += 1
        row.words[entry.word] += 1
        if entry.position < row.position and entry.is_ours:
            row.position = entry.position
        lane = self._lanes.get(spec.lane)
        if lane is None:
            lane = self._lanes[spec.lane] = _Lane()
        lane.statuses[status] += 1
        if not entry.is_ours:
            self._orphans[status] += 1
        if starts:
            self._add_price(spec, row, lane)
        if entry.stored is not None:
            lane.spent += entry.stored.charged
            lane.reserved += entry.stored.hold
        for name in spec.tags:
            self._add_tag(name, entry, row, starts=starts)
        self._list(entry, status, starts=starts)

    def _add_price(self, spec: JobSpec, row: _Row, lane: _Lane) -> None:
        band, reserve = spec.estimate, spec.reserve
        row.starting += 1
        row.low += band.low
        row.expected += band.expected
        row.worst += reserve
        lane.starting += 1
        lane.worst += reserve
        confidence = CONFIDENCES.index(band.confidence)
        if row.confidence is None or confidence < row.confidence:
            row.confidence = confidence
        if band.note and (band.note in self._notes or len(self._notes) < MOST_NOTES):
            self._notes[band.note] += 1

    def _add_tag(self, name: str, entry: PlanEntry, row: _Row, *, starts: bool) -> None:
        tag = self._tags.setdefault(name, _Tag())
        if starts:
            row.tags[name] += 1
            tag.worst += entry.spec.reserve
        if entry.stored is not None:
            tag.used += entry.stored.charged + entry.stored.hold

    def _list(self, entry: PlanEntry, status: JobStatus, *, starts: bool) -> None:
        spec = entry.spec
        kind = _LISTED.get(entry.action)
        if kind is not None:
            self._named(kind).add(spec)
        if entry.action is Action.RENAME and status in _AT_RISK:
            self._named("moving").add(spec)
        if starts:
            if entry.is_twin:
                self._named("duplicates").add(spec)
            if spec.estimate.worst is None:
                self._named("unpriced").add(spec)
        elif entry.is_pending:
            doomed = entry.parents is Parents.DOOMED
            self._named("doomed" if doomed else "blocked").add(spec)
        if status is JobStatus.HELD and entry.is_ours:
            self._named("held").add(spec)
        elif status is JobStatus.IN_DOUBT:
            self._named("in_doubt").add(spec)
        elif status in ACTIVE and entry.stored is not None:
            self._under_way.append(
                UnderWay(
                    id=spec.id,
                    lane=spec.lane,
                    status=status,
                    hold=entry.stored.hold,
                    charged=entry.stored.charged,
                )
            )

    def _named(self, kind: str) -> _Names:
        return self._listed.setdefault(kind, _Names())

    def plan(self, planner: Planner) -> Plan:
        """The sums of a first pass, with what the second needs."""
        jobs = sum(self._actions.values())
        statuses: Counter[JobStatus] = Counter()
        for lane in self._lanes.values():
            statuses.update(lane.statuses)
        listed: Any = {kind: names.listing() for kind, names in self._listed.items()}
        # jobs that are decided late come late
        rows = sorted(self._rows.items(), key=lambda named: named[1].position)
        return Plan(
            jobs=jobs,
            wanted=jobs - self._actions[Action.ORPHAN],
            starting=sum(row.starting for row in self._rows.values()),
            cost=CostBand(
                low=sum(row.low for row in self._rows.values()),
                expected=sum(row.expected for row in self._rows.values()),
                worst=sum(row.worst for row in self._rows.values()),
            ),
            rows=tuple(_row(*name, row) for name, row in rows),
            counts=dict(+self._actions),
            statuses=dict(statuses),
            orphans=dict(self._orphans),
            lanes={name: _lane(lane) for name, lane in self._lanes.items()},
            tags={name: TagPlan(worst=t.worst, used=t.used) for name, t in self._tags.items()},
            under_way=tuple(self._under_way),
            notes=dict(self._notes),
            digest=planner.digest,
            verdicts=planner.verdicts,
            refresh=planner.refresh,
            accept_stale=planner.accept_stale,
            **listed,
        )


_AT_RISK = ACTIVE | {JobStatus.IN_DOUBT}

#: actions whose jobs are named, and under which name
_LISTED: Mapping[Action, str] = {
    Action.RENAME: "renamed",
    Action.ADOPT: "adopted",
    Action.REFRESH: "refreshed",
    Action.STALE: "stale",
    Action.ORPHAN: "orphaned",
}


def _row(template: str, endpoint: str, model: str | None, row: _Row) -> PlanRow:
    return PlanRow(
        template=template,
        endpoint=endpoint,
        model=model,
        jobs=row.jobs,
        words=dict(row.words),
        starting=row.starting,
        low=row.low,
        expected=row.expected,
        worst=row.worst,
        confidence="" if row.confidence is None else CONFIDENCES[row.confidence],
        tags=dict(row.tags),
    )


def _lane(lane: _Lane) -> LanePlan:
    return LanePlan(
        starting=lane.starting,
        worst=lane.worst,
        spent=lane.spent,
        reserved=lane.reserved,
        statuses=dict(lane.statuses),
    )
