"""The rolling quota against a simple server: never refused, and never later than need be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.ledger import Entry
from runner.core.quota import (
    DAY,
    MARGIN,
    READ_AGAIN,
    DailyQuota,
    OwnCreates,
    daily_quota,
    last_start,
)
from runner.core.task import ModelLimits, Reading
from runner.testing import START
from tests.account_rig import DAY_S, Read, Sent, at

NONE = OwnCreates(since_reading=0, left_since=0, in_window=0, oldest=None)
MARGIN_S = MARGIN.total_seconds()


def limits(most: int | None, used: int = 0) -> ModelLimits:
    return ModelLimits(max_concurrent=5, max_daily=most, daily_used=used)


def quota_of(own: OwnCreates, most: int | None, used: int = 0) -> DailyQuota:
    return daily_quota("m", limits(most, used), own, now=START)


def test_what_was_read_and_what_was_sent_since_are_used() -> None:
    own = OwnCreates(since_reading=3, left_since=1, in_window=6, oldest=START - DAY / 2)
    quota = quota_of(own, most=10, used=5)
    assert (quota.used, quota.left, quota.by_others, quota.frees_at) == (7, 3, 1, None)


def test_a_full_quota_frees_when_our_oldest_create_leaves_the_window() -> None:
    own = OwnCreates(since_reading=2, left_since=0, in_window=2, oldest=START - timedelta(hours=20))
    quota = quota_of(own, most=2)
    assert (quota.left, quota.frees_at) == (0, START + timedelta(hours=4) + MARGIN)


def test_what_others_use_up_is_read_again() -> None:
    assert quota_of(NONE, most=5, used=5).frees_at == START + READ_AGAIN
    own = OwnCreates(
        since_reading=0, left_since=0, in_window=1, oldest=START - DAY + READ_AGAIN / 2
    )
    quota = quota_of(own, most=5, used=5)
    assert quota.by_others == 4
    assert quota.frees_at == START + READ_AGAIN / 2 + MARGIN  # ours is due sooner


def test_no_limit_means_none_is_ever_used_up() -> None:
    quota = quota_of(NONE, most=None, used=10_000)
    assert (quota.left, quota.frees_at) == (None, None)
    assert last_start(quota, 1_000_000, START) is None


@pytest.mark.parametrize(
    ("jobs", "days"), [(3, None), (4, 0), (13, 0), (14, 1), (23, 1), (24, 2), (1003, 99)]
)
def test_the_last_job_starts_after_as_many_days_as_it_takes(jobs: int, days: int | None) -> None:
    quota = quota_of(NONE, most=10, used=7)
    expected = None if days is None else START + DAY + DAY * days
    assert last_start(quota, jobs, START) == expected


def test_a_full_quota_counts_its_days_from_when_it_frees() -> None:
    own = OwnCreates(since_reading=10, left_since=0, in_window=10, oldest=START - DAY / 2)
    quota = quota_of(own, most=10)
    assert last_start(quota, 10, START) == START + DAY / 2 + MARGIN
    assert last_start(quota, 11, START) == START + DAY / 2 + MARGIN + DAY


def test_a_model_that_may_not_be_created_at_all_has_no_last_start() -> None:
    quota = quota_of(NONE, most=0)
    assert quota.frees_at == START + READ_AGAIN
    assert last_start(quota, 5, START) is None


# against a simple server


@dataclass
class World:
    """A lane with a rolling limit, our creates, those of others, and the newest reading."""

    most: int
    sent: list[Sent] = field(default_factory=list)
    others: list[Sent] = field(default_factory=list)
    read: Read | None = None
    now_s: float = 0

    def quota(self) -> DailyQuota:
        """What the planner says now."""
        read = self.read or Read(asked_s=-1, made_s=-1, answered_s=-1)
        reading = read.reading([*self.sent, *self.others], self.most)
        entries = [e for one in self.sent if (e := one.entry_by(self.now_s)) is not None]
        own = own_creates(entries, reading, at(self.now_s))
        return daily_quota("m", reading.organization.models["m"], own, now=at(self.now_s))

    def create(self, *, arrives_s: float, answered_s: float, is_lost: bool, arrives: bool) -> None:
        arrival = self.now_s + arrives_s
        self.sent.append(
            Sent(
                sent_s=self.now_s,
                arrives_s=arrival if arrives or not is_lost else None,
                answered_s=arrival + answered_s,
                is_lost=is_lost,
            )
        )

    def refused(self) -> list[Sent]:
        """Our creates that came when the window was full."""
        everything = [*self.sent, *self.others]
        return [one for one in self.sent if self._count_before(one, everything) >= self.most]

    def _count_before(self, one: Sent, everything: Sequence[Sent]) -> int:
        arrival = one.arrives_s
        if arrival is None:
            return 0
        counted = [s for s in everything if s is not one and s.is_counted(arrival)]
        return sum((s.arrives_s, id(s)) < (arrival, id(one)) for s in counted)

    def room_at(self) -> float:
        """When the server takes the next create, if nobody sends one until then."""
        counted = sorted(
            one.arrives_s for one in [*self.sent, *self.others]
            if one.arrives_s is not None and one.arrives_s > self.now_s - DAY_S
        )  # fmt: skip
        too_many = len(counted) - self.most + 1
        return self.now_s if too_many <= 0 else counted[too_many - 1] + DAY_S


def own_creates(entries: Sequence[Entry], reading: Reading, now: datetime) -> OwnCreates:
    """As the store counts them."""
    start, counted = now - DAY - MARGIN, reading.answered_at - DAY
    ours = [e for e in entries if e.arrived is not False]
    in_window = [e for e in ours if e.intended_at > start]

    def is_read(entry: Entry) -> bool:
        return entry.answered_at is not None and entry.answered_at < reading.asked_at

    return OwnCreates(
        since_reading=sum(not is_read(e) for e in in_window),
        left_since=sum(
            bool(e.arrived) and is_read(e) and counted < e.intended_at <= start for e in ours
        ),
        in_window=len(in_window),
        oldest=min((e.intended_at for e in in_window), default=None),
    )


#: seconds to the next thing, what it is, and how it goes
Step = tuple[int, str, tuple[int, int, int]]
#: seconds to the next thing: close together, or about a day
STEP = st.integers(0, 8) | st.integers(0, 4000) | st.integers(DAY_S // 3, DAY_S + 60)
STEPS = st.lists(
    st.tuples(
        STEP,
        st.sampled_from(["create", "create", "create", "read", "wait"]),
        st.tuples(st.integers(0, int(MARGIN_S)), st.integers(0, 4), st.integers(0, 5)),
    ),
    max_size=30,
)


def play(world: World, steps: Sequence[Step], *, loses: bool) -> None:
    """Create whenever the planner allows it, wait for it where it says until when."""
    for step_s, what, (first_s, second_s, luck) in steps:
        world.now_s += step_s
        quota = world.quota()
        if what == "read":
            made_s = world.now_s + first_s
            world.read = Read(asked_s=world.now_s, made_s=made_s, answered_s=made_s + second_s)
            world.now_s += first_s + second_s  # creates may be under way meanwhile
        elif quota.frees_at is not None:
            assert quota.frees_at > at(world.now_s)
            in_time = max(at(world.room_at()) + 2 * MARGIN, at(world.now_s) + READ_AGAIN)
            assert loses or quota.frees_at <= in_time
            if what == "wait":
                world.now_s = (quota.frees_at - START).total_seconds()
        elif what == "create":
            is_lost = loses and luck < 2
            world.create(arrives_s=first_s, answered_s=second_s, is_lost=is_lost, arrives=luck == 0)


@settings(deadline=None)
@given(most=st.integers(1, 4), steps=STEPS, loses=st.booleans())
def test_our_own_creates_are_never_refused_and_none_waits_longer_than_it_must(
    most: int, steps: list[Step], loses: bool
) -> None:
    world = World(most=most)
    play(world, steps, loses=loses)
    assert not world.refused()


@settings(deadline=None, max_examples=50)
@given(
    most=st.integers(1, 4),
    steps=STEPS,
    others=st.lists(st.integers(-DAY_S, 2 * DAY_S), max_size=5),
)
def test_what_others_create_is_known_from_the_next_reading_on(
    most: int, steps: list[Step], others: list[int]
) -> None:
    theirs = [Sent(sent_s=s, arrives_s=s, answered_s=s) for s in others]
    world = World(most=most, others=theirs)
    play(world, steps, loses=True)
    world.now_s += 60
    world.read = Read(asked_s=world.now_s, made_s=world.now_s, answered_s=world.now_s)
    really_used = sum(one.is_counted(world.now_s) for one in [*world.sent, *theirs])
    quota = world.quota()
    assert quota.used == really_used
    assert (quota.frees_at is not None) == (really_used >= most)


@settings(deadline=None, max_examples=30)
@given(steps=STEPS)
def test_what_has_left_the_window_frees_its_place_without_another_reading(
    steps: list[Step],
) -> None:
    world = World(most=3)
    play(world, steps, loses=False)
    world.now_s += DAY_S + 60
    read = world.read
    quota = world.quota()
    # but what left, or was under way, while the account was read may not have been in the count
    unsure = [
        one for one in world.sent
        if read and (read.asked_s - DAY_S <= one.sent_s <= read.answered_s - DAY_S
                     or (one.sent_s <= read.answered_s and one.answered_s >= read.asked_s))
    ]  # fmt: skip
    assert quota.used <= len(unsure)


def test_a_lost_create_counts_until_a_reading_tells() -> None:
    world = World(most=1)
    world.create(arrives_s=1, answered_s=1, is_lost=True, arrives=False)
    world.now_s = 60
    assert world.quota().left == 0
    world.read = Read(asked_s=60, made_s=61, answered_s=62)
    world.now_s = 62
    assert world.quota().left == 1
