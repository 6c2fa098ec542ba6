from __future__ import annotations

import random
from datetime import timedelta

import pytest

from runner.core.events import Cancelled, GaveUp, RetryScheduled
from runner.core.job import Job
from runner.core.policy import (
    Backoff,
    Patience,
    PollPolicy,
    Retry,
    RetryPolicy,
    after_failure,
    retry_of,
)
from runner.core.task import Task, TaskStatus
from runner.testing import START, make_spec


def failed(code: str, cost: int | None) -> Task:
    return Task(
        id="t", status=TaskStatus.FAILED, failure="why", failure_code=code, cost_credits=cost
    )


def decide(code: str, cost: int | None, tries: int = 1, *, attempts: int = 3, **more: bool):
    job, policy = Job(batch="b", spec=make_spec("a"), tries=tries), RetryPolicy(attempts=attempts)
    return after_failure(job, failed(code, cost), policy, START, random.Random(1), **more)


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("SAFETY.INPUT.TEXT", Retry.NEVER),
        ("SAFETY.OUTPUT.VIDEO", Retry.NEVER),
        ("INPUT_PREPROCESSING.SAFETY.TEXT", Retry.NEVER),
        ("INPUT_PREPROCESSING.INTERNAL", Retry.YES),
        ("ASSET.INVALID", Retry.NEVER),
        ("INTERNAL.BAD_OUTPUT.01", Retry.ONCE),
        ("INTERNAL", Retry.YES),
        ("INTERNAL.SOMETHING.NEW", Retry.YES),
        ("THIRD_PARTY.UNAVAILABLE", Retry.YES),
        ("", Retry.YES),
        ("INTERNALLY_DIFFERENT", Retry.NEVER),
        ("NEVER.HEARD.OF", Retry.NEVER),
    ],
)
def test_what_a_failure_code_allows(code, verdict):
    assert retry_of(code) is verdict


def test_a_failure_that_cost_credits_is_left_to_a_person():
    event = decide("INTERNAL", 25)
    assert isinstance(event, GaveUp)
    assert event.credits == 25


def test_a_failure_whose_cost_is_not_named_is_left_to_a_person():
    event = decide("INTERNAL", None)
    assert isinstance(event, GaveUp)
    assert event.credits is None


def test_a_free_failure_is_tried_again_later():
    event = decide("INTERNAL", 0)
    assert isinstance(event, RetryScheduled)
    assert event.not_before > START


@pytest.mark.parametrize(("code", "tasks"), [("INTERNAL", 3), ("INTERNAL.BAD_OUTPUT.01", 2)])
def test_retries_end(code, tasks):
    kinds = [type(decide(code, 0, tries)) for tries in range(1, 6)]
    assert kinds.count(RetryScheduled) == tasks - 1
    assert kinds[-1] is GaveUp


def test_a_cancelled_task_is_never_tried_again():
    job = Job(batch="b", spec=make_spec("a"), tries=1)
    task = Task(id="t", status=TaskStatus.CANCELLED, cost_credits=0)
    event = after_failure(job, task, RetryPolicy(), START, random.Random(1))
    assert isinstance(event, GaveUp)
    assert event.code == "CANCELLED"


@pytest.mark.parametrize("attempts", [1, 3])
def test_an_outage_uses_up_no_tries(attempts):
    for tries in range(1, 6):
        event = decide("INTERNAL", 0, tries, attempts=attempts, outage=True)
        assert isinstance(event, RetryScheduled)
        assert not event.counted


@pytest.mark.parametrize(
    ("code", "cost", "kind", "counted"),
    [
        ("SAFETY.INPUT", 0, GaveUp, None),
        ("INTERNAL", 25, GaveUp, None),
        ("INTERNAL", None, GaveUp, None),
        ("INTERNAL.BAD_OUTPUT", 0, RetryScheduled, True),  # the job's own, outage or not
    ],
)
def test_an_outage_excuses_only_failures_of_the_service(code, cost, kind, counted):
    event = decide(code, cost, outage=True)
    assert isinstance(event, kind)
    assert counted is None or event.counted is counted


def test_what_a_person_wants_cancelled_is_not_tried_again():
    event = decide("INTERNAL", 0, wanted=False)
    assert isinstance(event, Cancelled)
    assert event.credits == 0
    assert isinstance(decide("SAFETY.INPUT", 0, wanted=False), GaveUp)  # it failed by itself


def test_backoff_grows_to_its_limit_and_obeys_the_server():
    backoff = Backoff(first_s=5, most_s=300)
    rng = random.Random(7)
    delays = [backoff.delay(n, rng) for n in range(1, 40)]
    assert 2.5 <= delays[0] <= 5
    assert all(delay <= 300 for delay in delays)
    assert min(delays[10:]) >= 150
    assert backoff.delay(1, rng, retry_after_s=77) == 77


def test_polls_are_never_closer_than_the_interval():
    rng = random.Random(3)
    delays = [PollPolicy().delay(rng) for _ in range(500)]
    assert min(delays) >= 5.0
    assert max(delays) > min(delays)


def test_patience_counts_from_the_first_silence_and_an_answer_resets_it():
    patience = Patience(limit_s=60)
    assert not patience.failed(1000)
    assert not patience.failed(1059)
    patience.answered()
    assert not patience.failed(1060)
    assert patience.failed(1120)
    assert patience.exhausted


def test_a_retry_is_in_the_future_by_the_policy():
    event = decide("INTERNAL", 0)
    assert timedelta(seconds=15) <= event.not_before - START <= timedelta(seconds=30)
