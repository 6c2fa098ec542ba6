"""The pretend service without HTTP: money, queues, quotas, cancel, links, uploads, usage."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import runner
from runner.core.catalog import Catalog
from runner.emulator.acceptance import Script
from runner.emulator.answers import Refusal
from runner.emulator.backend import Backend, ExtraKey
from runner.emulator.links import token_of
from runner.emulator.options import DEFAULT_KEY, EmulatorOptions
from runner.emulator.records import KeyEntry, TaskRecord
from runner.emulator.uploads import Uploads
from runner.errors import UsageError
from runner.testing import FakeClock

CATALOG = Catalog.from_dict(
    json.loads((Path(runner.__file__).parent / "data/catalog.json").read_text())
)
DAY_S = 24 * 3600.0
LONG_S = 3600.0  # longer than any generation

CLIP = {
    "model": "gen4_turbo",
    "promptImage": "https://example.com/your-image.jpg",
    "promptText": "A timelapse of clouds moving across the sky",
    "ratio": "1280:720",
    "duration": 5,
}  # 25 credits
PICTURE = {"model": "gen4_image", "promptText": "A skyline at dawn", "ratio": "1920:1080"}  # 8


class World:
    """A backend in virtual time, and one account's view of it."""

    def __init__(self, **changes: Any) -> None:
        self.clock = FakeClock()
        self.options = EmulatorOptions(**{"tier": 1, "credits": 1000, **changes})
        self.backend = Backend(CATALOG, self.clock, self.options)
        self.backend.ground.public_url = "http://127.0.0.1:8000"
        self.key: KeyEntry = self.backend.login(DEFAULT_KEY)

    def create(self, endpoint: str = "image_to_video", script: Script | None = None,
               **body: Any) -> TaskRecord:  # fmt: skip
        wanted = body or (CLIP if endpoint == "image_to_video" else PICTURE)
        return self.backend.create(self.key, endpoint, wanted, script or Script())

    def read(self, task: TaskRecord) -> Any:
        return self.backend.read(self.key, task.id)

    def status(self, task: TaskRecord) -> str:
        return str(self.read(task)["status"])

    @property
    def balance(self) -> int:
        return int(self.backend.organization(self.key)["creditBalance"])

    def finish(self) -> None:
        self.clock.advance(LONG_S)


