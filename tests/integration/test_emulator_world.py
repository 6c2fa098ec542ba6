"""A world that survives a kill, and the emulator as a process of its own."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import runner
from runner.clock import SystemClock
from runner.core.catalog import Catalog
from runner.emulator.acceptance import Script
from runner.emulator.answers import Refusal
from runner.emulator.backend import Backend, ExtraKey
from runner.emulator.controls import Controls, Creates
from runner.emulator.links import token_of
from runner.emulator.options import DEFAULT_KEY, EmulatorOptions
from runner.emulator.routing import Routers
from runner.emulator.serve import serve
from runner.emulator.server import Emulator
from runner.emulator.truth import totals
from runner.emulator.uploads import Uploads
from runner.emulator.world import WorldFile
from runner.errors import UsageError
from runner.testing import FakeClock

CATALOG = Catalog.from_dict(
    json.loads((Path(runner.__file__).parent / "data/catalog.json").read_text())
)
HEADERS = {"Authorization": "Bearer key_emulator", "X-Runway-Version": "2024-11-06"}
PICTURE = {"model": "gen4_image", "promptText": "A skyline at dawn", "ratio": "1920:1080"}
CLIP = {"model": "gen4_turbo", "promptImage": "https://example.com/a.jpg", "ratio": "1280:720",
        "duration": 5}  # fmt: skip


@contextmanager
def living(folder: Path, clock: FakeClock, **changes: Any) -> Iterator[Backend]:
    """One life of a world."""
    with closing(WorldFile(folder)) as world:
        options = EmulatorOptions(**{"credits": 1000, **changes})
        backend = Backend(CATALOG, clock, options, journal=world, earlier=world.read())
        backend.ground.public_url = "http://127.0.0.1:8000"
        yield backend


def test_task_balance_and_links_live_on(tmp_path: Path) -> None:
    clock = FakeClock()
    with living(tmp_path, clock) as backend:
        key = backend.login(DEFAULT_KEY)
        task = backend.create(key, "text_to_image", PICTURE)
        clock.advance(3600.0)
        link = backend.read(key, task.id)["output"][0]
    with living(tmp_path, clock) as backend:
        key = backend.login(DEFAULT_KEY)
        assert backend.read(key, task.id)["status"] == "SUCCEEDED"
        assert backend.organization(key)["creditBalance"] == 992
        assert backend.open_link(*token_of(link)).task == task.id


def test_unfinished_tasks_end_while_nobody_serves(tmp_path: Path) -> None:
    clock = FakeClock()
    with living(tmp_path, clock) as backend:
        key = backend.login(DEFAULT_KEY)
        tasks = [backend.create(key, "image_to_video", CLIP) for _ in range(3)]
        refunded = Script(fails=True, code="INTERNAL")
        failing = backend.create(key, "text_to_image", PICTURE, refunded)
    clock.advance(3600.0)
    with living(tmp_path, clock) as backend:
        views = [backend.read(key, task.id) for task in tasks]
        assert {view["status"] for view in views} == {"SUCCEEDED"}
        assert backend.read(key, failing.id)["status"] == "FAILED"
        assert backend.organization(key)["creditBalance"] == 925


def test_queue_keeps_its_order_and_its_slots(tmp_path: Path) -> None:
    clock = FakeClock()
    with living(tmp_path, clock) as backend:
        key = backend.login(DEFAULT_KEY)
        first, second, third = (backend.create(key, "image_to_video", CLIP) for _ in range(3))
    with living(tmp_path, clock) as backend:
        states = [backend.read(key, task.id)["status"] for task in (first, second, third)]
        assert states == ["PENDING", "THROTTLED", "THROTTLED"]
        ends = backend.state.tasks[first.id].end_at or 0.0
        clock.advance(ends - first.created_at + 0.001)
        states = [backend.read(key, task.id)["status"] for task in (first, second, third)]
        assert states == ["SUCCEEDED", "RUNNING", "THROTTLED"]


def test_same_history_whether_killed_or_not(tmp_path: Path) -> None:
    """A world that is reopened before every call ends like one that was never closed."""

    def history(lives: bool) -> list[tuple[str, float | None, int]]:
        clock, folder = FakeClock(), tmp_path / str(lives)
        steps = [("image_to_video", CLIP), ("text_to_image", PICTURE)] * 6
        with living(folder, clock) as backend:
            key = backend.login(DEFAULT_KEY)
        context = living(folder, clock)
        backend = context.__enter__()
        for endpoint, body in steps:
            if lives:
                context.__exit__(None, None, None)
                context = living(folder, clock)
                backend = context.__enter__()
            backend.create(key, endpoint, body)
            clock.advance(20.0)
        clock.advance(7200.0)
        backend.settle()
        found = [(t.id, t.start_at, t.charged) for t in backend.state.tasks.values()]
        context.__exit__(None, None, None)
        return sorted(found)

    assert history(True) == history(False)


def test_quota_uploads_routers_keys_and_clock_live_on(tmp_path: Path) -> None:
    clock = FakeClock()
    with living(tmp_path, clock) as backend:
        key = backend.login(DEFAULT_KEY)
        backend.create(key, "text_to_image", PICTURE)
        uploads, routers = Uploads(backend), Routers(backend)
        uri = uploads.begin(key, {"filename": "a.png", "type": "ephemeral"})["runwayUri"]
        uploads.finish(uploads.expected(uri.removeprefix("runway://")), 600, {"megapixels": 1.0})
        router = routers.create(key, {"slug": "night"})
        wanted = {"configId": "night", "input": {"promptText": "rain"}}
        made = routers.generate(key, "image", wanted, Script())
        backend.add_key(ExtraKey(key="key_poor", credits=5))
        backend.advance(60.0)
    with living(tmp_path, clock) as backend:
        usage = backend.organization(key)["usage"]["models"]["gen4_image"]
        assert usage == {"dailyGenerations": 1}
        backend.create(key, "image_to_video", {**CLIP, "promptImage": uri})
        page = Routers(backend).requests(key, router["id"], "10", None)
        assert [line["taskId"] for line in page["data"]] == [made["id"]]
        poor = backend.login("key_poor")
        assert backend.organization(poor)["creditBalance"] == 5
        assert backend.ground.now() - clock.now().timestamp() == 60.0


def test_sums_settings_limits_and_owed_refunds_live_on(tmp_path: Path) -> None:
    clock = FakeClock()
    with living(tmp_path, clock) as backend:
        controls, key = Controls(backend), backend.login(DEFAULT_KEY)
        controls.set_knobs({"refund_delay_s": 600.0, "link_life_s": 5.0})
        controls.set_limits("gen4_image", {"concurrent": 1, "daily": 3})
        controls.create_by_others(Creates(model="gen4_image", credits=5, age_s=60.0))
        backend.create(key, "text_to_image", PICTURE)
        backend.create(key, "text_to_image", PICTURE, Script(fails=True, code="INTERNAL"))
        clock.advance(300.0)
        before = totals(backend)
        use = backend.usage(key, None, None)
        assert backend.ground.account(key).balance == 1000 - 5 - 2 * 8
    with living(tmp_path, clock) as backend:
        assert totals(backend) == before
        assert list(before["accounts"][DEFAULT_KEY]["equal"].values()) == [2]
        assert backend.usage(key, None, None) == use
        assert backend.ground.knobs.link_life_s == 5.0
        with pytest.raises(Refusal, match="429"):
            backend.create(key, "text_to_image", PICTURE)
        clock.advance(600.0)
        assert backend.organization(key)["creditBalance"] == 1000 - 5 - 8


def test_restart_with_more_credits_gives_none(tmp_path: Path) -> None:
    clock = FakeClock()
    with living(tmp_path, clock):
        pass
    with living(tmp_path, clock, credits=9999) as backend:
        assert backend.organization(backend.login(DEFAULT_KEY))["creditBalance"] == 1000


def test_reset_empties_the_file_too(tmp_path: Path) -> None:
    clock = FakeClock()
    with living(tmp_path, clock) as backend:
        backend.create(backend.login(DEFAULT_KEY), "text_to_image", PICTURE)
        backend.reset()
    with living(tmp_path, clock) as backend:
        assert not backend.state.tasks


def test_second_emulator_on_one_world_is_refused(tmp_path: Path) -> None:
    with living(tmp_path, FakeClock()), pytest.raises(UsageError, match="cannot be used") as caught:
        WorldFile(tmp_path)
    assert "another emulator" in caught.value.hint


def test_file_that_is_no_world_is_refused(tmp_path: Path) -> None:
    (tmp_path / "world.db").write_bytes(b"no database at all, but long enough to look" * 40)
    with pytest.raises(UsageError, match="cannot be used"):
        WorldFile(tmp_path)


def test_world_of_another_version_is_refused(tmp_path: Path) -> None:
    with living(tmp_path, FakeClock()):
        pass
    with closing(sqlite3.connect(tmp_path / "world.db")) as db:
        db.execute("insert into records values ('dragon', '1', '{}')")
        db.commit()
    with closing(WorldFile(tmp_path)) as world, pytest.raises(UsageError, match="cannot be read"):
        world.read()


# The process


PROCESS = """
    import asyncio, json, sys
    from pathlib import Path
    import runner
    from runner.clock import SystemClock
    from runner.core.catalog import Catalog
    from runner.emulator.options import EmulatorOptions
    from runner.emulator.serve import serve

    catalog = Catalog.from_dict(
        json.loads((Path(runner.__file__).parent / "data/catalog.json").read_text())
    )
    options = EmulatorOptions(world=Path(sys.argv[1]), media="plain", credits=100_000, tier=5)
    ready = lambda url: sys.stdout.write(url + "\\n") and sys.stdout.flush()
    asyncio.run(serve(options, catalog, SystemClock(), ready))
