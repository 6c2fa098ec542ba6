"""The history of a Model Router, page by page: the one way to find a lost task again.

What it says decides whether a create is taken for lost, so it is complete or it is an error.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.clock import ServiceClock, SystemClock
from runner.core.spec import router_of
from runner.core.task import RouterRequest
from runner.emulator.options import DEFAULT_KEY, EmulatorOptions
from runner.emulator.routing import Routers
from runner.emulator.server import Emulator
from runner.errors import AccountError, PermanentApiError, SubmitUncertain, TransientApiError
from runner.runway import client as client_module
from runner.runway.client import RunwayClient
from runner.runway.routers import Page, is_enough, routed_from_json, routers_from_json
from runner.testing import START, FakeClock

from .hostile import HostileServer, Seen, Step, reply
from .stage import CATALOG
from .test_client import TASK, ok, settings, talking_to

AT = datetime(2026, 10, 23, 8, 0, tzinfo=UTC)


def entry(minute: int, **changes: Any) -> dict[str, Any]:
    at = (AT + timedelta(minutes=minute)).isoformat().replace("+00:00", "Z")
    return {
        "id": f"r{minute}", "requestId": f"q{minute}", "taskId": f"task-{minute}", "createdAt": at,
        "status": "routed", "model": "gen4.5", "estimatedCredits": 60.5, "pipeline": [], "new": {},
        **changes,
    }  # fmt: skip


def page(*entries: Any, cursor: str | None = None) -> Step:
    return reply(200, json.dumps({"data": entries, "nextCursor": cursor}).encode())


def ids(found: tuple[RouterRequest, ...]) -> list[str | None]:
    return [request.task_id for request in found]


async def test_history_is_read_newest_first_until_it_is_older_than_asked_for():
    pages = (
        page(entry(9), entry(8), cursor="a b&c"),
        page(entry(7), entry(5), cursor="d"),
        page(entry(4), entry(3), cursor="e"),
        page(entry(2), entry(1), cursor="f"),
    )
    async with talking_to(*pages) as (client, server):
        found = await client.get_router_requests("r/1", limit=2, since=AT + timedelta(minutes=4))
    assert ids(found) == ["task-9", "task-8", "task-7", "task-5", "task-4"]
    assert found[0] == RouterRequest(
        task_id="task-9",
        created_at=AT + timedelta(minutes=9),
        model="gen4.5",
        estimated_credits=61,
    )
    assert [seen.path for seen in server.seen] == [
        "/v1/routers/r%2F1/requests?limit=2",
        "/v1/routers/r%2F1/requests?limit=2&cursor=a+b%26c",
        "/v1/routers/r%2F1/requests?limit=2&cursor=d",
    ]


async def test_history_in_another_order_is_read_to_its_end():
    pages = page(entry(1), entry(2), cursor="a"), page(entry(3), entry(9))
    async with talking_to(*pages) as (client, _):
        found = await client.get_router_requests("r", since=AT + timedelta(minutes=3))
    assert ids(found) == ["task-9", "task-3"]


async def test_what_came_to_no_task_is_left_out_and_what_may_have_is_not():
    entries = [
        entry(5, taskId=None),
        entry(4, taskId=None, status="error"),
        entry(3, taskId=None, status="no_eligible_model"),
        entry(2, taskId=None, status="router_config_not_found"),
        entry(1, taskId=None, status="invalid_request", model=None, estimatedCredits=None),
        entry(0, status=["odd"], model=7, estimatedCredits="x"),
    ]
    async with talking_to(page(*entries)) as (client, _):
        found = await client.get_router_requests("r", since=AT)
    assert ids(found) == [None, None, "task-0"]
    assert (found[-1].model, found[-1].estimated_credits) == ("", None)


ODD = {
    "an entry that is none": page(entry(2), None),
    "an id that is none": page(entry(2, taskId="../x")),
    "an id that is a number": page(entry(2, taskId=7)),
    "no time": page(entry(2, createdAt=None)),
    "an unreadable time": page(entry(2, createdAt="yesterday")),
    "no list": reply(200, b'{"nextCursor": null}'),
    "no JSON": reply(200, b"<html>log in</html>"),
    "cut": Step(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", then="close"),
    "server error": reply(502),
}


@pytest.mark.parametrize("words", ODD)
async def test_history_that_is_not_complete_is_an_error_and_not_a_proof(words):
    async with talking_to(page(entry(9), cursor="a"), ODD[words]) as (client, _):
        with pytest.raises(TransientApiError):
            await client.get_router_requests("r", since=AT)


async def test_history_without_end_is_given_up(monkeypatch):
    monkeypatch.setattr(client_module, "MOST_PAGES", 5)
    numbers = iter(range(100))

    def endless(seen: Seen) -> Step:
        return page(entry(9), cursor=str(next(numbers)))

    async with talking_to(endless) as (client, server):
        with pytest.raises(TransientApiError):
            await client.get_router_requests("r", since=AT)
        assert len(server.seen) == 5
    async with talking_to(page(entry(9), cursor="same")) as (client, server):
        with pytest.raises(TransientApiError):
            await client.get_router_requests("r", since=AT)
        assert len(server.seen) == 2


@pytest.mark.parametrize(
    ("status", "kind"), [(404, PermanentApiError), (401, AccountError), (503, TransientApiError)]
)
async def test_refused_history_is_an_error_of_its_kind(status, kind):
    async with talking_to(reply(status, b'{"error": "no"}')) as (client, _):
        with pytest.raises(kind):
            await client.get_router_requests("r", since=AT)


async def test_router_is_found_by_the_slug_that_bodies_name():
    pages = (
        page({"id": "u1", "slug": "run-1"}, {"id": "u2"}, None, cursor="a"),
        page({"id": "u3", "slug": "run-2"}),
    )
    async with talking_to(*pages) as (client, server):
        assert await client.find_router("run-2") == "u3"
    assert server.seen[1].path == "/v1/routers?limit=100&cursor=a"
    async with talking_to(*pages) as (client, _):
        assert await client.find_router("run-3") is None


@pytest.mark.parametrize(
    ("body", "slug"),
    [
        ({"configId": "run-1", "input": {}}, "run-1"),
        ({"configId": 7}, None),
        ({"model": "gen4_turbo"}, None),
        ({}, None),
    ],
)
def test_body_names_its_router(body, slug):
    assert router_of(body) == slug


async def test_lost_task_is_found_again_at_the_emulator():
    options = EmulatorOptions(media="plain", speed=20.0)
    body = {"configId": "run-1", "input": {"promptText": "rain", "duration": 5}}
    async with Emulator(CATALOG, SystemClock(), options) as server:
        where = settings(server.url, key=DEFAULT_KEY)
        async with RunwayClient(where, clock=SystemClock()) as client:
            key = server.backend.login(DEFAULT_KEY)
            Routers(server.backend).create(
                key, {"slug": "run-1", "settings": {"optimizeFor": "cost"}}
            )
            before = SystemClock().now() - timedelta(minutes=1)
            created = [await client.create_task("generate/video", body) for _ in range(3)]
            router = await client.find_router("run-1")
            assert router is not None
            found = await client.get_router_requests(router, since=before, limit=1)
    assert set(ids(found)) == {task.id for task in created}
    assert len(found) == 3
    assert {one.estimated_credits for one in found} == {task.estimated_credits for task in created}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["data", "nextCursor", "taskId", "createdAt", "status", "slug", "id"]),
            inner,
        )
    ),
    max_leaves=8,
)


@given(JSON)
def test_no_json_breaks_the_readers(data):
    routed_from_json(data)
    routers_from_json(data)
    routed_from_json({"data": data})


@given(st.lists(st.integers(0, 9), max_size=6), st.integers(0, 9))
def test_reading_stops_only_where_nothing_newer_can_follow(minutes, since):
    items = tuple(
        RouterRequest(task_id="t", created_at=AT + timedelta(minutes=minute)) for minute in minutes
    )
    stops = is_enough(Page(items=items), AT + timedelta(minutes=since))
    falls = minutes == sorted(minutes, reverse=True) and len(set(minutes)) > 1
    assert stops == (falls and minutes[-1] < since)


# ---- the date of answers ---------------------------------------------------------------------

DATE = "Thu, 01 Jan 2026 05:00:00 GMT"


async def test_every_answer_tells_the_time_at_the_server_whatever_else_it_says():
    steps = [
        ok("created", Date=DATE),
        reply(500, Date=DATE),
        ok("task_running", Date=DATE),
        reply(404, Date=DATE),
        ok("organization", Date=DATE),
        ok("usage", Date="nonsense"),
        ok("upload"),
        Step(then="close"),
    ]
    heard: list[tuple[datetime, datetime, datetime]] = []
    clock = FakeClock()

    def listen(*times: datetime) -> None:
        heard.append((times[0], times[1], times[2]))

    async with (
        HostileServer(list(steps)) as server,
        RunwayClient(settings(server.url), clock=clock, heard=listen) as client,
    ):
        await client.create_task("x", {})
        with pytest.raises(SubmitUncertain):
            await client.create_task("x", {})
        await client.get_task(TASK)
        await client.cancel_task(TASK)
        await client.get_organization()
        await client.get_usage()
        await client.create_upload("a.png")
        with pytest.raises(TransientApiError):
            await client.get_organization()
    assert heard == [(START + timedelta(hours=5), START, START)] * 5


async def test_clock_of_the_service_is_put_right_by_the_client():
    clock = ServiceClock(FakeClock())
    async with (
        HostileServer([ok("organization", Date=DATE)]) as server,
        RunwayClient(settings(server.url), clock=clock, heard=clock.heard) as client,
    ):
        await client.get_organization()
    assert abs(clock.now() - (START + timedelta(hours=5))) <= timedelta(seconds=1)
