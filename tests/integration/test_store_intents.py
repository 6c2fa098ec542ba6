"""What an intent needs besides the batch's caps: judged in its own transaction, in one order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from runner.core.events import (
    GaveUp,
    Resolved,
    SubmitRefused,
    SubmitStarted,
    SubmitUnknown,
    TaskAccepted,
    Verdict,
)
from runner.core.ledger import Cap, Caps
from runner.core.limits import Terms
from runner.errors import (
    BalanceTooOld,
    BatchPaused,
    CapReached,
    GroupFull,
    NotNow,
    QuotaUsedUp,
    SlotsTaken,
    StaleJob,
)
from runner.store.process import this_process
from runner.store.store import JobStore
from runner.testing import START, FakeClock, make_spec
from tests.integration.store_steps import (
    ROOMY,
    accepted,
    add,
    gave_up,
    happen,
    in_other_batch,
    nothing_written,
    reading,
    same_prompt,
    start,
)

LANE = "gen4_turbo"
HOUR = timedelta(hours=1)
DAY = 24 * HOUR


@pytest.fixture
async def store() -> AsyncIterator[JobStore]:
    async with await JobStore.in_memory(clock=FakeClock()) as opened:
        await opened.upsert_batch("b", base_url="https://one")
        yield opened


# --- rolling day and month --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("caps", "name", "length"),
    [(Caps(day=60), "day", DAY), (Caps(month=60), "month", 30 * DAY)],
)
async def test_a_rolling_cap_counts_every_batch_and_frees_when_its_oldest_leaves(
    store: JobStore, caps: Caps, name: str, length: timedelta
) -> None:
    one, two, three = await add(store, *(make_spec(n) for n in ("one", "two", "three")))
    [other] = await in_other_batch(store, make_spec("theirs"))
    await store.set_caps("b", caps)
    await start(store, other, at=START)
    one = await start(store, one, at=START + HOUR)
    now = START + 2 * HOUR
    with pytest.raises(CapReached) as caught:
        await start(store, two, at=now)
    assert (caught.value.cap, caught.value.available) == (name, 10)
    assert caught.value.until == START + length
    assert f"room comes at {START + length:%Y-%m-%d %H:%M} UTC" in caught.value.hint
    assert f"budget.per_{name}" in caught.value.hint
    await nothing_written(store, two)

    just_before = START + length - timedelta(microseconds=1)
    with pytest.raises(CapReached):
        await start(store, two, at=just_before)
    two = await start(store, two, at=START + length)  # a charge dates from its intent
    assert await store.caps_in_force("b", now=START + length) == [Cap(name=name, limit=60, used=50)]
    assert await store.caps_in_force("b") == []
    # 10 more fit; 35 more do, to the credit, once the entry of the first hour has left too
    with pytest.raises(CapReached) as caught:
        await start(store, three, at=START + length, reserve=35)
    assert caught.value.until == START + length + HOUR


async def test_a_reserve_beyond_the_whole_cap_never_gets_room(store: JobStore) -> None:
    [job] = await add(store, make_spec("a"))
    await store.set_caps("b", Caps(day=20))
    with pytest.raises(CapReached) as caught:
        await start(store, job)
    assert caught.value.until is None
    assert "room comes" not in caught.value.hint


async def test_what_is_in_doubt_counts_and_what_came_back_does_not(store: JobStore) -> None:
    doubtful, free, third = await add(store, *(make_spec(n) for n in ("doubt", "free", "third")))
    await store.set_caps("b", Caps(day=50))
    await happen(store, await start(store, doubtful), SubmitUnknown(at=START, reason="reset"))
    await happen(store, await start(store, free), gave_up(credits=0))
    await start(store, third)
    [cap] = await store.caps_in_force("b", now=START)
    assert cap.available == 0


async def test_other_services_have_a_day_of_their_own(store: JobStore) -> None:
    [job] = await add(store, make_spec("a"))
    [other] = await in_other_batch(store, make_spec("theirs"), service="https://two")
    await start(store, other, reserve=1000)
    await store.set_caps("b", Caps(day=25, month=25))
    await start(store, job)


# --- the balance ------------------------------------------------------------------------------


async def test_a_balance_that_nobody_read_lately_is_read_first(store: JobStore) -> None:
    [job] = await add(store, make_spec("a"))
    await store.set_caps("b", Caps(keep_balance=900))
    terms = replace(ROOMY, balance_from=START)
    with pytest.raises(BalanceTooOld) as caught:
        await start(store, job, terms=terms)
    assert caught.value.exit_code == 8
    await store.check_room(job)  # nobody knows, so nothing speaks against an upload
    await store.note_reading("b", reading(START - timedelta(seconds=1)))
    with pytest.raises(BalanceTooOld):
        await start(store, job, terms=terms)
    await nothing_written(store, job)
    await store.note_reading("b", reading(START))
    await start(store, job, terms=terms)


@pytest.mark.parametrize(
    ("events", "counted"),
    [
        ([], True),  # not answered
        ([accepted()], False),  # answered before the reading: its balance shows it
        ([SubmitUnknown(at=START, reason="reset")], False),
        ([TaskAccepted(at=START + 3 * HOUR, task_id="t", estimated=None)], True),
        ([SubmitUnknown(at=START + 3 * HOUR, reason="reset")], True),
        ([GaveUp(at=START + 3 * HOUR, code="HTTP_400", reason="no", credits=0)], False),
        ([GaveUp(at=START + 3 * HOUR, code="HTTP_400", reason="no", credits=None)], True),
    ],
)  # fmt: skip
async def test_what_the_balance_does_not_show_yet_is_taken_off_it(
    store: JobStore, events: list[TaskAccepted], counted: bool
) -> None:
    first, second = await add(store, make_spec("first"), make_spec("second"))
    await happen(store, await start(store, first), *events)
    await store.note_reading("b", reading(START + HOUR, balance=1000))
    await store.set_caps("b", Caps(keep_balance=960))
    now = START + 4 * HOUR
    if not counted:
        await start(store, second, at=now)
        return
    with pytest.raises(CapReached) as caught:
        await start(store, second, at=now)
    assert (caught.value.cap, caught.value.available) == ("balance", 15)
    assert caught.value.message == (
        "the account has 1,000 cr ($10.00) and keeps 960 cr ($9.60), which leaves 15 cr ($0.15),"
        " and the job may cost 25 cr ($0.25)"
    )
    assert "budget.keep_balance" in caught.value.hint
    with pytest.raises(CapReached):
        await store.check_room(second)
    assert await store.caps_in_force("b") == [Cap(name="balance", limit=40, used=25)]
    await start(store, second, at=now, reserve=15)


async def test_spending_never_takes_the_account_below_what_is_kept(store: JobStore) -> None:
    jobs = await add(store, *(make_spec(f"j{n}") for n in range(6)))
    await store.note_reading("b", reading(balance=100))
    await store.set_caps("b", Caps(keep_balance=20))
    started = 0
    for job in jobs:
        try:
            await happen(store, await start(store, job), accepted())
        except CapReached:
            continue
        started += 1
    assert started == 3


# --- slots ------------------------------------------------------------------------------------


async def test_slots_are_shared_with_live_runs_of_the_account_only(store: JobStore) -> None:
    clock = store._clock
    assert isinstance(clock, FakeClock)
    one, two, three = await add(store, *(make_spec(n) for n in ("one", "two", "three")))
    [other] = await in_other_batch(store, make_spec("theirs"))
    await happen(store, other, SubmitStarted(at=START, reserve=25), accepted())
    terms = replace(ROOMY, slots=2)
    await store.acquire("b", run_id="r1", owner=this_process())
    await start(store, one, terms=terms)  # nobody works on the other batch

    lease = await store.acquire("other", run_id="r2", owner=this_process())
    with pytest.raises(SlotsTaken) as caught:
        await start(store, two, terms=terms)
    assert caught.value.message == f"`{LANE}` has 2 slots, and 2 tasks use them"
    await nothing_written(store, two)

    clock.advance(30)
    late = clock.now()
    two = await start(store, two, at=late, terms=terms)  # it has said nothing for 30 s
    await happen(store, two, GaveUp(at=late, code="HTTP_400", reason="no", credits=0))
    await lease.beat()
    with pytest.raises(SlotsTaken):
        await start(store, three, at=late, terms=terms)
    await lease.release(0)
    await start(store, three, at=late, terms=terms)


async def test_other_lanes_and_other_services_use_other_slots(store: JobStore) -> None:
    mine, image = await add(store, make_spec("mine"), make_spec("image", model="gen4_image"))
    [other] = await in_other_batch(store, make_spec("theirs"), service="https://two")
    await store.acquire("other", run_id="r2", owner=this_process())
    await happen(store, other, SubmitStarted(at=START, reserve=25))
    terms = replace(ROOMY, slots=1)
    await start(store, image, terms=terms)
    await start(store, mine, terms=terms)


# --- the daily quota --------------------------------------------------------------------------


async def test_the_daily_quota_counts_what_the_reading_cannot_and_says_when_it_frees(
    store: JobStore,
) -> None:
    jobs = await add(store, *(make_spec(f"j{n}") for n in range(4)))
    [other] = await in_other_batch(store, make_spec("theirs"))
    await happen(store, await start(store, jobs[0]), accepted())
    # it counts the one above; two more until the limit
    await store.note_reading("b", reading(START + HOUR, most=3, used=1))
    now = START + 2 * HOUR
    await happen(
        store, await start(store, other, at=now), SubmitUnknown(at=now, reason="in doubt counts")
    )
    await start(store, jobs[1], at=now)
    with pytest.raises(QuotaUsedUp) as caught:
        await start(store, jobs[2], at=now)
    assert caught.value.until == START + DAY + timedelta(seconds=5)
    assert caught.value.message == f"`{LANE}` may be created 3 times in 24 hours, and 3 are used"
    await nothing_written(store, jobs[2])
    quota = (await store.quotas("b", now=now))[LANE]
    assert (quota.most, quota.used, quota.by_others, quota.left) == (3, 3, 0, 0)

    await start(store, jobs[2], at=caught.value.until)
    with pytest.raises(QuotaUsedUp):
        await start(store, jobs[3], at=caught.value.until)


async def test_a_create_that_was_refused_leaves_the_daily_quota_alone(store: JobStore) -> None:
    refused, free = await add(store, make_spec("refused"), make_spec("free"))
    await store.note_reading("b", reading(most=1))
    busy = SubmitRefused(at=START, not_before=START, code="HTTP_429", reason="busy")
    await happen(store, await start(store, refused), busy)
    await start(store, free)


async def test_a_quota_used_up_by_others_is_looked_at_again_in_ten_minutes(
    store: JobStore,
) -> None:
    [job] = await add(store, make_spec("a"))
    await store.note_reading("b", reading(most=200, used=200))
    with pytest.raises(QuotaUsedUp) as caught:
        await start(store, job)
    assert caught.value.until == START + timedelta(minutes=10)


@pytest.mark.parametrize("most", [None, 2])
async def test_lanes_without_a_limit_or_a_reading_have_no_quota(
    store: JobStore, most: int | None
) -> None:
    turbo, image = await add(store, make_spec("t"), make_spec("i", model="gen4_image"))
    assert await store.quotas("b", now=START) == {}
    await store.note_reading("b", reading(most=most, used=1))
    await start(store, image)
    await start(store, turbo)


# --- pausing ----------------------------------------------------------------------------------


async def test_a_batch_paused_after_the_decision_lets_no_intent_pass(store: JobStore) -> None:
    [job] = await add(store, make_spec("a"))
    await store.set_paused("b", True)
    with pytest.raises(BatchPaused) as caught:
        await start(store, job)
    assert (caught.value.exit_code, caught.value.code) == (11, "paused")
    assert caught.value.message == "batch `b` is paused"
    assert "`runway-batch resume`" in caught.value.hint
    await nothing_written(store, job)
    await store.set_paused("b", False)
    await start(store, job)


async def test_a_paused_batch_stops_no_other_batch(store: JobStore) -> None:
    [job] = await add(store, make_spec("a"))
    await in_other_batch(store, make_spec("theirs"))
    await store.set_paused("other", True)
    await start(store, job)


# --- all together -----------------------------------------------------------------------------


async def test_the_first_rule_that_speaks_against_it_is_the_one_named(store: JobStore) -> None:
    jobs = await add(store, same_prompt("a"), same_prompt("b"))
    await start(store, jobs[0])
    await store.note_reading("b", reading(START - HOUR, balance=0, most=1, used=1))
    everything = Caps(batch=1, day=1, month=1, keep_balance=1)
    terms = Terms(slots=1, refusals=1, balance_from=START)
    found: list[str] = []
    for relaxed, fresh in [
        (everything, False),
        (replace(everything, batch=None), False),
        (replace(everything, batch=None, day=None), False),
        (Caps(keep_balance=1), False),
        (Caps(keep_balance=1), True),
        (Caps(), True),
    ]:
        await store.set_caps("b", relaxed)
        if fresh:
            await store.note_reading("b", reading(START, balance=0, most=1, used=1))
        with pytest.raises(NotNow) as caught:
            await start(store, jobs[1], terms=terms)
        found.append(getattr(caught.value, "cap", type(caught.value).__name__))
    for slots, kind in ((1, SlotsTaken), (9, QuotaUsedUp)):
        with pytest.raises(kind):
            await start(store, jobs[1], terms=replace(terms, slots=slots))
    await store.note_reading("b", reading(START + HOUR, most=99, used=1))
    with pytest.raises(GroupFull):
        await start(store, jobs[1], terms=replace(terms, slots=9))
    assert found == ["batch", "day", "month", "BalanceTooOld", "balance", "SlotsTaken"]
    with pytest.raises(StaleJob):
        await start(store, jobs[1].evolve(version=9), terms=terms)
    await nothing_written(store, jobs[1])


async def test_a_short_command_needs_its_caps_only(store: JobStore) -> None:
    jobs = await add(store, same_prompt("a"), same_prompt("b"))
    await start(store, jobs[0])
    await store.note_reading("b", reading(most=1, used=1))
    await store.set_paused("b", True)
    await start(store, jobs[1], terms=None)


async def test_a_cap_names_where_it_was_set(store: JobStore) -> None:
    [job] = await add(store, make_spec("a"))
    for name, caps, source, hint in [
        ("batch", Caps(batch=1), None, "raise `budget.credits` in the manifest, then run again"),
        ("batch", Caps(batch=1), "the policy", "raise `budget.credits` in the policy, then run"),
        ("batch", Caps(batch=1), "`RUNWAY_BATCH_MAX_CREDITS`", "raise `RUNWAY_BATCH_MAX_CREDITS`,"),
        ("tag:x", Caps(tags={"x": 1}), "the policy", ""),
        ("day", Caps(day=1), "the policy", "raise `budget.per_day` in the policy, then run again"),
    ]:
        sources = {} if source is None else {name: source}
        await store.set_caps("b", caps, sources=sources)
        if not hint:
            await store.check_room(job)  # it has no such tag
            continue
        with pytest.raises(CapReached) as caught:
            await store.check_room(job)
        assert caught.value.hint.startswith(hint)


async def test_caps_of_a_live_run_change_under_it(store: JobStore) -> None:
    one, two = await add(store, make_spec("one"), make_spec("two"))
    await store.acquire("b", run_id="r1", owner=this_process())
    await store.set_caps("b", Caps(run=25))
    await start(store, one)
    with pytest.raises(CapReached, match="this run's cap"):
        await start(store, two)
    await store.set_caps("b", Caps(run=50))
    await start(store, two)
    assert await store.check("b") == []


async def test_a_task_adopted_or_lost_is_counted_as_what_it_is(store: JobStore) -> None:
    adopted, lost, never = await add(store, *(make_spec(n) for n in ("adopted", "lost", "never")))
    verdicts = {"adopted": Verdict.ADOPTED, "lost": Verdict.LOST, "never": Verdict.NOT_ARRIVED}
    for job in (adopted, lost, never):
        task = "t1" if job.id == "adopted" else None
        doubtful = SubmitUnknown(at=START + HOUR, reason="reset")
        verdict = Resolved(at=START + 2 * HOUR, verdict=verdicts[job.id], task_id=task)
        await happen(store, await start(store, job), doubtful, verdict)
    entries = {entry.job: entry for entry in await store.entries("b", since=START)}
    assert {name: (entry.arrived, entry.credits) for name, entry in entries.items()} == {
        "adopted": (True, 25), "lost": (None, 25), "never": (False, 0)
    }  # fmt: skip
    assert {entry.answered_at for entry in entries.values()} == {START + HOUR}
    assert [entries[name].settled_at for name in ("adopted", "lost")] == [None, START + 2 * HOUR]
