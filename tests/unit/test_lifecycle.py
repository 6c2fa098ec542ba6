"""The table of moves: walked, not sampled, so that a new status or event is named when it lacks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from runner.core.credits import CostBand
from runner.core.events import (
    Added,
    DownloadDelayed,
    Downloaded,
    Edited,
    Event,
    Flagged,
    GaveUp,
    PollSuspended,
    Requeued,
    Resolved,
    RetryScheduled,
    Running,
    Skipped,
    SubmitRefused,
    SubmitStarted,
    SubmitUnknown,
    TaskAccepted,
    TaskSucceeded,
    Verdict,
    Verified,
)
from runner.core.job import ACTIVE, AT_RUNWAY, Failure, Job, JobStatus, OutputFile
from runner.core.lifecycle import (
    OUTPUT_LIFE,
    RESOLVED,
    RESTING,
    TRANSITIONS,
    create,
    next_status,
    transition,
)
from runner.core.spec import JobSpec
from runner.errors import IllegalTransition
from runner.testing import START, make_spec

S = JobStatus
NOW = START + timedelta(minutes=3)
LATER = NOW + timedelta(seconds=30)
OUTPUT = OutputFile(index=0, path="a.mp4", bytes=3, sha256="abc", media_type="video/mp4")

#: one of each kind
EXAMPLES: dict[type[Any], Event] = {
    type(event): event
    for event in (
        Added(at=NOW, spec=make_spec("a"), position=4),
        Edited(at=NOW, spec=make_spec("a", model="veo3.1"), position=2),
        Flagged(at=NOW, stale=True, orphaned=False),
        SubmitStarted(at=NOW, reserve=25),
        TaskAccepted(at=NOW, task_id="t1", estimated=30),
        SubmitUnknown(at=NOW, reason="connection reset"),
        SubmitRefused(at=NOW, not_before=LATER, code="HTTP_429", reason="busy"),
        Running(at=NOW),
        TaskSucceeded(at=NOW, credits=25),
        Verified(at=NOW, output=OUTPUT),
        Downloaded(at=NOW),
        DownloadDelayed(at=NOW, not_before=LATER, reason="cut"),
        RetryScheduled(at=NOW, not_before=LATER, code="INTERNAL", reason="x", credits=0),
        GaveUp(at=NOW, code="SAFETY", reason="no", credits=None),
        PollSuspended(at=NOW, reason="no answer for 30 minutes"),
        Skipped(at=NOW, parent="p"),
        Requeued(at=NOW),
        Resolved(at=NOW, verdict=Verdict.ADOPTED, task_id="t9"),
    )
}
MOVES = [
    pytest.param(status, kind, id=f"{status}-{kind.__name__}")
    for status in JobStatus
    for kind in get_args(Event)
]


def job_in(status: JobStatus, **fields: Any) -> Job:
    job = create("b", Added(at=START, spec=make_spec("a"), position=0))
    holding = AT_RUNWAY | {S.IN_DOUBT}
    job = job.evolve(status=status, hold=25 if status in holding else 0, attempt=1, tries=1)
    return job.evolve(**fields)


def test_there_is_an_example_of_every_event() -> None:
    assert set(EXAMPLES) == set(get_args(Event))


@pytest.mark.parametrize(("status", "kind"), MOVES)
def test_the_table_decides_and_everything_else_is_a_bug(status: JobStatus, kind: type[Any]) -> None:
    job, event = job_in(status), EXAMPLES[kind]
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
    assert frozenset({S.DONE, S.FAILED, S.IN_DOUBT, S.SKIPPED}) == RESTING
    assert not RESTING & ACTIVE


def test_only_pending_jobs_are_submitted_so_nothing_in_doubt_is_sent_again() -> None:
    assert [status for status, kind in TRANSITIONS if kind is SubmitStarted] == [S.PENDING]


def test_nothing_generates_again_once_the_task_succeeded() -> None:
    moves = {target for (status, _), target in TRANSITIONS.items() if status is S.DOWNLOADING}
    assert moves == {S.DOWNLOADING, S.DONE, S.FAILED}


def test_an_intent_counts_an_attempt_and_clears_the_last_one() -> None:
    job = job_in(S.PENDING, outputs=(OUTPUT,), task_id="old", task_ids=("old",), not_before=NOW)
    after = transition(job, EXAMPLES[SubmitStarted])
    assert (after.attempt, after.hold, after.task_id, after.outputs) == (2, 25, None, ())
    assert (after.task_ids, after.tries, after.not_before) == (("old",), 1, None)


def test_an_accepted_task_raises_the_hold_but_never_lowers_it() -> None:
    job = job_in(S.SUBMITTING, refusals=2, error=Failure(code="HTTP_429", message="busy"))
    after = transition(job, EXAMPLES[TaskAccepted])
    assert (after.task_id, after.task_ids, after.hold) == ("t1", ("t1",), 30)
    assert (after.tries, after.refusals, after.error) == (2, 0, None)
    for estimated in (None, 3):
        accepted = TaskAccepted(at=NOW, task_id="t1", estimated=estimated)
        assert transition(job, accepted).hold == 25


def test_a_refused_create_gives_the_hold_back_and_is_no_try() -> None:
    after = transition(job_in(S.SUBMITTING), EXAMPLES[SubmitRefused])
    assert (after.hold, after.charged, after.tries, after.refusals) == (0, 0, 1, 1)
    assert (after.not_before, after.error) == (LATER, Failure(code="HTTP_429", message="busy"))


def test_a_lost_answer_keeps_the_hold() -> None:
    after = transition(job_in(S.SUBMITTING), EXAMPLES[SubmitUnknown])
    assert (after.status, after.hold, after.charged) == (S.IN_DOUBT, 25, 0)


@pytest.mark.parametrize(("credits", "charged"), [(None, 25), (0, 0), (40, 40)])
@pytest.mark.parametrize("kind", [TaskSucceeded, RetryScheduled, GaveUp])
def test_what_ends_a_task_settles_it_and_no_price_means_all_of_the_hold(
    kind: type[Any], credits: int | None, charged: int
) -> None:
    example: Any = EXAMPLES[kind]
    fields = {name: getattr(example, name) for name in kind.__dataclass_fields__}
    after = transition(job_in(S.RUNNING, charged=5), kind(**fields | {"credits": credits}))
    assert (after.hold, after.charged) == (0, 5 + charged)


@pytest.mark.parametrize("status", [S.PENDING, S.DOWNLOADING])
def test_giving_up_without_a_hold_charges_nothing(status: JobStatus) -> None:
    gave_up = GaveUp(at=NOW, code="INPUT", reason="unreadable", credits=7)
    after = transition(job_in(status, charged=25), gave_up)
    assert (after.status, after.hold, after.charged) == (S.FAILED, 0, 25)


def test_a_finished_task_has_to_be_collected_within_a_day() -> None:
    after = transition(job_in(S.RUNNING), EXAMPLES[TaskSucceeded])
    assert after.collect_by == NOW + OUTPUT_LIFE
    done = transition(after, EXAMPLES[Downloaded])
    assert (done.collect_by, done.results) == (None, 1)


def test_a_download_that_waits_keeps_its_task_and_counts_apart_from_attempts() -> None:
    job = job_in(S.DOWNLOADING, task_id="t1", charged=25)
    after = transition(job, EXAMPLES[DownloadDelayed])
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
        after = transition(job_in(status, task_id="t1"), EXAMPLES[PollSuspended])
        assert (after.status, after.task_id, after.hold) == (status, "t1", 25)


@pytest.mark.parametrize("kind", [Edited, Requeued])
def test_another_try_asked_for_by_a_person_starts_the_counters_afresh(kind: type[Any]) -> None:
    failed = job_in(
        S.FAILED, tries=3, refusals=2, not_before=LATER, charged=9, task_id="t", task_ids=("t",),
        error=Failure(code="x", message="y"),
    )  # fmt: skip
    after = transition(failed, EXAMPLES[kind])
    assert after.status is S.PENDING
    assert (after.tries, after.refusals, after.not_before, after.error) == (0, 0, None, None)
    assert (after.charged, after.attempt, after.task_ids) == (9, 1, ("t",))


def test_an_edit_takes_over_what_the_manifest_says() -> None:
    after = transition(job_in(S.PENDING, stale=True, orphaned=True), EXAMPLES[Edited])
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
    job = transition(job_in(S.SUBMITTING), EXAMPLES[SubmitUnknown])
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
