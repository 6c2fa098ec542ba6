"""The client against servers that misbehave: what is paid is never sent twice."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import random
import socket
from collections.abc import AsyncIterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from runner.core.task import CreatedTask, TaskStatus
from runner.errors import (
    AccountError,
    ApiError,
    PermanentApiError,
    SubmitUncertain,
    TransientApiError,
    UsageError,
)
from runner.runway.client import RunwayClient
from runner.runway.retrying import RepeatPolicy, RetryingApi
from runner.runway.transport import MOST_JSON_BYTES, ApiSettings
from runner.testing import FakeClock

from .hostile import HostileServer, Script, Step, reply

DATA = Path(__file__).parents[1] / "data" / "runway"
KEY = "key_" + "c0ffee" * 20
TASK = "0b5d1f9e-6f3c-4a53-9a0c-3a1f6f2c7d11"
BODY = {"model": "gen4_turbo", "promptText": "waves", "duration": 5}


def ok(name: str, **fields: str) -> Step:
    return reply(200, (DATA / f"{name}.json").read_bytes(), **fields)


def settings(url: str, **changes: Any) -> ApiSettings:
    return ApiSettings(
        **{"key": KEY, "version": "1.2.3", "base_url": url, "proxies": {}, **changes}
    )


@contextlib.asynccontextmanager
async def talking_to(
    *steps: Script, **changes: Any
) -> AsyncIterator[tuple[RunwayClient, HostileServer]]:
    async with (
        HostileServer(list(steps)) as server,
        RunwayClient(settings(server.url, **changes), clock=FakeClock()) as client,
    ):
        yield client, server


async def create_error(*steps: Script, **changes: Any) -> tuple[ApiError, HostileServer]:
    """The error of one create, which must have arrived exactly once."""
    async with talking_to(*steps, **changes) as (client, server):
        with pytest.raises(ApiError) as caught:
            await client.create_task("image_to_video", BODY)
        assert len(server.seen) == 1, "a create is sent once"
        return caught.value, server


async def test_create_sends_key_version_and_body_once():
    async with talking_to(ok("created")) as (client, server):
        created = await client.create_task("recipes/product_ad", BODY)
    assert created == CreatedTask(id=TASK, estimated_credits=25)
    (seen,) = server.seen
    assert (seen.method, seen.path) == ("POST", "/v1/recipes/product_ad")
    assert json.loads(seen.body) == BODY
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert seen.headers["x-runway-version"] == "2024-11-06"
    assert seen.headers["user-agent"].startswith("runway-batch/1.2.3 (python ")
    assert seen.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (
            reply(400, b'{"error": "You do not have enough credits to run this task."}'),
            AccountError,
        ),
        (reply(401), AccountError),
        (reply(422), PermanentApiError),
        (reply(429, Retry_After="30"), TransientApiError),
        (reply(500, b'{"error": "boom"}'), SubmitUncertain),
        (reply(503, b'{"error": "overloaded"}'), TransientApiError),
        (reply(503, b"<html>"), SubmitUncertain),
        (reply(504), SubmitUncertain),
    ],
)
async def test_answers_become_the_errors_of_the_table(step, kind):
    error, _ = await create_error(step)
    assert type(error) is kind
    assert KEY not in str(error) + error.hint


@pytest.mark.parametrize(
    "step",
    [
        Step(then="close"),
        Step(then="reset"),
        Step(b"HTTP/1.1 200", then="close"),
        Step(b"garbage without end\r\n\r\n", then="close"),
        Step(b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{", then="close"),
        Step(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", then="close"),
        Step(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", then="close"),
        Step(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 20_000 + b"\r\n\r\n", then="close"),
        reply(200),
        reply(200, b"not json"),
        reply(200, b"[" * 100_000),
        reply(200, b'{"id": 7}'),
        reply(204),
        reply(200, b'{"id": "x"}', Content_Encoding="br"),
        reply(200, b"no gzip", Content_Encoding="gzip"),
    ],
)
async def test_create_without_a_readable_answer_is_in_doubt_and_sent_once(step):
    error, _ = await create_error(step)
    assert type(error) is SubmitUncertain


async def test_503_that_is_cut_is_in_doubt():
    """Only the API's own words prove that nothing was created."""
    error, _ = await create_error(
        Step(b'HTTP/1.1 503 X\r\nContent-Length: 99\r\n\r\n{"error": "overl', then="close")
    )
    assert type(error) is SubmitUncertain


