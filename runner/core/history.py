"""The attempts of a job, read back from its events: task ids, money, and how each ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from runner.core.events import (
    Added,
    Event,
    Imported,
    Resolved,
    SubmitStarted,
    TaskAccepted,
    Verdict,
)
from runner.core.job import Job
from runner.core.lifecycle import create, settled_credits, transition


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One create call of a job, as far as it has come."""

    number: int
    started_at: datetime
    reserve: int  # credits set aside
    task_id: str | None = None
    ended_at: datetime | None = None
    charged: int | None = None  # credits; None while it is open
    outcome: str = "open"  # the event that settled it
    identity: str = ""  # digest of all that decided the request; empty for older attempts
    consumed: tuple[str, ...] = ()  # sha256 of each output of another job that went into it


def replay(batch: str, events: Iterable[Event]) -> list[tuple[Job, Event]]:
    """Each event with the job as it was right after it."""
    found: list[tuple[Job, Event]] = []
    for event in events:
        if isinstance(event, Added):
            job = create(batch, event)
        else:
            assert found, "the first event of a job adds it"  # noqa: S101 - our bug
            job = transition(found[-1][0], event)
        found.append((job, event))
    return found


def attempts_of(past: Sequence[tuple[Job, Event]]) -> list[Attempt]:
    """In the order in which they were made."""
    found: list[Attempt] = []
    for (before, _), (after, event) in pairwise(past):
        _note(found, event, after, settled_credits(before, event))
    return found


def _note(found: list[Attempt], event: Event, after: Job, charged: int | None) -> None:
    if isinstance(event, SubmitStarted):
        found.append(
            Attempt(
                number=after.attempt,
                started_at=event.at,
                reserve=event.reserve,
                identity=event.identity,
                consumed=event.consumed,
            )
        )
    elif isinstance(event, Imported) and (not found or found[-1].charged is not None):
        found.append(Attempt(number=after.attempt, started_at=event.at, reserve=charged or 0))
    if not found:
        return
    last = found[-1]
    if isinstance(event, TaskAccepted | Imported) or _adopts(event):
        last = replace(last, task_id=after.task_id, reserve=max(last.reserve, after.hold))
    if charged is not None and last.charged is None:
        last = replace(last, charged=charged, ended_at=event.at, outcome=_word(event))
    found[-1] = last


def _adopts(event: Event) -> bool:
    return isinstance(event, Resolved) and event.verdict is Verdict.ADOPTED


def _word(event: Event) -> str:
    """How the attempt ended, in the words of people."""
    if isinstance(event, Resolved):
        return event.verdict.value.replace("_", " ")
    words = {
        "TaskSucceeded": "generated", "RetryScheduled": "failed", "GaveUp": "failed",
        "SubmitRefused": "refused", "Cancelled": "cancelled", "Imported": "found on disk",
    }  # fmt: skip
    return words[type(event).__name__]
