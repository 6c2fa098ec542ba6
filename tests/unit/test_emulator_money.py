"""What happens to a live account: sums and peaks, refunds, limits, keys, other users, recharge."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from runner.emulator import truth
from runner.emulator.acceptance import Script
from runner.emulator.answers import Refusal
from runner.emulator.backend import ExtraKey
from runner.emulator.controls import Controls, Creates
from runner.emulator.links import token_of
from runner.emulator.options import DEFAULT_KEY
from runner.emulator.records import Knobs
from runner.emulator.routing import Routers
from tests.unit.test_emulator_backend import CLIP, DAY_S, World, refused

REFUNDED = Script(fails=True, code="INTERNAL")


class Account(World):
    """A world with hands on it."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(**changes)
        self.controls = Controls(self.backend)

    @property
    def totals(self) -> dict[str, Any]:
        return dict(truth.totals(self.backend)["accounts"][DEFAULT_KEY])


# Sums


def test_totals_follow_creates_refunds_and_refusals() -> None:
    world = Account(credits=60)
    world.create()
    world.create(script=REFUNDED)
    refused(world, "image_to_video", **CLIP)
    refused(world, "image_to_video", model="gen4_turbo")
    now = world.totals
    assert (now["creates"], now["refused"], now["alive"], now["outstanding"]) == (2, 2, 2, 50)
    world.finish()
    then = world.totals
    assert (then["taken"], then["given_back"], then["charged"], then["balance"]) == (50, 25, 25, 35)
    assert (then["alive"], then["outstanding"]) == (0, 0)


def test_peaks_are_the_highest_there_ever_was() -> None:
    world = Account(tier=5)
    for _ in range(3):
        world.create(script=REFUNDED)
    world.finish()
    world.create()
    found = world.totals
    assert (found["most_charged"], found["most_outstanding"], found["most_alive"]) == (75, 75, 3)
    assert found["charged"] == 25


def test_cancelled_tasks_leave_the_sums_as_if_they_had_ended() -> None:
    world = Account()
    waiting, running = world.create(), world.create("text_to_image")
    world.backend.delete(world.key, waiting.id)
    world.clock.advance(10.0)
    world.backend.delete(world.key, running.id)
    assert world.totals["alive"] == 1, "a running one goes on unseen"
    world.finish()
    assert (world.totals["alive"], world.totals["charged"]) == (0, 8)