async def test_refusal_stays_one_when_its_text_is_cut():
    error, _ = await create_error(
        Step(b"HTTP/1.1 422 X\r\nContent-Length: 99\r\n\r\n{", then="close")
    )
    assert type(error) is PermanentApiError


async def test_create_that_times_out_is_in_doubt():
    error, _ = await create_error(Step(then="stall"), create_timeout_s=0.05)
    assert type(error) is SubmitUncertain
    assert "no answer in time" in error.message


async def test_create_whose_body_stalls_is_in_doubt():
    step = Step(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", then="stall")
    error, _ = await create_error(step, create_timeout_s=0.05)
    assert type(error) is SubmitUncertain


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_of_a_create_is_refused_and_never_followed(status):
    async with HostileServer([ok("created")]) as elsewhere:
        error, _ = await create_error(reply(status, Location=f"{elsewhere.url}/v1/x"))
        assert elsewhere.seen == []
    assert type(error) is AccountError
    assert error.exit_code == 5


async def test_read_follows_no_redirect_either_and_keeps_the_key():
    async with HostileServer([ok("task_pending")]) as elsewhere:
        async with talking_to(reply(302, Location=elsewhere.url)) as (client, _):
            with pytest.raises(PermanentApiError):
                await client.get_task(TASK)
        assert elsewhere.seen == []


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize("call", ["create", "read"])
async def test_connection_never_made_proves_that_nothing_was_created(call):
    where = settings(f"http://127.0.0.1:{unused_port()}")
    async with RunwayClient(where, clock=FakeClock()) as client:
        with pytest.raises(TransientApiError, match="cannot be reached"):
            await (client.create_task("x", BODY) if call == "create" else client.get_task(TASK))


async def test_failed_tls_is_a_connection_never_made():
    async with HostileServer([reply(200)]) as server:
        where = settings(f"https://127.0.0.1:{server.port}", connect_timeout_s=0.1)
        async with RunwayClient(where, clock=FakeClock()) as client:
            with pytest.raises(TransientApiError):
                await client.create_task("x", BODY)
    assert server.seen == []


async def test_dropped_connection_never_sends_a_create_again():
    """The second create meets a kept connection that the server drops: it stays one request."""
    async with talking_to(ok("created"), Step(then="reset"), ok("created")) as (client, server):
        await client.create_task("image_to_video", BODY)
        with pytest.raises(SubmitUncertain):
            await client.create_task("image_to_video", BODY)
    assert [seen.connection for seen in server.seen] == [1, 1]


async def test_create_reuses_no_connection_that_was_idle_for_long():
    assert settings("https://x.example").create_keepalive_s == 0.5
    async with talking_to(ok("created"), create_keepalive_s=0.01) as (client, server):
        await client.create_task("image_to_video", BODY)
        await asyncio.wait_for(server.closed.wait(), 5)  # the client ends it by itself
        await client.create_task("image_to_video", BODY)
    assert [seen.connection for seen in server.seen] == [1, 2]


async def test_reads_share_connections_and_creates_have_their_own():
    async with talking_to(ok("task_pending"), ok("task_pending"), ok("created")) as (
        client,
        server,
    ):
        await client.get_task(TASK)
        await client.get_task(TASK)
        await client.create_task("image_to_video", BODY)
    assert [seen.connection for seen in server.seen] == [1, 1, 2]


async def test_reads_are_bounded_and_waiting_costs_no_patience():
    async with talking_to(ok("task_pending"), reads_at_once=2) as (client, server):
        tasks = await asyncio.gather(*(client.get_task(TASK) for _ in range(20)))
    assert len(tasks) == 20
    assert {seen.connection for seen in server.seen} <= {1, 2}


async def test_task_is_read_with_its_links_hidden():
    async with talking_to(ok("task_succeeded")) as (client, server):
        task = await client.get_task(TASK)
    assert server.seen[0].path == f"/v1/tasks/{TASK}"
    assert (task.status, task.cost_credits, len(task.output)) == (TaskStatus.SUCCEEDED, 25, 2)
    assert "_jwt" not in repr(task)


async def test_run_of_a_workflow_is_created_and_read_by_one_id():
    steps = ok("created_before_august_2026"), ok("workflow_invocation")
    async with talking_to(*steps) as (client, server):
        created = await client.create_task("workflows/wf-1", {"nodeOutputs": {}})
        task = await client.get_task(created.id)
    assert [seen.path for seen in server.seen] == [
        "/v1/workflows/wf-1",
        f"/v1/workflow_invocations/{TASK}",
    ]
    assert (task.id, len(task.output)) == (created.id, 2)


async def test_unknown_task_is_permanent_with_its_status():
    async with talking_to(reply(404, b'{"error": "Could not find Task"}')) as (client, _):
        with pytest.raises(PermanentApiError, match="Could not find Task") as caught:
            await client.get_task("nope")
    assert caught.value.status == 404


async def test_404_of_a_proxy_does_not_give_a_paid_task_up():
    steps = reply(404, b"<html>404 Not Found</html>"), ok("task_running")
    async with talking_to(*steps) as (client, _):
        with pytest.raises(TransientApiError):
            await client.get_task(TASK)
        assert (await client.get_task(TASK)).status is TaskStatus.RUNNING


@pytest.mark.parametrize("name", [b'"ab\\ud800c"', b'"a\\u001b[2Jc"', b'"a\\u0000c"'])
async def test_create_answered_with_an_id_that_is_none_is_in_doubt(name):
    async with talking_to(reply(200, b'{"id": ' + name + b"}")) as (client, _):
        with pytest.raises(SubmitUncertain):
            await client.create_task("image_to_video", BODY)


async def test_finished_task_with_an_output_that_is_no_link_is_read_again():
    body = b'{"status": "SUCCEEDED", "output": ["https://outputs.example/1.png", null]}'
    async with talking_to(reply(200, body)) as (client, _):
        with pytest.raises(TransientApiError, match="cannot be read"):
            await client.get_task(TASK)


@pytest.mark.parametrize("status", [204, 200, 404])
async def test_cancel_is_done_where_the_task_is_gone(status):
    async with talking_to(reply(status)) as (client, server):
        await client.cancel_task(TASK)
    assert (server.seen[0].method, server.seen[0].path) == ("DELETE", f"/v1/tasks/{TASK}")


async def test_cancel_that_fails_says_so():
    async with talking_to(reply(503)) as (client, _):
        with pytest.raises(TransientApiError):
            await client.cancel_task(TASK)


async def test_organization_and_usage_are_read():
    async with talking_to(ok("organization"), ok("usage")) as (client, server):
        organization = await client.get_organization()
        usage = await client.get_usage(start=date(2026, 10, 1), before=date(2026, 10, 24))
    assert organization.credit_balance == 5000
    assert [use.credits for use in usage] == [75, -320]
    assert json.loads(server.seen[1].body) == {
        "startDate": "2026-10-01",
        "beforeDate": "2026-10-24",
    }


@pytest.mark.parametrize(
    "step", [reply(200, b"<html>log in</html>"), Step(then="close"), reply(200, b"{}")]
)
async def test_reads_that_make_no_sense_are_worth_another_try(step):
    for name in ("get_task", "get_organization", "get_usage", "create_upload"):
        async with talking_to(step) as (client, _):
            call = getattr(client, name)
            arguments = ("x",) if name in {"get_task", "create_upload"} else ()
            with pytest.raises(TransientApiError):
                await call(*arguments)


async def test_read_repeats_through_trouble_and_create_does_not():
    steps = [Step(then="close")] * 4 + [
        reply(502),
        ok("task_running"),
        reply(503, b'{"error": "x"}'),
    ]
    async with talking_to(*steps) as (client, server):
        waits = InstantClock()
        repeats = RepeatPolicy(attempts=6)
        api = RetryingApi(client, clock=waits, rng=random.Random(1), repeats=repeats)
        assert (await api.get_task(TASK)).status is TaskStatus.RUNNING
        before = len(server.seen)
        with pytest.raises(TransientApiError):
            await api.create_task("image_to_video", BODY)
        assert len(server.seen) == before + 1
    assert 0 < waits.monotonic() < 60


class InstantClock(FakeClock):
    """Waits by moving the time on: a pump would run ahead of real sockets."""

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)


