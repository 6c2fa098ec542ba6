"""Runs against what others do to the same state file meanwhile, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from runner.app.batch import summary_of
from runner.core.events import (
    Cancelled,
    Requeued,
    Resolved,
    SubmitStarted,
    TaskAccepted,
    Verdict,
)
from runner.core.halting import HaltLimits
from runner.core.job import JobStatus
from runner.core.ledger import Caps
from runner.core.outcome import Reason
from runner.core.spec import JobSpec
from runner.core.summary import work_left
from runner.engine.rules import Rules
from runner.errors import SubmitUncertain, TransientApiError
from runner.store.process import this_process
from runner.testing import make_spec
from tests.engine_rig import Rig, record, rig

DONE, HELD = JobStatus.DONE, JobStatus.HELD


def specs(count: int, **fields):
    return [make_spec(f"j{n:03}", **fields) for n in range(count)]


async def left_at_runway(r: Rig, left: Sequence[JobSpec]) -> None:
    """Another batch, whose run ended while these were at Runway."""
    await r.store.upsert_batch("dead")
    await r.load(left, batch="dead")
    now = r.clock.now()
    for spec in left:
        started = SubmitStarted(at=now, reserve=25)
        accepted = TaskAccepted(at=now, task_id=f"old-{spec.id}", estimated=None)
        await record(r, "dead", spec.id, started, accepted)


# a reload, and short commands, in the middle of things


@pytest.mark.parametrize("answer", ["task", "refusal", "lost"])
async def test_a_reload_while_a_create_is_under_way_loses_no_answer(answer):
    async with rig(slots=1) as r:
        await r.load(specs(1))

        def answers(endpoint, body, n):
            if answer == "refusal" and n == 1:
                raise TransientApiError("too many", status=429)
            if answer == "lost":
                raise SubmitUncertain("reset")

        r.api.before_create = answers
        running = asyncio.create_task(r.run())
        await r.clock.sleep(0.1)
        assert await r.statuses() == {"j000": JobStatus.SUBMITTING}
        await r.load([])
        await running
        ends = {"task": DONE, "refusal": JobStatus.PENDING, "lost": JobStatus.IN_DOUBT}
        assert await r.statuses() == {"j000": ends[answer]}
        assert r.rescued == []
        await r.check()


async def test_a_child_that_is_cancelled_while_it_is_skipped_ends_no_run():
    async with rig(slots=2) as r:
        await r.load([*specs(3), make_spec("child", needs=["j000"])])
        r.api.shape = lambda task, n: setattr(
            task, "failure_code", "ASSET.INVALID" if n == 1 else None
        )
        doomed = r.store.doomed

        async def too_late(batch):
            found = await doomed(batch)
            for job, _ in found:
                await record(r, "b", job.id, Cancelled(at=r.clock.now(), reason="x", credits=0))
            return found

        r.store.doomed = too_late  # type: ignore[method-assign]
        assert await r.run() == []
        assert (await r.statuses())["child"] is JobStatus.CANCELLED
        assert r.api.prompts.keys() == {"j000", "j001", "j002"}


async def test_children_of_a_job_that_somebody_gave_up_are_skipped_by_the_same_run():
    async with rig(slots=2) as r:
        await r.load([*specs(3), make_spec("child", needs=["j000"])])

        def lose_first(endpoint, body, n):
            if body["promptText"] == "j000":
                raise SubmitUncertain("the answer was lost")

        r.api.before_create = lose_first
        running = asyncio.create_task(r.run())
        await r.clock.sleep(10)
        await record(r, "b", "j000", Resolved(at=r.clock.now(), verdict=Verdict.LOST))
        await running
        assert (await r.statuses())["child"] is JobStatus.SKIPPED


async def test_a_doubt_that_a_person_settles_opens_its_lane_at_once():
    async with rig(slots=1, estimated=25) as r:
        r.rules = Rules(exclusive=True)
        await r.load(specs(3))

        def lose_first(endpoint, body, n):
            if n == 1:
                raise SubmitUncertain("the answer was lost")

        r.api.after_create = lose_first
        running = asyncio.create_task(r.run())
        await r.clock.sleep(60)
        await record(r, "b", "j000", Resolved(at=r.clock.now(), verdict=Verdict.LOST))
        await running
        assert await r.statuses() == {"j000": JobStatus.FAILED, "j001": DONE, "j002": DONE}
        assert r.clock.monotonic() < 300


# what keeps a run from ending, or lets it end too early


async def test_a_balance_that_became_old_in_a_sleep_is_read_again_and_the_run_goes_on():
    async with rig(slots=1) as r:
        r.rules = Rules(keeps_balance=True)
        await r.load(specs(2), Caps(keep_balance=100))
        scheduler = await r.scheduler()
        await r.clock.sleep(3600)  # the machine was suspended
        assert await scheduler.run() == []
        assert r.api.charged == 50


async def test_a_sleep_between_two_missed_answers_is_no_silence_of_the_service():
    async with rig(slots=1) as r:
        await r.load(specs(2))
        scheduler = await r.scheduler()

        async def pause_for_long():
            await r.store.set_paused("b", True)
            scheduler.set_paused(True)
            await r.clock.sleep(8 * 3600)
            await r.store.set_paused("b", False)

        pauses = []

        def blip_around_a_pause(endpoint, body, n):
            if n == 2:
                pauses.append(asyncio.create_task(pause_for_long()))
            if n in {2, 3}:
                raise TransientApiError("the connection was refused")

        r.api.before_create = blip_around_a_pause
        assert await scheduler.run() == []
        assert r.clock.monotonic() > 8 * 3600
        assert r.api.charged == 50


async def test_a_run_without_patience_sends_what_can_be_sent_and_ends_without_a_reason():
    async with rig(slots=1) as r:
        r.rules = Rules(max_wait_s=0)
        await r.load(specs(3))
        assert await r.run() == []
        assert r.api.charged == 75


async def test_max_wait_names_the_time_of_the_next_try():
    async with rig(slots=1) as r:
        r.rules = Rules(max_wait_s=10)
        await r.load(specs(1))
        r.api.shape = lambda task, n: setattr(task, "failure_code", "THIRD_PARTY.DOWN")
        [reason] = await r.run()
        assert reason.exit_code == 10
        assert "before 2026-01-01 00:00 UTC" in reason.message


async def test_a_probe_under_way_is_said_once():
    async with rig(slots=5, takes_s=3600) as r:
        said: list[object] = []
        await r.load(specs(3))

        def fail(task, n):
            task.failure_code = "THIRD_PARTY.DOWN" if n <= 3 else None
            task.takes_s = 10 if n <= 3 else 3600

        r.api.shape = fail
        scheduler = await r.scheduler()
        scheduler._voice._onlookers = [said.append]
        assert await scheduler.run() == []
        probing = [w for w in said if "goes first" in str(getattr(w, "reason", ""))]
        assert len(probing) == 1


async def test_a_signal_during_a_long_drain_shortens_it():
    async with rig(slots=1, takes_s=10) as r:
        await r.load(specs(3))
        r.rules = Rules(deadline=r.clock.now() + timedelta(seconds=15))
        stuck = asyncio.Event()

        async def never(url, part):
            await stuck.wait()
            raise AssertionError

        r.downloader.fetch = never  # type: ignore[method-assign]
        scheduler = await r.scheduler()
        running = asyncio.create_task(scheduler.run())
        await r.clock.sleep(20)
        scheduler.stop(Reason(exit_code=130, message="stopped by Ctrl-C"))
        await running
        assert r.clock.monotonic() < 20 + 65


async def test_a_cap_of_a_tag_keeps_nobody_else_waiting():
    async with rig(slots=5) as r:
        hero = [replace(spec, tags=("hero",)) for spec in specs(2300)]
        others = [make_spec(f"o{n}") for n in range(5)]
        await r.load([*hero, *others], Caps(tags={"hero": 50}))
        [reason] = await r.run()
        assert reason.exit_code == 8
        statuses = await r.statuses()
        assert [statuses[f"o{n}"] for n in range(5)] == [DONE] * 5
        assert r.api.charged == 50 + 125


async def test_a_stop_while_the_store_is_asked_lets_nothing_leave():
    async with rig(slots=2) as r:
        await r.load(specs(4))
        scheduler = await r.scheduler()
        lanes = r.store.ready_lanes

        async def stop_meanwhile(batch):
            scheduler.stop(Reason(exit_code=130, message="stopped by Ctrl-C"))
            return await lanes(batch)

        r.store.ready_lanes = stop_meanwhile  # type: ignore[method-assign]
        [reason] = await scheduler.run()
        assert reason.exit_code == 130
        assert r.api.tasks == {}


# groups


async def test_what_an_abandoned_batch_left_at_runway_blocks_no_other_batch():
    async with rig(slots=20) as r:
        same = {"promptText": "the same words"}
        await left_at_runway(r, [make_spec(f"old{n}", body=same) for n in range(5)])
        await r.load(specs(6, body=same))
        assert await r.run() == []
        assert len(r.api.tasks) == 6


async def test_what_a_live_batch_has_at_runway_counts_for_all():
    async with rig(slots=20) as r:
        same = {"promptText": "the same words"}
        await left_at_runway(r, [make_spec(f"old{n}", body=same) for n in range(5)])
        await r.store.acquire("dead", run_id="run-2", owner=this_process())
        r.rules = Rules(max_wait_s=60)
        await r.load(specs(6, body=same))
        [reason] = await r.run()
        assert reason.exit_code == 10
        assert "5 of its jobs are at Runway" in reason.message
        assert r.api.tasks == {}


async def test_failed_jobs_that_a_person_retries_are_sent_again_and_not_held_at_once():
    async with rig(slots=5) as r:
        await r.load([replace(spec, template="shot") for spec in specs(5)])
        r.api.shape = lambda task, n: setattr(
            task, "failure_code", "SAFETY.INPUT.TEXT" if n <= 5 else None
        )
        await r.run()
        assert set((await r.statuses()).values()) == {JobStatus.FAILED}
        for job_id in await r.statuses():
            await record(r, "b", job_id, Requeued(at=r.clock.now()))
        assert await r.run() == []
        assert set((await r.statuses()).values()) == {DONE}


async def test_failed_jobs_that_left_the_manifest_stop_and_fail_no_run():
    async with rig(slots=1) as r:
        r.rules = Rules(halt=HaltLimits(failures=2))
        await r.load(specs(4))
        r.api.shape = lambda task, n: setattr(
            task, "failure_code", "ASSET.INVALID" if n <= 2 else None
        )
        [reason] = await r.run()
        assert reason.exit_code == 7
        await r.load(specs(4)[2:])
        assert await r.run() == []
        assert r.api.charged == 50
        assert work_left(await summary_of(r.store, "b")) == []


# proof


async def test_a_router_task_of_a_create_under_way_is_nobody_elses():
    async with rig(slots=2) as r:
        await r.load(specs(2, body={"configId": "night-run"}))
        create = r.api.create_task
        calls = [0]

        async def slow(endpoint, body):
            calls[0] += 1
            if calls[0] == 1:
                raise SubmitUncertain("the connection was reset")
            created = await create(endpoint, body)
            await r.clock.sleep(20)
            return created

        r.api.create_task = slow
        await r.run()
        jobs = await r.jobs()
        assert jobs["j000"].status is JobStatus.IN_DOUBT
        assert jobs["j001"].task_ids == ("task-0001",)


async def test_pausing_keeps_back_what_is_being_uploaded():
    async with rig(slots=1) as r:
        await r.load(specs(1))
        scheduler = await r.scheduler()

        async def upload(spec):
            await r.clock.sleep(60)
            return dict(spec.body)

        scheduler._worker._inputs.body_of = upload  # type: ignore[method-assign]
        running = asyncio.create_task(scheduler.run())
        await r.clock.sleep(10)
        await r.store.set_paused("b", True)
        scheduler.set_paused(True)
        await r.clock.sleep(300)
        assert r.api.tasks == {}
        await r.store.set_paused("b", False)
        assert await running == []
        assert r.api.charged == 25


async def test_while_a_run_only_collects_it_says_why_nothing_starts():
    async with rig(slots=2, balance=50) as r:
        await r.load(specs(4))
        running = asyncio.create_task(r.run())
        await r.clock.sleep(60)
        running_waits = await r.store.waits("b")
        await running
        assert [wait.code for wait in running_waits] == ["stopped"]


async def test_what_comes_due_while_a_slow_disk_is_written_is_due_and_not_forgotten():
    async with rig(slots=1) as r:
        publish = r.store.publish_waits

        async def slow_disk(batch, waits):
            r.clock.advance(400)
            await publish(batch, waits)

        def busy(endpoint, body, n):
            if n == 1:
                raise TransientApiError("slow down", status=429)

        r.store.publish_waits = slow_disk  # type: ignore[method-assign]
        r.api.before_create = busy
        await r.load(specs(3))
        assert await r.run() == []
        assert set((await r.statuses()).values()) == {DONE}