def test_equal_creates_of_one_body_are_found() -> None:
    world = Account()
    for prompt in ("one", "two", "two"):
        world.create(**{**CLIP, "promptText": prompt})
    text = json.dumps({**CLIP, "promptText": "two"}, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert world.totals["equal"] == {digest: 2}
    assert [line["digest"] == digest for line in truth.creates(world.backend)] == [
        False, True, True,
    ]  # fmt: skip


def test_account_of_truth_has_a_line_for_each_create() -> None:
    world = Account()
    task = world.create(script=Script(fails=True, code="SAFETY.INPUT.TEXT", fault="fail"))
    line = truth.creates(world.backend)[0]
    assert (line["id"], line["status"], line["cost"]) == (task.id, "PENDING", None)
    assert (line["at"], line["fault"]) == (task.created_at, "fail")
    world.finish()
    world.create()
    line = truth.creates(world.backend)[0]
    assert (line["status"], line["charged"], line["cost"]) == ("FAILED", 25, 25)
    assert len(truth.creates(world.backend, since=1)) == 1
    world.backend.delete(world.key, task.id)
    assert truth.creates(world.backend)[0]["status"] == "DELETED"


def test_usage_is_kept_by_day_and_model_and_counts_refunds() -> None:
    world = Account()
    world.create(script=REFUNDED)
    world.clock.advance(DAY_S)
    world.create("text_to_image")
    results = world.backend.usage(world.key, None, None)["results"]
    days = {day["date"]: day["usedCredits"] for day in results}
    assert days["2026-01-01"] == [{"model": "gen4_turbo", "amount": 0}]
    assert days["2026-01-02"] == [{"model": "gen4_image", "amount": 8}]


# Refunds


def test_refund_comes_back_to_the_balance_after_its_delay() -> None:
    world = Account()
    world.controls.set_knobs({"refund_delay_s": 600.0})
    task = world.create(script=REFUNDED)
    ends = world.backend.state.tasks[task.id].end_at or 0.0
    world.clock.advance(ends - task.created_at + 1.0)
    assert world.read(task)["cost"] == {"credits": 0}
    assert world.balance == 975
    assert truth.creates(world.backend)[0]["owed"] == 25
    world.clock.advance(598.0)
    assert world.balance == 975
    world.clock.advance(2.0)
    assert world.balance == 1000
    assert truth.creates(world.backend)[0]["owed"] == 0


def test_cancelling_may_be_told_to_give_nothing_back() -> None:
    world = Account()
    world.controls.set_knobs({"cancel_refunds": False})
    world.backend.delete(world.key, world.create().id)
    assert world.balance == 975
    assert world.totals["charged"] == 25


# Limits that change


def test_raised_tier_starts_what_waits() -> None:
    world = Account()
    tasks = [world.create() for _ in range(4)]
    assert [world.status(task) for task in tasks][1:] == ["THROTTLED"] * 3
    world.controls.set_tier(2)
    assert [world.status(task) for task in tasks] == ["PENDING", "RUNNING", "RUNNING", "THROTTLED"]


def test_lowered_slots_let_running_tasks_end() -> None:
    world = Account(tier=3)
    tasks = [world.create() for _ in range(3)]
    world.controls.set_limits("gen4_turbo", {"concurrent": 1})
    late = world.create()
    assert [world.status(task) for task in (*tasks, late)] == ["PENDING"] * 3 + ["THROTTLED"]
    assert world.backend.organization(world.key)["tier"]["models"]["gen4_turbo"] == {
        "maxConcurrentGenerations": 1, "maxDailyGenerations": 1000,
    }  # fmt: skip
    world.finish()
    assert world.status(late) == "SUCCEEDED"


def test_slots_of_zero_hold_everything_and_the_tiers_come_back() -> None:
    world = Account()
    world.controls.set_limits("*", {"concurrent": 0, "daily": None})
    task = world.create()
    world.finish()
    assert world.status(task) == "THROTTLED"
    world.controls.set_limits("*", {})
    assert world.status(task) == "RUNNING"


def test_changed_daily_limit_counts_at_once() -> None:
    world = Account()
    world.create()
    world.controls.set_limits("gen4_turbo", {"daily": 1})
    assert refused(world, "image_to_video", **CLIP).status == 429
    world.controls.set_limits("gen4_turbo", {"daily": 2})
    world.create()


# Money that changes


def test_credits_that_go_elsewhere_end_in_the_documented_refusal() -> None:
    world = Account()
    world.controls.set_balance(10)
    answer = refused(world, "image_to_video", **CLIP)
    assert answer.body["error"] == "You do not have enough credits to run this task."
    world.controls.add_credits(15)
    world.create()
    assert world.balance == 0


def test_auto_recharge_looks_once_an_hour() -> None:
    world = Account(credits=100, tier=5)
    world.controls.recharge(below=60, to=500)
    for _ in range(2):
        world.create()
    assert world.balance == 50
    world.clock.advance(3601.0)
    assert world.balance == 500
    world.controls.recharge(below=0, to=0)
    world.controls.set_balance(1)
    world.clock.advance(7200.0)
    assert world.balance == 1


# Other users, other keys


def test_others_use_up_balance_slots_and_quota_and_are_not_ours() -> None:
    world = Account()
    theirs = world.controls.create_by_others(Creates(count=2, credits=40, seconds=100.0))
    ours = world.create()
    assert world.balance == 1000 - 80 - 25
    assert world.status(ours) == "THROTTLED"
    usage = world.backend.organization(world.key)["usage"]["models"]["gen4_turbo"]
    assert usage == {"dailyGenerations": 3}
    with pytest.raises(Refusal, match="404"):
        world.read(theirs[0])
    found = world.totals
    assert (found["creates"], found["others"], found["charged"], found["equal"]) == (1, 2, 25, {})
    assert len(truth.creates(world.backend)) == 1
    world.clock.advance(201.0)
    assert world.status(ours) == "RUNNING"


def test_creates_of_others_long_ago_leave_the_window_first() -> None:
    world = Account()
    world.create()
    world.controls.create_by_others(Creates(count=49, credits=0, age_s=DAY_S - 60.0))
    assert refused(world, "image_to_video", **CLIP).status == 429
    world.clock.advance(61.0)
    usage = world.backend.organization(world.key)["usage"]["models"]["gen4_turbo"]
    assert usage == {"dailyGenerations": 1}


def test_key_is_revoked_and_restored() -> None:
    world = Account()
    task = world.create()
    world.controls.set_disabled(True)
    with pytest.raises(Refusal, match="401"):
        world.backend.login(DEFAULT_KEY)
    world.controls.set_disabled(False)
    world.finish()
    assert world.backend.read(world.backend.login(DEFAULT_KEY), task.id)["status"] == "SUCCEEDED"


def test_account_that_nobody_knows_is_refused() -> None:
    with pytest.raises(Refusal, match="404"):
        Account().controls.set_tier(2, key="key_of_nobody")


# Links and queue


def test_life_of_links_changes_for_new_links_only() -> None:
    world = Account()
    task = world.create()
    world.finish()
    old = world.read(task)["output"][0]
    world.controls.set_knobs({"link_life_s": 5.0})
    new = world.read(task)["output"][0]
    world.clock.advance(6.0)
    assert world.backend.open_link(*token_of(old)).task == task.id
    with pytest.raises(Refusal, match="403"):
        world.backend.open_link(*token_of(new))


def test_link_may_keep_its_end_to_itself() -> None:
    world = Account(link_life_s=60.0)
    world.controls.set_knobs({"link_exp": False})
    task = world.create()
    world.finish()
    path, token = token_of(world.read(task)["output"][0])
    payload = token.split(".")[1]
    assert "exp" not in json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert world.backend.open_link(path, token).task == task.id
    world.clock.advance(61.0)
    with pytest.raises(Refusal, match="403"):
        world.backend.open_link(path, token)


def test_long_queue_keeps_its_order_with_cancels_and_scripted_waits() -> None:
    world = Account(credits=100_000)
    world.controls.set_limits("*", {"daily": None})
    held = world.create(script=Script(throttled_s=5.0))
    tasks = [world.create() for _ in range(200)]
    for task in tasks[1:200:2]:
        world.backend.delete(world.key, task.id)
    world.clock.advance(200 * 3600.0)
    world.backend.settle()
    records = [world.backend.state.tasks[task.id] for task in (tasks[0], held, *tasks[2:200:2])]
    starts = [record.start_at or 0.0 for record in records]
    assert starts == sorted(starts)
    assert world.totals["charged"] == 101 * 25


def test_bodies_kept_in_memory_are_without_their_files() -> None:
    world = Account()
    uri = "data:image/png;base64," + "A" * 30_000
    task = world.create(**{**CLIP, "promptImage": uri})
    assert len(task.body["promptImage"]) < 100
    assert task.body["promptText"] == CLIP["promptText"]


# Routers


def test_history_pages_do_not_shift_when_requests_come_in_between() -> None:
    world = Account()
    routers = Routers(world.backend)
    router = routers.create(world.key, {"slug": "night"})
    wanted = {"configId": "night", "input": {"promptText": "rain"}}
    made = [routers.generate(world.key, "image", wanted, Script())["id"] for _ in range(4)]
    first = routers.requests(world.key, router["id"], "2", None)
    routers.generate(world.key, "image", wanted, Script())
    last = routers.requests(world.key, router["id"], "2", first["nextCursor"])
    assert [line["taskId"] for line in first["data"] + last["data"]] == made[::-1]
    assert last["nextCursor"] is None
    lines = list(world.backend.state.routed.values())
    assert lines[0].pipeline is lines[1].pipeline, "equal stories are kept once"


@pytest.mark.parametrize(
    ("limit", "cursor"),
    [("0", None), ("101", None), ("5", "x"), ("5", "9" * 5000), ("²", None), (None, None)],
)
def test_history_wants_a_sane_limit_and_cursor(limit: str | None, cursor: str | None) -> None:
    world = Account()
    routers = Routers(world.backend)
    router = routers.create(world.key, {"slug": "night"})
    with pytest.raises(Refusal, match="400"):
        routers.requests(world.key, router["id"], limit, cursor)


def test_knobs_default_to_the_options() -> None:
    world = Account(link_life_s=77.0)
    assert world.backend.ground.knobs == Knobs(link_life_s=77.0)
    world.backend.add_key(ExtraKey(key="key_b", credits=1))
    assert truth.totals(world.backend)["accounts"]["key_b"]["balance"] == 1
