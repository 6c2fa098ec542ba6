from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.admission import ReadyQueue, admit
from runner.core.job import Job, JobStatus
from runner.core.limits import Bounds, Pause, Slots
from runner.core.task import ModelLimits, Organization
from runner.testing import START, make_spec


def organization(**slots: int | None) -> Organization:
    models = {
        name.replace("_dot_", "."): ModelLimits(max_concurrent=n, max_daily=None)
        for name, n in slots.items()
    }
    return Organization(credit_balance=1000, models=models)


def slots_with(bounds: Bounds | None = None, **limits: int | None) -> Slots:
    slots = Slots(bounds or Bounds(queue_ahead=0))
    slots.learn(organization(**limits))
    return slots


def job(name: str, status: JobStatus = JobStatus.PENDING, **fields) -> Job:
    spec = make_spec(name, model=fields.pop("model", "m"), priority=fields.pop("priority", 0))
    return Job(batch="b", spec=spec, status=status, **fields)


def queue(*jobs: Job) -> ReadyQueue:
    ready = ReadyQueue()
    for entry in jobs:
        ready.add(entry)
    return ready


def test_capacity_is_the_account_and_what_is_queued_ahead():
    slots = slots_with(Bounds(queue_ahead=1), m=5)
    assert slots.capacity("m") == 6


def test_a_person_only_lowers_the_account_limit():
    assert slots_with(Bounds(lanes={"m": 2}), m=5).capacity("m") == 2
    assert slots_with(Bounds(lanes={"m": 50}, queue_ahead=0), m=5).capacity("m") == 5


def test_null_means_many_but_not_unbounded():
    assert slots_with(m=None).capacity("m") == 20


def test_an_unlisted_lane_starts_with_one_create_then_reads_again_then_doubles():
    slots = slots_with(m=5)
    assert slots.capacity("recipes/product_ad") == 1
    assert not slots.wants_reading("recipes/product_ad")
    slots.note_created("recipes/product_ad")
    assert slots.wants_reading("recipes/product_ad")
    slots.learn(organization(m=5))
    assert not slots.wants_reading("recipes/product_ad")
    assert slots.capacity("recipes/product_ad") == 2
    slots.note_finished("recipes/product_ad")
    assert slots.capacity("recipes/product_ad") == 4
    slots.note_throttled("recipes/product_ad")
    slots.note_finished("recipes/product_ad")
    assert slots.capacity("recipes/product_ad") == 4


def test_a_lane_that_appears_after_one_create_uses_the_account_limit():
    slots = slots_with(m=5)
    assert slots.capacity("n") == 1
    slots.note_created("n")
    slots.learn(organization(m=5, n=3))
    assert slots.capacity("n") == 3


def test_higher_priority_first_then_manifest_order():
    ready = queue(job("a", position=0), job("b", position=1, priority=5), job("c", position=2))
    names = [j.id for j in admit(ready, slots_with(m=2), [], START)]
    assert names == ["b", "a"]
    assert len(ready) == 1


def test_downloads_hold_no_slot_and_everything_else_does():
    live = [job("x", JobStatus.DOWNLOADING), job("y", JobStatus.RUNNING), job("z")]
    admitted = admit(queue(job("a"), job("b", position=1)), slots_with(m=3), live, START)
    assert [j.id for j in admitted] == ["a"]


def test_the_total_bounds_all_lanes_together():
    ready = queue(job("a"), job("b", model="n"), job("c", model="n", position=3))
    slots = slots_with(Bounds(total=2, queue_ahead=0), m=5, n=5)
    assert len(admit(ready, slots, [], START)) == 2


def test_a_paused_lane_takes_nothing_and_others_go_on():
    slots = slots_with(m=5, n=5)
    slots.pause("m", Pause(until=START + timedelta(seconds=30), reason="429"))
    ready = queue(job("a"), job("b", model="n"))
    assert [j.id for j in admit(ready, slots, [], START)] == ["b"]
    later = START + timedelta(seconds=31)
    assert [j.id for j in admit(ready, slots, [], later)] == ["a"]


