"""The table of moves: walked, not sampled, so that a new status or event is named when it lacks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.credits import CostBand
from runner.core.events import (
    Added,
    Adopted,
    Cancelled,
    CancelRequested,
    DownloadDelayed,
    Downloaded,
    Edited,
    Event,
    Flagged,
    GaveUp,
    Held,
    Imported,
    PollSuspended,
    Refreshed,
    Renamed,
    Reopened,
    Requeued,
    Resolved,
    RetryScheduled,
    SubmitRefused,
    SubmitStarted,
    SubmitUnknown,
    TaskAccepted,
    TaskSucceeded,
    Verdict,
    Verified,
)
from runner.core.job import ACTIVE, Failure, Job, JobStatus, OutputFile
from runner.core.lifecycle import (
    HOLDING,
    OUTPUT_LIFE,
    RESOLVED,
    TRANSITIONS,
    create,
    next_status,
    settled_credits,
    transition,
)
from runner.core.spec import JobSpec
from runner.errors import IllegalTransition
from runner.testing import START, make_spec
from tests.unit.event_examples import EXAMPLES, LATER, NOW, OUTPUT, examples_of

S = JobStatus
#: one of each kind
EXAMPLE: dict[type[Any], Event] = {type(event): event for event in reversed(EXAMPLES)}
MOVES = [
    pytest.param(status, kind, id=f"{status}-{kind.__name__}")
    for status in JobStatus
    for kind in get_args(Event)
]


def job_in(status: JobStatus, **fields: Any) -> Job:
    job = create("b", Added(at=START, spec=make_spec("a"), position=0))
    job = job.evolve(status=status, hold=25 if status in HOLDING else 0, attempt=1, tries=1)
    return job.evolve(**fields)


def test_there_is_an_example_of_every_event() -> None:
    assert set(EXAMPLE) == set(get_args(Event))


@pytest.mark.parametrize(("status", "kind"), MOVES)
def test_the_table_decides_and_everything_else_is_a_bug(status: JobStatus, kind: type[Any]) -> None:
    job, event = job_in(status), EXAMPLE[kind]
    if kind is not Flagged and (status, kind) not in TRANSITIONS:
        with pytest.raises(IllegalTransition, match=kind.__name__):
            transition(job, event)
        return
    after = transition(job, event)
    assert after.status is next_status(status, event)
    assert after.version == job.version + 1
    assert after.since == (job.since if after.status is status else event.at)
    assert job == job_in(status)  # the old job is as it was


def test_every_status_can_be_reached() -> None:
    targets = set(TRANSITIONS.values()) | set(RESOLVED.values())
    assert targets == set(JobStatus)


def test_only_a_person_or_an_edit_moves_a_resting_job() -> None:
    by_a_person = {
        Requeued, Edited, Renamed, Refreshed, Adopted, Resolved, Cancelled, Imported, Reopened
    }  # fmt: skip
    moves = {status: {kind for held, kind in TRANSITIONS if held is status} for status in S}
    resting = {status for status in S if moves[status] <= by_a_person}
    assert resting == {S.DONE, S.FAILED, S.IN_DOUBT, S.SKIPPED, S.HELD, S.CANCELLED}
    assert not resting & ACTIVE


def test_only_pending_jobs_are_submitted_so_nothing_in_doubt_is_sent_again() -> None:
    assert [status for status, kind in TRANSITIONS if kind is SubmitStarted] == [S.PENDING]


def test_nothing_generates_again_once_the_task_succeeded() -> None:
    moves = {target for (status, _), target in TRANSITIONS.items() if status is S.DOWNLOADING}
    assert moves == {S.DOWNLOADING, S.DONE, S.FAILED}
    again = {kind: target for (status, kind), target in TRANSITIONS.items() if status is S.DONE}
    assert again.pop(Refreshed) is S.PENDING, "only where somebody asked for it"
    assert set(again.values()) == {S.DOWNLOADING, S.DONE}


def test_an_intent_counts_an_attempt_and_clears_the_last_one() -> None:
    job = job_in(S.PENDING, outputs=(OUTPUT,), task_id="old", task_ids=("old",), not_before=NOW)
    after = transition(job, EXAMPLE[SubmitStarted])
    assert (after.attempt, after.hold, after.task_id, after.outputs) == (2, 25, None, ())
    assert (after.task_ids, after.tries, after.not_before) == (("old",), 1, None)


def test_an_accepted_task_raises_the_hold_but_never_lowers_it() -> None:
    job = job_in(S.SUBMITTING, refusals=2, error=Failure(code="HTTP_429", message="busy"))
    after = transition(job, EXAMPLE[TaskAccepted])
    assert (after.task_id, after.task_ids, after.hold) == ("t1", ("t1",), 30)
    assert (after.tries, after.refusals, after.error) == (2, 0, None)
    for estimated in (None, 3):
        accepted = TaskAccepted(at=NOW, task_id="t1", estimated=estimated)
        assert transition(job, accepted).hold == 25


def test_a_refused_create_gives_the_hold_back_and_is_no_try() -> None:
    after = transition(job_in(S.SUBMITTING), EXAMPLE[SubmitRefused])
    assert (after.hold, after.charged, after.tries, after.refusals) == (0, 0, 1, 1)
    assert (after.not_before, after.error) == (LATER, Failure(code="HTTP_429", message="busy"))


def test_a_lost_answer_keeps_the_hold() -> None:
    after = transition(job_in(S.SUBMITTING), EXAMPLE[SubmitUnknown])
    assert (after.status, after.hold, after.charged) == (S.IN_DOUBT, 25, 0)


def charge_in_words(job: Job, event: Event) -> int | None:
    """What an event charges: no price named means all of the hold."""
    match event:
        case Imported(credits=None):
            return job.hold or job.spec.reserve
        case Imported():
            return event.credits
        case TaskSucceeded() | RetryScheduled() | GaveUp() | Cancelled():
            if job.status not in HOLDING:
                return None
            return job.hold if event.credits is None else event.credits
        case SubmitRefused():
            return 0 if job.status is S.SUBMITTING else None
        case Resolved(verdict=Verdict.NOT_ARRIVED):
            return 0
        case Resolved(verdict=Verdict.LOST | Verdict.RESUBMIT):
            return job.hold
    return None


@pytest.mark.parametrize("status", JobStatus)
@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
def test_what_each_event_charges(status: JobStatus, event: Event) -> None:
    job = job_in(status, charged=7)
    if (status, type(event)) not in TRANSITIONS:
        return
    expected = charge_in_words(job, event)
    assert settled_credits(job, event) == expected
    after = transition(job, event)
    assert after.charged == 7 + (expected or 0)
    assert after.hold == 0 or after.status in HOLDING
    assert after.hold >= 0


@given(st.lists(st.integers(0, 99), max_size=40))
def test_what_is_charged_never_comes_back_and_nothing_is_held_at_rest(choices: list[int]) -> None:
    job = create("b", Added(at=START, spec=make_spec("a"), position=0))
    for choice in choices:
        kinds = [kind for status, kind in TRANSITIONS if status is job.status]
        events = [event for kind in kinds for event in examples_of(kind)]
        after = transition(job, events[choice % len(events)])
        assert after.charged >= job.charged
        assert after.hold >= 0
        assert after.tries >= 0
        assert after.hold == 0 or after.status in HOLDING
        assert after.attempt - job.attempt in {0, 1}
        job = after


def test_a_finished_task_has_to_be_collected_within_a_day() -> None:
    after = transition(job_in(S.RUNNING), EXAMPLE[TaskSucceeded])
    assert after.collect_by == NOW + OUTPUT_LIFE
    done = transition(after, EXAMPLE[Downloaded])
    assert (done.collect_by, done.results) == (None, 1)


def test_a_link_that_says_when_it_dies_is_believed() -> None:
    succeeded = TaskSucceeded(at=NOW, credits=25, outputs=2, collect_by=LATER)
    after = transition(job_in(S.RUNNING), succeeded)
    assert (after.collect_by, after.expected) == (LATER, 2)


def test_a_download_that_waits_keeps_its_task_and_counts_apart_from_attempts() -> None:
    job = job_in(S.DOWNLOADING, task_id="t1", charged=25)
    after = transition(job, EXAMPLE[DownloadDelayed])
    assert (after.status, after.task_id, after.attempt, after.charged) == (
        S.DOWNLOADING, "t1", 1, 25
    )  # fmt: skip
    assert (after.download_tries, after.not_before) == (1, LATER)


def test_verified_outputs_are_kept_in_order_and_replaced_by_index() -> None:
    job = job_in(S.DOWNLOADING)
    for index, digest in ((1, "b"), (0, "a"), (1, "c")):
        output = OutputFile(
            index=index, path="x", bytes=1, sha256=digest, media_type="image/png"
        )  # fmt: skip
        job = transition(job, Verified(at=NOW, output=output))
    assert [(output.index, output.sha256) for output in job.outputs] == [(0, "a"), (1, "c")]


def test_running_out_of_patience_keeps_the_task() -> None:
    for status in (S.QUEUED, S.RUNNING):
        after = transition(job_in(status, task_id="t1"), EXAMPLE[PollSuspended])
        assert (after.status, after.task_id, after.hold) == (status, "t1", 25)


@pytest.mark.parametrize("kind", [Edited, Requeued])
def test_another_try_asked_for_by_a_person_starts_the_counters_afresh(kind: type[Any]) -> None:
    failed = job_in(
        S.FAILED, tries=3, refusals=2, not_before=LATER, charged=9, task_id="t", task_ids=("t",),
        error=Failure(code="x", message="y"),
    )  # fmt: skip
    after = transition(failed, EXAMPLE[kind])
    assert after.status is S.PENDING
    assert (after.tries, after.refusals, after.not_before, after.error) == (0, 0, None, None)
    assert (after.charged, after.attempt, after.task_ids) == (9, 1, ("t",))


def test_a_retry_in_an_outage_is_no_try() -> None:
    counted = RetryScheduled(at=NOW, not_before=LATER, code="INTERNAL", reason="x", credits=0)
    excused = RetryScheduled(
        at=NOW, not_before=LATER, code="INTERNAL", reason="x", credits=0, counted=False
    )
    job = job_in(S.RUNNING, tries=2, task_id="t")
    assert (transition(job, counted).tries, transition(job, excused).tries) == (2, 1)
    assert transition(job_in(S.RUNNING, tries=0), excused).tries == 0


@pytest.mark.parametrize("status", [S.PENDING, S.HELD, S.SKIPPED])
def test_what_was_never_sent_is_cancelled_at_no_cost(status: JobStatus) -> None:
    after = transition(job_in(status, not_before=LATER), Cancelled(at=NOW, reason="by a person"))
    assert (after.status, after.charged, after.not_before) == (S.CANCELLED, 0, None)
    assert after.error == Failure(code="CANCELLED", message="by a person")


@pytest.mark.parametrize("status", [S.QUEUED, S.RUNNING])
def test_a_task_is_cancelled_in_two_steps_and_its_estimate_stays_booked(status: JobStatus) -> None:
    asked = transition(job_in(status, task_id="t1"), EXAMPLE[CancelRequested])
    assert (asked.status, asked.cancel_requested, asked.hold) == (status, True, 25)
    after = transition(asked, Cancelled(at=NOW, reason="x"))
    assert (after.status, after.hold, after.charged) == (S.CANCELLED, 0, 25)
    again = transition(transition(after, EXAMPLE[Requeued]), EXAMPLE[SubmitStarted])
    assert not again.cancel_requested


@pytest.mark.parametrize("status", [S.SUBMITTING, S.DOWNLOADING, S.DONE, S.IN_DOUBT])
def test_what_may_have_been_paid_is_not_cancelled(status: JobStatus) -> None:
    assert (status, Cancelled) not in TRANSITIONS


def test_a_cancelled_job_takes_an_edit_over_and_stays_cancelled() -> None:
    job = transition(job_in(S.PENDING), Cancelled(at=NOW, reason="by a person"))
    after = transition(job, EXAMPLE[Edited])
    assert (after.status, after.spec.model) == (S.CANCELLED, "veo3.1")
    assert after.error == job.error  # why it is cancelled
    assert transition(after, EXAMPLE[Requeued]).status is S.PENDING


def test_a_held_job_says_why_and_a_person_releases_it() -> None:
    held = transition(job_in(S.PENDING, not_before=LATER), EXAMPLE[Held])
    assert (held.status, held.not_before) == (S.HELD, None)
    assert held.error == Failure(code="MODERATION", message="5 refusals")
    for release in (Requeued, Edited):
        after = transition(held, EXAMPLE[release])
        assert (after.status, after.error) == (S.PENDING, None)


def test_a_finished_job_is_opened_again_for_its_files_alone() -> None:
    done = job_in(S.DONE, task_id="t1", charged=25, results=1, outputs=(OUTPUT,), download_tries=8)
    after = transition(done, EXAMPLE[Reopened])
    assert (after.status, after.task_id, after.charged) == (S.DOWNLOADING, "t1", 25)
    assert (after.results, after.download_tries, after.outputs) == (0, 0, (OUTPUT,))
    assert transition(after, EXAMPLE[Downloaded]).results == 1


@pytest.mark.parametrize(
    ("status", "attempt"),
    [(S.PENDING, 2), (S.FAILED, 2), (S.SKIPPED, 2), (S.HELD, 2), (S.CANCELLED, 2), (S.IN_DOUBT, 1)],
)
def test_a_result_found_on_disk_is_taken_with_its_price(status: JobStatus, attempt: int) -> None:
    found = Imported(at=NOW, task_id="t7", outputs=(OUTPUT,), credits=9)
    job = job_in(status, not_before=LATER, task_ids=("old",))
    after = transition(job, found)
    assert (after.status, after.attempt, after.hold, after.charged) == (S.DONE, attempt, 0, 9)
    assert (after.task_id, after.task_ids, after.outputs) == ("t7", ("old", "t7"), (OUTPUT,))
    assert (after.expected, after.results, after.not_before) == (1, 1, None)
    known = transition(job.evolve(task_ids=("t7",)), found)
    assert known.task_ids == ("t7",)


def test_an_edit_takes_over_what_the_manifest_says() -> None:
    after = transition(job_in(S.PENDING, stale=True, orphaned=True), EXAMPLE[Edited])
    assert (after.spec.model, after.position, after.stale, after.orphaned) == (
        "veo3.1", 2, False, False
    )  # fmt: skip


@pytest.mark.parametrize(
    ("verdict", "status", "hold", "charged"),
    [
        (Verdict.ADOPTED, S.QUEUED, 25, 0),
        (Verdict.LOST, S.FAILED, 0, 25),
        (Verdict.RESUBMIT, S.PENDING, 0, 25),
        (Verdict.NOT_ARRIVED, S.PENDING, 0, 0),
    ],
)
def test_a_person_settles_a_job_in_doubt(
    verdict: Verdict, status: JobStatus, hold: int, charged: int
) -> None:
    task_id = "t9" if verdict is Verdict.ADOPTED else None
    job = transition(job_in(S.SUBMITTING), EXAMPLE[SubmitUnknown])
    after = transition(job, Resolved(at=NOW, verdict=verdict, task_id=task_id))
    assert (after.status, after.hold, after.charged) == (status, hold, charged)
    assert after.task_id == task_id
    assert set(RESOLVED) == set(Verdict)


def test_an_adopted_task_needs_its_id() -> None:
    with pytest.raises(AssertionError):
        transition(job_in(S.IN_DOUBT), Resolved(at=NOW, verdict=Verdict.ADOPTED))


def test_a_job_is_what_its_first_event_says() -> None:
    spec = JobSpec(
        id="a-t2", key="k", template="a", take=2, endpoint="sound_effect", model=None,
        media="audio", body={}, estimate=CostBand(low=1, expected=1, worst=1), output="o",
    )  # fmt: skip
    at = datetime(2026, 5, 1, tzinfo=UTC)
    job = create("b", Added(at=at, spec=spec, position=7))
    assert (job.batch, job.id, job.lane, job.position) == ("b", "a-t2", "sound_effect", 7)
    assert (job.status, job.version, job.since) == (S.PENDING, 1, at)
