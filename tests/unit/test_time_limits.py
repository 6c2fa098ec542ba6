"""When a run ends before its work is done."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from runner.core.commands import Wait
from runner.core.policy import Patience, Policies
from runner.engine.rules import Rules
from runner.engine.time_limits import TIME_EXIT, TimeLimits
from runner.errors import TransientApiError
from runner.testing import START, FakeClock
from tests.parts import tools_with

DEADLINE = START + timedelta(hours=8)
WAITS = [Wait(lane="m", code="quota", reason="daily quota: 50 of 50 used")]


def limits(**rules: Any) -> tuple[TimeLimits, FakeClock]:
    clock = FakeClock()
    return TimeLimits(tools_with(clock=clock), Rules(**rules)), clock


def soon(clock: FakeClock, seconds: float) -> Any:
    return clock.now() + timedelta(seconds=seconds)


def test_without_limits_a_run_waits_for_as_long_as_it_takes() -> None:
    found, clock = limits()
    assert found.waits_too_long(soon(clock, 1e6), WAITS) is None
    clock.advance(30 * 24 * 3600)
    assert found.due() is None
    assert found.waits_too_long(soon(clock, 1e6), WAITS) is None


@pytest.mark.parametrize(
    ("asked", "drain_s"), [(None, Policies().time_drain_s), (0.0, 0.0), (120.0, 120.0)]
)
def test_a_deadline_ends_a_run_and_leaves_time_to_collect(
    asked: float | None, drain_s: float
) -> None:
    found, clock = limits(deadline=DEADLINE, drain_s=asked)
    clock.advance(8 * 3600 - 1)
    assert found.due() is None
    clock.advance(1)
    stop = found.due()
    assert stop is not None
    assert (stop.reason.exit_code, stop.drain_s) == (TIME_EXIT, drain_s)
    assert stop.reason.message == "the time is up: 2026-01-01 08:00 UTC"
    assert found.deadline == DEADLINE


def test_a_service_that_is_silent_for_too_long_ends_a_run_at_once() -> None:
    clock, patience = FakeClock(), Patience(limit_s=60)
    found = TimeLimits(tools_with(clock=clock, patience=patience), Rules(deadline=DEADLINE))
    patience.failed(0)
    assert found.due() is None
    patience.failed(60)
    clock.advance(9 * 3600)  # the deadline has passed too, and nobody could collect
    stop = found.due()
    assert stop is not None
    assert (stop.reason.exit_code, stop.drain_s) == (TransientApiError.exit_code, None)


def test_what_can_only_move_after_the_longest_wait_ends_a_run_at_once() -> None:
    found, clock = limits(max_wait_s=1800)
    assert found.waits_too_long(soon(clock, 1800), WAITS) is None
    reason = found.waits_too_long(soon(clock, 1801), WAITS)
    assert reason is not None
    assert reason.exit_code == TIME_EXIT
    assert reason.message == (
        "nothing can move before 2026-01-01 00:30 UTC, and `--max-wait` is 30m:"
        " daily quota: 50 of 50 used"
    )


def test_short_waits_add_up_until_something_is_under_way() -> None:
    found, clock = limits(max_wait_s=60)
    for _ in range(6):
        assert found.waits_too_long(soon(clock, 10), []) is None
        clock.advance(10)
    reason = found.waits_too_long(soon(clock, 10), [])
    assert reason is not None
    found.busy()
    assert found.waits_too_long(soon(clock, 10), []) is None


def test_nobody_knows_until_when_and_it_still_ends() -> None:
    found, clock = limits(max_wait_s=60)
    assert found.waits_too_long(None, []) is None
    clock.advance(60)
    reason = found.waits_too_long(None, [])
    assert reason is not None
    assert "by itself" in reason.message


def test_no_wait_at_all_ends_a_run_as_soon_as_nothing_is_under_way() -> None:
    found, clock = limits(max_wait_s=0)
    assert found.waits_too_long(soon(clock, 1), []) is not None
