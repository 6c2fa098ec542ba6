from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.events import (
    Added,
    Downloaded,
    Event,
    GaveUp,
    Requeued,
    Resolved,
    RetryScheduled,
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
    EntryState,
    LedgerMove,
    LedgerTotals,
    ledger_move,
    totals_of,
)
from runner.core.lifecycle import TRANSITIONS, create, transition
from runner.testing import START, make_spec

NEW = create("b", Added(at=START, spec=make_spec("a"), position=0))
CREDITS = st.integers(0, 100)
MAYBE = st.none() | CREDITS

#: every event that touches money, and two that do not
EVENTS = st.one_of(
    st.builds(SubmitStarted, at=st.just(START), reserve=CREDITS),
    st.builds(TaskAccepted, at=st.just(START), task_id=st.just("t"), estimated=MAYBE),
    st.builds(SubmitUnknown, at=st.just(START), reason=st.just("x")),
    st.builds(
        SubmitRefused, at=st.just(START), not_before=st.just(START), code=st.just("HTTP_429"),
        reason=st.just("x"),
    ),
    st.builds(Running, at=st.just(START)),
    st.builds(TaskSucceeded, at=st.just(START), credits=MAYBE),
    st.builds(
        RetryScheduled, at=st.just(START), not_before=st.just(START), code=st.just("INTERNAL"),
        reason=st.just("x"), credits=MAYBE,
    ),
    st.builds(GaveUp, at=st.just(START), code=st.just("x"), reason=st.just("x"), credits=MAYBE),
    st.builds(Downloaded, at=st.just(START)),
    st.builds(Requeued, at=st.just(START)),
    st.builds(
        Resolved, at=st.just(START), verdict=st.sampled_from(Verdict), task_id=st.just("t")
    ),
)  # fmt: skip


def legal(job: Job, event: Event) -> bool:
    return (job.status, type(event)) in TRANSITIONS


def totals_of_entries(entries: dict[int, LedgerMove]) -> LedgerTotals:
    def summed(state: EntryState) -> int:
        return sum(move.credits for move in entries.values() if move.state is state)

    return LedgerTotals(
        spent=summed(EntryState.SETTLED),
        reserved=summed(EntryState.RESERVED),
        in_doubt=summed(EntryState.IN_DOUBT),
    )


@given(events=st.lists(EVENTS, max_size=30))
def test_entries_by_attempt_always_sum_up_to_what_the_job_says(events: list[Event]) -> None:
    job, entries = NEW, dict[int, LedgerMove]()
    for event in events:
        if not legal(job, event):
            continue
        move = ledger_move(job, event)
        job = transition(job, event)
        if move is not None:
            entries[move.attempt] = move
        assert totals_of_entries(entries) == totals_of([job])
        assert job.hold >= 0
        held = {JobStatus.SUBMITTING, JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.IN_DOUBT}
        assert job.hold == 0 or job.status in held


@given(events=st.lists(EVENTS, max_size=30))
def test_only_a_reserve_has_to_fit(events: list[Event]) -> None:
    job = NEW
    for event in events:
        if legal(job, event):
            move = ledger_move(job, event)
            assert (move is not None and move.must_fit) == isinstance(event, SubmitStarted)
            job = transition(job, event)


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


def entry(state: EntryState, credits: int, **more: Any) -> LedgerMove:
    return LedgerMove(attempt=1, state=state, credits=credits, **more)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([STARTED], entry(EntryState.RESERVED, 25, must_fit=True)),
        ([STARTED, ACCEPTED], entry(EntryState.RESERVED, 30)),
        ([STARTED, UNKNOWN], entry(EntryState.IN_DOUBT, 25)),
        ([STARTED, REFUSED], entry(EntryState.SETTLED, 0)),
        ([REFUSED], None),  # an input could not be uploaded: nothing was reserved
        ([STARTED, ACCEPTED, Running(at=START)], None),
        ([STARTED, ACCEPTED, TaskSucceeded(at=START, credits=None)], entry(EntryState.SETTLED, 30)),
        ([STARTED, ACCEPTED, TaskSucceeded(at=START, credits=5)], entry(EntryState.SETTLED, 5)),
        (
            [STARTED, UNKNOWN, Resolved(at=START, verdict=Verdict.ADOPTED, task_id="t")],
            entry(EntryState.RESERVED, 25),
        ),
        (
            [STARTED, UNKNOWN, Resolved(at=START, verdict=Verdict.LOST)],
            entry(EntryState.SETTLED, 25),
        ),
        (
            [STARTED, UNKNOWN, Resolved(at=START, verdict=Verdict.RESUBMIT)],
            entry(EntryState.SETTLED, 25),
        ),
        (
            [STARTED, UNKNOWN, Resolved(at=START, verdict=Verdict.NOT_ARRIVED)],
            entry(EntryState.SETTLED, 0),
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
