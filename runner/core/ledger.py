"""Reserve, settle, release: what a batch has spent and what it may still have to pay.

The pure model. The store keeps entries and caps as rows and changes them in the transaction of
the state change; tests hold both equal after every event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from runner.core.events import (
    Event,
    Resolved,
    SubmitStarted,
    SubmitUnknown,
    TaskAccepted,
    Verdict,
)
from runner.core.job import Job, JobStatus
from runner.core.lifecycle import settled_credits


class EntryState(StrEnum):
    """What an attempt's credits are. An entry settled at 0 credits was released."""

    RESERVED = "reserved"  # the worst case, set aside before the create
    IN_DOUBT = "in_doubt"  # set aside; nobody knows whether it was charged
    SETTLED = "settled"  # charged


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerMove:
    """What an event does to the ledger entry of the job's present attempt."""

    attempt: int
    state: EntryState
    credits: int  # the entry's new amount
    #: a reserve must fit under every cap that applies; everything else already happened
    must_fit: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerTotals:
    """Credits of a batch."""

    spent: int = 0
    reserved: int = 0
    in_doubt: int = 0

    @property
    def used(self) -> int:
        """What counts against a cap."""
        return self.spent + self.reserved + self.in_doubt


@dataclass(frozen=True, kw_only=True, slots=True)
class Caps:
    """Upper limits in credits for spent + reserved + in doubt; None = no limit."""

    batch: int | None = None
    #: one run's own limit (`--max-credits`); counts only what that run reserves
    run: int | None = None
    models: Mapping[str, int] = field(default_factory=dict)
    tags: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cap:
    """A cap as it stands, and what counts against it, in credits."""

    name: str  # batch, run:ID, model:LANE, tag:TAG
    limit: int
    used: int

    @property
    def available(self) -> int:
        return max(0, self.limit - self.used)


def ledger_move(job: Job, event: Event) -> LedgerMove | None:
    """What the event does to the ledger, seen before `job` changes; None = nothing."""
    credits = settled_credits(job, event)
    if credits is not None:
        return LedgerMove(attempt=job.attempt, state=EntryState.SETTLED, credits=credits)
    match event:
        case SubmitStarted():
            return LedgerMove(
                attempt=job.attempt + 1,
                state=EntryState.RESERVED,
                credits=event.reserve,
                must_fit=True,
            )
        case TaskAccepted():
            raised = max(job.hold, event.estimated or 0)
            return LedgerMove(attempt=job.attempt, state=EntryState.RESERVED, credits=raised)
        case SubmitUnknown():
            return LedgerMove(attempt=job.attempt, state=EntryState.IN_DOUBT, credits=job.hold)
        case Resolved(verdict=Verdict.ADOPTED):
            return LedgerMove(attempt=job.attempt, state=EntryState.RESERVED, credits=job.hold)
        case _:
            return None


def totals_of(jobs: Iterable[Job]) -> LedgerTotals:
    """The ledger rebuilt from the jobs: the check of what the store keeps."""
    spent = reserved = in_doubt = 0
    for job in jobs:
        spent += job.charged
        if job.status is JobStatus.IN_DOUBT:
            in_doubt += job.hold
        else:
            reserved += job.hold
    return LedgerTotals(spent=spent, reserved=reserved, in_doubt=in_doubt)
