"""What keeps creates from leaving, in virtual time, judged by what the fake account charged."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import time, timedelta
from zoneinfo import ZoneInfo

import pytest

from runner.core.halting import HaltLimits
from runner.core.job import JobStatus
from runner.core.ledger import Caps
from runner.core.limits import Bounds
from runner.core.policy import Policies
from runner.core.schedule import Window
from runner.engine.rules import Rules
from runner.errors import AccountError, DownloadError, SubmitUncertain, TransientApiError
from runner.testing import make_spec
from tests.engine_rig import Rig, rig

DONE, HELD = JobStatus.DONE, JobStatus.HELD
DAY_S = 86_400


def specs(count: int, **fields):
    return [make_spec(f"j{n:03}", **fields) for n in range(count)]


def of_template(count: int, template: str = "shot", **fields):
    return [replace(spec, template=template) for spec in specs(count, **fields)]


async def count(r: Rig, status: JobStatus) -> int:
    return list((await r.statuses()).values()).count(status)


async def events_of(r: Rig, kind: str) -> int:
    return sum(name == kind for _, name in r.events)


# creates in doubt


async def test_a_night_of_lost_answers_makes_a_handful_of_doubts():
    async with rig(slots=5) as r:
        await r.load(specs(200))

        def lose(endpoint, body, n):
            raise SubmitUncertain("the answer was lost")

        r.api.after_create = lose
        r.rules = Rules(deadline=r.clock.now() + timedelta(hours=8))
        [reason] = await r.run()
        assert reason.exit_code == 10
        # five under way at once, then one every quarter of an hour
        assert await count(r, JobStatus.IN_DOUBT) <= 5 + 8 * 4 + 8
        assert set(r.api.prompts.values()) == {1}
        await r.check()


async def test_after_one_lost_answer_one_job_goes_first_and_then_all():
    async with rig(slots=5) as r:
        await r.load(specs(30))

        def lose_first(endpoint, body, n):
            if n == 1:
                raise SubmitUncertain("the answer was lost")

        r.api.after_create = lose_first
        await r.run()
        assert await count(r, JobStatus.IN_DOUBT) == 1
        assert await count(r, DONE) == 29
        assert r.api.most_alive <= 5 + 1  # the lost one may be at Runway, beside the five


async def test_a_create_answered_with_the_task_of_another_job_is_in_doubt():
    async with rig(slots=2) as r:
        await r.load([make_spec(f"j{n}") for n in range(3)])
        create = r.api.create_task

        async def always_the_first(endpoint, body):
            created = await create(endpoint, body)
            return replace(created, id="task-0001")

        r.api.create_task = always_the_first
        for _ in range(2):  # and a second run gives none of them the task of another one either
            [*_] = await r.run()
            assert await count(r, JobStatus.IN_DOUBT) == 2
            assert await count(r, DONE) == 1
        assert r.api.charged == (await r.store.totals("b")).spent + 50
        await r.check()


async def test_on_an_exclusive_account_what_never_arrived_is_proven_and_made():
    async with rig(slots=2, estimated=25) as r:
        r.rules = Rules(exclusive=True)
        await r.load(specs(6))

        def cut_once(endpoint, body, n):
            if n == 3:
                raise SubmitUncertain("the connection was reset")

        r.api.before_create = cut_once
        assert await r.run() == []
        assert await count(r, DONE) == 6
        assert set(r.api.prompts.values()) == {1}
        assert r.api.charged == 150
        await r.check()


async def test_on_an_exclusive_account_what_did_arrive_stays_in_doubt():
    async with rig(slots=2, estimated=25) as r:
        r.rules = Rules(exclusive=True)
        await r.load(specs(6))

        def lose_once(endpoint, body, n):
            if n == 3:
                raise SubmitUncertain("the answer was lost")

        r.api.after_create = lose_once
        await r.run()
        assert await count(r, JobStatus.IN_DOUBT) == 1
        assert await count(r, DONE) == 5
        assert set(r.api.prompts.values()) == {1}
        await r.check()


async def test_a_lost_create_of_a_router_is_found_in_its_history():
    async with rig(slots=2) as r:
        await r.load(specs(3, body={"configId": "night-run"}))

        def lose_first(endpoint, body, n):
            if n == 1:
                raise SubmitUncertain("the answer was lost")

        r.api.after_create = lose_first
        assert await r.run() == []
        assert await count(r, DONE) == 3
        assert r.api.charged == 75
        await r.check()


# the daily quota


async def test_a_used_up_quota_sleeps_until_its_slots_free_and_is_never_asked_beyond():
    async with rig(slots=5, daily=10) as r:
        refused: list[int] = []
        create = r.api.create_task

        async def counting(endpoint, body):
            try:
                return await create(endpoint, body)
            except TransientApiError:
                refused.append(1)
                raise

        r.api.create_task = counting
        await r.load(specs(25))
        assert await r.run() == []
        assert await count(r, DONE) == 25
        assert refused == []
        assert 2 * DAY_S < r.clock.monotonic() < 2 * DAY_S + 3600


async def test_while_a_quota_sleeps_other_models_go_on():
    async with rig(slots=5) as r:
        turbo = [make_spec(f"t{n}") for n in range(4)]
        image = [make_spec(f"i{n}", model="gen4_image") for n in range(4)]
        await r.load([*turbo, *image])
        r.rules = Rules(max_wait_s=1800)

        def refuse(endpoint, body, n):
            if body["model"] == "gen4_turbo":
                raise TransientApiError("daily limit", status=429)

        r.api.before_create = refuse
        [reason] = await r.run()
        assert reason.exit_code == 10
        assert {task.body["model"] for task in r.api.tasks.values()} == {"gen4_image"}
        assert await count(r, DONE) == 4


async def test_max_wait_ends_a_run_that_would_sleep_longer():
    async with rig(slots=5, daily=3) as r:
        r.rules = Rules(max_wait_s=1800)
        await r.load(specs(5))
        [reason] = await r.run()
        assert reason.exit_code == 10
        assert "daily quota" in reason.message
        assert await count(r, DONE) == 3
        assert r.clock.monotonic() < 3600


async def test_limits_that_change_during_a_run_are_followed():
    async with rig(slots=1) as r:
        await r.load(specs(60))

        def widen():
            r.api.slots = 5 if r.clock.monotonic() > 60 else 1

        r.api.before_account = widen
        assert await r.run() == []
        assert r.api.most_alive == 5


# money of the whole account


async def test_a_daily_cap_lets_go_on_when_the_oldest_charge_is_a_day_old():
    async with rig(slots=5) as r:
        await r.load(specs(12), Caps(day=100))
        assert await r.run() == []
        assert await count(r, DONE) == 12
        assert 2 * DAY_S < r.clock.monotonic() < 2 * DAY_S + 3600


async def test_a_balance_is_kept_though_others_spend():
    async with rig(slots=2, balance=1000) as r:
        r.rules = Rules(keeps_balance=True)
        await r.load(specs(40), Caps(keep_balance=500))

        after_each: list[int] = []

        def others_spend():
            r.api.balance -= 20

        def look(endpoint, body, n):
            after_each.append(r.api.balance - r.api.charged)

        r.api.before_account, r.api.after_create = others_spend, look
        [reason] = await r.run()
        assert reason.exit_code == 8
        assert 500 <= min(after_each) < 545
        assert r.api.charged >= 200


async def test_no_credits_stops_the_creates_and_collects_what_is_paid():
    async with rig(slots=2, balance=100) as r:
        await r.load(specs(10))
        [reason] = await r.run()
        assert reason.exit_code == 4
        assert await count(r, DONE) == 4
        assert r.api.charged == 100
        r.api.balance = 1000
        assert await r.run() == []
        assert r.api.charged == 250


async def test_a_key_that_is_revoked_sends_nothing_more_and_loses_nothing():
    async with rig(slots=2) as r:
        await r.load(specs(10))
        revoked = [True]

        def refuse(*_):
            if r.clock.monotonic() > 60 and revoked[0]:
                raise AccountError("the key was refused", status=401)

        r.api.before_create = r.api.before_read = r.api.before_account = refuse
        reasons = await r.run()
        assert {reason.exit_code for reason in reasons} == {4}
        revoked[0] = False
        assert await r.run() == []
        assert await count(r, DONE) == 10
        assert r.api.charged == 250


# halts and breakers


async def test_a_group_has_few_jobs_in_flight_until_one_succeeds():
    async with rig(slots=20) as r:
        most: list[int] = []

        def watch(endpoint, body, n):
            most.append(sum(task.failure_code is None for task in r.api.tasks.values()))

        r.api.after_create = watch
        await r.load(of_template(60))
        assert await r.run() == []
        assert most[:5] == [1, 2, 3, 4, 5]
        begun = sorted(task.created_s for task in r.api.tasks.values())
        assert begun[5] > begun[4] + 30  # the sixth left after the first success
        assert r.api.most_alive == 20
        await r.check()


async def test_moderation_holds_what_shares_the_cause_and_nothing_else():
    async with rig(slots=20) as r:
        bad = of_template(30, "bad")
        good = [make_spec(f"g{n}") for n in range(6)]
        await r.load([*bad, *good])

        def refuse(task, n):
            if task.body["promptText"].startswith("j"):
                task.failure_code, task.refunded = "SAFETY.INPUT.TEXT", False

        r.api.shape = refuse
        reasons = await r.run()
        assert {reason.exit_code for reason in reasons} == {7}
        assert "template `bad`" in reasons[0].message
        assert await count(r, JobStatus.FAILED) == 5
        assert await count(r, HELD) == 25
        assert await count(r, DONE) == 6
        assert len(r.api.tasks) == 11
        await r.check()


async def test_the_same_error_again_and_again_holds_its_model():
    async with rig(slots=2) as r:
        image = [make_spec(f"i{n}", model="gen4_image") for n in range(4)]
        await r.load([*specs(30), *image])

        def fail(task, n):
            if task.body["model"] == "gen4_turbo":
                task.failure_code = "ASSET.INVALID"

        r.api.shape = fail
        reasons = await r.run()
        assert {reason.exit_code for reason in reasons} == {7}
        assert await count(r, JobStatus.FAILED) in {10, 11}  # one more was under way
        assert await count(r, DONE) == 4
        assert len(r.api.tasks) <= 15


@pytest.mark.parametrize(
    "halt", [HaltLimits(failures=3), HaltLimits(failures_share=0.2)], ids=["count", "share"]
)
async def test_too_many_failures_stop_the_batch_and_the_next_run_too(halt):
    async with rig(slots=1) as r:
        r.rules = Rules(halt=halt)
        await r.load(specs(60))

        def fail(task, n):
            task.failure_code = "ASSET.INVALID" if n % 3 == 0 else None

        r.api.shape = fail
        [reason] = await r.run()
        assert reason.exit_code == 7
        made = len(r.api.tasks)
        assert made < 20
        [again] = await r.run()
        assert again.exit_code == 7
        assert len(r.api.tasks) == made


async def test_an_outage_of_the_service_uses_up_no_tries():
    async with rig(slots=5) as r:
        await r.load(specs(40))

        def fail(task, n):
            if r.clock.monotonic() < 2 * 3600:
                task.failure_code = "THIRD_PARTY.UNAVAILABLE"

        r.api.shape = fail
        assert await r.run() == []
        assert await count(r, DONE) == 40
        assert r.api.charged == 40 * 25
        failed = sum(task.failure_code is not None for task in r.api.tasks.values())
        assert failed < 40  # probed by single jobs, not by all of them again and again
        await r.check()


async def test_a_server_that_is_down_for_two_hours_is_waited_for():
    async with rig(slots=5) as r:
        await r.load(specs(20))

        def down(*_):
            if 30 < r.clock.monotonic() < 7230:
                raise TransientApiError("Runway cannot be reached")

        r.api.before_create = r.api.before_read = r.api.before_account = down
        assert await r.run() == []
        assert await count(r, DONE) == 20
        assert r.api.charged == 500


async def test_a_service_that_stays_silent_ends_the_run_and_the_same_command_goes_on():
    async with rig(slots=5) as r:
        r.policies = Policies(patience_s=1800)
        await r.load(specs(20))

        def down(*_):
            if 30 < r.clock.monotonic() < 7230:
                raise TransientApiError("Runway cannot be reached")

        r.api.before_create = r.api.before_read = r.api.before_account = down
        [reason] = await r.run()
        assert reason.exit_code == 5
        await r.clock.sleep(7230)
        assert await r.run() == []
        assert await count(r, DONE) == 20
        assert r.api.charged == 500


# prices that are a guess


def unsure(spec):
    return replace(
        spec, template="t", estimate=replace(spec.estimate, confidence="none"), max_credits=25
    )


async def test_the_first_job_of_an_unknown_price_runs_alone_and_prices_the_rest():
    async with rig(slots=5, price=40, estimated=40) as r:
        jobs = [unsure(make_spec(f"u{n}", body={"duration": 5})) for n in range(4)]
        await r.load(jobs, Caps(batch=100))
        [reason] = await r.run()
        assert reason.exit_code == 8
        # the first surprises with 40 instead of 25; of the next only one fits
        assert len(r.api.tasks) == 2
        begun = sorted(task.created_s for task in r.api.tasks.values())
        assert begun[1] > begun[0]
        assert r.api.charged == 80


# time


async def test_a_deadline_sends_nothing_more_and_collects_what_is_at_runway():
    async with rig(slots=2) as r:
        await r.load(specs(20))
        r.rules = Rules(deadline=r.clock.now() + timedelta(seconds=100))
        [reason] = await r.run()
        assert reason.exit_code == 10
        statuses = set((await r.statuses()).values())
        assert statuses == {DONE, JobStatus.PENDING}
        assert await count(r, DONE) == len(r.api.tasks) == 6


async def test_with_no_drain_what_is_at_runway_is_left_for_the_next_run():
    async with rig(slots=2) as r:
        await r.load(specs(20))
        r.rules = Rules(deadline=r.clock.now() + timedelta(seconds=100), drain_s=0)
        [reason] = await r.run()
        assert reason.exit_code == 10
        assert await count(r, JobStatus.RUNNING) == 2
        r.rules = Rules()
        assert await r.run() == []
        assert r.api.charged == 500


async def test_creates_leave_only_inside_of_the_window():
    async with rig(slots=2) as r:
        zone = ZoneInfo("Europe/Paris")
        starts = r.clock.now().astimezone(zone)
        opens = (starts + timedelta(hours=2)).time().replace(second=0, microsecond=0)
        closes = (starts + timedelta(hours=2, minutes=3)).time().replace(second=0, microsecond=0)
        r.rules = Rules(window=Window(opens, closes, "Europe/Paris"))
        await r.load(specs(20))
        assert await r.run() == []
        times = [
            (starts + timedelta(seconds=task.created_s)).time() for task in r.api.tasks.values()
        ]
        assert all(opens <= at < closes for at in times)
        assert time(0) < max(times)
        assert r.clock.monotonic() > DAY_S  # one night was not enough


async def test_a_download_that_was_tried_enough_is_tried_again_while_the_run_goes_on():
    async with rig(slots=1, takes_s=600) as r:

        def fail(link, n):
            if r.clock.monotonic() < 1500:
                raise DownloadError("the connection broke")

        r.downloader.before_fetch = fail
        await r.load(specs(5))
        assert await r.run() == []
        assert await count(r, DONE) == 5
        assert r.api.charged == 125


# people


async def test_a_paused_batch_starts_nothing_until_it_is_resumed():
    async with rig(slots=2) as r:
        await r.load(specs(10))
        running = asyncio.create_task(r.run())
        await r.clock.sleep(60)
        await r.store.set_paused("b", True)
        await r.clock.sleep(600)
        made = len(r.api.tasks)
        assert await count(r, DONE) == made < 10
        assert [wait.code for wait in await r.store.waits("b")] == ["paused"]
        await r.store.set_paused("b", False)
        assert await running == []
        assert await count(r, DONE) == 10


async def test_a_task_that_has_not_begun_is_cancelled_and_its_estimate_stays_booked():
    async with rig(slots=1, pending_s=30) as r:
        await r.load(specs(2))
        scheduler = await r.scheduler()
        running = asyncio.create_task(scheduler.run())
        await r.clock.sleep(2)
        scheduler.cancel({"j000": False})
        await running
        statuses = await r.statuses()
        assert statuses == {"j000": JobStatus.CANCELLED, "j001": DONE}
        assert (await r.store.totals("b")).spent == 50
        assert r.api.charged == 25  # given back, which nobody can read any more
        await r.check()


@pytest.mark.parametrize("abandon", [False, True])
async def test_a_running_task_is_let_end_unless_its_credits_are_given_up(abandon):
    async with rig(slots=1) as r:
        await r.load(specs(1))
        scheduler = await r.scheduler()
        running = asyncio.create_task(scheduler.run())
        await r.clock.sleep(10)
        scheduler.cancel({"j000": abandon})
        await running
        expected = JobStatus.CANCELLED if abandon else DONE
        assert await r.statuses() == {"j000": expected}
        assert r.api.charged == 25 == (await r.store.totals("b")).spent


async def test_bounds_may_be_changed_during_a_run():
    async with rig(slots=5) as r:
        r.bounds = Bounds(lanes={"gen4_turbo": 1}, queue_ahead=0)
        await r.load(specs(20))
        scheduler = await r.scheduler()
        running = asyncio.create_task(scheduler.run())
        await r.clock.sleep(50)
        assert r.api.most_alive == 1
        scheduler.set_bounds(Bounds(queue_ahead=0))
        assert await running == []
        assert r.api.most_alive == 5


async def test_in_an_outage_the_account_is_asked_more_and_more_seldom():
    async with rig(slots=5, takes_s=400) as r:
        asked: list[float] = []

        def down(*_):
            if 30 < r.clock.monotonic() < 7230:
                asked.append(r.clock.monotonic())
                raise TransientApiError("Runway cannot be reached", retry_after_s=120)

        r.api.before_account = down
        await r.load([make_spec(f"j{n:03}", model="veo3.1") for n in range(120)])
        r.rules = Rules(deadline=r.clock.now() + timedelta(hours=3), keeps_balance=True)
        await r.run()
        assert 2 < len(asked) < 7200 / 110
