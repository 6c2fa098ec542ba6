from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from runner.core.events import Event, SubmitUnknown
from runner.core.job import JobStatus
from runner.core.ledger import LedgerTotals
from runner.errors import StaleJob, StoreLocked
from runner.store.process import Owner, boot_id, is_running, started, this_process
from runner.store.store import JobStore
from runner.testing import FakeClock, make_spec
from tests.integration.store_steps import accepted, add, happen
from tests.integration.store_steps import started as submit_started

US = this_process()


async def opened(path: Path, clock: FakeClock | None = None) -> JobStore:
    store = await JobStore.open(path / "state.db", clock=clock or FakeClock())
    await store.upsert_batch("b")
    return store


def gone() -> Owner:
    """A process of this machine that has ended."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = replace(US, pid=child.pid, pid_started=started(child.pid) or "")
    child.communicate(b"\n")
    return owner


async def test_a_living_owner_keeps_its_batch(tmp_path: Path) -> None:
    async with await opened(tmp_path) as first, await opened(tmp_path) as second:
        lease = await first.acquire("b", run_id="r1", owner=US)
        assert lease.predecessor is None
        with pytest.raises(StoreLocked) as caught:
            await second.acquire("b", run_id="r2", owner=US)
        assert caught.value.exit_code == 6
        assert caught.value.message == (
            f"process {os.getpid()} on `{US.host}` works on batch `b` since 2026-01-01 00:00:00 UTC"
        )
        with pytest.raises(StoreLocked):
            await second.acquire("b", run_id="r2", owner=US, take_over=True)

        await lease.release(0)
        assert (await second.acquire("b", run_id="r2", owner=US)).predecessor is None


async def test_other_batches_of_the_file_run_beside_it(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        await store.upsert_batch("other")
        await store.acquire("b", run_id="r1", owner=US)
        await store.acquire("other", run_id="r2", owner=US)


def reused() -> Owner:
    """Our own number, given to a process that began earlier."""
    return replace(US, pid_started="1")


def before_restart() -> Owner:
    return replace(US, boot_id="another")


@pytest.mark.parametrize("dead", [gone, reused, before_restart])
async def test_a_dead_owner_loses_its_lease(tmp_path: Path, dead: Callable[[], Owner]) -> None:
    owner = dead()
    clock = FakeClock()
    async with await opened(tmp_path, clock) as first, await opened(tmp_path, clock) as second:
        old = await first.acquire("b", run_id="r1", owner=owner)
        clock.advance(7)
        await old.beat()
        lease = await second.acquire("b", run_id="r2", owner=US)
        assert lease.predecessor is not None
        assert (lease.predecessor.run_id, lease.predecessor.owner) == ("r1", owner)
        assert (lease.predecessor.heartbeat_at - lease.predecessor.started_at).seconds == 7

        with pytest.raises(StoreLocked, match="another run took over"):
            await old.beat()
        await old.release(0)  # harmless
        await lease.beat()


async def test_an_old_heartbeat_alone_proves_nothing(tmp_path: Path) -> None:
    clock = FakeClock()
    async with await opened(tmp_path, clock) as store:
        await store.acquire("b", run_id="r1", owner=US)
        clock.advance(10 * 24 * 3600)
        with pytest.raises(StoreLocked):
            await store.acquire("b", run_id="r2", owner=US)


async def test_a_lease_of_another_host_needs_to_be_taken_over_on_purpose(tmp_path: Path) -> None:
    elsewhere = replace(gone(), host="elsewhere")
    async with await opened(tmp_path) as store:
        await store.acquire("b", run_id="r1", owner=elsewhere)
        with pytest.raises(StoreLocked, match="`elsewhere`") as caught:
            await store.acquire("b", run_id="r2", owner=US)
        assert "--take-over" in caught.value.hint
        lease = await store.acquire("b", run_id="r2", owner=US, take_over=True)
        assert lease.predecessor is not None
        assert lease.predecessor.owner.host == "elsewhere"


async def test_a_run_that_lost_its_lease_writes_nothing(tmp_path: Path) -> None:
    async with await opened(tmp_path) as first, await opened(tmp_path) as second:
        await first.acquire("b", run_id="r1", owner=reused())
        [job] = await add(first, make_spec("a"))
        await second.acquire("b", run_id="r2", owner=US)
        with pytest.raises(StoreLocked):
            await happen(first, job, submit_started())
        with pytest.raises(StoreLocked):
            await add(first, make_spec("a"), make_spec("new"))
        assert [found async for found in second.jobs("b")] == [job]
        assert await second.heal("b") == []


async def test_a_released_run_writes_nothing_either(tmp_path: Path) -> None:
    async with await opened(tmp_path) as store:
        lease = await store.acquire("b", run_id="r1", owner=US)
        [job] = await add(store, make_spec("a"))
        await lease.release(130)
        with pytest.raises(StoreLocked):
            await happen(store, job, submit_started())


async def test_healing_puts_in_doubt_what_was_being_submitted_and_nothing_else(
    tmp_path: Path,
) -> None:
    async with await opened(tmp_path) as first:
        await first.acquire("b", run_id="r1", owner=gone())
        sent, running, waits = await add(first, *(make_spec(n) for n in ("sent", "runs", "waits")))
        sent = await happen(first, sent, submit_started())
        running = await happen(first, running, submit_started(), accepted())
    # a reader, or a second process without the lease, changes nothing
    async with await opened(tmp_path) as second:
        assert await second.job("b", "sent") == sent
        await second.acquire("b", run_id="r2", owner=US)
        told: list[Event] = []
        for job, event in await second.heal("b"):
            assert job.status is JobStatus.IN_DOUBT
            told.append(event)
        assert [type(event) for event in told] == [SubmitUnknown]
        assert await second.heal("b") == []

        assert await second.totals("b") == LedgerTotals(reserved=25, in_doubt=25)
        assert [await second.job("b", job.id) for job in (running, waits)] == [running, waits]
        assert await second.check("b") == []
        with pytest.raises(StaleJob):
            await happen(second, sent, accepted())


async def test_short_commands_write_beside_a_live_run(tmp_path: Path) -> None:
    async with await opened(tmp_path) as run, await opened(tmp_path) as command:
        await run.acquire("b", run_id="r1", owner=US)
        [job] = await add(run, make_spec("a"))
        changed = await happen(command, job, submit_started())
        with pytest.raises(StaleJob):
            await happen(run, job, submit_started())
        assert await run.job("b", "a") == changed


def test_a_process_knows_itself_and_its_dead() -> None:
    assert is_running(US)
    assert boot_id() == US.boot_id
    assert not is_running(gone())
    assert is_running(replace(US, pid=1, pid_started=""))  # of another user, start unknown


def test_a_killed_process_nobody_has_waited_for_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        owner = replace(US, pid=child.pid, pid_started=started(child.pid) or "")
        assert is_running(owner)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, still a zombie
        assert not is_running(owner)
    finally:
        child.communicate()


async def test_a_run_whose_process_died_is_not_shown_as_live(tmp_path):
    clock = FakeClock()
    async with await JobStore.open(tmp_path / "state.db", clock=clock) as store:
        await store.upsert_batch("b")
        assert not await store.is_live("b")
        await store.acquire("b", run_id="r1", owner=this_process())
        assert await store.is_live("b")
        dead = replace(this_process(), pid_started="long ago")
    async with await JobStore.open(tmp_path / "state.db", clock=clock) as store:
        await store.upsert_batch("c")
        await store.acquire("c", run_id="r2", owner=dead)
        assert not await store.is_live("c")