async def test_compressed_answer_that_nobody_asked_for_is_read():
    packed = gzip.compress((DATA / "created.json").read_bytes())
    async with talking_to(reply(200, packed, Content_Encoding="gzip")) as (client, server):
        assert (await client.create_task("x", BODY)).id == TASK
    assert server.seen[0].headers["accept-encoding"] == "identity"


async def test_answer_that_unpacks_without_end_is_given_up():
    bomb = gzip.compress(b" " * (MOST_JSON_BYTES + 10))
    async with talking_to(reply(200, bomb, Content_Encoding="gzip")) as (client, _):
        with pytest.raises(TransientApiError, match="cannot be read"):
            await client.get_organization()


async def test_answer_without_end_is_given_up():
    endless = Step(
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b" " * (MOST_JSON_BYTES + 10),
        then="stall",
    )
    async with talking_to(endless) as (client, _):
        with pytest.raises(TransientApiError, match="cannot be read"):
            await client.get_organization()


async def test_upload_slot_is_asked_for_by_name():
    async with talking_to(ok("upload")) as (client, server):
        slot = await client.create_upload("plate.png")
    assert json.loads(server.seen[0].body) == {"filename": "plate.png", "type": "ephemeral"}
    assert slot.uri.startswith("runway://")


def test_key_is_in_no_repr():
    where = settings("https://x.example")
    assert KEY not in repr(where)
    assert KEY not in repr(RunwayClient(where, clock=FakeClock()))


