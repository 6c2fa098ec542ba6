"""Readings of the account, and the ledger as people look at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from runner.core.events import (
    Imported,
    Resolved,
    SubmitStarted,
    SubmitUnknown,
    TaskAccepted,
    TaskSucceeded,
    Verdict,
)
from runner.core.ledger import Entry, EntryState
from runner.core.task import ModelLimits, Organization, Reading
from runner.store.accounting import By, LedgerRow
from runner.store.caller import Caller
from runner.store.process import this_process
from runner.store.store import JobStore
from runner.testing import START, FakeClock, make_spec
from tests.integration.store_steps import (
    accepted,
    add,
    gave_up,
    happen,
    in_other_batch,
    reading,
    started,
)

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = 24 * HOUR
LANE = "gen4_turbo"


@pytest.fixture
async def store() -> AsyncIterator[JobStore]:
    async with await JobStore.in_memory(clock=FakeClock()) as opened:
        await opened.upsert_batch("b", base_url="https://one")
        yield opened


async def kept(store: JobStore) -> list[float]:
    """Hours after START of the readings that are kept."""
    found = await store.readings("b", since=START - 9 * DAY)
    return [(one.asked_at - START) / HOUR for one in found]


async def test_a_reading_comes_back_as_it_was_for_every_batch_of_the_service(
    store: JobStore,
) -> None:
    models = {
        "gen4_turbo": ModelLimits(max_concurrent=5, max_daily=200, daily_used=3),
        "veo3.1": ModelLimits(max_concurrent=None, max_daily=None),
    }
    found = Organization(credit_balance=77, models=models, max_monthly_credit_spend=1000)
    one = Reading(asked_at=START, answered_at=START + MINUTE, organization=found)
    await store.note_reading("b", one)
    await store.upsert_batch("sister", base_url="https://one")
    await store.upsert_batch("stranger", base_url="https://two")
    assert await store.readings("sister", since=START) == [one]
    assert await store.readings("b", since=START + timedelta(microseconds=1)) == []
    assert await store.readings("stranger", since=START) == []
    assert set(await store.quotas("sister", now=START)) == set(models)


async def test_old_readings_are_thinned_and_older_ones_dropped(store: JobStore) -> None:
    for minute in range(0, 180, 1):
        await store.note_reading("b", reading(START + minute * MINUTE))
    hours = await kept(store)
    recent = [hour for hour in hours if hour >= 119 / 60]
    assert len(recent) == 61
    assert hours[:24] == [n * 5 / 60 for n in range(24)]
    assert len(hours) == 24 + len(recent)
    await store.note_reading("b", reading(START + 3 * DAY + 2.5 * HOUR))
    assert min(await kept(store)) == 2.5


async def test_the_last_reading_before_a_create_in_doubt_outlives_all_others(
    store: JobStore,
) -> None:
    one, two = await add(store, make_spec("one"), make_spec("two"))
    for minute in (0, 7, 8, 9):
        await store.note_reading("b", reading(START + minute * MINUTE))
    sent = SubmitStarted(at=START + 8.5 * MINUTE, reserve=25)
    one = await happen(store, one, sent, SubmitUnknown(at=START + 10 * MINUTE, reason="reset"))
    unanswered = SubmitStarted(at=START + 9.5 * MINUTE, reserve=25)
    two = await happen(store, two, unanswered)  # a crash may leave it so
    await store.note_reading("b", reading(START + 9 * DAY))
    assert await kept(store) == [8 / 60, 9 / 60, 9 * 24]

    await happen(store, one, Resolved(at=START + 9 * DAY, verdict=Verdict.NOT_ARRIVED))
    await happen(store, two, accepted())
    await store.note_reading("b", reading(START + 9 * DAY + HOUR))
    assert await kept(store) == [9 * 24, 9 * 24 + 1]


async def test_a_create_that_left_the_window_is_taken_off_the_count(store: JobStore) -> None:
    early, late = await add(store, make_spec("early"), make_spec("late"))
    await happen(store, early, started(), accepted())
    at = START + 10 * HOUR
    await happen(
        store, late, SubmitStarted(at=at, reserve=1),
        TaskAccepted(at=at, task_id="t2", estimated=None),
    )  # fmt: skip
    await store.note_reading("b", reading(START + 23 * HOUR, most=50, used=12))
    left = START + DAY + timedelta(seconds=5)
    for now, used in [
        (left - timedelta(microseconds=1), 12), (left, 11), (left + 10 * HOUR, 10)
    ]:  # fmt: skip
        quota = (await store.quotas("b", now=now))[LANE]
        assert quota.used == used
    assert quota.by_others == 10


async def test_only_what_was_surely_counted_is_taken_off_the_count(store: JobStore) -> None:
    doubtful, edge = await add(store, make_spec("doubtful"), make_spec("edge"))
    await happen(store, doubtful, started(), SubmitUnknown(at=START, reason="reset"))
    # it left the window while the account was being read: the count may be without it already
    at = START + timedelta(seconds=0.5)
    accepted_then = TaskAccepted(at=at, task_id="t2", estimated=None)
    await happen(store, edge, SubmitStarted(at=at, reserve=1), accepted_then)
    await store.note_reading("b", reading(START + DAY, most=50, used=12))
    quota = (await store.quotas("b", now=START + DAY + HOUR))[LANE]
    assert quota.used == 12


async def test_entries_say_what_was_paid_when_and_by_whom(store: JobStore) -> None:
    owner = replace(this_process(), host="box")
    caller = Caller(user="ada", command="runway-batch run m.yaml")
    await store.acquire("b", run_id="r1", owner=owner, caller=caller)
    [job, old] = await add(store, make_spec("a", tags=["hero"]), make_spec("old"))
    [other] = await in_other_batch(store, make_spec("theirs"))
    await happen(store, old, started(), gave_up())
    later = START + HOUR
    await happen(
        store, job, started(),
        TaskAccepted(at=later, task_id="t", estimated=30),
        TaskSucceeded(at=START + 2 * HOUR, credits=20),
    )  # fmt: skip
    await happen(store, other, SubmitStarted(at=later, reserve=7))
    found = await store.entries("b", since=later)
    assert [(entry.batch, entry.job, entry.user) for entry in found] == [
        ("b", "a", "ada"), ("other", "theirs", "")
    ]  # fmt: skip
    assert found[0] == Entry(
        batch="b", job="a", attempt=1, endpoint="image_to_video", lane=LANE, tags=("hero",),
        state=EntryState.SETTLED, credits=20, asked=30, arrived=True, intended_at=START,
        answered_at=later, settled_at=START + 2 * HOUR, user="ada", host="box",
        command="runway-batch run m.yaml",
    )  # fmt: skip
    assert found[1].arrived is None


async def test_what_is_found_on_disk_gets_an_entry_of_its_own(store: JobStore) -> None:
    [job] = await add(store, make_spec("a"))
    job = await happen(store, job, started(), gave_up(credits=5))
    found = Imported(at=START + HOUR, task_id="t1", outputs=(), credits=12)
    await happen(store, job, found)
    first, second = await store.entries("b", since=START)
    assert (first.attempt, first.credits, second.attempt, second.credits) == (1, 5, 2, 12)
    assert second.settled_at == second.answered_at == START + HOUR
    assert await store.check("b") == []


SUMS = {
    By.BATCH: {"b": (20, 25, 0, 10, 2), "other": (0, 0, 40, 0, 1)},
    By.MODEL: {"gen4_turbo": (20, 25, 0, 10, 2), "veo3.1": (0, 0, 40, 0, 1)},
    By.TAG: {"": (0, 25, 0, 0, 1), "hero": (20, 0, 40, 10, 2), "q4": (20, 0, 0, 10, 1)},
    By.DAY: {"2026-01-01": (20, 0, 0, 10, 1), "2026-01-02": (0, 25, 40, 0, 2)},
    By.JOB: {"b/a": (20, 0, 0, 10, 1), "b/b": (0, 25, 0, 0, 1), "other/c": (0, 0, 40, 0, 1)},
    By.RUN: {"": (0, 0, 40, 0, 1), "r1": (20, 25, 0, 10, 2)},
}


@pytest.mark.parametrize("by", By)
async def test_the_ledger_is_summed_by_whatever_is_asked(store: JobStore, by: By) -> None:
    await store.acquire("b", run_id="r1", owner=this_process())
    one, two = await add(store, make_spec("a", tags=["hero", "q4"]), make_spec("b"))
    [other] = await in_other_batch(store, make_spec("c", model="veo3.1", tags=["hero"]))
    done = TaskSucceeded(at=START, credits=20)
    await happen(store, one, started(25), accepted(estimated=30), done)
    await happen(store, two, SubmitStarted(at=START + DAY, reserve=25))
    unknown = SubmitUnknown(at=START + DAY, reason="reset")
    await happen(store, other, SubmitStarted(at=START + DAY, reserve=40), unknown)

    rows = await store.ledger(None, by)
    names = ("spent", "reserved", "in_doubt", "released", "attempts")
    expected = [
        LedgerRow(name=name, **dict(zip(names, sums, strict=True)))
        for name, sums in SUMS[by].items()
    ]
    assert rows == expected
    if by is By.JOB:
        assert [row.name for row in await store.ledger("other", by)] == ["c"]
