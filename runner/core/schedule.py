"""Times of day, daily windows and durations, as people write them.

Windows and times are what the clock on the wall shows, so a day may have 23 or 25 hours. A time
that a change of clocks leaves out is the instant of the change; one that comes twice opens and
closes windows at its first coming. `now` is aware; what comes back is in UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

#: a longer duration is a slip
LONGEST_S = 366 * 24 * 3600

_TIME = re.compile(r"(?P<hour>[01]?[0-9]|2[0-3]):(?P<minute>[0-5][0-9])")
_DURATION = re.compile(r"(?:([0-9]{1,9})h)? ?(?:([0-9]{1,9})m)? ?(?:([0-9]{1,9})s)?")
_UNITS_S = (3600, 60, 1)
#: days around `now` that are looked at: clocks may skip a day (Samoa, December 2011)
_DAYS = range(-2, 8)


@dataclass(frozen=True, slots=True)
class Window:
    """The part of each day in which a batch may submit: from `opens` until before `closes`."""

    opens: time
    closes: time  # not after `opens`: on the next day
    zone: str = ""  # IANA name; empty = the machine's zone, which every call is handed

    def is_open(self, now: datetime, local: tzinfo) -> bool:
        return any(opens <= now < closes for opens, closes in self._around(now, local))

    def next_opening(self, now: datetime, local: tzinfo) -> datetime:
        """The first instant after `now` at which it opens."""
        return min(at for at, _ in self._around(now, local) if at > now)

    def _around(self, now: datetime, local: tzinfo) -> Sequence[tuple[datetime, datetime]]:
        zone = zone_named(self.zone) if self.zone else local
        return _spans(self, zone, now.astimezone(zone).date())

    def days(self, today: date, zone: tzinfo) -> Iterator[tuple[datetime, datetime]]:
        """Opening and closing on each of the days about today, as they come."""
        over_midnight = timedelta(days=int(self.closes <= self.opens))
        for day in (today + timedelta(days=n) for n in _DAYS):
            yield _instant(day, self.opens, zone), _instant(day + over_midnight, self.closes, zone)


@lru_cache(maxsize=8)  # a run asks before each create, and the answer holds for the day
def _spans(window: Window, zone: tzinfo, today: date) -> Sequence[tuple[datetime, datetime]]:
    """Opening and closing on the days about today, in order.

    Empty ones, which a change of clocks has swallowed, are left out; where it makes one follow
    upon the other without a break they are one.
    """
    found: list[tuple[datetime, datetime]] = []
    for opens, closes in window.days(today, zone):
        if found and opens <= found[-1][1]:
            opens = found.pop()[0]
        if opens < closes:
            found.append((opens, closes))
    return tuple(found)


def parse_window(text: str, zone: str = "") -> Window:
    """`22:00-07:00`, over midnight where it closes before it opens; `24:00` may end it.

    Raises:
        ValueError: it is no window, or nobody knows the zone.
    """
    opens, dash, closes = (part.strip() for part in text.partition("-"))
    if not dash:
        raise ValueError(f"expected a window such as `22:00-07:00`, found `{text}`")
    window = Window(
        opens=parse_time_of_day(opens),
        closes=time() if closes == "24:00" else parse_time_of_day(closes),
        zone=zone,
    )
    if window.opens == window.closes:
        raise ValueError(f"the window closes when it opens: `{text}`")
    if zone:
        zone_named(zone)
    return window


def parse_time_of_day(text: str) -> time:
    """`07:00`.

    Raises:
        ValueError: it is no time of day.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"expected a time of day such as `07:00`, found `{text}`")
    return time(int(match["hour"]), int(match["minute"]))


def parse_duration(text: str) -> float:
    """`8h`, `30m`, `90s` or `1h30m` in seconds; `0` is none at all.

    Raises:
        ValueError: it is no duration, or longer than a year.
    """
    match = _DURATION.fullmatch(text.strip())
    parts = match.groups() if match else ()
    if text.strip() == "0":
        return 0.0
    if not any(parts):
        raise ValueError(f"expected a duration such as `8h`, `30m` or `1h30m`, found `{text}`")
    seconds = sum(int(part or 0) * unit_s for part, unit_s in zip(parts, _UNITS_S, strict=True))
    if seconds > LONGEST_S:
        raise ValueError(f"a duration is at most a year, found `{text}`")
    return float(seconds)


def duration_words(seconds: float) -> str:
    """As a flag would say it: `1h30m`, `90s` as `1m30s`, `0s`."""
    left, found = round(seconds), ""
    for unit_s, letter in zip(_UNITS_S, "hms", strict=True):
        count, left = divmod(left, unit_s)
        found += f"{count}{letter}" if count else ""
    return found or "0s"


def next_time_of_day(at: time, now: datetime, zone: tzinfo) -> datetime:
    """The next instant after `now` at which the clock shows this time."""
    today = now.astimezone(zone).date()
    days = (today + timedelta(days=n) for n in _DAYS)
    instants = (_instant(day, at, zone, fold=fold) for day in days for fold in (0, 1))
    return min(instant for instant in instants if instant > now)


def zone_named(name: str) -> tzinfo:
    """A zone of the IANA database.

    Raises:
        ValueError: there is none of this name.
    """
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # OSError: a folder of the database
        raise ValueError(f"unknown time zone: `{name}`") from None


def _instant(day: date, at: time, zone: tzinfo, *, fold: int = 0) -> datetime:
    """When the clock shows `at` on `day`; where it never does, when it is put forward over it."""
    wall = datetime.combine(day, at.replace(fold=fold), zone)
    instant = wall.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None, fold=0):
        return instant
    return _change(wall, zone)


def _change(wall: datetime, zone: tzinfo) -> datetime:
    """The instant of the change that leaves out the time that `wall` shows."""
    # read with the offset after the change it comes too early, with the one before it too late
    early, late = sorted(wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    before = early.astimezone(zone).utcoffset()
    while late - early > timedelta(seconds=1):
        middle = early + timedelta(seconds=(late - early) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == before:
            early = middle
        else:
            late = middle
    return late
