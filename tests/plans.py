"""A plan of a few jobs that are all in memory, as a run makes it of a manifest and a state file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from runner.core.changes import Change, Result, changes_of, needs_change
from runner.core.job import Job, JobStatus
from runner.core.plan import Holder, KnownJob, Plan, PlanEntry
from runner.core.planner import Planner
from runner.core.spec import JobSpec
from runner.core.tally import Tally

BATCH = "b"
NOTHING: Mapping[str, Job] = {}


def plan(
    specs: Iterable[JobSpec], stored: Mapping[str, Job] = NOTHING, *, refresh: bool = False,
    accept_stale: bool = False,
) -> Plan:  # fmt: skip
    """What a run would do."""
    planner, tally = Planner(BATCH, refresh=refresh, accept_stale=accept_stale), Tally()
    for entry in _pass(planner, specs, stored):
        tally.add(entry)
    return tally.plan(planner)


def entries(
    specs: Iterable[JobSpec], stored: Mapping[str, Job] = NOTHING, *, refresh: bool = False,
    accept_stale: bool = False,
) -> list[PlanEntry]:  # fmt: skip
    """What becomes of each job: the second pass."""
    specs = list(specs)
    first = plan(specs, stored, refresh=refresh, accept_stale=accept_stale)
    planner = Planner(
        BATCH, refresh=refresh, accept_stale=accept_stale, verdicts=first.verdicts
    )  # fmt: skip
    found = _pass(planner, specs, stored)
    assert planner.digest == first.digest
    return found


def changes(
    batch: str, specs: Iterable[JobSpec], stored: Mapping[str, Job], now: datetime, *,
    refresh: bool = False, accept_stale: bool = False,
) -> list[Change]:  # fmt: skip
    """The events that bring the state file to the plan."""
    rows = dict(enumerate(stored.values(), 1))
    found: list[Change] = []
    for entry in entries(specs, stored, refresh=refresh, accept_stale=accept_stale):
        if needs_change(entry, accept_stale=accept_stale):
            before = rows[entry.stored.number] if entry.stored is not None else None
            source = None if entry.source is None else rows[entry.source]
            found += changes_of(
                batch, entry, before, now, accept_stale=accept_stale,
                result=None if source is None else result_of(source),
            )  # fmt: skip
    return found


def result_of(job: Job) -> Result:
    """What another job takes over."""
    return Result(
        task_id=job.task_id or "t", outputs=job.outputs, consumed=job.consumed, source=job.id
    )


def parents_first(specs: Iterable[JobSpec]) -> list[JobSpec]:
    """In an order in which every job follows the jobs it needs, as a manifest gives them."""
    by_id = {spec.id: spec for spec in specs}
    found: dict[str, JobSpec] = {}

    def put(spec: JobSpec) -> None:
        for need in spec.needs:
            if need in by_id and need not in found:
                put(by_id[need])
        found[spec.id] = spec

    for spec in by_id.values():
        put(spec)
    return list(found.values())


def _pass(planner: Planner, specs: Iterable[JobSpec], stored: Mapping[str, Job]) -> list[PlanEntry]:
    rows = {job.id: number for number, job in enumerate(stored.values(), 1)}
    ordered = parents_first(specs)
    known = {
        spec.id: _known(rows[spec.id], stored[spec.id], spec, stored)
        for spec in ordered
        if spec.id in stored
    }
    for spec in ordered:
        verdict = (planner._given or {}).get(spec.id)
        if verdict is not None and verdict.renamed is not None:
            orphan = list(stored.values())[verdict.renamed - 1]
            known[spec.id] = _known(verdict.renamed, orphan, spec, stored)
    found = list(planner.page(ordered, known, _holders(rows, stored)))
    found += planner.finish()
    gone = [job for job in stored.values() if planner.is_orphan(rows[job.id])]
    return found + [
        planner.orphan(job.spec, _known(rows[job.id], job, job.spec, stored), job.position)
        for job in gone
    ]


def _known(number: int, job: Job, spec: JobSpec, stored: Mapping[str, Job]) -> KnownJob:
    return KnownJob(
        number=number,
        id=job.id,
        key=job.spec.key,
        status=job.status,
        hold=job.hold,
        charged=job.charged,
        same_spec=job.spec == spec,
        stale=job.stale,
        orphaned=job.orphaned,
        accepted=job.accepted,
        outdated=_is_outdated(job, stored),
    )


def _is_outdated(job: Job, stored: Mapping[str, Job]) -> bool:
    parents = [stored[need] for need in job.spec.needs if need in stored]
    if job.status is not JobStatus.DONE or any(p.status is not JobStatus.DONE for p in parents):
        return False
    present = {output.sha256 for parent in parents for output in parent.outputs}
    return not present.issuperset(job.consumed)


def _holders(rows: Mapping[str, int], stored: Mapping[str, Job]) -> Mapping[str, Sequence[Holder]]:
    found: dict[str, list[Holder]] = {}
    for job in stored.values():
        found.setdefault(job.spec.key, []).append(holder(rows[job.id], job))
    return found


def holder(number: int, job: Job, **fields: object) -> Holder:
    """A stored job as the holder of its own content."""
    made = Holder(
        number=number,
        batch=BATCH,
        id=job.id,
        status=job.status,
        is_present=True,
        has_result=job.status is JobStatus.DONE,
        hold=job.hold,
        charged=job.charged,
    )
    return replace(made, **fields)