def refused(world: World, endpoint: str, **body: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        world.backend.create(world.key, endpoint, body)
    return caught.value


# One task's life


def test_task_goes_from_pending_over_running_to_succeeded() -> None:
    world = World()
    task = world.create()
    assert world.status(task) == "PENDING"
    world.clock.advance(10.0)
    running = world.read(task)
    assert running["status"] == "RUNNING"
    assert 0 < running["progress"] < 1
    world.finish()
    done = world.read(task)
    assert done["status"] == "SUCCEEDED"
    assert done["cost"] == {"credits": 25}
    assert len(done["output"]) == 1


def test_credits_are_taken_at_the_submit() -> None:
    world = World()
    task = world.create()
    assert task.estimate == 25
    assert world.balance == 975


def test_without_costs_no_answer_tells_a_price() -> None:
    world = World(costs=False)
    task = world.create()
    assert "estimatedCost" not in world.read(task)
    world.finish()
    assert "cost" not in world.read(task)


def test_times_are_iso_with_milliseconds_and_z() -> None:
    world = World()
    assert world.read(world.create())["createdAt"] == "2026-01-01T00:00:00.000Z"


def test_speed_divides_the_time_of_generation() -> None:
    slow, fast = World().create(), World(speed=60.0).create()
    assert fast.generation_s == pytest.approx(slow.generation_s / 60)


def test_generation_time_follows_from_seed_and_order() -> None:
    def times(seed: int) -> list[float]:
        world = World(seed=seed)
        return [world.create().generation_s for _ in range(3)]

    assert times(1) == times(1)
    assert times(1) != times(2)


def test_two_worlds_of_one_seed_share_no_task_ids() -> None:
    """A forgotten world's ids must not turn up again as other tasks."""
    first, second = World(), World()
    second.clock.advance(1.0)
    second.backend.reset()
    second.key = second.backend.login(DEFAULT_KEY)
    assert first.create().id != second.create().id


def test_erratic_progress_stays_between_zero_and_one_and_does_not_only_rise() -> None:
    world = World(progress="erratic")
    task = world.create()
    world.clock.advance(4.0)
    seen = []
    for _ in range(40):
        view = world.read(task)
        if view["status"] == "RUNNING":
            seen.append(view["progress"])
        world.clock.advance(1.0)
    assert all(0 <= share < 1 for share in seen)
    assert seen != sorted(seen)


def test_unknown_task_is_404_with_the_service_words() -> None:
    world = World()
    with pytest.raises(Refusal) as caught:
        world.backend.read(world.key, "00000000-0000-4000-8000-000000000000")
    assert (caught.value.status, caught.value.body) == (404, {"error": "Could not find Task"})


# Money


def test_not_enough_credits_is_a_400_with_the_exact_text() -> None:
    answer = refused(World(credits=24), "image_to_video", **CLIP)
    assert answer.status == 400
    assert answer.body["error"] == "You do not have enough credits to run this task."


def test_refused_create_takes_nothing_and_makes_no_task() -> None:
    world = World(credits=24)
    refused(world, "image_to_video", **CLIP)
    assert world.balance == 24
    assert not world.backend.state.tasks


@pytest.mark.parametrize(
    ("code", "charged"),
    [
        ("SAFETY.INPUT.TEXT", 25),
        ("SAFETY.OUTPUT.VIDEO", 25),
        ("INPUT_PREPROCESSING.SAFETY.TEXT", 0),
        ("INPUT_PREPROCESSING.INTERNAL", 0),
        ("INTERNAL.BAD_OUTPUT.01", 0),
        ("ASSET.INVALID", 0),
        ("THIRD_PARTY.UNAVAILABLE", 0),
        ("INTERNAL", 0),
        (None, 0),
        ("SOMETHING.NEW", 25),
    ],
)
def test_failure_code_decides_what_is_refunded(code: str | None, charged: int) -> None:
    world = World()
    task = world.create(script=Script(fails=True, code=code))
    world.finish()
    view = world.read(task)
    assert view["status"] == "FAILED"
    assert view["failure"]
    assert view.get("failureCode") == code
    assert ("failureCode" in view) is (code is not None)
    assert view["cost"] == {"credits": charged}
    assert world.balance == 1000 - charged


def test_scripted_refund_overrules_the_code() -> None:
    world = World()
    world.create(script=Script(fails=True, code="INTERNAL", keeps_charge=True))
    world.finish()
    assert world.balance == 975


def test_task_that_fails_early_ends_early() -> None:
    world = World()
    whole, half = world.create(), world.create(script=Script(fails=True, after=0.5))
    plain = World()
    plain.create()
    second = plain.create()
    assert whole.generation_s > 0
    assert half.generation_s == pytest.approx(second.generation_s / 2)


def test_unused_part_of_an_auto_length_comes_back() -> None:
    world = World()
    body = {"model": "seedance2_mini", "promptText": "rain", "duration": "auto"}
    task = world.create("text_to_video", **body)
    assert task.estimate == 15 * 16
    world.finish()
    cost = world.read(task)["cost"]["credits"]
    assert 64 <= cost < 15 * 16
    assert world.balance == 1000 - cost


def test_task_of_unknown_price_has_a_made_up_one() -> None:
    world = World()
    body = {"model": "kling_4", "promptText": "rain"}
    assert world.create("text_to_video", **body).estimate == 50


def test_input_of_our_own_is_measured_for_the_price() -> None:
    world = World()
    source = world.create()
    world.finish()
    link = world.read(source)["output"][0]
    upscaled = world.create("video_upscale", model="upscale_v1", videoUri=link)
    assert upscaled.estimate == 2 * 5


# Slots


def test_task_beyond_the_slots_waits_as_throttled_and_starts_when_one_is_free() -> None:
    world = World()
    first, second, third = (world.create() for _ in range(3))
    assert world.status(second) == world.status(third) == "THROTTLED"
    ends = world.backend.state.tasks[first.id].end_at or 0.0
    world.clock.advance(ends - first.created_at + 0.001)
    assert world.status(first) == "SUCCEEDED"
    assert world.status(second) == "RUNNING"
    assert world.status(third) == "THROTTLED"


def test_tier_decides_how_many_run_at_once() -> None:
    for tier, at_once in ((1, 1), (2, 3), (3, 5), (4, 10), (5, 20)):
        world = World(tier=tier)
        tasks = [world.create() for _ in range(22)]
        running = [task for task in tasks if world.status(task) != "THROTTLED"]
        assert len(running) == at_once


def test_models_have_slots_of_their_own() -> None:
    world = World()
    world.create()
    other = world.create(model="gen4.5", **{k: v for k, v in CLIP.items() if k != "model"})
    assert world.status(other) == "PENDING"


def test_unlimited_account_throttles_nobody() -> None:
    world = World(null_limits=True)
    tasks = [world.create() for _ in range(30)]
    assert {world.status(task) for task in tasks} == {"PENDING"}
    limits = world.backend.organization(world.key)["tier"]["models"]["gen4_turbo"]
    assert limits == {"maxConcurrentGenerations": None, "maxDailyGenerations": None}


def test_scripted_throttle_lets_others_pass() -> None:
    world = World()
    held = world.create(script=Script(throttled_s=1000.0))
    other = world.create()
    assert world.status(held) == "THROTTLED"
    assert world.status(other) == "PENDING"
    world.clock.advance(1001.0)
    assert world.status(held) == "RUNNING"


# The rolling quota


def test_create_beyond_the_daily_quota_is_429_until_the_oldest_is_a_day_old() -> None:
    world = World(credits=10_000)
    for _ in range(50):
        world.create()
        world.clock.advance(60.0)
    answer = refused(world, "image_to_video", **CLIP)
    assert answer.status == 429
    world.clock.advance(DAY_S - 50 * 60.0 - 1.0)
    assert refused(world, "image_to_video", **CLIP).status == 429
    world.clock.advance(1.0)
    world.create()


def test_quota_counts_cancelled_and_failed_tasks_too() -> None:
    world = World()
    task = world.create()
    world.backend.delete(world.key, task.id)
    usage = world.backend.organization(world.key)["usage"]["models"]
    assert usage["gen4_turbo"] == {"dailyGenerations": 1}


# Cancelling


def test_cancelling_a_pending_task_refunds_it() -> None:
    world = World()
    task = world.create()
    world.backend.delete(world.key, task.id)
    assert world.balance == 1000
    with pytest.raises(Refusal, match="404"):
        world.read(task)


def test_cancelling_a_throttled_task_refunds_it_and_it_never_runs() -> None:
    world = World()
    world.create()
    waiting = world.create()
    world.backend.delete(world.key, waiting.id)
    world.finish()
    assert world.balance == 975
    assert world.backend.state.tasks[waiting.id].start_at is None


def test_cancelling_a_running_task_refunds_nothing_and_keeps_its_slot_to_the_end() -> None:
    world = World()
    first, second = world.create(), world.create()
    world.clock.advance(10.0)
    assert world.status(first) == "RUNNING"
    world.backend.delete(world.key, first.id)
    assert world.balance == 950
    assert world.status(second) == "THROTTLED"
    world.finish()
    assert world.status(second) == "SUCCEEDED"
    assert world.balance == 950


def test_slot_of_a_cancelled_pending_task_goes_to_the_next() -> None:
    world = World()
    first, second = world.create(), world.create()
    world.backend.delete(world.key, first.id)
    assert world.status(second) == "RUNNING"


def test_deleting_a_finished_task_refunds_nothing_and_kills_its_links() -> None:
    world = World()
    task = world.create()
    world.finish()
    path, token = token_of(world.read(task)["output"][0])
    assert world.backend.open_link(path, token).task == task.id
    world.backend.delete(world.key, task.id)
    assert world.balance == 975
    with pytest.raises(Refusal, match="404"):
        world.backend.open_link(path, token)


def test_second_delete_is_404() -> None:
    world = World()
    task = world.create()
    world.backend.delete(world.key, task.id)
    with pytest.raises(Refusal, match="404"):
        world.backend.delete(world.key, task.id)


# Links


def test_link_dies_after_its_life_and_a_read_gives_a_fresh_one() -> None:
    world = World(link_life_s=60.0)
    task = world.create()
    world.finish()
    old = world.read(task)["output"][0]
    world.clock.advance(61.0)
    with pytest.raises(Refusal, match="403"):
        world.backend.open_link(*token_of(old))
    fresh = world.read(task)["output"][0]
    assert fresh != old
    assert world.backend.open_link(*token_of(fresh)).task == task.id


def test_tampered_link_is_403() -> None:
    world = World()
    task, other = world.create("text_to_image"), world.create("text_to_image")
    world.finish()
    path, token = token_of(world.read(task)["output"][0])
    foreign, _ = token_of(world.read(other)["output"][0])
    for bad_path, bad_token in ((foreign, token), (path, token[:-2] + "xx"), (path, "")):
        with pytest.raises(Refusal, match="403"):
            world.backend.open_link(bad_path, bad_token)


def test_expired_link_of_our_own_is_refused_as_an_input() -> None:
    world = World(link_life_s=60.0)
    source = world.create()
    world.finish()
    link = world.read(source)["output"][0]
    world.clock.advance(61.0)
    answer = refused(world, "video_upscale", model="upscale_v1", videoUri=link)
    assert answer.body["issues"][0]["message"] == "The URL could not be fetched"


# Keys


@pytest.mark.parametrize("key", ["", "key_wrong", "key_emulator "])
def test_unknown_key_is_401(key: str) -> None:
    with pytest.raises(Refusal, match="401"):
        World().backend.login(key)


def test_disabled_key_is_401() -> None:
    world = World()
    world.backend.add_key(ExtraKey(key="key_off", disabled=True))
    with pytest.raises(Refusal, match="401"):
        world.backend.login("key_off")


def test_rotated_key_sees_the_account_and_its_tasks() -> None:
    world = World()
    task = world.create()
    world.backend.add_key(ExtraKey(key="key_new", same_account_as=DEFAULT_KEY))
    new = world.backend.login("key_new")
    assert world.backend.read(new, task.id)["id"] == task.id
    assert world.backend.organization(new)["creditBalance"] == 975


def test_another_account_sees_neither_tasks_nor_uploads() -> None:
    world = World()
    task = world.create()
    world.backend.add_key(ExtraKey(key="key_other", credits=5, tier=2))
    other = world.backend.login("key_other")
    with pytest.raises(Refusal, match="404"):
        world.backend.read(other, task.id)
    assert world.backend.organization(other)["creditBalance"] == 5


# Uploads


def upload(world: World, filename: str = "plate.png", size: int = 2000) -> str:
    uploads = Uploads(world.backend)
    answer = uploads.begin(world.key, {"filename": filename, "type": "ephemeral"})
    record = uploads.expected(answer["runwayUri"].removeprefix("runway://"))
    uploads.check_fields(record, answer["fields"])
    uploads.finish(record, size, {})
    return str(answer["runwayUri"])


def test_uploaded_file_is_an_input_for_a_day() -> None:
    world = World()
    uri = upload(world)
    world.create(**{**CLIP, "promptImage": uri})
    world.clock.advance(DAY_S - 1.0)
    world.create(**{**CLIP, "promptImage": uri})
    world.clock.advance(1.0)
    answer = refused(world, "image_to_video", **{**CLIP, "promptImage": uri})
    assert answer.body["issues"][0]["path"] == ["promptImage"]
    assert "expired" in answer.body["issues"][0]["message"]


def test_placeholder_without_its_file_is_no_input() -> None:
    world = World()
    uploads = Uploads(world.backend)
    answer = uploads.begin(world.key, {"filename": "plate.png", "type": "ephemeral"})
    body = {**CLIP, "promptImage": answer["runwayUri"]}
    assert refused(world, "image_to_video", **body).status == 400


def test_upload_of_the_wrong_kind_is_refused_where_it_is_used() -> None:
    world = World()
    uri = upload(world, "voice.mp3")
    answer = refused(world, "image_to_video", **{**CLIP, "promptImage": uri})
    assert answer.body["issues"][0]["message"] == "Expected image, received audio"


@pytest.mark.parametrize("size", [511, 209_715_201])
def test_file_outside_the_size_limits_is_refused(size: int) -> None:
    with pytest.raises(Refusal, match="400"):
        upload(World(), size=size)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"filename": "a.png"},
        {"filename": "ab", "type": "ephemeral"},
        {"filename": "notes.txt", "type": "ephemeral"},
        {"filename": "moving.gif", "type": "ephemeral"},
        {"filename": "a.png", "type": "lasting"},
        {"filename": "a" * 252 + ".png", "type": "ephemeral"},
        {"filename": 5, "type": "ephemeral"},
    ],
)
def test_bad_upload_request_is_a_400_with_issues(body: dict[str, Any]) -> None:
    world = World()
    with pytest.raises(Refusal) as caught:
        Uploads(world.backend).begin(world.key, body)
    assert caught.value.status == 400
    assert caught.value.body["issues"]


