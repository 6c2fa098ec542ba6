"""Where an account stands: the newest reading or a fresh one, and our own ledger on top of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from runner.core.events import SubmitStarted, TaskAccepted
from runner.core.standing import without_history
from runner.core.task import ModelLimits, Organization, Reading
from runner.store.reader import StateReader
from runner.store.store import JobStore
from runner.testing import START, FakeClock, make_spec
from tests.integration.store_steps import add, finished, happen

SERVICE = "https://api.example"
LANE = "gen4_turbo"


def reading(minutes: int, balance: int, used: int) -> Reading:
    at = START + timedelta(minutes=minutes)
    models = {LANE: ModelLimits(max_concurrent=2, max_daily=50, daily_used=used)}
    organization = Organization(credit_balance=balance, models=models)
    return Reading(asked_at=at, answered_at=at, organization=organization)


async def test_what_was_sent_after_a_reading_comes_on_top_of_it(tmp_path: Path) -> None:
    state, now = tmp_path / "state.db", START + timedelta(hours=1)
    async with await JobStore.open(state, clock=FakeClock()) as store:
        await store.upsert_batch("b", base_url=SERVICE)
        await store.upsert_batch("other", base_url="https://other.example")
    async with await StateReader.read(state) as reader:
        nothing = await reader.standing(SERVICE, now=now)
        assert (nothing.reading, nothing.balance, nothing.quotas) == (None, None, {})

    async with await JobStore.open(state, clock=FakeClock()) as store:
        done, running = await add(store, make_spec("done"), make_spec("running"))
        await happen(store, done, *finished(at=START))
        await store.note_reading("b", reading(10, 1000, used=4))
        later = START + timedelta(minutes=20)
        intent = SubmitStarted(at=later, reserve=25)
        answer = TaskAccepted(at=later + timedelta(minutes=1), task_id="t-9", estimated=None)
        await happen(store, running, intent, answer)
    async with await StateReader.read(state) as reader:
        stored = await reader.standing(SERVICE, now=now)
        fresh = await reader.standing(SERVICE, now=now, fresh=reading(59, 960, used=5))
        elsewhere = await reader.standing("https://other.example", now=now)
    assert (stored.unread, stored.balance) == (25, 975)
    assert (stored.quotas[LANE].used, stored.quotas[LANE].by_others) == (5, 3)
    assert (fresh.unread, fresh.balance) == (0, 960), "the balance shows it by now"
    assert (fresh.quotas[LANE].used, fresh.quotas[LANE].by_others) == (5, 3)
    assert stored.used_day == stored.used_month == fresh.used_day == 50
    assert (elsewhere.reading, elsewhere.used_day) == (None, 0)


def test_without_a_state_file_all_was_created_by_others() -> None:
    found = without_history(reading(0, 500, used=7), START)
    assert found.balance == 500
    assert (found.quotas[LANE].used, found.quotas[LANE].by_others) == (7, 7)
    assert without_history(None, START).balance is None
