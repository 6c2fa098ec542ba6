"""Breakers: when failures hold a group, a lane or the batch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.breaker import LEAST_ENDED, Breaker, Trip, group_trip, too_many_failures
from runner.core.events import GaveUp, RetryScheduled, TaskSucceeded
from runner.core.groups import Group, GroupKind, GroupState
from runner.core.halting import HaltLimits
from runner.core.job import Job, JobStatus
from runner.testing import START, make_spec


def job(name: str = "a", model: str = "m") -> Job:
    return Job(batch="b", spec=make_spec(name, model=model))


def gave_up(code: str) -> GaveUp:
    return GaveUp(at=START, code=code, reason="why", credits=0)


def breaker(same_error: int = 3) -> Breaker:
    return Breaker(HaltLimits(same_error=same_error))


def trips(found: Breaker, *codes: str, model: str = "m") -> list[Trip | None]:
    return [found.note(job(model=model), gave_up(code)) for code in codes]


# the same error


def test_the_same_error_in_a_row_trips_its_lane() -> None:
    *before, trip = trips(breaker(), "HTTP_400", "HTTP_400", "HTTP_400")
    assert before == [None, None]
    assert trip is not None
    assert (trip.code, trip.lane, trip.group) == ("SAME_ERROR", "m", None)
    assert trip.reason == "3 jobs of `m` in a row failed with HTTP_400: why"
    assert "retry" in trip.hint


def test_another_error_or_a_success_begins_a_new_row() -> None:
    found = breaker()
    assert trips(found, "A", "A", "B", "A", "A") == [None] * 5
    found.note(job(), TaskSucceeded(at=START, credits=1))
    assert trips(found, "A", "A") == [None] * 2
    assert trips(found, "A") != [None]


def test_lanes_are_counted_apart() -> None:
    found = breaker(same_error=2)
    assert trips(found, "A", model="m") + trips(found, "A", model="n") == [None, None]
    assert trips(found, "A", model="n")[0].lane == "n"


def test_what_is_tried_again_and_what_moderation_refuses_do_not_count() -> None:
    found = breaker(same_error=2)
    again = RetryScheduled(at=START, not_before=START, code="A", reason="x", credits=0)
    assert [found.note(job(), again) for _ in range(5)] == [None] * 5
    assert trips(found, *["SAFETY.INPUT"] * 5) == [None] * 5
    assert trips(found, "A", "SAFETY.INPUT", "A")[-1] is not None  # it is no other error either


def test_after_a_trip_it_takes_as_many_again() -> None:
    found = breaker(same_error=2)
    assert [trip is not None for trip in trips(found, *["A"] * 6)] == [False, True] * 3


# groups


def state(kind: GroupKind, refused: int, succeeded: int = 0) -> GroupState:
    group = Group(kind=kind, name=f"{kind}-x", label=f"{kind} `x`")
    return GroupState(group=group, refused=refused, succeeded=succeeded)


def test_the_narrowest_group_that_failed_too_often_is_named() -> None:
    states = [state(GroupKind.TEMPLATE, 9), state(GroupKind.PROMPT, 5), state(GroupKind.ASSET, 4)]
    trip = group_trip(states, 5)
    assert (trip.code, trip.group) == ("MODERATION", "prompt:prompt-x")
    assert "5 jobs that share prompt `x`" in trip.reason


@pytest.mark.parametrize("kind", [GroupKind.ASSET, GroupKind.PROMPT, GroupKind.TEMPLATE])
def test_one_success_clears_what_jobs_share(kind: GroupKind) -> None:
    assert group_trip([state(kind, 5)], 5) is not None
    assert group_trip([state(kind, 4)], 5) is None
    assert group_trip([state(kind, 500, succeeded=1)], 5) is None


def test_a_price_that_nobody_tells_holds_its_shape_after_three_probes() -> None:
    assert group_trip([state(GroupKind.PRICE, 2)], 1) is None
    trip = group_trip([state(GroupKind.PRICE, 3)], 100)
    assert (trip.code, trip.group) == ("PRICE_UNKNOWN", "price:price-x")
    assert group_trip([], 5) is None


# the batch


def why(failed: int, done: int, **limits: float) -> str:
    counts = {JobStatus.FAILED: failed, JobStatus.DONE: done, JobStatus.PENDING: 1000}
    return too_many_failures(counts, HaltLimits(**limits))


def test_without_a_limit_nothing_stops_a_batch() -> None:
    assert why(1000, 0) == ""


def test_a_count_is_reached_and_a_share_is_passed() -> None:
    assert why(4, 0, failures=5) == ""
    assert why(5, 0, failures=5) == "5 jobs have failed, and `halt.failures` is 5"
    assert why(2, 8, failures_share=0.2) == ""
    assert why(3, 7, failures_share=0.2) == "3 of 10 jobs have failed, and `halt.failures` is 20%"


def test_a_share_says_nothing_before_enough_jobs_have_ended() -> None:
    assert why(LEAST_ENDED - 1, 0, failures_share=0.2) == ""
    assert why(LEAST_ENDED, 0, failures_share=0.2) != ""


@given(percent=st.integers(1, 100), hundreds=st.integers(1, 20))
def test_exactly_the_share_is_not_more_than_the_share(percent: int, hundreds: int) -> None:
    failed, ended = percent * hundreds, 100 * hundreds
    assert why(failed, ended - failed, failures_share=percent / 100) == ""
    assert percent == 100 or why(failed + 1, ended - failed - 1, failures_share=percent / 100)