def test_storage_refuses_a_form_with_other_fields() -> None:
    world = World()
    uploads = Uploads(world.backend)
    answer = uploads.begin(world.key, {"filename": "plate.png", "type": "ephemeral"})
    record = uploads.expected(answer["runwayUri"].removeprefix("runway://"))
    for fields in ({}, {**answer["fields"], "policy": "other"}):
        with pytest.raises(Refusal, match="403"):
            uploads.check_fields(record, fields)


# Usage


def test_usage_books_charges_and_refunds_on_their_own_days() -> None:
    world = World()
    world.clock.advance(DAY_S - 20.0)
    world.create(script=Script(fails=True, code="INTERNAL"))
    world.create("text_to_image")
    world.finish()
    answer = world.backend.usage(world.key, None, None)
    assert answer["models"] == ["gen4_image", "gen4_turbo"]
    assert answer["results"] == [
        {
            "date": "2026-01-01",
            "usedCredits": [
                {"model": "gen4_image", "amount": 8},
                {"model": "gen4_turbo", "amount": 25},
            ],
        },
        {"date": "2026-01-02", "usedCredits": [{"model": "gen4_turbo", "amount": -25}]},
    ]


def test_usage_end_is_exclusive_and_the_span_at_most_90_days() -> None:
    world = World()
    world.create()
    day = date(2026, 1, 1)
    assert world.backend.usage(world.key, day, day)["results"] == []
    with pytest.raises(Refusal, match="400"):
        world.backend.usage(world.key, day, date(2026, 4, 2))
    with pytest.raises(Refusal, match="400"):
        world.backend.usage(world.key, day, date(2025, 12, 31))


