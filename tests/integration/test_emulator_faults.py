"""Scripted faults over real sockets: what the client sees, and what it was charged."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import runner
from runner.core.catalog import Catalog
from runner.emulator.options import EmulatorOptions
from runner.emulator.scenario import parse_scenario
from runner.emulator.server import Emulator
from runner.testing import FakeClock

CATALOG = Catalog.from_dict(
    json.loads((Path(runner.__file__).parent / "data/catalog.json").read_text())
)
HEADERS = {"Authorization": "Bearer key_emulator", "X-Runway-Version": "2024-11-06"}
PICTURE = {"model": "gen4_image", "promptText": "A skyline at dawn", "ratio": "1920:1080"}
SIZE = 200_000  # of a plain file: several chunks


class Bench:
    """An emulator with scripted faults."""

    def __init__(self, emulator: Emulator, clock: FakeClock, web: aiohttp.ClientSession) -> None:
        self.emulator = emulator
        self.clock = clock
        self.web = web

    def script(self, *faults: dict[str, Any]) -> None:
        rng = self.emulator.backend.ground.rng("test")
        self.emulator.use(parse_scenario(list(faults), rng))

    async def create(self) -> tuple[int, dict[str, str], str]:
        url = self.emulator.url + "/v1/text_to_image"
        async with self.web.post(url, json=PICTURE, headers=HEADERS) as answer:
            return answer.status, dict(answer.headers), await answer.text()

    async def read(self, task: str) -> tuple[int, str]:
        url = f"{self.emulator.url}/v1/tasks/{task}"
        async with self.web.get(url, headers=HEADERS) as answer:
            return answer.status, await answer.text()

    async def link(self) -> str:
        task = json.loads((await self.create())[2])["id"]
        self.clock.advance(3600.0)
        return str(json.loads((await self.read(task))[1])["output"][0])

    @property
    def created(self) -> int:
        return len(self.emulator.backend.state.tasks)

    @property
    def charged(self) -> int:
        return sum(task.charged for task in self.emulator.backend.state.tasks.values())


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    clock = FakeClock()
    options = EmulatorOptions(media="plain", plain_bytes=SIZE)
    async with (
        Emulator(CATALOG, clock, options) as emulator,
        aiohttp.ClientSession() as web,
    ):
        yield Bench(emulator, clock, web)


# Creates


@pytest.mark.parametrize("status", [400, 402, 403, 408, 409, 429, 500, 502, 503, 504])
async def test_refused_create_makes_and_charges_nothing(bench: Bench, status: int) -> None:
    bench.script({"on": "create", "do": "refuse", "status": status, "error": "no"})
    found, _, text = await bench.create()
    assert (found, json.loads(text)) == (status, {"error": "no"})
    assert (bench.created, bench.charged) == (0, 0)


async def test_refusal_may_be_text_or_empty_and_say_when_to_come_back(bench: Bench) -> None:
    bench.script(
        {"on": "create", "do": "refuse", "body": "text", "error": "<h1>Busy</h1>", "nth": 1,
         "retry_after": 7},
        {"on": "create", "do": "refuse", "body": "empty", "nth": 2,
         "retry_after": "Wed, 21 Oct 2026 07:28:00 GMT"},
    )  # fmt: skip
    status, headers, text = await bench.create()
    assert (status, headers["Retry-After"], text) == (503, "7", "<h1>Busy</h1>")
    _, headers, text = await bench.create()
    assert (headers["Retry-After"], text) == ("Wed, 21 Oct 2026 07:28:00 GMT", "")
    assert (await bench.create())[0] == 200


async def test_dropped_create_was_never_seen(bench: Bench) -> None:
    bench.script({"on": "create", "do": "drop"})
    with pytest.raises(aiohttp.ClientConnectionError):
        await bench.create()
    assert (bench.created, bench.charged) == (0, 0)


async def test_lost_answer_hides_a_task_that_exists_and_is_charged(bench: Bench) -> None:
    bench.script({"on": "create", "do": "lose"})
    with pytest.raises(aiohttp.ClientConnectionError):
        await bench.create()
    assert (bench.created, bench.charged) == (1, 8)


async def test_garbled_answer_is_a_200_that_nobody_can_read(bench: Bench) -> None:
    bench.script({"on": "create", "do": "garble"})
    status, _, text = await bench.create()
    assert status == 200
    with pytest.raises(ValueError, match="Unterminated"):
        json.loads(text)
    assert (bench.created, bench.charged) == (1, 8)


async def test_late_answer_comes_for_a_task_that_was_made_at_once(bench: Bench) -> None:
    bench.script({"on": "create", "do": "delay", "seconds": 90})
    status, _, _ = await bench.create()
    assert status == 200
    (task,) = bench.emulator.backend.state.tasks.values()
    assert bench.clock.now().timestamp() - task.created_at == 90


async def test_fault_can_wait_before_it_strikes(bench: Bench) -> None:
    bench.script({"on": "create", "do": "lose", "seconds": 30})
    with pytest.raises(aiohttp.ClientConnectionError):
        await bench.create()
    assert bench.clock.monotonic() == 30
    assert bench.created == 1


async def test_refused_read_does_not_touch_the_task(bench: Bench) -> None:
    task = json.loads((await bench.create())[2])["id"]
    bench.script({"on": "read", "do": "refuse", "status": 502, "model": "gen4_image", "count": 1})
    assert (await bench.read(task))[0] == 502
    assert (await bench.read(task))[0] == 200


async def test_task_fails_as_scripted(bench: Bench) -> None:
    bench.script({"on": "create", "do": "fail", "code": "INTERNAL.BAD_OUTPUT.01", "nth": 1})
    task = json.loads((await bench.create())[2])["id"]
    bench.clock.advance(3600.0)
    view = json.loads((await bench.read(task))[1])
    assert (view["status"], view["failureCode"]) == ("FAILED", "INTERNAL.BAD_OUTPUT.01")
    assert view["cost"] == {"credits": 0}


async def test_task_waits_throttled_as_scripted(bench: Bench) -> None:
    bench.script({"on": "create", "do": "throttle", "seconds": 5000})
    task = json.loads((await bench.create())[2])["id"]
    bench.clock.advance(4999.0)
    assert json.loads((await bench.read(task))[1])["status"] == "THROTTLED"
    bench.clock.advance(2.0)
    assert json.loads((await bench.read(task))[1])["status"] == "RUNNING"


async def test_key_and_version_are_checked_after_the_fault(bench: Bench) -> None:
    """A refusal of the network does not depend on who asks."""
    bench.script({"on": "organization", "do": "refuse", "status": 504})
    async with bench.web.get(bench.emulator.url + "/v1/organization") as answer:
        assert answer.status == 504


# Downloads


async def test_cut_download_gives_the_bytes_before_the_cut(bench: Bench) -> None:
    link = await bench.link()
    bench.script({"do": "cut", "bytes": 1000, "nth": 1})
    got = b""
    async with bench.web.get(link) as answer:
        assert answer.content_length is not None
        assert answer.content_length > SIZE
        with contextlib.suppress(aiohttp.ClientPayloadError):
            async for piece in answer.content.iter_any():
                got += piece
    assert len(got) == 1000
    etag = answer.headers["ETag"]
    more = {"Range": "bytes=1000-", "If-Range": etag}
    async with bench.web.get(link, headers=more) as answer:
        assert answer.status == 206
        rest = await answer.read()
    async with bench.web.get(link) as answer:
        assert got + rest == await answer.read()


async def test_wrong_length_promises_more_than_comes(bench: Bench) -> None:
    link = await bench.link()
    bench.script({"do": "wrong_length", "bytes": 5})
    async with bench.web.get(link) as answer:
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()


async def test_server_that_ignores_range_sends_everything(bench: Bench) -> None:
    link = await bench.link()
    bench.script({"do": "no_range"})
    async with bench.web.get(link, headers={"Range": "bytes=1000-"}) as answer:
        assert answer.status == 200
        assert len(await answer.read()) > SIZE


async def test_link_expires_as_scripted(bench: Bench) -> None:
    link = await bench.link()
    bench.script({"do": "expire", "count": 1})
    async with bench.web.get(link) as answer:
        assert answer.status == 403
    async with bench.web.get(link) as answer:
        assert answer.status == 200


async def test_download_stalls_and_goes_on(bench: Bench) -> None:
    link = await bench.link()
    bench.script({"do": "stall", "bytes": 10, "seconds": 300})
    before = bench.clock.monotonic()
    async with bench.web.get(link) as answer:
        body = await answer.read()
    assert bench.clock.monotonic() - before == 300
    assert len(body) > SIZE


async def test_download_drips(bench: Bench) -> None:
    link = await bench.link()
    bench.script({"do": "drip", "bytes": 50_000, "seconds": 10})
    before = bench.clock.monotonic()
    async with bench.web.get(link) as answer:
        body = await answer.read()
    assert len(body) > SIZE
    assert bench.clock.monotonic() - before == 40


async def test_redirected_download_ends_at_the_file(bench: Bench) -> None:
    link = await bench.link()
    bench.script({"do": "redirect"})
    async with bench.web.get(link, allow_redirects=False) as answer:
        assert answer.status == 302
    async with bench.web.get(link) as answer:
        assert answer.status == 200
        assert len(answer.history) == 1
        assert len(await answer.read()) > SIZE


@pytest.mark.parametrize("status", [404, 500, 503])
async def test_refused_download_is_an_error_answer(bench: Bench, status: int) -> None:
    link = await bench.link()
    bench.script({"on": "download", "do": "refuse", "status": status, "endpoint": "text_to_image"})
    async with bench.web.get(link) as answer:
        assert answer.status == status


async def test_download_starts_late_or_not_at_all(bench: Bench) -> None:
    link = await bench.link()
    bench.script(
        {"on": "download", "do": "delay", "seconds": 60, "nth": 1},
        {"on": "download", "do": "drop", "nth": "2-9"},
    )
    before = bench.clock.monotonic()
    async with bench.web.get(link) as answer:
        assert answer.status == 200
        assert bench.clock.monotonic() - before == 60
    with pytest.raises(aiohttp.ClientConnectionError):
        await bench.web.get(link)


async def test_losing_answers_leaves_downloads_alone(bench: Bench) -> None:
    link = await bench.link()
    bench.script({"do": "lose"}, {"do": "garble"})
    async with bench.web.get(link) as answer:
        assert len(await answer.read()) > SIZE


async def test_faults_leave_the_back_door_open(bench: Bench) -> None:
    bench.script({"do": "refuse"})
    async with bench.web.get(bench.emulator.url + "/_emulator/") as answer:
        assert answer.status == 200
