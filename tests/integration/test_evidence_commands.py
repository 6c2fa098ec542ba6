"""`resolve` by evidence: only what the account proves, from readings that really were taken."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from runner.app.evidence import Unproven, look_into, settle_by_evidence
from runner.core.job import JobStatus
from runner.errors import UsageError
from runner.store.reader import StateReader
from runner.testing import FakeClock
from tests.integration.stage import Stage, stage_in
from tests.integration.test_app_run import still
from tests.integration.test_short_commands import LOST, PENDING

#: lost as well, and in truth nothing was created
REFUSED = {"on": "create", "do": "refuse", "status": 500}


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage_in(tmp_path) as opened:
        yield opened


async def one_in_doubt(stage: Stage, fault: dict[str, str]) -> None:
    """Known before and after: a job that is done, then one in doubt."""
    stage.write(still("known"))
    await stage.run()
    stage.write(still("known") + still("a"))
    stage.script(fault)
    assert (await stage.run()).exit_code == 11
    stage.script()


async def test_two_readings_ten_minutes_apart_prove_that_nothing_arrived(stage):
    await one_in_doubt(stage, REFUSED)
    doubts = await look_into(stage.ref(), stage.settings, clock=stage.clock)
    [evidence] = doubts.evidence
    assert (doubts.not_read, evidence.not_arrived) == ("", False)
    again = evidence.again_at
    assert again is not None
    with pytest.raises(Unproven, match="two at least ten minutes apart") as caught:
        await settle_by_evidence(stage.ref(), None, doubts, clock=stage.clock)
    assert caught.value.exit_code == 11
    assert "run the same command again after" in caught.value.hint
    await stage.clock.sleep((again - stage.clock.now()).total_seconds() + 5)
    doubts = await look_into(stage.ref(), stage.settings, clock=stage.clock)
    [settled] = await settle_by_evidence(stage.ref(), "a", doubts, clock=stage.clock)
    assert (settled.status, settled.hold, settled.charged) == (PENDING, 0, 0)
    assert (await stage.run()).exit_code == 0
    assert stage.prompts["a"] == 1
    await stage.agrees()


async def test_a_create_that_did_arrive_is_never_released_by_evidence(stage):
    await one_in_doubt(stage, LOST)
    for pause_s in (700, 0):
        doubts = await look_into(stage.ref(), stage.settings, clock=stage.clock)
        [evidence] = doubts.evidence
        assert (evidence.counted, evidence.not_arrived) == (True, False)
        assert evidence.again_at is None
        with pytest.raises(Unproven, match="does not show"):
            await settle_by_evidence(stage.ref(), None, doubts, clock=stage.clock)
        await stage.clock.sleep(pause_s)
    assert (await stage.statuses())["a"] is JobStatus.IN_DOUBT


class Behind(FakeClock):
    """The clock of a machine that is behind, and slow."""

    def __init__(self, clock: FakeClock, at: datetime) -> None:
        super().__init__(at)
        self._right = clock

    def monotonic(self) -> float:
        return self._right.monotonic()


async def test_a_reading_by_a_clock_that_is_behind_does_not_count_as_older_than_the_create(stage):
    await one_in_doubt(stage, LOST)
    start = stage.clock.now() - timedelta(days=1)
    async with await StateReader.read(stage.ref().state) as reader:
        [last] = (await reader.readings(stage.ref().name, since=start))[-1:]
        [entry] = [
            one for one in await reader.entries(stage.ref().name, since=start) if one.job == "a"
        ]
    between = last.answered_at + (entry.intended_at - last.answered_at) / 2
    await look_into(stage.ref(), stage.settings, clock=Behind(stage.clock, between))
    for pause_s in (60, 700, 700):
        await stage.clock.sleep(pause_s)
        doubts = await look_into(stage.ref(), stage.settings, clock=stage.clock)
        [evidence] = doubts.evidence
        assert not evidence.not_arrived
        assert evidence.counted


async def test_another_account_s_figures_are_no_evidence(stage):
    await one_in_doubt(stage, REFUSED)
    for settings, why in (
        (replace(stage.settings, key=None), "no API key"),
        (replace(stage.settings, key="key_other"), "not the key that sent"),
        (replace(stage.settings, service="https://elsewhere.example"), "another base URL"),
    ):
        doubts = await look_into(stage.ref(), settings, clock=stage.clock)
        assert why in doubts.not_read
        with pytest.raises(Unproven):
            await settle_by_evidence(stage.ref(), "a", doubts, clock=stage.clock)
    with pytest.raises(UsageError, match="not a job in doubt: known"):
        await settle_by_evidence(stage.ref(), "known", doubts, clock=stage.clock)