# The original document


SEED_BODIES = [
    ("image_to_video", CLIP, 25),
    ("text_to_video", {"model": "veo3.1", "promptText": "A serene forest with sunlight "
                       "filtering through the trees", "ratio": "1280:720", "duration": 6}, 240),
    ("video_to_video", {"model": "gen4_aleph", "videoUri": "https://example.com/source-video.mp4",
                        "promptText": "Add magical sparkles and fairy dust effects",
                        "ratio": "1280:720"}, 75),
    ("text_to_image", {"model": "gen4_image_turbo", "promptText": "A futuristic cityscape at "
                       "sunset", "ratio": "1920:1080", "referenceImages": []}, 2),
    ("video_upscale", {"model": "upscale_v1",
                       "videoUri": "https://example.com/low-res-video.mp4"}, 80),
    ("sound_effect", {"model": "eleven_text_to_sound_v2",
                      "promptText": "Thunder rumbling in the distance"}, 2),
]  # fmt: skip


@pytest.mark.parametrize(("endpoint", "body", "credits"), SEED_BODIES)
def test_bodies_of_the_original_document_run_unchanged(
    endpoint: str, body: dict[str, Any], credits: int
) -> None:
    world = World()
    task = world.create(endpoint, **body)
    assert task.estimate == credits
    world.finish()
    view = world.read(task)
    assert view["status"] == "SUCCEEDED"
    assert view["cost"]["credits"] <= credits


