"""A hostile service over real sockets: lost answers, dead hosts, odd files, a changing account."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import runner
from runner.emulator.options import EmulatorOptions
from runner.emulator.rules import DOWNLOAD_FAULTS
from runner.emulator.server import Emulator
from runner.testing import FakeClock
from tests.emulated_api import catalog
from tests.integration.test_emulator_faults import HEADERS, PICTURE, SIZE, Bench

DOCS = Path(runner.__file__).parent.parent / "docs/reference/scenarios.md"


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    clock = FakeClock()
    options = EmulatorOptions(media="plain", plain_bytes=SIZE)
    async with (
        Emulator(catalog(), clock, options) as emulator,
        aiohttp.ClientSession() as web,
    ):
        yield Bench(emulator, clock, web)
    clock.close()


async def door(bench: Bench, path: str, body: Any = None) -> tuple[int, Any]:
    """The back door."""
    url = f"{bench.emulator.url}/_emulator/{path}"
    method = "GET" if body is None else "POST"
    async with bench.web.request(method, url, json=body) as answer:
        return answer.status, await answer.json()


async def get(bench: Bench, path: str) -> aiohttp.ClientResponse:
    async with bench.web.get(bench.emulator.url + path, headers=HEADERS) as answer:
        await answer.read()
        return answer


# Answers that do not come


@pytest.mark.parametrize("how", ["close", "reset", "cut"])
async def test_lost_answer_leaves_a_charged_task_behind(bench: Bench, how: str) -> None:
    bench.script({"on": "create", "do": "lose", "how": how})
    with pytest.raises(aiohttp.ClientError):
        await bench.create()
    assert (bench.created, bench.charged) == (1, 8)
    _, state = await door(bench, "state")
    assert state["creates"][0]["fault"] == "lose"
    assert state["injected"] == {"create lose": 1}
    assert state["strikes"][0]["subject"] == state["creates"][0]["digest"]


@pytest.mark.parametrize(("do", "made"), [("drop", 0), ("lose", 1)])
async def test_answer_that_never_comes_ends_with_the_client_or_its_time(
    bench: Bench, do: str, made: int
) -> None:
    bench.script({"on": "create", "do": do, "how": "hang", "nth": 1},
                 {"on": "create", "do": do, "how": "hang", "seconds": 900, "nth": 2})  # fmt: skip
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await bench.create()
    assert bench.created == made
    with pytest.raises(aiohttp.ClientError):
        await bench.create()
    assert bench.clock.monotonic() == 900
    assert bench.created == 2 * made


async def test_stopped_server_lets_go_of_waiting_clients() -> None:
    options = EmulatorOptions(media="plain")
    async with aiohttp.ClientSession() as web:
        async with Emulator(catalog(), FakeClock(), options) as emulator:
            bench = Bench(emulator, FakeClock(), web)
            bench.script({"do": "drop", "how": "hang"})
            waiting = asyncio.ensure_future(bench.create())
            while not emulator.seen["create"]:
                await asyncio.wait([waiting], timeout=0.01)
        with pytest.raises(aiohttp.ClientError):
            await waiting


@pytest.mark.parametrize(
    ("body", "text"), [("json", '{"error": "no"}'), ("html", "<html>"), ("empty", "")]
)
async def test_carried_out_and_denied(bench: Bench, body: str, text: str) -> None:
    bench.script({"on": "create", "do": "deny", "status": 502, "body": body, "error": "no"})
    status, _, found = await bench.create()
    assert (status, found[: len(text)]) == (502, text)
    assert (bench.created, bench.charged) == (1, 8)


@pytest.mark.parametrize("body", ["json", "text", "html", "empty", "no_id"])
async def test_garbled_answers_name_no_task(bench: Bench, body: str) -> None:
    bench.script({"on": "create", "do": "garble", "body": body})
    status, _, text = await bench.create()
    assert (status, bench.created) == (200, 1)
    try:
        found = json.loads(text)
    except ValueError:
        found = {}
    assert "id" not in found
    assert (found == {"estimatedCost": {"credits": 8}}) is (body == "no_id")


@pytest.mark.parametrize("path", ["/v1/organization", "/v1/tasks/x"])
@pytest.mark.parametrize("do", ["refuse", "drop", "delay"])
async def test_faults_strike_every_call(bench: Bench, path: str, do: str) -> None:
    bench.script({"do": do, "status": 500, "seconds": 30})
    if do == "drop":
        with pytest.raises(aiohttp.ClientError):
            await get(bench, path)
    else:
        assert ((await get(bench, path)).status == 500) is (do == "refuse")
    # a read whose connection is dropped is sent once more by the HTTP library itself
    assert bench.clock.monotonic() == (60 if do == "drop" else 30)


async def test_upload_and_usage_and_storage_are_struck_by_name(bench: Bench) -> None:
    bench.script(
        *({"on": on, "do": "refuse", "status": 418} for on in ("upload", "usage", "store"))
    )
    for path in ("/v1/uploads", "/v1/organization/usage", "/storage/x"):
        async with bench.web.post(bench.emulator.url + path, json={}, headers=HEADERS) as answer:
            assert answer.status == 418
    _, state = await door(bench, "state")
    assert state["injected"] == {"upload refuse": 1, "usage refuse": 1, "store refuse": 1}


# A host that is not there


async def test_refused_connections_and_a_return_at_the_same_port(bench: Bench) -> None:
    await bench.create()
    await bench.emulator.shut()
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await bench.create()  # on the connection that was open
    with pytest.raises(aiohttp.ClientConnectorError):
        await bench.create()
    await bench.emulator.reopen()
    assert (await bench.create())[0] == 200
    assert bench.created == 2


async def test_outage_by_the_back_door_ends_by_itself(bench: Bench) -> None:
    with bench.clock.outside():
        assert await door(bench, "outage", {"seconds": 7200}) == (200, {})
        with pytest.raises(aiohttp.ClientError):
            await bench.create()
    await bench.clock.sleep(7201)
    assert (await bench.create())[0] == 200


async def test_outage_without_the_api_leaves_the_back_door_open(bench: Bench) -> None:
    bench.script({"on": "create", "do": "refuse", "status": 418})
    await door(bench, "outage", {"seconds": 60, "how": "unavailable"})
    assert (await bench.create())[0] == 503
    bench.clock.advance(61)
    assert (await bench.create())[0] == 418
    assert (await door(bench, "outage", {"seconds": 60, "how": "dark"}))[0] == 400


async def test_outage_of_a_scenario_begins_and_ends_on_the_emulators_clock(bench: Bench) -> None:
    with bench.clock.outside():
        bench.emulator.script({"outages": [{"begin": 10, "end": 20}]})
        assert (await bench.create())[0] == 200
    await bench.clock.sleep(11)
    with bench.clock.outside(), pytest.raises(aiohttp.ClientConnectorError):
        await bench.create()
    await bench.clock.sleep(10)
    assert (await bench.create())[0] == 200


async def test_replaced_scenario_ends_its_outage(bench: Bench) -> None:
    with bench.clock.outside():
        bench.emulator.script({"outages": [{}]})
        while not await is_refused(bench):
            pass
        bench.emulator.script({})
        while await is_refused(bench):
            pass


async def is_refused(bench: Bench) -> bool:
    try:
        await get(bench, "/v1/organization")
    except aiohttp.ClientConnectorError:
        return True
    return False


# The time


async def test_every_answer_tells_the_emulators_time_with_its_skew(bench: Bench) -> None:
    await door(bench, "advance", {"seconds": 86_400})
    link = await bench.link()
    assert (await door(bench, "settings", {"date_skew_s": -90}))[0] == 200
    for url in ("/v1/organization", "/v1/tasks/x", link.removeprefix(bench.emulator.url)):
        told = parsedate_to_datetime((await get(bench, url)).headers["Date"])
        assert told.timestamp() == bench.emulator.backend.ground.now() - 90


# Files


async def test_odd_files_come_as_their_fault_says(bench: Bench) -> None:
    link = await bench.link()
    async with bench.web.get(link) as answer:
        whole = await answer.read()
    bench.script({"do": "short", "bytes": 50, "nth": 1}, {"do": "gzip", "nth": 2},
                 {"do": "no_length", "nth": 3}, {"do": "page", "nth": 4})  # fmt: skip
    async with bench.web.get(link) as answer:
        assert (answer.content_length, await answer.read()) == (50, whole[:50])
    async with bench.web.get(link) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert await answer.read() == whole
    async with bench.web.get(link) as answer:
        assert "Content-Length" not in answer.headers
        assert await answer.read() == whole
    async with bench.web.get(link) as answer:
        assert answer.content_type == "text/html"


async def test_stalled_download_stalls_for_ever(bench: Bench) -> None:
    link = await bench.link()
    bench.script({"do": "stall", "bytes": 10})
    async with bench.web.get(link) as answer:
        assert await answer.content.readexactly(10)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await answer.content.readexactly(1)


@pytest.mark.parametrize("location", ["https://10.0.0.1/secret", "http://169.254.169.254/", "loop"])
async def test_redirect_goes_anywhere(bench: Bench, location: str) -> None:
    link = await bench.link()
    bench.script({"do": "redirect", "location": location})
    async with bench.web.get(link, allow_redirects=False) as answer:
        assert answer.status == 302
        target = answer.headers["Location"]
    assert target == location or location == "loop"
    if location == "loop":
        with pytest.raises(aiohttp.TooManyRedirects):
            await bench.web.get(link)


async def test_each_link_expires_so_often_and_then_opens(bench: Bench) -> None:
    links = [await bench.link() for _ in range(2)]
    bench.script({"do": "expire", "count": 3, "each": True})
    seen = {link: [(await get(bench, link.removeprefix(bench.emulator.url))).status
                   for _ in range(4)] for link in links}  # fmt: skip
    assert list(seen.values()) == [[403, 403, 403, 200]] * 2


@pytest.mark.parametrize("do", DOWNLOAD_FAULTS)
async def test_no_download_fault_touches_money_or_task(bench: Bench, do: str) -> None:
    link = await bench.link()
    bench.script({"do": do, "bytes": 10, "seconds": 1, "count": 1})
    with contextlib.suppress(aiohttp.ClientError):
        async with bench.web.get(link) as answer:
            await answer.read()
    async with bench.web.get(link) as answer:
        assert answer.status == 200
        assert len(await answer.read()) > SIZE
    assert (bench.created, bench.charged) == (1, 8)


# The account, by the back door


async def test_account_changes_while_it_is_used(bench: Bench) -> None:
    status, found = await door(bench, "account", {"balance": 20, "tier": 3, "add_credits": -4})
    assert (status, found["balance"], found["tier"]) == (200, 16, 3)
    limits = {"gen4_image": {"concurrent": 7, "daily": None}}
    await door(bench, "account", {"limits": limits, "recharge": {"below": 1, "to": 99}})
    async with bench.web.get(bench.emulator.url + "/v1/organization", headers=HEADERS) as answer:
        told = (await answer.json())["tier"]["models"]["gen4_image"]
    assert told == {"maxConcurrentGenerations": 7, "maxDailyGenerations": None}
    await door(bench, "account", {"disabled": True})
    assert (await bench.create())[0] == 401
    await door(bench, "account", {"disabled": False})
    assert [(await bench.create())[0] for _ in range(3)] == [200, 200, 400]
    bench.clock.advance(3601)
    assert (await bench.create())[0] == 200


async def test_others_create_on_our_account(bench: Bench) -> None:
    body = {"count": 200, "endpoint": "text_to_image", "model": "gen4_image", "credits": 1}
    assert await door(bench, "others", body) == (200, {"made": 200})
    status, _, text = await bench.create()
    assert (status, "daily" in text) == (429, True)
    _, found = await door(bench, "totals")
    account = found["accounts"]["key_emulator"]
    assert (account["balance"], account["creates"], account["refused"]) == (9800, 0, 1)
    assert found["requests"] == {"create": 1}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("account", {"tier": 9}),
        ("account", {"balanse": 9}),
        ("account", {"key": "key_of_nobody", "tier": 1}),
        ("account", {"limits": {"*": {"daily": "many"}}}),
        ("others", {"count": -1}),
        ("settings", {"link_life_s": "long"}),
        ("outage", {"seconds": -5}),
        ("advance", {"seconds": "soon"}),
    ],
)
async def test_bad_wishes_are_told_and_change_nothing(bench: Bench, path: str, body: Any) -> None:
    status, answer = await door(bench, path, body)
    assert status in {400, 404}
    assert answer["error"]
    _, found = await door(bench, "totals")
    assert (found["accounts"]["key_emulator"]["tier"], found["tasks"]) == (1, 0)


async def test_state_is_told_from_a_create_on(bench: Bench) -> None:
    for _ in range(3):
        await bench.create()
    _, state = await door(bench, "state?since=1")
    assert [line["index"] for line in state["creates"]] == [1, 2]
    assert state["accounts"]["key_emulator"]["equal"] == {state["creates"][0]["digest"]: 3}
    assert (await door(bench, "state?since=x"))[0] == 400


async def test_the_reference_lists_the_back_door(bench: Bench) -> None:
    told = set(re.findall(r"`(GET|POST) (/_emulator/[a-z]*)`", DOCS.read_text(encoding="utf-8")))
    routes = {
        (route.method, route.resource.canonical)
        for route in bench.emulator.app().router.routes()
        if route.resource and route.resource.canonical.startswith("/_emulator/")
    }
    assert told == {route for route in routes if route[0] != "HEAD"}


async def test_sent_and_lost_generations_are_in_the_routers_history(bench: Bench) -> None:
    url = bench.emulator.url + "/v1/"
    async with bench.web.post(url + "routers", json={"slug": "run"}, headers=HEADERS) as answer:
        router = (await answer.json())["id"]
    bench.script({"on": "create", "endpoint": "generate/*", "do": "lose"})
    wanted = {"configId": "run", "input": {"promptText": PICTURE["promptText"]}}
    with pytest.raises(aiohttp.ClientError):
        await bench.web.post(url + "generate/image", json=wanted, headers=HEADERS)
    answer = await bench.web.get(url + f"routers/{router}/requests?limit=100", headers=HEADERS)
    (line,) = (await answer.json())["data"]
    _, state = await door(bench, "state")
    assert line["taskId"] == state["creates"][0]["id"]