def test_unsafe_base_url_is_refused_before_anything_is_sent():
    with pytest.raises(UsageError):
        RunwayClient(settings("http://api.example"), clock=FakeClock())


async def test_proxy_gets_its_own_login_and_never_the_key():
    """A proxy that refuses the tunnel is a connection never made."""
    async with HostileServer([reply(407)]) as proxy:
        proxies: Mapping[str, str] = {"https": f"http://me:pw@127.0.0.1:{proxy.port}"}
        where = settings("https://api.example", proxies=proxies)
        async with RunwayClient(where, clock=FakeClock()) as client:
            with pytest.raises(TransientApiError):
                await client.create_task("x", BODY)
    (seen,) = proxy.seen
    assert (seen.method, seen.path) == ("CONNECT", "api.example:443")
    assert seen.headers["proxy-authorization"] == "Basic bWU6cHc="
    assert KEY not in str(seen.headers)


async def test_this_machine_is_never_reached_through_a_proxy():
    dead = f"http://127.0.0.1:{unused_port()}"
    async with talking_to(ok("created"), proxies={"http": dead, "https": dead}) as (client, _):
        assert (await client.create_task("x", BODY)).id == TASK


async def test_netrc_of_the_user_changes_nothing(tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with talking_to(ok("created")) as (client, server):
        await client.create_task("x", BODY)
    assert server.seen[0].headers["authorization"] == f"Bearer {KEY}"


async def test_no_cookie_is_kept():
    async with talking_to(ok("task_pending", Set_Cookie="a=b; Path=/")) as (client, server):
        await client.get_task(TASK)
        await client.get_task(TASK)
    assert "cookie" not in server.seen[1].headers
