"""The events that bring the state file to a plan, job by job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from runner.core.deciding import Action
from runner.core.events import (
    Added,
    Adopted,
    Edited,
    Event,
    Flagged,
    Held,
    Refreshed,
    Renamed,
    Requeued,
)
from runner.core.job import Job, JobStatus, OutputFile
from runner.core.lifecycle import create, transition
from runner.core.plan import KnownJob, PlanEntry

#: before (None: a new job), after, event
Change: TypeAlias = tuple[Job | None, Job, Event]

#: why a job is held whose content is on its way elsewhere
ELSEWHERE = "ELSEWHERE"


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """A verified result that a job takes over, its files where the batch has its outputs."""

    task_id: str
    outputs: tuple[OutputFile, ...]
    consumed: tuple[str, ...]
    source: str  # the job that it was made for, with its batch where that is another


def needs_change(entry: PlanEntry, *, accept_stale: bool = False) -> bool:
    """Whether the state file does not say what the entry says."""
    if entry.action in _FLAGS_ONLY:
        return entry.stored is not None and _flags(entry.stored) != _wanted(entry, accept_stale)
    return True


def changes_of(
    batch: str,
    entry: PlanEntry,
    before: Job | None,
    now: datetime,
    *,
    accept_stale: bool = False,
    result: Result | None = None,
) -> list[Change]:
    """The entry's changes, in order; each begins where the one before ended.

    Args:
        batch: its name.
        entry: that `needs_change`.
        before: as it is stored now; None for a new job.
        now: the time.
        accept_stale: whether jobs may start on a stale parent.
        result: what an adopted job takes over.

    Raises:
        IllegalTransition: the job is no longer what the entry was made of.
    """
    found: list[Change] = []
    for event in _events(entry, now, accept_stale, result):
        if isinstance(event, Added):
            after = create(batch, event)
        else:
            assert before is not None, "only a stored job can be changed"  # noqa: S101 - our bug
            after = transition(before, event)
        found.append((before, after, event))
        before = after
    return found


_FLAGS_ONLY = frozenset({Action.KEEP, Action.STALE, Action.ORPHAN})


def _flags(known: KnownJob) -> tuple[bool, bool, bool]:
    return known.stale, known.orphaned, known.accepted


def _wanted(entry: PlanEntry, accept_stale: bool) -> tuple[bool, bool, bool]:
    """The flags after the plan: stale, orphaned, accepted."""
    is_accepted = accept_stale and entry.action is Action.STALE
    return entry.is_stale, entry.action is Action.ORPHAN, is_accepted


def _events(
    entry: PlanEntry, now: datetime, accept_stale: bool, result: Result | None
) -> Sequence[Event]:
    spec, position, stored = entry.spec, entry.position, entry.stored
    match entry.action:
        case Action.NEW:
            return [Added(at=now, spec=spec, position=position)]
        case Action.EDIT:
            return [Edited(at=now, spec=spec, position=position)]
        case Action.REQUEUE | Action.HOLD:
            return list(_queued(entry, now))
        case Action.RENAME:
            assert stored is not None, "an orphan is renamed"  # noqa: S101 - our bug
            return [Renamed(at=now, spec=spec, position=position, was=stored.id)]
        case Action.REFRESH:
            return [Refreshed(at=now, spec=spec, position=position)]
        case Action.ADOPT:
            return list(_adopted(entry, now, result))
    stale, orphaned, accepted = _wanted(entry, accept_stale)
    return [Flagged(at=now, stale=stale, orphaned=orphaned, accepted=accepted)]


def _queued(entry: PlanEntry, now: datetime) -> Iterator[Event]:
    """To pending, with the manifest's content; and held at once where that is on its way."""
    spec, position, stored = entry.spec, entry.position, entry.stored
    if stored is None:
        yield Added(at=now, spec=spec, position=position)
    elif stored.orphaned or not stored.same_spec:
        yield Edited(at=now, spec=spec, position=position)
    elif stored.status is not JobStatus.PENDING:
        yield Requeued(at=now)
    if entry.action is Action.HOLD:
        reason = (
            "the same is being made for a job that is no longer asked for: `run`, or"
            " `fetch` of its batch, collects it"
        )
        yield Held(at=now, code=ELSEWHERE, reason=reason)


def _adopted(entry: PlanEntry, now: datetime, result: Result | None) -> Iterator[Event]:
    assert result is not None, "an adopted job takes a result over"  # noqa: S101 - our bug
    spec, position = entry.spec, entry.position
    if entry.stored is None:
        yield Added(at=now, spec=spec, position=position)
    yield Adopted(
        at=now,
        spec=spec,
        position=position,
        task_id=result.task_id,
        outputs=result.outputs,
        consumed=result.consumed,
        source=result.source,
    )
