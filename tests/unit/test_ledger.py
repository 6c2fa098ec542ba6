"""Reserve, settle, release: what each event does to the entry of its attempt."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.events import (
    Added,
    Cancelled,
    CancelRequested,
    Event,
    GaveUp,
    Held,
    Imported,
    Resolved,
    Running,
    SubmitRefused,
    SubmitStarted,
    SubmitUnknown,
    TaskAccepted,
    TaskSucceeded,
    Verdict,
)
from runner.core.job import Job, JobStatus
from runner.core.ledger import (
    Cap,
    Entry,
    EntryState,
    LedgerMove,
    LedgerTotals,
    ledger_move,
    totals_of,
)
from runner.core.lifecycle import TRANSITIONS, create, transition
from runner.testing import START, make_spec
from tests.account_rig import applied
from tests.unit.event_examples import OUTPUT, examples_of

NEW = create("b", Added(at=START, spec=make_spec("a"), position=0))
#: a walk over the table of moves: which of the legal events happens next
WALK = st.lists(st.integers(0, 99), max_size=40)


def legal_events(job: Job) -> list[Event]:
    kinds = [kind for status, kind in TRANSITIONS if status is job.status]
    return [event for kind in kinds for event in examples_of(kind)]


def totals_of_entries(entries: dict[int, Entry]) -> LedgerTotals:
    def summed(state: EntryState) -> int:
        return sum(entry.credits for entry in entries.values() if entry.state is state)

    return LedgerTotals(
        spent=summed(EntryState.SETTLED),
        reserved=summed(EntryState.RESERVED),
        in_doubt=summed(EntryState.IN_DOUBT),
    )


@given(WALK)
def test_entries_by_attempt_always_sum_up_to_what_the_job_says(choices: list[int]) -> None:
    job, entries = NEW, dict[int, Entry]()
    for choice in choices:
        events = legal_events(job)
        event = events[choice % len(events)]
        move = ledger_move(job, event)
        after = transition(job, event)
        assert (move is not None and move.must_fit) == isinstance(event, SubmitStarted)
        if move is not None:
            assert move.attempt == after.attempt
            entry = entries.get(move.attempt)
            assert entry is None or entry.state is not EntryState.SETTLED  # settled once
            entries[move.attempt] = applied(entry, move, after, event.at)
        job = after
        assert totals_of_entries(entries) == totals_of([job])
        says_nothing = [e for e in entries.values() if e.arrived is False and e.credits]
        assert not says_nothing  # what never arrived cost nothing


def move_of(*events: Event) -> LedgerMove | None:
    """The move of the last event."""
    job = NEW
    for event in events[:-1]:
        job = transition(job, event)
    return ledger_move(job, events[-1])


STARTED = SubmitStarted(at=START, reserve=25)
ACCEPTED = TaskAccepted(at=START, task_id="t", estimated=30)
UNKNOWN = SubmitUnknown(at=START, reason="x")
REFUSED = SubmitRefused(at=START, not_before=START, code="HTTP_503", reason="x")


def gave_up(code: str, credits: int | None) -> GaveUp:
    return GaveUp(at=START, code=code, reason="x", credits=credits)


def imported(credits: int | None) -> Imported:
    return Imported(at=START, task_id="t", outputs=(OUTPUT,), credits=credits)


def settled(credits: int, arrived: bool | None = True) -> LedgerMove:
    return entry(EntryState.SETTLED, credits, arrived=arrived)


def entry(state: EntryState, credits: int, **more: Any) -> LedgerMove:
    return LedgerMove(attempt=1, state=state, credits=credits, **more)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([STARTED], entry(EntryState.RESERVED, 25, must_fit=True)),
        (
            [STARTED, ACCEPTED],
            entry(EntryState.RESERVED, 30, arrived=True, asked=30),
        ),
        (
            [STARTED, TaskAccepted(at=START, task_id="t", estimated=None)],
            entry(EntryState.RESERVED, 25, arrived=True),
        ),
        ([STARTED, UNKNOWN], entry(EntryState.IN_DOUBT, 25)),
        ([STARTED, REFUSED], entry(EntryState.SETTLED, 0, arrived=False)),
        ([STARTED, gave_up("HTTP_400", 0)], entry(EntryState.SETTLED, 0, arrived=False)),
        ([REFUSED], None),  # an input could not be uploaded: nothing was reserved
        ([gave_up("INPUT", 0)], None),
        ([Held(at=START, code="x", reason="x")], None),
        ([Cancelled(at=START, reason="x")], None),  # was never sent
        ([STARTED, ACCEPTED, Running(at=START)], None),
        ([STARTED, ACCEPTED, CancelRequested(at=START)], None),
        ([STARTED, ACCEPTED, Cancelled(at=START, reason="x")], settled(30)),
        ([STARTED, ACCEPTED, Cancelled(at=START, reason="x", credits=0)], settled(0)),
        ([STARTED, ACCEPTED, gave_up("INTERNAL", 0)], settled(0)),
        ([STARTED, ACCEPTED, TaskSucceeded(at=START, credits=None)], settled(30)),
        ([STARTED, ACCEPTED, TaskSucceeded(at=START, credits=5)], settled(5)),
        (
            [STARTED, UNKNOWN, Resolved(at=START, verdict=Verdict.ADOPTED, task_id="t")],
            entry(EntryState.RESERVED, 25, arrived=True),
        ),
        # a person who takes the worst case has no proof that it arrived
        ([STARTED, UNKNOWN, Resolved(at=START, verdict=Verdict.LOST)], settled(25, arrived=None)),
        (
            [STARTED, UNKNOWN, Resolved(at=START, verdict=Verdict.RESUBMIT)],
            settled(25, arrived=None),
        ),
        (
            [STARTED, UNKNOWN, Resolved(at=START, verdict=Verdict.NOT_ARRIVED)],
            settled(0, arrived=False),
        ),
        # nobody knows when the task of a file on disk was created
        ([imported(7)], settled(7, arrived=None)),
        ([imported(None)], settled(25, arrived=None)),
        ([STARTED, UNKNOWN, imported(7)], settled(7, arrived=None)),
        ([STARTED, UNKNOWN, imported(None)], settled(25, arrived=None)),
        (
            [STARTED, REFUSED, imported(7)],
            LedgerMove(attempt=2, state=EntryState.SETTLED, credits=7),
        ),
    ],
)
def test_what_an_event_does_to_the_entry(events: list[Event], expected: LedgerMove | None) -> None:
    assert move_of(*events) == expected


def test_a_second_attempt_has_an_entry_of_its_own() -> None:
    move = move_of(STARTED, REFUSED, STARTED)
    assert move is not None
    assert move.attempt == 2


def test_everything_spent_held_or_in_doubt_counts_against_a_cap() -> None:
    assert LedgerTotals(spent=1, reserved=20, in_doubt=300).used == 321
    jobs = [
        NEW.evolve(charged=1),
        NEW.evolve(status=JobStatus.RUNNING, hold=20),
        NEW.evolve(status=JobStatus.IN_DOUBT, hold=300),
    ]
    assert totals_of(jobs) == LedgerTotals(spent=1, reserved=20, in_doubt=300)


def test_a_cap_that_is_passed_has_nothing_left() -> None:
    assert Cap(name="batch", limit=10, used=4).available == 6
    assert Cap(name="batch", limit=10, used=14).available == 0
