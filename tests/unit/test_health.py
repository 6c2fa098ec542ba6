"""A lane in trouble: one job goes first, the waits grow, and nobody waits for ever."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.events import (
    Added,
    Cancelled,
    CancelRequested,
    Event,
    Flagged,
    GaveUp,
    RetryScheduled,
    Running,
    SubmitRefused,
    SubmitStarted,
    SubmitUnknown,
    TaskAccepted,
    TaskSucceeded,
)
from runner.core.health import LaneHealth, is_service_failure
from runner.core.job import AT_RUNWAY, Job
from runner.core.lifecycle import TRANSITIONS, create, transition
from runner.core.policy import HealthPolicy
from runner.testing import START, make_spec

LANE = "gen4_turbo"
POLICY = HealthPolicy()
ACCEPTED = TaskAccepted(at=START, task_id="t", estimated=25)
LOST = SubmitUnknown(at=START, reason="timeout")
STARTED = SubmitStarted(at=START, reserve=25)
SUCCEEDED = TaskSucceeded(at=START, credits=25)
MODERATED = GaveUp(at=START, code="SAFETY.INPUT", reason="no", credits=0)
BAD_INPUT = GaveUp(at=START, code="HTTP_400", reason="bad", credits=0)
OUT = RetryScheduled(at=START, not_before=START, code="INTERNAL", reason="x", credits=0)
BUSY = SubmitRefused(at=START, not_before=START, code="HTTP_503", reason="busy")


class Lane:
    """A lane with virtual time and real jobs."""

    def __init__(self, policy: HealthPolicy = POLICY) -> None:
        self.health = LaneHealth(policy, random.Random(5))
        self.now = START
        self.jobs: dict[str, Job] = {}

    def job(self, name: str, *events: Event) -> Job:
        """Take a job through events, which happen now."""
        job = self.jobs.get(name)
        if job is None:
            job = create("b", Added(at=START, spec=make_spec(name), position=0))
        for event in events:
            job = transition(job, event)
            at = type(event)(**{**_fields(event), "at": self.now})
            self.health.note(job, at)
        self.jobs[name] = job
        return job

    def admit(self, name: str, *events: Event) -> Job:
        """A job that the lane lets start."""
        assert self.may_start != 0
        job = self.job(name)
        self.health.admitted(job)
        return self.job(name, *events)

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def until_probe(self) -> float:
        """Wait until a probe may go; the seconds that took."""
        pause = self.health.closed(LANE, self.now)
        assert pause is not None
        wait_s = (pause.until - self.now).total_seconds()
        self.now = pause.until
        return wait_s

    @property
    def may_start(self) -> int | None:
        """How many jobs may start; None = as many as there are slots."""
        allowed = self.health.allowance(LANE, self.now)
        assert (self.health.closed(LANE, self.now) is None) == (allowed != 0)
        return allowed

    @property
    def is_open(self) -> bool:
        return self.may_start is None


def _fields(event: Event) -> dict[str, object]:
    return {name: getattr(event, name) for name in type(event).__dataclass_fields__}


def in_doubt() -> Lane:
    lane = Lane()
    lane.job("first", STARTED, LOST)
    return lane


def in_outage() -> Lane:
    lane = Lane()
    for name in ("a", "b", "c"):
        lane.job(name, STARTED, ACCEPTED, OUT)
    return lane


def test_a_lane_without_trouble_lets_everything_start() -> None:
    lane = Lane()
    assert lane.is_open
    lane.job("a", STARTED, ACCEPTED, SUCCEEDED)
    assert lane.is_open


def test_after_a_lost_answer_one_job_tries_and_its_acceptance_opens_the_lane() -> None:
    lane = in_doubt()
    assert lane.may_start == 0
    assert 15 <= lane.until_probe() <= 30
    assert lane.may_start == 1
    lane.admit("probe", STARTED)
    assert lane.may_start == 0
    assert "`probe` goes first" in lane.health.closed(LANE, lane.now).reason
    lane.job("probe", ACCEPTED)
    assert lane.is_open


def test_other_lanes_go_on() -> None:
    assert in_doubt().health.allowance("veo3.1", START) is None


def test_doubts_left_by_an_earlier_run_begin_with_one_job_at_once() -> None:
    lane = Lane()
    lane.health.doubted_before(LANE, lane.now)
    lane.admit("probe")
    assert lane.may_start == 0
    lane.job("probe", STARTED, ACCEPTED)
    assert lane.is_open


def test_waits_grow_with_each_probe_that_is_lost_up_to_the_limit() -> None:
    lane, waits = in_doubt(), []
    for number in range(12):
        waits.append(lane.until_probe())
        lane.admit(f"p{number}", STARTED, LOST)
    assert waits[0] <= 30
    assert all(wait <= POLICY.doubt.most_s for wait in waits)
    assert min(waits[8:]) >= POLICY.doubt.most_s / 2


def test_jobs_lost_together_close_the_lane_once() -> None:
    lane = in_doubt()
    until = lane.health.closed(LANE, lane.now).until
    for number in range(10):
        lane.later(0.1)
        lane.job(f"j{number}", STARTED, LOST)
    assert lane.health.closed(LANE, lane.now).until == until


def test_an_answer_lost_long_ago_and_given_up_now_does_not_free_the_probes_place() -> None:
    lane = Lane()
    lane.job("slow", STARTED)
    lane.job("first", STARTED, LOST)
    lane.until_probe()
    lane.admit("probe", STARTED)
    lane.later(60)
    lane.job("slow", LOST)
    assert lane.may_start == 0
    lane.job("probe", ACCEPTED)
    assert lane.is_open


def test_a_create_that_was_under_way_before_the_doubt_proves_nothing() -> None:
    lane = Lane()
    lane.job("other", STARTED)
    lane.job("first", STARTED, LOST)
    lane.job("other", ACCEPTED)
    assert lane.may_start == 0


def test_tasks_that_finish_do_not_open_a_lane_whose_creates_get_lost() -> None:
    lane = Lane()
    lane.job("old", STARTED, ACCEPTED)
    lane.job("first", STARTED, LOST)
    lane.job("old", SUCCEEDED)
    assert lane.may_start == 0


@pytest.mark.parametrize("slots", [5, 20])
def test_a_bad_night_puts_a_handful_of_jobs_in_doubt(slots: int) -> None:
    """Every answer is lost for eight hours, while tasks created before go on and succeed."""
    lane = Lane()
    running = [lane.job(f"old{n}", STARTED, ACCEPTED).id for n in range(slots)]
    morning = lane.now + timedelta(hours=8)
    burst = [lane.job(f"burst{n}", STARTED).id for n in range(slots)]
    for name in burst:
        lane.job(name, LOST)
    probes = 0
    while lane.now < morning:
        if running:
            lane.job(running.pop(), SUCCEEDED)
        if lane.may_start == 0:
            lane.until_probe()
        assert lane.may_start == 1
        lane.admit(f"p{probes}", STARTED)
        lane.later(60)
        lane.job(f"p{probes}", LOST)
        probes += 1
    assert probes <= 20
    lane.until_probe()
    lane.admit("last", STARTED, ACCEPTED)
    assert lane.is_open


@pytest.mark.parametrize(
    "events",
    [
        [STARTED, GaveUp(at=START, code="HTTP_400", reason="bad", credits=0)],
        [GaveUp(at=START, code="INPUT", reason="unreadable", credits=0)],
        [Cancelled(at=START, reason="by a person")],
        [Flagged(at=START, stale=False, orphaned=True)],
    ],
    ids=["refused", "bad input", "cancelled", "withdrawn"],
)
def test_a_probe_that_ends_without_proof_gives_its_place_to_the_next(
    events: Sequence[Event],
) -> None:
    lane = in_doubt()
    lane.until_probe()
    lane.admit("probe", *events)
    assert lane.may_start == 1
    assert not lane.is_open


def test_a_probe_that_was_not_sent_after_all_gives_its_place_to_the_next() -> None:
    lane = in_doubt()
    lane.until_probe()
    job = lane.admit("probe")
    lane.health.not_sent(lane.job("bystander"))
    assert lane.may_start == 0
    lane.health.not_sent(job)
    assert lane.may_start == 1


def test_a_probe_refused_for_now_waits_longer_than_before() -> None:
    lane = in_doubt()
    lane.until_probe()
    lane.admit("probe", STARTED, BUSY)
    assert lane.may_start == 0
    assert lane.until_probe() >= POLICY.doubt.first_s


def test_a_probe_cancelled_at_runway_gives_its_place_to_the_next() -> None:
    lane = in_outage()
    lane.until_probe()
    lane.admit("probe", STARTED, ACCEPTED, Running(at=START), CancelRequested(at=START))
    assert lane.may_start == 0
    lane.job("probe", Cancelled(at=START, reason="x"))
    assert lane.may_start == 1


# outages


def test_different_jobs_in_a_row_that_fail_through_the_service_are_an_outage() -> None:
    lane = Lane()
    lane.job("a", STARTED, ACCEPTED, OUT)
    lane.job("a", STARTED, ACCEPTED, OUT)
    lane.job("a", STARTED, ACCEPTED, OUT)
    assert lane.is_open  # one job alone is no outage
    lane.job("b", STARTED, ACCEPTED, OUT)
    assert not lane.health.in_outage(LANE, lane.now)
    lane.job("c", STARTED, ACCEPTED, OUT)
    assert lane.health.in_outage(LANE, lane.now)
    assert lane.may_start == 0
    assert "3 jobs in a row" in lane.health.closed(LANE, lane.now).reason


@pytest.mark.parametrize("other", [SUCCEEDED, MODERATED])
def test_a_task_that_was_made_or_judged_breaks_the_row(other: Event) -> None:
    lane = Lane()
    lane.job("a", STARTED, ACCEPTED, OUT)
    lane.job("b", STARTED, ACCEPTED, OUT)
    lane.job("good", STARTED, ACCEPTED, other)
    lane.job("c", STARTED, ACCEPTED, OUT)
    assert lane.is_open


def test_a_refused_create_says_nothing_about_the_making_of_tasks() -> None:
    lane = Lane()
    lane.job("a", STARTED, ACCEPTED, OUT)
    lane.job("b", STARTED, ACCEPTED, OUT)
    lane.job("bad", STARTED, BAD_INPUT)
    lane.job("c", STARTED, ACCEPTED, OUT)
    assert lane.health.in_outage(LANE, lane.now)


def test_an_outage_ends_with_the_first_success() -> None:
    lane = in_outage()
    lane.until_probe()
    lane.admit("probe", STARTED, ACCEPTED)
    assert lane.may_start == 0  # accepted is not made
    lane.job("probe", SUCCEEDED)
    assert lane.is_open
    assert not lane.health.in_outage(LANE, lane.now)


def test_the_rest_of_what_was_under_way_neither_prolongs_an_outage_nor_frees_the_probe() -> None:
    lane = Lane()
    for name in "abcdef":
        lane.job(name, STARTED, ACCEPTED)
    for name in "abcd":
        lane.job(name, OUT)
    until = lane.health.closed(LANE, lane.now).until
    lane.job("e", OUT)
    assert lane.health.closed(LANE, lane.now).until == until
    lane.until_probe()
    lane.admit("probe", STARTED, ACCEPTED)
    lane.job("f", OUT)
    assert lane.may_start == 0


def test_a_moderated_probe_is_no_proof_of_health_and_the_next_goes_at_once() -> None:
    lane = in_outage()
    lane.until_probe()
    lane.admit("probe", STARTED, ACCEPTED, MODERATED)
    assert lane.may_start == 1
    assert lane.health.in_outage(LANE, lane.now)


def test_an_outage_with_lost_answers_ends_only_when_tasks_are_made_again() -> None:
    lane = in_outage()
    lane.until_probe()
    lane.admit("p1", STARTED, LOST)
    lane.until_probe()
    lane.admit("p2", STARTED, ACCEPTED)
    assert lane.may_start == 0
    assert lane.health.in_outage(LANE, lane.now)
    lane.job("p2", SUCCEEDED)
    assert lane.is_open


def test_waits_grow_over_doubt_and_outage_alike() -> None:
    lane, waits = in_outage(), []
    for number in range(10):
        waits.append(lane.until_probe())
        end = LOST if number % 2 else ACCEPTED
        lane.admit(f"p{number}", STARTED, end)
        if end is ACCEPTED:
            lane.job(f"p{number}", OUT)
    assert min(waits[6:]) >= POLICY.outage.most_s / 2


def test_an_outage_is_no_excuse_for_ever() -> None:
    lane = in_outage()
    lane.later(POLICY.longest_s - 1)
    assert lane.health.in_outage(LANE, lane.now)
    lane.later(1)
    assert not lane.health.in_outage(LANE, lane.now)
    assert not lane.is_open  # it still probes


@pytest.mark.parametrize(
    ("code", "credits", "is_service"),
    [
        ("INTERNAL", 0, True),
        ("THIRD_PARTY.UNAVAILABLE", 0, True),
        ("FAILED", 0, True),  # no code at all
        ("INTERNAL", 25, False),
        ("INTERNAL", None, False),
        ("INTERNAL.BAD_OUTPUT", 0, False),
        ("SAFETY.INPUT", 0, False),
        ("CANCELLED", 0, False),
        ("HTTP_500", 0, False),
        ("TASK_GONE", None, False),
    ],
)
def test_what_is_the_services_fault(code: str, credits: int | None, is_service: bool) -> None:
    event = GaveUp(at=START, code=code, reason="x", credits=credits)
    assert is_service_failure(event) is is_service


# any order of events


#: which of five jobs, which of its legal events, and seconds before it
MOVES = st.lists(
    st.tuples(st.sampled_from("abcde"), st.integers(0, 99), st.floats(0, 2000)), max_size=40
)
#: what a run may see of a job, by its own doing or a person's
SEEN: dict[type[Event], Event] = {
    type(event): event
    for event in (STARTED, ACCEPTED, LOST, BUSY, Running(at=START), SUCCEEDED, OUT, MODERATED,
                  Cancelled(at=START, reason="x"), CancelRequested(at=START))
}  # fmt: skip


@given(MOVES)
def test_whatever_happens_the_probe_is_at_work_or_its_place_is_free(
    moves: list[tuple[str, int, float]],
) -> None:
    lane = Lane()
    for name, choice, seconds in moves:
        lane.later(seconds)
        job = lane.job(name)
        legal = [e for kind, e in SEEN.items() if (job.status, kind) in TRANSITIONS]
        if not legal:
            del lane.jobs[name]
            continue
        if legal[choice % len(legal)] is STARTED:
            if lane.may_start == 0:
                continue
            lane.health.admitted(job)
        lane.job(name, legal[choice % len(legal)])
        probe = lane.health._lanes[LANE].probe
        assert probe is None or lane.jobs[probe].status in AT_RUNWAY
    assert set(SEEN) < set(get_args(Event))
