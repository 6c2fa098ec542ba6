"""Caps as rows: never passed by a reserve, always the sum of the entries."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from runner.core.events import (
    Resolved,
    RetryScheduled,
    SubmitUnknown,
    TaskSucceeded,
    Verdict,
)
from runner.core.job import JobStatus
from runner.core.ledger import Cap, Caps, LedgerTotals
from runner.errors import CapReached
from runner.store.process import this_process
from runner.store.store import JobStore
from runner.testing import START, FakeClock, make_spec
from tests.integration.store_steps import accepted, add, finished, gave_up, happen, started


@pytest.fixture
async def store() -> AsyncIterator[JobStore]:
    async with await JobStore.in_memory(clock=FakeClock()) as opened:
        await opened.upsert_batch("b")
        yield opened


async def used(store: JobStore) -> dict[str, int]:
    return {cap.name: cap.used for cap in await store.caps_in_force("b")}


async def test_a_reserve_that_does_not_fit_changes_nothing_and_names_the_cap(
    store: JobStore,
) -> None:
    one, two = await add(store, make_spec("one"), make_spec("two"))
    await store.set_caps("b", Caps(batch=40))
    await happen(store, one, started())

    with pytest.raises(CapReached) as caught:
        await happen(store, two, started())
    assert (caught.value.cap, caught.value.available) == ("batch", 15)
    assert caught.value.message == (
        "the batch's budget of 40 cr ($0.40) has 15 cr ($0.15) left,"
        " and the job may cost 25 cr ($0.25)"
    )
    assert "budget.credits" in caught.value.hint
    assert await store.job("b", "two") == two
    assert len(await store.events("b", "two")) == 1
    assert await store.totals("b") == LedgerTotals(reserved=25)

    with pytest.raises(CapReached):
        await store.check_room(two)
    with pytest.raises(CapReached):
        await happen(store, two, started(16))
    await happen(store, two, started(15))
    assert await used(store) == {"batch": 40}


@pytest.mark.parametrize(
    ("caps", "name"),
    [
        (Caps(models={"veo3.1": 30, "gen4_turbo": 1}), "model:veo3.1"),
        (Caps(tags={"hero": 30, "other": 1}), "tag:hero"),
        (Caps(batch=500, models={"veo3.1": 400}, tags={"hero": 30, "night": 90}), "tag:hero"),
    ],
)
async def test_the_cap_that_applies_and_is_full_is_the_one_named(
    store: JobStore, caps: Caps, name: str
) -> None:
    specs = [make_spec(n, model="veo3.1", tags=["hero", "night", "hero"]) for n in ("one", "two")]
    one, two = await add(store, *specs)
    await store.set_caps("b", caps)
    await happen(store, one, started())
    before = await used(store)
    with pytest.raises(CapReached) as caught:
        await happen(store, two, started())
    assert (caught.value.cap, caught.value.available) == (name, 5)
    assert await used(store) == before  # caps counted before the full one are undone


async def test_a_job_outside_a_cap_is_not_counted(store: JobStore) -> None:
    one, two = await add(store, make_spec("one", tags=["hero"]), make_spec("two"))
    await store.set_caps("b", Caps(models={"veo3.1": 0}, tags={"hero": 25}))
    await happen(store, two, started(1000))
    await happen(store, one, started())
    assert await used(store) == {"model:veo3.1": 0, "tag:hero": 25}


async def test_what_already_happened_is_counted_even_past_the_cap(store: JobStore) -> None:
    [job] = await add(store, make_spec("a"))
    await store.set_caps("b", Caps(batch=30))
    job = await happen(store, job, started(), accepted(estimated=45))
    assert await used(store) == {"batch": 45}
    await happen(store, job, TaskSucceeded(at=START, credits=60))
    assert await used(store) == {"batch": 60}
    [cap] = await store.caps_in_force("b")
    assert cap == Cap(name="batch", limit=30, used=60)
    assert cap.available == 0


async def test_credits_that_come_back_make_room_again(store: JobStore) -> None:
    one, two = await add(store, make_spec("one"), make_spec("two"))
    await store.set_caps("b", Caps(batch=25))
    one = await happen(store, one, started(), accepted())
    retry = RetryScheduled(at=START, not_before=START, code="INTERNAL", reason="x", credits=0)
    await happen(store, one, retry)
    await happen(store, two, started())
    assert await store.totals("b") == LedgerTotals(reserved=25)


async def test_a_job_in_doubt_keeps_its_hold_until_a_person_settles_it(store: JobStore) -> None:
    lost, arrived = await add(store, make_spec("lost"), make_spec("arrived"))
    await store.set_caps("b", Caps(batch=50))
    unknown = SubmitUnknown(at=START, reason="reset")
    lost = await happen(store, lost, started(), unknown)
    arrived = await happen(store, arrived, started(), unknown)
    assert await store.totals("b") == LedgerTotals(in_doubt=50)

    lost = await happen(store, lost, Resolved(at=START, verdict=Verdict.LOST))
    assert lost.status is JobStatus.FAILED
    arrived = await happen(
        store, arrived, Resolved(at=START, verdict=Verdict.ADOPTED, task_id="t9")
    )
    assert await store.totals("b") == LedgerTotals(spent=25, reserved=25)
    await happen(store, arrived, TaskSucceeded(at=START, credits=20))
    assert await used(store) == {"batch": 45}


async def test_resubmitting_needs_room_for_what_is_spent_and_what_is_reserved(
    store: JobStore,
) -> None:
    [job] = await add(store, make_spec("a"))
    await store.set_caps("b", Caps(batch=49))
    job = await happen(store, job, started(), SubmitUnknown(at=START, reason="reset"))
    job = await happen(store, job, Resolved(at=START, verdict=Verdict.RESUBMIT))
    with pytest.raises(CapReached):
        await happen(store, job, started())


async def test_new_caps_are_counted_from_the_entries(store: JobStore) -> None:
    one, two = await add(store, make_spec("one", tags=["hero"]), make_spec("two", model="veo3.1"))
    await happen(store, one, *finished(credits=20))
    await happen(store, two, started(7))
    await store.set_caps("b", Caps(batch=5, models={"veo3.1": 10}, tags={"hero": 30, "x": 1}))
    assert await used(store) == {"batch": 27, "model:veo3.1": 7, "tag:hero": 20, "tag:x": 0}
    await store.set_caps("b", Caps())
    assert await used(store) == {}


async def test_a_runs_own_cap_counts_only_what_it_reserves(store: JobStore) -> None:
    one, two, three = await add(store, *(make_spec(n) for n in ("one", "two", "three")))
    lease = await store.acquire("b", run_id="r1", owner=this_process())
    one = await happen(store, one, started(), accepted())
    await lease.release(130)
    await store.acquire("b", run_id="r2", owner=this_process())
    await store.set_caps("b", Caps(batch=100, run=30))
    assert await used(store) == {"batch": 25, "run:r2": 0}

    await happen(store, two, started())
    # what the first run reserved is settled by the second: not this run's spending
    await happen(store, one, TaskSucceeded(at=START, credits=40))
    assert await used(store) == {"batch": 65, "run:r2": 25}
    with pytest.raises(CapReached) as caught:
        await happen(store, three, started())
    assert (caught.value.cap, caught.value.available) == ("run:r2", 5)
    assert "--max-credits" in caught.value.hint
    with pytest.raises(CapReached):
        await store.check_room(three)
    assert await store.check("b") == []


async def test_a_failure_without_a_price_is_charged_in_full(store: JobStore) -> None:
    [job] = await add(store, make_spec("a"))
    await happen(store, job, started(), accepted(estimated=30), gave_up(credits=None))
    assert await store.totals("b") == LedgerTotals(spent=30)
    assert await store.check("b") == []


async def test_every_attempt_has_an_entry_of_its_own(store: JobStore) -> None:
    [job] = await add(store, make_spec("a"))
    await store.set_caps("b", Caps(batch=100))
    for credits in (3, 0, 20):
        retry = RetryScheduled(
            at=START, not_before=START, code="INTERNAL", reason="x", credits=credits
        )
        job = await happen(store, job, started(), accepted(), retry)
    assert await store.totals("b") == LedgerTotals(spent=23)
    assert await used(store) == {"batch": 23}
    assert job.attempt == 3
