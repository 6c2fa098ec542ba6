"""The attempts of a job, read back from its events."""

from __future__ import annotations

from datetime import timedelta

from runner.core.events import (
    Added,
    Event,
    GaveUp,
    Imported,
    Requeued,
    Resolved,
    RetryScheduled,
    SubmitRefused,
    SubmitStarted,
    SubmitUnknown,
    TaskAccepted,
    TaskSucceeded,
    Verdict,
)
from runner.core.history import Attempt, attempts_of, replay
from runner.core.job import OutputFile
from runner.testing import START, make_spec

LATER = START + timedelta(seconds=30)
ADDED = Added(at=START, spec=make_spec("a"), position=0)
SENT = SubmitStarted(at=START, reserve=25)
ACCEPTED = TaskAccepted(at=START, task_id="t1", estimated=30)


def told(*events: Event) -> list[Attempt]:
    return attempts_of(replay("b", [ADDED, *events]))


def test_a_job_never_sent_has_no_attempt() -> None:
    assert told() == []
    assert told(SubmitRefused(at=START, not_before=LATER, code="X", reason="no upload")) == []


def test_an_attempt_under_way_has_its_task_and_what_is_set_aside() -> None:
    assert told(SENT, ACCEPTED) == [Attempt(number=1, started_at=START, reserve=30, task_id="t1")]


def test_each_attempt_says_how_it_ended_and_what_it_cost() -> None:
    again = RetryScheduled(at=LATER, not_before=LATER, code="INTERNAL", reason="", credits=0)
    refused = SubmitRefused(at=LATER, not_before=LATER, code="HTTP_429", reason="busy")
    gave_up = GaveUp(at=LATER, code="SAFETY", reason="", credits=7)
    done = TaskSucceeded(at=LATER, credits=20)
    found = told(
        SENT, refused, SENT, ACCEPTED, again, SENT, ACCEPTED, gave_up, Requeued(at=LATER),
        SENT, ACCEPTED, done,
    )  # fmt: skip
    assert [(a.number, a.outcome, a.charged, a.task_id) for a in found] == [
        (1, "refused", 0, None), (2, "failed", 0, "t1"), (3, "failed", 7, "t1"),
        (4, "generated", 20, "t1"),
    ]  # fmt: skip
    assert all(attempt.ended_at == LATER for attempt in found)


def test_a_create_in_doubt_is_open_until_somebody_says_what_became_of_it() -> None:
    lost = SubmitUnknown(at=START, reason="cut")
    [attempt] = told(SENT, lost)
    assert (attempt.outcome, attempt.charged, attempt.reserve) == ("open", None, 25)
    [adopted] = told(SENT, lost, Resolved(at=LATER, verdict=Verdict.ADOPTED, task_id="t9"))
    assert (adopted.task_id, adopted.charged) == ("t9", None)
    [gone] = told(SENT, lost, Resolved(at=LATER, verdict=Verdict.NOT_ARRIVED))
    assert (gone.outcome, gone.charged) == ("not arrived", 0)


def test_what_was_found_on_disk_is_an_attempt_too() -> None:
    file = OutputFile(index=0, path="a.mp4", bytes=1, sha256="0" * 64, media_type="video/mp4")
    [attempt] = told(Imported(at=LATER, task_id="t5", outputs=(file,), credits=12))
    assert (attempt.outcome, attempt.charged, attempt.task_id) == ("found on disk", 12, "t5")


def test_a_replay_has_the_job_after_each_event() -> None:
    past = replay("b", [ADDED, SENT, ACCEPTED])
    assert [(job.status.value, job.hold) for job, _ in past] == [
        ("pending", 0), ("submitting", 25), ("queued", 30),
    ]  # fmt: skip
