"""The machine's own time zone, for windows without one and for `--until`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo


class LocalZone(tzinfo):
    """The machine's zone with its changes of clocks, as the operating system knows them."""

    def utcoffset(self, at: datetime | None) -> timedelta | None:
        return None if at is None else at.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, at: datetime | None) -> timedelta | None:
        return None  # the system does not tell it apart

    def tzname(self, at: datetime | None) -> str | None:
        return None if at is None else at.replace(tzinfo=None).astimezone().tzname()

    def fromutc(self, at: datetime) -> datetime:
        known = at.replace(tzinfo=UTC).astimezone()
        wall = known.replace(tzinfo=self)
        return wall if wall.utcoffset() == known.utcoffset() else wall.replace(fold=1)
