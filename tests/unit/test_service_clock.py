"""The service's time of day: put right by answers, never going back, never standing still."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.clock import ServiceClock
from runner.testing import START, FakeClock


class SettableClock(FakeClock):
    """A machine whose time of day can be set."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


def date_at(at: datetime) -> datetime:
    """As a `Date` header says it."""
    return at.replace(microsecond=0)


def answer(clock: ServiceClock, inner: FakeClock, true: datetime, *, trip_s: float = 0.2) -> None:
    """One answer of a service whose time is `true` halfway through the round trip."""
    asked_at = inner.now()
    inner.advance(trip_s)
    clock.heard(date_at(true + timedelta(seconds=trip_s / 2)), asked_at, inner.now())


def seconds(delta: timedelta) -> float:
    return delta.total_seconds()


def test_without_an_answer_it_is_the_machines_clock():
    inner = FakeClock()
    clock = ServiceClock(inner)
    inner.advance(90)
    assert clock.now() == START + timedelta(seconds=90)
    assert clock.monotonic() == 90


async def test_sleep_passes_through():
    inner = FakeClock()
    await ServiceClock(inner).sleep(5)
    assert inner.monotonic() == 5


@pytest.mark.parametrize("off_s", [3, 60, 3600, 86_400 * 365, -3, -60, -3600])
def test_date_of_an_answer_puts_it_right_to_the_second(off_s):
    inner = FakeClock()
    clock = ServiceClock(inner)
    off = timedelta(seconds=off_s)
    answer(clock, inner, START + off)
    assert abs(seconds(clock.now() - (inner.now() + off))) <= 0.6


@pytest.mark.parametrize("off_s", [0, 0.9, 1.4, -0.4, -1.4])
def test_less_than_two_seconds_is_no_error(off_s):
    inner = FakeClock()
    clock = ServiceClock(inner)
    answer(clock, inner, START + timedelta(seconds=off_s))
    assert clock.now() == inner.now()


def test_an_answer_that_took_long_proves_only_what_it_can():
    inner = FakeClock()
    clock = ServiceClock(inner)
    asked_at = inner.now()
    inner.advance(60)
    clock.heard(date_at(START + timedelta(seconds=55)), asked_at, inner.now())
    assert clock.now() == inner.now()
    for _ in range(2):
        clock.heard(date_at(START + timedelta(seconds=630)), asked_at, inner.now())
    assert seconds(clock.now() - inner.now()) == pytest.approx(600, abs=1)


@pytest.mark.parametrize("wrong_h", [30, 24 * 365 * 4])
def test_one_wrong_date_moves_no_window_and_two_that_agree_do(wrong_h):
    inner = FakeClock()
    clock = ServiceClock(inner)
    off = timedelta(hours=wrong_h)
    for _ in range(3):  # a wrong one now and then is never believed
        answer(clock, inner, inner.now())
        answer(clock, inner, inner.now() + off)
        assert clock.now() == inner.now()
    answer(clock, inner, inner.now() + off * 2)  # neither are two that say different things
    assert clock.now() == inner.now()
    answer(clock, inner, inner.now() + off * 2)
    assert abs(seconds(clock.now() - (inner.now() + off * 2))) <= 0.6


@pytest.mark.parametrize("behind_h", [25, -25])
def test_an_end_by_the_machines_clock_is_as_far_away_by_the_services(behind_h):
    inner = FakeClock()
    clock = ServiceClock(inner)
    end = inner.now() + timedelta(hours=8)  # `--max-duration 8h`
    answer(clock, inner, inner.now() + timedelta(hours=behind_h))
    left = clock.here(end) - clock.now()
    assert seconds(left) == pytest.approx(8 * 3600, abs=1)


@pytest.mark.parametrize("years", [-20, -11, 11, 5000])
def test_implausible_date_is_ignored(years):
    inner = FakeClock()
    clock = ServiceClock(inner)
    clock.heard(START.replace(year=START.year + years), inner.now(), inner.now())
    assert clock.now() == START


@pytest.mark.parametrize(
    "date", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)]
)
def test_dates_at_the_ends_of_time_break_nothing(date):
    inner = FakeClock()
    clock = ServiceClock(inner)
    clock.heard(date, inner.now(), inner.now())
    assert clock.now() == START


def test_offset_goes_away_when_the_machines_clock_is_right_again():
    inner = SettableClock()
    clock = ServiceClock(inner)
    inner.ahead = timedelta(hours=-5)
    answer(clock, inner, START)
    assert abs(seconds(clock.now() - START)) < 1
    inner.ahead = timedelta()
    for _ in range(2):
        answer(clock, inner, inner.now())
    inner.advance(20 * 3600)
    assert clock.now() == inner.now()


def test_repeated_answers_do_not_make_it_wander():
    inner = FakeClock()
    clock = ServiceClock(inner)
    seen = set()
    for _ in range(50):
        inner.advance(7.3)
        answer(clock, inner, inner.now() + timedelta(seconds=600))
        seen.add(clock.now() - inner.now())
    assert len(seen) == 1


def test_clock_that_is_set_back_neither_goes_back_nor_stands_still():
    inner = SettableClock()
    clock = ServiceClock(inner)
    before = clock.now()
    inner.ahead = timedelta(hours=-1)
    assert clock.now() == before
    inner.advance(60)
    assert clock.now() == before + timedelta(seconds=30)


def test_clock_that_is_ahead_is_caught_up_with():
    """Wrong by an hour until the first answer: after two hours it is right."""
    inner = SettableClock()
    inner.ahead = timedelta(hours=1)
    clock = ServiceClock(inner)
    clock.now()
    answer(clock, inner, START)
    last = clock.now()
    for _ in range(125):
        inner.advance(60)
        assert clock.now() > last
        last = clock.now()
    assert abs(seconds(last - (inner.now() - inner.ahead))) <= 1


def test_it_is_never_earlier_than_the_newest_event():
    inner = FakeClock()
    clock = ServiceClock(inner)
    newest = START + timedelta(minutes=5)
    clock.floor(newest)
    assert clock.now() == newest
    clock.floor(START)
    assert clock.now() == newest
    inner.advance(3600)
    assert clock.now() == inner.now()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["advance", "set", "floor", "heard", "now"]),
        st.floats(min_value=-4e8, max_value=4e8),
    ),
    max_size=30,
)


@given(STEPS)
def test_it_never_goes_back_whatever_clocks_and_servers_say(steps):
    inner = SettableClock()
    clock = ServiceClock(inner)
    last = clock.now()
    for step, number in steps:
        delta = timedelta(seconds=number)
        match step:
            case "advance":
                inner.advance(abs(number) / 1e3)
            case "set":
                inner.ahead = delta
            case "floor":
                clock.floor(START + delta)
                assert clock.now() >= START + delta
            case "heard":
                clock.heard(START + delta, inner.now(), inner.now() + delta / 1e6)
        now = clock.now()
        assert now >= last
        last = now