"""


def spawn(folder: Path) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROCESS), str(folder)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


async def test_every_answered_create_survives_kill_9(tmp_path: Path) -> None:
    """Answers are read until the process is shot; each of them must be there afterwards."""
    answered: list[str] = []
    for _ in range(3):
        process, url = await asyncio.to_thread(spawn, tmp_path)
        try:
            async with aiohttp.ClientSession(headers=HEADERS) as web:
                await create_until_shot(web, url, process, answered)
        finally:
            process.kill()
            await asyncio.to_thread(process.communicate)
    with closing(WorldFile(tmp_path)) as world:
        options = EmulatorOptions(credits=100_000, tier=5)
        backend = Backend(CATALOG, SystemClock(), options, journal=world, earlier=world.read())
    stored = backend.state.tasks
    assert len(answered) >= 30
    assert set(answered) <= set(stored)
    (account,) = backend.state.accounts.values()
    assert account.balance == 100_000 - sum(task.charged for task in stored.values())


async def create_until_shot(
    web: aiohttp.ClientSession, url: str, process: subprocess.Popen[str], answered: list[str]
) -> None:
    async def one() -> None:
        async with web.post(url + "/v1/text_to_image", json=PICTURE) as answer:
            answered.append((await answer.json())["id"])

    for _ in range(12):
        await one()
    burst = [asyncio.create_task(one()) for _ in range(20)]
    process.send_signal(signal.SIGKILL)
    for outcome in await asyncio.gather(*burst, return_exceptions=True):
        assert outcome is None or isinstance(outcome, aiohttp.ClientError)


async def test_serving_ends_after_a_time_without_requests() -> None:
    clock = FakeClock()
    urls: list[str] = []
    options = EmulatorOptions(media="plain", idle_exit_s=30.0)
    await serve(options, CATALOG, clock, urls.append)
    assert urls[0].startswith("http://127.0.0.1:")
    assert 30.0 <= clock.monotonic() <= 32.0


async def test_taken_port_is_a_usage_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        options = EmulatorOptions(media="plain", port=port)
        with pytest.raises(UsageError, match=f"cannot listen on `127.0.0.1:{port}`"):
            await serve(options, CATALOG, SystemClock(), lambda _: None)


async def test_cancelled_serving_stops_and_frees_the_world(tmp_path: Path) -> None:
    ready = asyncio.Event()
    options = EmulatorOptions(media="plain", world=tmp_path)
    serving = asyncio.create_task(serve(options, CATALOG, SystemClock(), lambda _: ready.set()))
    await ready.wait()
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    WorldFile(tmp_path).close()


async def test_bad_scenario_file_is_told_before_anything_is_served(tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text("faults: [{do: explode}]")
    options = EmulatorOptions(media="plain", scenario=path)
    with pytest.raises(UsageError, match=r"faults\[0\]\.do"):
        await serve(options, CATALOG, SystemClock(), lambda _: None)


async def test_scenario_of_the_options_is_in_force(tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text("keys: [{key: key_off, disabled: true}]\nfaults: [{on: usage, do: refuse}]")
    options = EmulatorOptions(media="plain", scenario=path)
    async with Emulator(CATALOG, SystemClock(), options) as emulator:
        assert len(emulator.scenario.faults) == 1
        assert emulator.backend.state.keys["key_off"].disabled