def test_a_shorter_pause_does_not_end_a_longer_one():
    slots = slots_with(m=5)
    long = Pause(until=START + timedelta(seconds=60), reason="long")
    slots.pause("m", long)
    slots.pause("m", Pause(until=START + timedelta(seconds=5), reason="short"))
    assert slots.paused("m", START) == slots.paused("m", START + timedelta(seconds=59)) == long
    assert slots.paused("m", long.until) is None


def test_new_bounds_count_for_what_starts_from_now_on():
    slots = slots_with(Bounds(queue_ahead=0), m=5)
    slots.set_bounds(Bounds(total=9, lanes={"m": 1}, queue_ahead=0))
    assert (slots.capacity("m"), slots.total) == (1, 9)
    live = [job(f"r{n}", JobStatus.RUNNING) for n in range(3)]  # more than the new bound
    assert admit(queue(job("a")), slots, live, START) == []


def test_a_closed_lane_starts_nothing_and_keeps_its_jobs():
    ready = queue(job("a"), job("b", model="n"))
    assert [j.id for j in admit(ready, slots_with(m=5, n=5), [], START, closed={"m"})] == ["b"]
    assert [j.id for j in admit(ready, slots_with(m=5, n=5), [], START)] == ["a"]


@pytest.mark.parametrize(("allowed", "started"), [(0, []), (1, ["a"]), (2, ["a", "b"])])
def test_an_allowance_bounds_what_starts_beyond_what_is_under_way(allowed, started):
    ready = queue(*(job(name, position=n) for n, name in enumerate("abc")))
    live = [job("r", JobStatus.RUNNING)]
    admitted = admit(ready, slots_with(m=9), live, START, allowance=lambda _lane: allowed)
    assert [j.id for j in admitted] == started
    assert len(ready) == 3 - len(started)


def test_an_allowance_of_one_lane_leaves_the_others_alone():
    ready = queue(*(job(f"{lane}{n}", model=lane) for lane in "mn" for n in range(3)))
    allowance = {"m": 1}.get
    admitted = admit(ready, slots_with(m=9, n=9), [], START, allowance=allowance)
    assert sorted(j.lane for j in admitted) == ["m", "n", "n", "n"]


def test_a_job_that_may_not_start_makes_room_for_the_next_one():
    ready = queue(*(job(name, position=n) for n, name in enumerate("abc")))
    asked = []

    def may_start(candidate: Job) -> bool:
        asked.append(candidate.id)
        return candidate.id != "a"

    admitted = admit(
        ready, slots_with(m=9), [], START, allowance=lambda _lane: 1, may_start=may_start
    )
    assert [j.id for j in admitted] == ["b"]
    assert asked == ["a", "b"]  # who is not needed is not asked
    assert ready.first("m").id == "c"  # and `a` is with whoever said no


def test_a_job_is_offered_once_however_often_it_is_added():
    ready = queue(job("a"), job("a"), job("a"))
    assert len(ready) == 1
    ready.clear()
    assert (len(ready), ready.lanes(), ready.is_empty("m")) == (0, [], True)


@given(
    st.lists(st.tuples(st.sampled_from("mno"), st.integers(-3, 3)), max_size=40),
    st.dictionaries(st.sampled_from("mno"), st.integers(0, 6)),
    st.none() | st.integers(0, 10),
)
def test_admission_never_passes_a_limit_and_leaves_nothing_startable(wanted, limits, total):
    slots = Slots(Bounds(total=total, queue_ahead=0))
    slots.learn(organization(**{lane: limits.get(lane, 1) for lane in "mno"}))
    ready = queue(
        *(
            job(f"j{n}", model=lane, priority=priority, position=n)
            for n, (lane, priority) in enumerate(wanted)
        )
    )
    admitted = admit(ready, slots, [], START)
    for lane in "mno":
        used = sum(j.lane == lane for j in admitted)
        assert used <= slots.capacity(lane)
        if total is None:
            assert used == slots.capacity(lane) or ready.is_empty(lane)
    assert total is None or len(admitted) <= total
    assert len(admitted) + len(ready) == len(wanted)
