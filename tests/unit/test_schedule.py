"""Windows, times of day and durations, also on days of 23, 24½ and 25 hours."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from runner.core.schedule import (
    LONGEST_S,
    Window,
    duration_words,
    next_time_of_day,
    parse_duration,
    parse_time_of_day,
    parse_window,
    zone_named,
)

PARIS = "Europe/Paris"
#: days on which clocks change, by zone; Havana's at midnight, Lord Howe's by half an hour
CHANGES = {
    PARIS: ("2026-03-29", "2026-10-25"),
    "America/New_York": ("2026-03-08", "2026-11-01"),
    "Australia/Lord_Howe": ("2026-04-05", "2026-10-04"),
    "America/Havana": ("2026-03-08", "2026-11-01"),
}
MINUTE = timedelta(minutes=1)
TIMES = st.builds(time, st.integers(0, 23), st.sampled_from([0, 1, 15, 30, 59]))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@st.composite
def moments(draw: st.DrawFn) -> tuple[str, datetime]:
    """A zone, and a minute within a day and a half of a change of its clocks."""
    zone = draw(st.sampled_from(sorted(CHANGES)))
    day = date.fromisoformat(draw(st.sampled_from(CHANGES[zone])))
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return zone, noon + draw(st.integers(-36 * 60, 36 * 60)) * MINUTE


def first_shown(day: date, at: time, zone: str) -> datetime:
    """By trying every minute: the first at which the clock shows this time, or is past it."""
    wanted = datetime.combine(day, at)
    guess = wanted.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    minutes = (guess + n * MINUTE for n in range(-150, 150))
    wall = ZoneInfo(zone)
    return next(m for m in minutes if m.astimezone(wall).replace(tzinfo=None) >= wanted)


def tried_out(window: Window, now: datetime) -> bool:
    """Whether it is open, by the same search."""
    today = now.astimezone(ZoneInfo(window.zone)).date()
    late = timedelta(days=int(window.closes < window.opens))
    days = [today + timedelta(days=n) for n in (-2, -1, 0, 1)]
    return any(
        first_shown(day, window.opens, window.zone)
        <= now
        < first_shown(day + late, window.closes, window.zone)
        for day in days
    )


@settings(deadline=None, max_examples=60)
@given(moment=moments(), opens=TIMES, closes=TIMES)
def test_a_window_is_open_as_the_clock_on_the_wall_has_it(
    moment: tuple[str, datetime], opens: time, closes: time
) -> None:
    zone, now = moment
    assume(opens != closes)
    window = Window(opens, closes, zone)
    assert window.is_open(now, UTC) is tried_out(window, now)


SHARES = st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)).map(sorted)


@settings(deadline=None)
@given(moment=moments(), opens=TIMES, closes=TIMES, shares=SHARES)
@example(
    moment=(PARIS, utc("2026-03-28T12:00")), opens=time(2, 30), closes=time(2), shares=[0, 0.5]
)
@example(
    moment=(PARIS, utc("2026-03-28T12:00")), opens=time(2, 15), closes=time(2, 45), shares=[0, 0]
)
@example(  # Samoa left this day out
    moment=("Pacific/Apia", utc("2011-12-30T09:00")),
    opens=time(22),
    closes=time(7),
    shares=[0, 0.5],
)
def test_until_it_opens_next_a_window_only_closes(
    moment: tuple[str, datetime], opens: time, closes: time, shares: list[float]
) -> None:
    zone, now = moment
    assume(opens != closes)
    window = Window(opens, closes, zone)
    opening = window.next_opening(now, UTC)
    assert now < opening
    assert window.is_open(opening, UTC)
    assert not window.is_open(opening - timedelta(microseconds=1), UTC)
    earlier, later = (now + (opening - now) * share for share in shares)
    assert window.is_open(now, UTC) >= window.is_open(earlier, UTC) >= window.is_open(later, UTC)


def check_edges(window: Window, opens: datetime, closes: datetime) -> None:
    """Open from the one until before the other."""
    assert not window.is_open(opens - MINUTE, UTC)
    assert window.is_open(opens, UTC)
    assert window.is_open(closes - MINUTE, UTC)
    assert not window.is_open(closes, UTC)


@pytest.mark.parametrize(
    ("text", "opens", "closes"),
    [
        ("22:00-07:00", "2026-03-28T21:00", "2026-03-29T05:00"),  # eight hours, not nine
        ("02:30-06:00", "2026-03-29T01:00", "2026-03-29T04:00"),  # 02:30 is left out
        ("20:00-02:30", "2026-03-28T19:00", "2026-03-29T01:00"),
        ("02:15-02:45", "2026-03-30T00:15", "2026-03-30T00:45"),  # there is none on the 29th
    ],
)
def test_when_clocks_are_put_forward(text: str, opens: str, closes: str) -> None:
    window, now = parse_window(text, PARIS), utc("2026-03-28T12:00")
    assert window.next_opening(now, UTC) == utc(opens)
    check_edges(window, utc(opens), utc(closes))


@pytest.mark.parametrize(
    ("text", "opens", "closes"),
    [
        ("22:00-07:00", "2026-10-24T20:00", "2026-10-25T06:00"),  # ten hours
        ("02:30-06:00", "2026-10-25T00:30", "2026-10-25T05:00"),  # from the first 02:30
        ("20:00-02:30", "2026-10-24T18:00", "2026-10-25T00:30"),  # until the first 02:30
    ],
)
def test_when_clocks_are_put_back(text: str, opens: str, closes: str) -> None:
    window, now = parse_window(text, PARIS), utc("2026-10-24T12:00")
    assert window.next_opening(now, UTC) == utc(opens)
    check_edges(window, utc(opens), utc(closes))
    assert not window.is_open(utc("2026-10-25T00:45"), UTC) or text != "20:00-02:30"


def test_a_window_without_a_zone_is_in_the_one_it_is_given() -> None:
    window = parse_window("22:00-07:00")
    now = utc("2026-06-01T21:30")
    assert not window.is_open(now, UTC)
    assert window.is_open(now, ZoneInfo(PARIS))
    assert parse_window("22:00-07:00", PARIS).is_open(now, UTC), "its own wins"


def test_an_edge_belongs_to_what_begins_there() -> None:
    window = parse_window("9:00-17:30")
    assert window.is_open(utc("2026-06-01T09:00"), UTC)
    assert not window.is_open(utc("2026-06-01T17:30"), UTC)
    assert window.next_opening(utc("2026-06-01T09:00"), UTC) == utc("2026-06-02T09:00")
    assert parse_window("18:00 - 24:00") == Window(time(18), time(0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("22:00", "expected a window such as `22:00-07:00`, found `22:00`"),
        ("22:00-7", "expected a time of day such as `07:00`, found `7`"),
        ("24:00-07:00", "expected a time of day such as `07:00`, found `24:00`"),
        ("07:00-07:00", "the window closes when it opens: `07:00-07:00`"),
        ("00:00-24:00", "the window closes when it opens: `00:00-24:00`"),
    ],
)
def test_what_is_no_window_is_said(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse_window(text)


@pytest.mark.parametrize("name", ["Mars/Olympus", "Europe", "../etc/passwd", "/etc/passwd", "a\0"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="unknown time zone"):
        zone_named(name)
    with pytest.raises(ValueError, match="unknown time zone"):
        parse_window("22:00-07:00", name)


@given(st.times())
def test_a_time_of_day_is_read_as_it_is_written(at: time) -> None:
    assert parse_time_of_day(f"{at:%H:%M}") == at.replace(second=0, microsecond=0)


@pytest.mark.parametrize("text", ["", "7", "7:5", "24:00", "12:60", "-1:00", "07:00:00", "٠٧:٠٠"])
def test_what_is_no_time_of_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a time of day"):
        parse_time_of_day(text)


@given(h=st.integers(0, 8000), m=st.integers(0, 999), s=st.integers(0, 999))
def test_a_duration_is_the_sum_of_its_parts(h: int, m: int, s: int) -> None:
    assert parse_duration(f"{h}h{m}m{s}s") == h * 3600 + m * 60 + s
    assert parse_duration(f" {h}h {m}m ") == h * 3600 + m * 60


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0s"), (10, "10s"), (90, "1m30s"), (1800, "30m"), (29400, "8h10m")]
)
def test_a_duration_is_said_as_it_is_written(seconds: float, words: str) -> None:
    assert duration_words(seconds) == words
    assert parse_duration(words) == seconds


@given(st.text(alphabet="0123456789hms .-d", max_size=8))
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    try:
        seconds = parse_duration(text)
    except ValueError:
        return
    assert 0 <= seconds <= LONGEST_S


@pytest.mark.parametrize("text", ["", "8", "h", "m30", "30m1h", "1.5h", "-1h", "2 hours", "9999h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


def test_no_time_at_all_is_a_duration() -> None:
    assert parse_duration("0") == parse_duration("0s") == 0


@given(moment=moments(), at=TIMES)
def test_the_next_time_of_day_is_ahead_and_within_a_day(
    moment: tuple[str, datetime], at: time
) -> None:
    zone, now = moment
    found = next_time_of_day(at, now, ZoneInfo(zone))
    assert now < found <= now + timedelta(hours=25)
    shown = found.astimezone(ZoneInfo(zone))
    is_left_out = shown.utcoffset() != (shown - timedelta(hours=3)).utcoffset()
    assert shown.time() == at or (is_left_out and shown.time() > at)


def test_a_time_that_comes_twice_is_met_both_times() -> None:
    first, second = utc("2026-10-25T00:30"), utc("2026-10-25T01:30")
    paris = ZoneInfo(PARIS)
    assert next_time_of_day(time(2, 30), first - MINUTE, paris) == first
    assert next_time_of_day(time(2, 30), first, paris) == second
    assert next_time_of_day(time(2, 30), second, paris) == utc("2026-10-26T01:30")


def test_a_time_that_is_left_out_is_the_instant_of_the_change() -> None:
    now = utc("2026-03-28T12:00")
    assert next_time_of_day(time(2, 30), now, ZoneInfo(PARIS)) == utc("2026-03-29T01:00")
