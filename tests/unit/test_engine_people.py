"""What a person asks of a batch at an awkward moment: to pause it, or to cancel a job of it."""

from __future__ import annotations

import asyncio

import pytest

from runner.core.events import SubmitStarted
from runner.core.job import JobStatus
from runner.errors import TransientApiError
from runner.testing import make_spec
from tests.engine_rig import Rig, rig

DONE, CANCELLED, QUEUED = JobStatus.DONE, JobStatus.CANCELLED, JobStatus.QUEUED


def specs(count: int):
    return [make_spec(f"j{n:03}") for n in range(count)]


# pausing


async def test_a_pause_between_the_decision_and_the_intent_lets_nothing_leave():
    async with rig(slots=1) as r:
        await r.load(specs(4))
        check_room, save, tried = r.store.check_room, r.store.save, []

        async def paused_meanwhile(job, credits):
            await check_room(job, credits)
            if not tried:
                await r.store.set_paused("b", True)

        async def save_and_count(before, after, event, move, terms):
            tried.extend([after.id] if isinstance(event, SubmitStarted) else [])
            assert len(tried) < 10, "nothing stops it from trying one after the other"
            await save(before, after, event, move, terms)

        r.store.check_room = paused_meanwhile  # type: ignore[assignment,method-assign]
        r.store.save = save_and_count  # type: ignore[assignment,method-assign]
        running = asyncio.create_task(r.run())
        await r.clock.sleep(300)
        assert r.api.tasks == {}
        assert [wait.code for wait in await r.store.waits("b")] == ["paused"]
        assert tried == ["j000"]  # after the first was refused, none of the others is tried

        await r.store.set_paused("b", False)
        assert await running == []
        assert set((await r.statuses()).values()) == {DONE}
        assert r.api.charged == 100
        await r.check()


# cancelling


async def stopped_while_cancelling(r: Rig, *, delete_arrives: bool) -> None:
    """The run that asked Runway to cancel `j000` never learned what came of it, and ended."""
    await r.load(specs(1))
    scheduler, cancel_task = await r.scheduler(), r.api.cancel_task
    running = asyncio.create_task(scheduler.run())

    async def cut_off(task_id):
        if delete_arrives:
            await cancel_task(task_id)
        running.cancel()
        await r.clock.sleep(3600)

    r.api.cancel_task = cut_off
    await r.clock.sleep(1)
    scheduler.cancel({"j000": False})
    with pytest.raises(asyncio.CancelledError):
        await running
    r.api.cancel_task = cancel_task
    job = (await r.jobs())["j000"]
    assert (job.status, job.cancel_requested, job.hold) == (QUEUED, True, 25)


async def check_cancelled_and_booked(r: Rig) -> None:
    job = (await r.jobs())["j000"]
    assert (job.status, job.hold, job.charged) == (CANCELLED, 0, 25)
    assert (await r.store.totals("b")).spent == 25
    await r.check()


async def test_a_task_that_is_gone_after_its_delete_was_cancelled_and_its_hold_stays_booked():
    async with rig(pending_s=600, takes_s=700) as r:
        await stopped_while_cancelling(r, delete_arrives=True)
        assert await r.run() == []
        await check_cancelled_and_booked(r)
        assert len(r.api.tasks) == 1


async def test_a_delete_that_never_arrived_is_sent_again_by_the_next_run():
    async with rig(pending_s=600, takes_s=700) as r:
        await stopped_while_cancelling(r, delete_arrives=False)
        [task] = r.api.tasks.values()
        assert r.api.charged == 25
        assert await r.run() == []
        assert task.deleted_s is not None
        assert r.api.charged == 0  # it had not begun: Runway gave its credits back
        await check_cancelled_and_booked(r)


async def test_a_task_that_has_begun_before_its_delete_arrived_is_kept():
    async with rig(pending_s=30, takes_s=60) as r:
        await stopped_while_cancelling(r, delete_arrives=False)
        await r.clock.sleep(40)
        assert await r.run() == []
        assert await r.statuses() == {"j000": DONE}
        [task] = r.api.tasks.values()
        assert task.deleted_s is None


async def test_a_delete_that_is_refused_for_now_is_sent_again_at_the_next_reading():
    async with rig(pending_s=600, takes_s=700) as r:
        await r.load(specs(1))
        scheduler, cancel_task, sent = await r.scheduler(), r.api.cancel_task, []

        async def busy(task_id):
            sent.append(r.clock.monotonic())
            if len(sent) < 3:
                raise TransientApiError("busy", status=503)
            await cancel_task(task_id)

        r.api.cancel_task = busy
        running = asyncio.create_task(scheduler.run())
        await r.clock.sleep(1)
        scheduler.cancel({"j000": False})
        assert await running == []
        assert len(sent) == 3
        assert sent[-1] < 60
        assert r.events.count(("j000", "CancelRequested")) == 1
        await check_cancelled_and_booked(r)


async def test_the_wish_to_cancel_is_on_disk_before_the_delete_leaves():
    async with rig(pending_s=600, takes_s=700) as r:
        await r.load(specs(1))
        scheduler, cancel_task = await r.scheduler(), r.api.cancel_task
        on_disk: list[bool] = []

        async def look_first(task_id):
            stored = await r.store.job("b", "j000")
            assert stored is not None
            on_disk.append(stored.cancel_requested)
            await cancel_task(task_id)

        r.api.cancel_task = look_first
        running = asyncio.create_task(scheduler.run())
        await r.clock.sleep(1)
        scheduler.cancel({"j000": False})
        assert await running == []
        assert on_disk == [True]
        await check_cancelled_and_booked(r)
