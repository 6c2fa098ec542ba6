"""What people ask of a live run, and what the run tells them; many jobs held at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from runner.core.commands import Command, CommandKind, Wait
from runner.core.events import Cancelled, Flagged, Held, Requeued, SubmitUnknown
from runner.core.groups import groups_of
from runner.core.job import Failure, JobStatus
from runner.errors import StoreError, StoreLocked
from runner.store.process import this_process
from runner.store.reader import StateReader
from runner.store.store import JobStore
from runner.testing import START, FakeClock, make_spec
from tests.integration.store_steps import accepted, add, happen, same_prompt, started

HELD = Held(at=START, code="HALT", reason="10 in a row failed alike")
QUOTA = Wait(lane="veo3.1", code="quota", reason="daily quota until 03:10", until=START)


@pytest.fixture
async def store() -> AsyncIterator[JobStore]:
    async with await JobStore.in_memory(clock=FakeClock()) as opened:
        await opened.upsert_batch("b")
        yield opened


async def test_a_command_is_read_once_it_is_asked_and_answered_once(store: JobStore) -> None:
    await store.upsert_batch("other")
    first = await store.ask("b", CommandKind.CANCEL, {"ids": ["a"]}, "ada@box")
    await store.ask("other", CommandKind.RELOAD, {}, "ada@box")
    second = await store.ask("b", CommandKind.LIMITS, {"total": 3}, "bob@box")
    assert [command.number for command in await store.next_commands("b")] == [first, second]
    asked = Command(
        number=first, kind=CommandKind.CANCEL, data={"ids": ["a"]}, asked_at=START,
        asked_by="ada@box",
    )  # fmt: skip
    assert await store.command(first) == asked
    await store.finish_command(first, {"cancelled": 1})
    await store.finish_command(first, {"error": "too late"})
    answered = replace(asked, done_at=START, result={"cancelled": 1})
    assert await store.command(first) == answered
    assert [command.number for command in await store.next_commands("b")] == [second]
    assert await store.command(99) is None
    with pytest.raises(StoreError, match="no batch `nope`"):
        await store.ask("nope", CommandKind.RELOAD, {}, "ada@box")


async def test_a_short_command_hears_the_answer_of_a_live_run(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    async with await JobStore.open(path, clock=FakeClock()) as run:
        await run.upsert_batch("b")
        await run.acquire("b", run_id="r1", owner=this_process())
        async with await JobStore.open(path, clock=FakeClock(), create=False) as command:
            number = await command.ask("b", CommandKind.RELOAD, {"max_credits": 5}, "ada@box")
            [asked] = await run.next_commands("b")
            assert asked.data == {"max_credits": 5}
            await run.finish_command(asked.number, {"added": 2})
            async with await StateReader.read(path) as reader:
                found = await reader.command(number)
                assert found is not None
                assert found.result == {"added": 2}


async def test_a_batch_is_paused_until_it_is_resumed(store: JobStore) -> None:
    clock = store._clock
    assert isinstance(clock, FakeClock)
    assert not await store.is_paused("b")
    await store.set_paused("b", True)
    clock.advance(60)
    await store.set_paused("b", True)
    assert await store.is_paused("b")
    [batch] = await store.batches()
    assert batch.paused_at == START, "since the first time"
    await store.set_paused("b", False)
    assert not await store.is_paused("b")


async def test_reasons_are_those_that_were_said_last(store: JobStore) -> None:
    paused = Wait(lane="", code="paused", reason="paused by ada")
    await store.acquire("b", run_id="r1", owner=this_process())
    await store.publish_waits("b", [QUOTA, paused])
    assert await store.waits("b") == [paused, QUOTA]
    await store.publish_waits("b", [replace(QUOTA, until=START + timedelta(hours=1))])
    assert [wait.until for wait in await store.waits("b")] == [START + timedelta(hours=1)]
    await store.publish_waits("b", [])
    assert await store.waits("b") == []


async def test_a_reason_said_twice_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    async with await JobStore.open(path, clock=FakeClock()) as store:
        await store.upsert_batch("b")
        await store.publish_waits("b", [QUOTA])
        log = path.with_name("state.db-wal")
        before = log.stat().st_size
        await store.publish_waits("b", [QUOTA])
        assert log.stat().st_size == before


async def test_nothing_waits_once_the_run_has_ended(store: JobStore) -> None:
    lease = await store.acquire("b", run_id="r1", owner=this_process())
    await store.publish_waits("b", [QUOTA])
    await lease.release(0)
    assert await store.waits("b") == []
    with pytest.raises(StoreLocked):
        await store.publish_waits("b", [QUOTA])


async def test_a_run_that_died_leaves_no_reasons_to_the_next(store: JobStore) -> None:
    dead = replace(this_process(), pid_started="long ago")
    await store.acquire("b", run_id="r1", owner=dead)
    await store.publish_waits("b", [QUOTA])
    await store.acquire("b", run_id="r2", owner=this_process())
    assert await store.waits("b") == []


async def test_holding_a_batch_holds_what_is_pending_and_nothing_else(store: JobStore) -> None:
    # more than two pages, jobs that wait for others among them
    specs = [make_spec(f"j{n}", needs=[f"j{n - 1}"] if n % 7 == 1 else []) for n in range(450)]
    jobs = await add(store, *specs)
    sent = await happen(store, jobs[3], started())
    gone = await happen(store, jobs[5], Flagged(at=START, stale=False, orphaned=True))
    assert await store.hold("b", HELD) == 448
    assert await store.counts("b") == {
        JobStatus.HELD: 448, JobStatus.SUBMITTING: 1, JobStatus.PENDING: 1
    }  # fmt: skip
    assert [await store.job("b", job.id) for job in (sent, gone)] == [sent, gone]
    held = await store.job("b", "j0")
    assert held is not None
    assert held.error == Failure(code="HALT", message="10 in a row failed alike")
    assert await store.ready_lanes("b") == []
    assert await store.hold("b", HELD) == 0
    await happen(store, held, Requeued(at=START))
    assert await store.ready_lanes("b") == ["gen4_turbo"]
    assert await store.check("b") == []


async def test_holding_one_lane_or_one_group_lets_the_others_go_on(store: JobStore) -> None:
    await add(store, same_prompt("a"), same_prompt("b"), make_spec("c"), make_spec("d", model="x"))
    prompt, _ = groups_of("b", same_prompt("a"))
    assert await store.hold("b", HELD, group=prompt.id) == 2
    assert await store.hold("b", HELD, lane="x") == 1
    ready = await store.ready("b", "gen4_turbo", now=START, limit=9)
    assert [job.id for job in ready] == ["c"]
    assert (await store.events("b", "a"))[-1] == HELD


async def test_a_run_that_lost_its_batch_holds_nothing(store: JobStore) -> None:
    lease = await store.acquire("b", run_id="r1", owner=this_process())
    await add(store, make_spec("a"))
    await lease.release(0)
    with pytest.raises(StoreLocked):
        await store.hold("b", HELD)


async def test_children_of_a_cancelled_job_are_doomed_and_those_of_a_held_one_wait(
    store: JobStore,
) -> None:
    held, cancelled, *_ = await add(
        store, make_spec("held"), make_spec("gone"), make_spec("waits", needs=["held"]),
        make_spec("doomed", needs=["gone"]),
    )  # fmt: skip
    await happen(store, held, HELD)
    await happen(store, cancelled, Cancelled(at=START, reason="asked for"))
    assert [(job.id, need) for job, need in await store.doomed("b")] == [("doomed", "gone")]


async def test_jobs_in_doubt_and_tasks_are_found(store: JobStore) -> None:
    one, two = await add(store, make_spec("one"), make_spec("two"))
    one = await happen(store, one, started(), SubmitUnknown(at=START, reason="reset"))
    await happen(store, two, started(), accepted('odd"id'))
    assert await store.in_doubt("b") == [one]
    assert await store.has_task('odd"id')
    assert not await store.has_task("odd")
    assert await store.newest_event_at() == START
