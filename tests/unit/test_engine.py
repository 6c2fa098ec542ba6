"""The scheduler in virtual time. What counts is what the fake account charged."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace

import pytest

from runner.core.events import Resolved, TaskAccepted, Verdict
from runner.core.job import JobStatus
from runner.core.ledger import Caps, ledger_move
from runner.core.lifecycle import transition
from runner.core.limits import Bounds
from runner.core.outcome import Reason
from runner.core.policy import Policies
from runner.core.spec import OutputRef
from runner.errors import (
    AccountError,
    DownloadError,
    LinkRefused,
    PermanentApiError,
    StoreBusy,
    StoreError,
    StoreLocked,
    SubmitUncertain,
    TransientApiError,
)
from runner.testing import make_spec
from tests.engine_rig import OUT, rig

DONE = JobStatus.DONE
STOP = Reason(exit_code=130, message="stopped by SIGINT")


def specs(count: int, **fields):
    return [make_spec(f"j{n:03}", **fields) for n in range(count)]


async def test_every_job_ends_as_a_file_and_is_paid_once():
    async with rig() as r:
        await r.load(specs(40))
        assert await r.run() == []
        assert set((await r.statuses()).values()) == {DONE}
        assert set(r.api.prompts.values()) == {1}
        assert r.api.charged == 40 * 25
        assert (await r.store.totals("b")).spent == r.api.charged
        assert sum(name.endswith(".mp4") for name in r.downloader.files) == 40
        assert len(r.downloader.texts) == 40
        await r.check()


async def test_slots_are_never_exceeded_and_downloads_hold_none():
    async with rig(slots=5) as r:
        await r.load(specs(40))
        await r.run()
        assert r.api.most_alive == 5
        # with downloads in the slots, 8 rounds would each last a download longer
        assert r.clock.monotonic() < 8 * (40 + 8)


async def test_queue_ahead_keeps_one_task_waiting_at_runway():
    async with rig(slots=5) as r:
        r.bounds = Bounds(queue_ahead=1)
        await r.load(specs(20))
        await r.run()
        assert r.api.most_alive == 6


async def test_a_budget_is_a_hard_stop():
    async with rig() as r:
        await r.load(specs(40, worst=50), Caps(batch=500))
        r.api.price = 50
        [reason] = await r.run()
        assert reason.exit_code == 8
        assert len(r.api.tasks) == 10
        assert r.api.charged == 500
        await r.check()


async def test_what_comes_back_below_the_reserve_is_spent_on_further_jobs():
    async with rig(price=25) as r:
        await r.load(specs(40, worst=50), Caps(batch=500))
        [reason] = await r.run()
        assert reason.exit_code == 8
        assert r.api.charged <= 500
        assert len(r.api.tasks) == 19  # the 20th needs 50 where 25 are left


async def test_a_cap_of_a_model_holds_that_model_only():
    async with rig() as r:
        cheap = [make_spec(f"c{n}", model="gen4_image") for n in range(3)]
        await r.load([*specs(10), *cheap], Caps(models={"gen4_turbo": 75}))
        [reason] = await r.run()
        assert reason.exit_code == 8
        done = [name for name, status in (await r.statuses()).items() if status is DONE]
        assert sorted(done) == ["c0", "c1", "c2", "j000", "j001", "j002"]


async def test_an_estimate_above_the_cap_keeps_the_task_and_starts_nothing_more():
    async with rig(price=60, estimated=60, slots=1) as r:
        await r.load(specs(5, worst=25), Caps(batch=60))
        [reason] = await r.run()
        assert reason.exit_code == 8
        assert len(r.api.tasks) == 1
        assert (await r.store.totals("b")).spent == 60


def lose_every_third(endpoint, body, count):
    if count % 3 == 0:
        raise SubmitUncertain("no answer")


async def test_a_lost_answer_is_never_sent_again():
    async with rig(after_create=lose_every_third) as r:
        await r.load(specs(9))
        await r.run()
        statuses = await r.statuses()
        assert sum(s is JobStatus.IN_DOUBT for s in statuses.values()) == 3
        await r.run()  # another run changes nothing
        assert set(r.api.prompts.values()) == {1}
        totals = await r.store.totals("b")
        assert (totals.spent, totals.in_doubt) == (150, 75)
        await r.check()


async def test_what_is_in_doubt_counts_against_the_budget():
    async with rig(after_create=lose_every_third, slots=1) as r:
        await r.load(specs(20), Caps(batch=100))
        await r.run()
        assert len(r.api.tasks) == 4
        assert r.api.charged == 100


@pytest.mark.parametrize(
    ("verdict", "status", "spent"),
    [
        (Verdict.LOST, JobStatus.FAILED, 25),
        (Verdict.RESUBMIT, JobStatus.DONE, 50),
        (Verdict.NOT_ARRIVED, JobStatus.DONE, 25),
        (Verdict.ADOPTED, JobStatus.DONE, 25),
    ],
)
async def test_every_verdict_is_a_way_out_of_doubt(verdict, status, spent):
    async with rig() as r:
        lost = []

        def lose_first(endpoint, body, count):
            if not lost:
                lost.append(count)
                raise SubmitUncertain("no answer")

        r.api.after_create = lose_first
        await r.load(specs(1))
        await r.run()
        [job] = (await r.jobs()).values()
        task_id = "task-0001" if verdict is Verdict.ADOPTED else None
        event = Resolved(at=r.clock.now(), verdict=verdict, task_id=task_id)
        await r.store.save(job, transition(job, event), event, ledger_move(job, event))
        await r.run()
        [job] = (await r.jobs()).values()
        assert job.status is status
        assert (await r.store.totals("b")).spent == spent
        await r.check()


async def test_a_refusal_for_now_is_tried_again_and_pauses_its_lane():
    async with rig() as r:
        refused = []

        def refuse(endpoint, body, count):
            if len(refused) < 3:
                refused.append(r.clock.monotonic())
                raise TransientApiError("daily quota", status=429, retry_after_s=100)

        r.api.before_create = refuse
        await r.load(specs(6))
        assert await r.run() == []
        assert set(r.api.prompts.values()) == {1}
        assert not [t for t in r.api.tasks.values() if 1 < t.created_s < 100]
        await r.check()


async def test_a_refused_request_fails_and_costs_nothing():
    async with rig() as r:

        def refuse(endpoint, body, count):
            if body["promptText"] == "j001":
                raise PermanentApiError("`ratio` is wrong", status=400)

        r.api.before_create = refuse
        await r.load(specs(3))
        await r.run()
        job = (await r.jobs())["j001"]
        assert job.status is JobStatus.FAILED
        assert job.error is not None
        assert (job.error.code, job.charged, job.hold) == ("HTTP_400", 0, 0)
        assert r.api.charged == 50


async def test_no_credits_stops_submitting_and_goes_on_collecting():
    async with rig(balance=100) as r:
        await r.load(specs(10))
        [reason] = await r.run()
        assert reason.exit_code == 4
        statuses = list((await r.statuses()).values())
        assert statuses.count(DONE) == 4
        assert statuses.count(JobStatus.PENDING) == 6
        await r.check()


async def test_a_key_that_is_refused_mid_run_loses_nothing():
    async with rig() as r:
        await r.load(specs(3))
        refused = [True]

        def refuse(task_id):
            if refused:
                raise AccountError("key refused", status=401)

        r.api.before_read = refuse
        reasons = await r.run()
        assert {reason.exit_code for reason in reasons} == {4}
        refused.clear()
        assert await r.run() == []
        assert set(r.api.prompts.values()) == {1}


async def test_a_free_failure_is_tried_again_and_a_paid_one_is_not():
    async with rig() as r:

        def shape(task, count):
            if task.body["promptText"] == "j000" and count <= 2:
                task.failure_code = "INTERNAL"
            if task.body["promptText"] == "j001":
                task.failure_code, task.refunded = "INTERNAL", False

        r.api.shape = shape
        await r.load(specs(2))
        await r.run()
        assert await r.statuses() == {"j000": DONE, "j001": JobStatus.FAILED}
        assert r.api.charged == 50
        assert (await r.store.totals("b")).spent == 50
        assert r.api.prompts["j001"] == 1
        await r.check()


async def test_a_moderated_job_is_never_sent_again():
    async with rig() as r:

        def shape(task, count):
            task.failure_code, task.refunded = "SAFETY.INPUT.TEXT", True

        r.api.shape = shape
        await r.load(specs(3))
        await r.run()
        assert len(r.api.tasks) == 3


async def test_a_task_that_runway_forgot_is_failed_with_its_charge_kept():
    async with rig() as r:
        await r.load(specs(1))

        def forget(task_id):
            if r.api.reads[task_id] == 2:
                del r.api.tasks[task_id]

        r.api.before_read = forget
        await r.run()
        [job] = (await r.jobs()).values()
        assert job.status is JobStatus.FAILED
        assert job.error is not None
        assert (job.error.code, job.charged) == ("TASK_GONE", 25)


def chain():
    parent = make_spec("parent")
    ref = OutputRef(job="parent", key=parent.key, media="video")
    child = make_spec("child", needs=["parent"], body={"promptImage": ref.to_json()})
    grandchild = make_spec("grandchild", needs=["child"])
    return [grandchild, child, parent]


async def test_a_child_waits_for_its_parent_and_gets_its_output():
    async with rig() as r:
        await r.load(chain())
        assert await r.run() == []
        tasks = {task.body["promptText"]: task for task in r.api.tasks.values()}
        assert tasks["parent"].created_s < tasks["child"].created_s < tasks["grandchild"].created_s
        assert tasks["child"].body["promptImage"] == "https://links.example/task-0001/0"


async def test_children_of_a_failed_job_are_skipped_and_cost_nothing():
    async with rig() as r:

        def shape(task, count):
            task.failure_code = "SAFETY.INPUT"

        r.api.shape = shape
        await r.load(chain())
        await r.run()
        statuses = await r.statuses()
        assert statuses["child"] is statuses["grandchild"] is JobStatus.SKIPPED
        assert len(r.api.tasks) == 1


async def test_children_of_a_job_in_doubt_wait():
    async with rig(after_create=lambda *_: (_ for _ in ()).throw(SubmitUncertain("?"))) as r:
        await r.load(chain())
        await r.run()
        assert await r.statuses() == {
            "parent": JobStatus.IN_DOUBT,
            "child": JobStatus.PENDING,
            "grandchild": JobStatus.PENDING,
        }


async def test_a_cut_download_never_pays_twice():
    async with rig() as r:

        def fail(url, count):
            if count % 2:
                raise DownloadError("cut")

        r.downloader.before_fetch = fail
        await r.load(specs(30))
        await r.run()
        assert set((await r.statuses()).values()) == {DONE}
        assert len(r.api.tasks) == 30


async def test_an_expired_link_makes_a_fresh_read_and_not_a_new_task():
    async with rig() as r:

        def expired(url, count):
            if count == 1:
                raise LinkRefused("403")

        r.downloader.before_fetch = expired
        await r.load(specs(1))
        await r.run()
        assert set((await r.statuses()).values()) == {DONE}
        assert len(r.api.tasks) == 1


async def test_a_download_that_never_works_waits_for_the_next_run():
    async with rig() as r:

        def fail(url, count):
            raise DownloadError("down")

        r.downloader.before_fetch = fail
        await r.load(specs(2))
        assert await r.run() == []
        assert set((await r.statuses()).values()) == {JobStatus.DOWNLOADING}
        r.downloader.before_fetch = None
        await r.run()
        assert set((await r.statuses()).values()) == {DONE}
        assert len(r.api.tasks) == 2
        await r.check()


async def test_all_outputs_of_a_task_are_kept_with_names_of_their_own():
    async with rig() as r:

        def shape(task, count):
            task.outputs = 3

        r.api.shape = shape
        await r.load(specs(1))
        await r.run()
        [job] = (await r.jobs()).values()
        assert [o.path for o in job.outputs] == [
            "batch/j000.mp4",
            "batch/j000-2.mp4",
            "batch/j000-3.mp4",
        ]
        assert len(r.downloader.texts) == 1


async def test_a_foreign_file_is_never_overwritten():
    async with rig() as r:
        r.downloader.files[str(OUT / "batch/j000.mp4")] = "somebody else's"
        await r.load(specs(1))
        await r.run()
        [job] = (await r.jobs()).values()
        assert job.outputs[0].path == "batch/j000_v2.mp4"
        assert r.downloader.files[str(OUT / "batch/j000.mp4")] == "somebody else's"


async def stop_after(r, seconds):
    scheduler = await r.scheduler()
    running = asyncio.create_task(scheduler.run())
    await r.clock.sleep(seconds)
    scheduler.stop(STOP)
    return await running


async def test_a_stop_loses_nothing_and_a_second_run_finishes():
    async with rig() as r:
        await r.load(specs(30))
        reasons = await stop_after(r, 65.1)
        assert reasons == [STOP]
        statuses = set((await r.statuses()).values())
        assert not statuses & {JobStatus.SUBMITTING, JobStatus.IN_DOUBT, JobStatus.DOWNLOADING}
        assert await r.run() == []
        assert set(r.api.prompts.values()) == {1}
        assert r.api.charged == 30 * 25
        await r.check()


async def test_stopped_anywhere_and_resumed_every_job_is_paid_once():
    async with rig(slots=2) as r:
        await r.load(specs(12))
        for _ in range(60):
            await stop_after(r, 5.3)
        await r.run()
        assert set((await r.statuses()).values()) == {DONE}
        assert set(r.api.prompts.values()) == {1}
        await r.check()


async def test_leaving_at_once_puts_nothing_in_doubt_when_answers_come():
    async with rig() as r:
        await r.load(specs(10))
        scheduler = await r.scheduler()
        running = asyncio.create_task(scheduler.run())
        await r.clock.sleep(0.1)  # creates are on their way
        scheduler.stop(STOP)
        scheduler.leave()
        await running
        assert JobStatus.SUBMITTING not in (await r.statuses()).values()
        await r.run()
        assert set(r.api.prompts.values()) == {1}


async def test_a_service_that_stays_silent_ends_the_run_and_loses_nothing():
    async with rig() as r:
        r.policies = Policies(patience_s=300)
        await r.load(specs(3))
        down = []

        def silent(task_id):
            if down:
                raise TransientApiError("no route")

        r.api.before_read = silent
        down.append(True)
        reasons = await r.run()
        assert [reason.exit_code for reason in reasons] == [5]
        down.clear()
        assert await r.run() == []
        assert set(r.api.prompts.values()) == {1}


async def test_a_short_outage_is_waited_out():
    async with rig() as r:
        await r.load(specs(3))

        def silent(task_id):
            if r.clock.monotonic() < 600:
                raise TransientApiError("no route")

        r.api.before_read = silent
        assert await r.run() == []
        assert set((await r.statuses()).values()) == {DONE}


async def test_an_unlisted_lane_is_tried_with_one_task_first():
    async with rig(takes_s=60) as r:
        unlisted = [make_spec(f"u{n}", model="brand_new") for n in range(12)]
        await r.load(unlisted)
        alive = []

        def watch(endpoint, body, count):
            alive.append(sum(r.clock.monotonic() - t.created_s < 60 for t in r.api.tasks.values()))

        r.api.before_create = watch
        assert await r.run() == []
        assert alive[0] == 0
        assert alive[1] == 1  # the second only after the account was read again
        assert set(r.api.prompts.values()) == {1}


async def test_the_same_seed_gives_the_same_history():
    async def history(seed):
        async with rig(after_create=lose_every_third) as r:
            r.seed = seed

            def fail(url, count):
                if count % 4 == 0:
                    raise DownloadError("cut")

            r.downloader.before_fetch = fail
            await r.load(specs(20))
            await r.run()
            return r.events

    assert await history(5) == await history(5)


async def test_higher_priority_goes_first():
    async with rig(slots=1) as r:
        low, high = make_spec("low"), replace(make_spec("high"), priority=5)
        await r.load([low, high])
        await r.run()
        first = min(r.api.tasks.values(), key=lambda task: task.created_s)
        assert first.body["promptText"] == "high"


async def test_polls_of_a_task_are_never_closer_than_five_seconds():
    async with rig() as r:
        reads: dict[str, list[float]] = {}
        r.api.before_read = lambda task_id: reads.setdefault(task_id, []).append(
            r.clock.monotonic()
        )
        await r.load(specs(10))
        await r.run()
        gaps = [b - a for times in reads.values() for a, b in itertools.pairwise(times)]
        assert min(gaps) >= 5


async def test_a_success_without_outputs_is_read_again_and_never_taken_for_done():
    async with rig() as r:

        def shape(task, count):
            task.outputs = 0

        r.api.shape = shape
        await r.load(specs(1))
        await r.run()
        assert set((await r.statuses()).values()) == {JobStatus.DOWNLOADING}
        for task in r.api.tasks.values():
            task.outputs = 1
        await r.run()
        assert set((await r.statuses()).values()) == {DONE}
        assert len(r.api.tasks) == 1


async def test_one_404_does_not_give_a_paid_task_up():
    async with rig() as r:

        def hide(task_id):
            if r.api.reads[task_id] <= 2:
                raise PermanentApiError("Could not find Task", status=404)

        r.api.before_read = hide
        await r.load(specs(3))
        assert await r.run() == []
        assert set((await r.statuses()).values()) == {DONE}


async def test_what_is_verified_is_kept_when_the_task_is_gone():
    async with rig() as r:
        await r.load(specs(1))
        place = r.downloader.place

        async def killed(part, target, sha256):
            raise asyncio.CancelledError

        r.downloader.place = killed  # type: ignore[method-assign]
        await stop_after(r, 200)
        [job] = (await r.jobs()).values()
        assert (job.status, len(job.outputs)) == (JobStatus.DOWNLOADING, 1)
        r.downloader.place = place  # type: ignore[method-assign]
        r.api.tasks.clear()
        assert await r.run() == []
        [job] = (await r.jobs()).values()
        assert job.status is DONE
        assert str(OUT / job.outputs[0].path) in r.downloader.files


async def test_where_runway_asks_for_more_the_next_of_its_kind_must_fit_at_that_price():
    async with rig(slots=1, price=8, estimated=900) as r:
        await r.load(specs(6, worst=8), Caps(batch=100))
        [reason] = await r.run()
        assert reason.exit_code == 8
        assert len(r.api.tasks) == 1


async def test_a_listener_that_fails_harms_no_job():
    async with rig() as r:

        def broken(job, event):
            raise OSError("no space left on device")

        r.listeners.append(broken)
        await r.load(specs(3))
        assert await r.run() == []
        assert set((await r.statuses()).values()) == {DONE}
        assert set(r.api.prompts.values()) == {1}


async def test_a_refused_reading_of_the_account_stops_submitting_and_collects():
    async with rig() as r:
        await r.load([*specs(2), *[make_spec(f"u{n}", model="brand_new") for n in range(3)]])
        scheduler = await r.scheduler()

        async def refused():
            raise AccountError("key refused", status=401)

        r.api.get_organization = refused
        reasons = await scheduler.run()
        assert [reason.exit_code for reason in reasons] == [4]
        statuses = await r.statuses()
        assert statuses["j000"] is statuses["j001"] is statuses["u0"] is DONE
        assert set(r.api.prompts.values()) == {1}


async def test_a_state_file_that_is_locked_for_a_while_ends_nothing_and_loses_no_task():
    async with rig() as r:
        await r.load(specs(4))
        save, tried = r.store.save, []

        async def busy(*args):
            tried.append(args)
            if len(tried) % 3:
                raise StoreBusy("locked by a backup")
            await save(*args)

        r.store.save = busy  # type: ignore[method-assign]
        assert await r.run() == []
        assert set((await r.statuses()).values()) == {DONE}
        assert set(r.api.prompts.values()) == {1}
        assert r.rescued == []


async def test_the_id_of_a_paid_task_is_said_where_the_batch_was_taken_over():
    async with rig() as r:
        await r.load(specs(1))
        save = r.store.save

        async def taken_over(before, after, event, move, terms):
            if isinstance(event, TaskAccepted):
                raise StoreLocked("another run took over")
            await save(before, after, event, move, terms)

        r.store.save = taken_over  # type: ignore[assignment,method-assign]
        with pytest.raises(StoreError, match="task-0001"):
            await r.run()
        assert r.rescued == ["job `j000` of batch `b` is task task-0001"]
