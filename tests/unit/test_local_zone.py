"""The machine's zone, as the operating system has it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.app.local_zone import LocalZone

pytestmark = pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of a POSIX process")


@pytest.fixture(autouse=True, scope="module")
def in_paris() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Europe/Paris")
        time.tzset()
        yield
    time.tzset()


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)))  # noqa: DTZ001 - becomes UTC
def test_it_shows_what_the_zone_of_that_name_shows(naive: datetime) -> None:
    now = naive.replace(tzinfo=UTC)
    ours, named = now.astimezone(LocalZone()), now.astimezone(ZoneInfo("Europe/Paris"))
    assert (ours.replace(tzinfo=None), ours.fold) == (named.replace(tzinfo=None), named.fold)
    assert (ours.utcoffset(), ours.tzname()) == (named.utcoffset(), named.tzname())
    assert ours.astimezone(UTC) == now


def test_both_of_an_hour_that_comes_twice_are_told_apart() -> None:
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    shown = [at.astimezone(LocalZone()) for at in (first, first + timedelta(hours=1))]
    assert [at.fold for at in shown] == [0, 1]
    assert [at.astimezone(UTC) - first for at in shown] == [timedelta(), timedelta(hours=1)]