@pytest.mark.parametrize("index", [2, 3, 4])
def test_strict_models_refuses_what_the_service_refuses_today(index: int) -> None:
    endpoint, body, _ = SEED_BODIES[index]
    answer = refused(World(strict_models=True), endpoint, **body)
    assert answer.status == 400
    assert answer.body["issues"]


def test_other_models_of_the_original_document_run() -> None:
    world = World(credits=5000)
    still = {"promptImage": "https://example.com/a.jpg", "promptText": "wind"}
    tasks = [
        world.create(model="gen3a_turbo", ratio="1280:768", duration=5, **still),
        world.create(model="veo3.1", ratio="1280:720", duration=4, **still),
        world.create(model="veo3", ratio="720:1280", duration=8, **still),
    ]
    for model, seconds in (("veo3.1_fast", 8), ("veo3", 8)):
        body = {"model": model, "promptText": "rain", "ratio": "720:1280", "duration": seconds}
        tasks.append(world.create("text_to_video", **body))
    body = {"model": "gen4_image", "promptText": "a tower", "ratio": "1024:1024"}
    tasks.append(world.create("text_to_image", **body))
    world.finish()
    assert {world.status(task) for task in tasks} == {"SUCCEEDED"}


# Back door and settings


def test_advance_lets_time_pass_at_once() -> None:
    world = World()
    task = world.create()
    world.backend.advance(LONG_S)
    assert world.status(task) == "SUCCEEDED"


def test_reset_begins_again_with_the_first_credits() -> None:
    world = World()
    world.create()
    world.backend.reset()
    world.key = world.backend.login(DEFAULT_KEY)
    assert world.balance == 1000
    assert not world.backend.state.tasks
    assert world.backend.ground.public_url == "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"host": "0.0.0.0"}, "loopback only"),  # noqa: S104 - to be refused
        ({"host": "example.com"}, "loopback only"),
        ({"speed": 0.0}, "speed must be above zero"),
        ({"speed": float("nan")}, "speed must be above zero"),
        ({"tier": 6}, "unknown tier"),
        ({"media": "none"}, "unknown media"),
        ({"progress": "backwards"}, "unknown progress"),
    ],
)
def test_options_that_cannot_be_used_are_a_usage_error(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        EmulatorOptions(**changes)
