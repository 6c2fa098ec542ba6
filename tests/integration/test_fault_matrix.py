"""Every fault of the network and the service × every call: one table, walked over real sockets.

For creates the table is promise 1 of the product: what proves that nothing was created may be
sent again, everything else is in doubt and is not. Requests are counted where they arrive.
"""

from __future__ import annotations

import asyncio
import gzip
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from runner.core.spec import AssetRef
from runner.downloads.arriving import BodyLimits
from runner.downloads.downloader import HttpDownloader
from runner.errors import (
    AccountError,
    DownloadError,
    LinkRefused,
    PermanentApiError,
    RunnerError,
    SubmitUncertain,
    TransientApiError,
)
from runner.runway.client import RunwayClient
from runner.runway.retrying import RepeatPolicy
from runner.runway.shapes import UploadSlot
from runner.runway.transport import MOST_JSON_BYTES
from runner.runway.uploads import FormUploader
from runner.testing import FakeClock

from .hostile import HostileServer, Script, Step, reply
from .test_client import BODY, KEY, TASK, settings, unused_port
from .test_uploads import MemoryCache, asset

SECRET = "_jwt=very-secret"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n"

#: columns are calls, letters are outcomes; `API error` is the service's own JSON
MATRIX = """
                            create get delete organization place storage media
connection refused          T      T   T      T            T     T       D
reset before the request    U      T   T      T            T     T       D
reset after the request     U      T   T      T            T     T       D
closed after the request    U      T   T      T            T     T       D
no answer                   U      T   T      T            T     T       D
half a status line          U      T   T      T            T     T       D
not HTTP                    U      T   T      T            T     T       D
headers without end         U      T   T      T            T     T       D
a header without end        U      T   T      T            T     T       D
200, then a slow drip       U      T   .      T            T     .       D
200, cut body               U      T   .      T            T     .       D
200, reset within the body  U      T   .      T            T     .       D
200, empty body             U      T   .      T            T     .       D
200, a web page             U      T   .      T            T     .       D
200, not JSON               U      T   .      T            T     .       .
200, JSON of another shape  U      T   .      T            T     .       .
200, JSON without an id     U      T   .      T            T     .       .
200, brackets by thousands  U      T   .      T            T     .       .
200, unknown compression    U      T   .      T            T     .       D
200, gzip that is none      U      T   .      T            T     .       D
200, gzip bomb              U      T   .      T            T     .       D
201, empty body             U      T   .      T            T     .       D
204                         U      T   .      T            T     .       D
301                         A      P   P      P            P     T       D
302                         A      P   P      P            P     T       D
303                         A      P   P      P            P     T       D
307                         A      P   P      P            P     T       D
308                         A      P   P      P            P     T       D
400, API error              P      P   P      P            P     P       L
400, no credits             A      A   A      A            A     P       L
401, API error              A      A   A      A            A     P       L
402, API error              A      A   A      A            A     P       L
403, API error              A      A   A      A            A     P       L
404, API error              P      P   .      P            P     P       L
404, a web page             P      T   .      P            P     P       L
405, API error              P      P   P      P            P     P       L
408, API error              U      T   T      T            T     T       D
409, API error              U      P   P      P            P     P       L
410, API error              U      P   P      P            P     P       L
413, API error              P      P   P      P            P     P       L
415, API error              P      P   P      P            P     P       L
418, API error              U      P   P      P            P     P       L
422, API error              P      P   P      P            P     P       L
422, cut body               P      P   P      P            P     P       L
429, API error              T      T   T      T            T     T       D
500, API error              U      T   T      T            T     T       D
502, a web page             U      T   T      T            T     T       D
502, API error              U      T   T      T            T     T       D
503, API error              T      T   T      T            T     T       D
503, a web page             U      T   T      T            T     T       D
503, cut body               U      T   T      T            T     T       D
503, empty body             U      T   T      T            T     T       D
504, API error              U      T   T      T            T     T       D
520, a web page             U      T   T      T            T     T       D
"""
#: `.` is done: for a download, with the body kept and a warning
LETTERS: Mapping[str, type[RunnerError]] = {
    "T": TransientApiError,
    "P": PermanentApiError,
    "A": AccountError,
    "U": SubmitUncertain,
    "D": DownloadError,
    "L": LinkRefused,
}
#: faults of which no request arrives
ARRIVES_NEVER = ("connection refused", "reset before the request")

ANSWERS: Mapping[str, Step] = {
    "reset after the request": Step(then="reset"),
    "closed after the request": Step(then="close"),
    "no answer": Step(then="stall"),
    "half a status line": Step(b"HTTP/1.1 200", "close"),
    "not HTTP": Step(b"220 mail.example ESMTP\r\n\r\n", "close"),
    "headers without end": Step(b"HTTP/1.1 200 OK\r\n", "drip", drip=b"X: y\r\n" * 1000),
    "a header without end": Step(b"HTTP/1.1 200 OK\r\nX: ", "drip", drip=b"x" * 8000),
    "200, then a slow drip": Step(HEAD + b"\r\n{", "drip", drip=b" ", drip_every_s=0.01),
    "200, cut body": Step(HEAD + b"\r\n{", "close"),
    "200, reset within the body": Step(HEAD + b"\r\n{", "reset"),
    "200, not JSON": reply(200, b"welcome to the hotel"),
    "200, JSON of another shape": reply(200, b'[{"id": "x"}]'),
    "200, JSON without an id": reply(200, b'{"ok": true, "estimatedCost": {"credits": 5}}'),
    "200, brackets by thousands": reply(200, b"[" * 100_000),
    "200, unknown compression": reply(200, b'{"id": "x"}', Content_Encoding="br"),
    "200, gzip that is none": reply(200, b'{"id": "x"}', Content_Encoding="gzip"),
    "200, gzip bomb": reply(
        200, gzip.compress(b" " * (MOST_JSON_BYTES + 10)), Content_Encoding="gzip"
    ),
    "204": Step(b"HTTP/1.1 204 X\r\n\r\n"),
    "400, no credits": reply(
        400, b'{"error": "You do not have enough credits to run this task."}'
    ),
}  # fmt: skip
BODIES = {
    "": b"",
    "empty body": b"",
    "API error": b'{"error": "Overloaded: try key_0123456789abcdef"}',
    "a web page": b"<!doctype html><title>Error</title>",
}


def answer_of(fault: str) -> Script:
    if fault in ANSWERS:
        return ANSWERS[fault]
    status, _, body = fault.partition(", ")
    if body == "cut body":
        return Step(f"HTTP/1.1 {status} X\r\nContent-Length: 99\r\n\r\n{{".encode(), "close")
    away = {"Location": "/elsewhere"} if status.startswith("3") else {}
    return reply(int(status), BODIES[body], **away)


@asynccontextmanager
async def service(fault: str) -> AsyncIterator[tuple[str, HostileServer]]:
    """A server with one fault for every request, and the address to reach it by."""
    hangs_up = fault == "reset before the request"
    steps = [Step() if fault in ARRIVES_NEVER else answer_of(fault)]
    async with HostileServer(steps, hangs_up=hangs_up) as server:
        refused = fault == "connection refused"
        yield f"http://127.0.0.1:{unused_port()}" if refused else server.url, server


@dataclass(frozen=True)
class Rig:
    """What one call needs."""

    url: str
    folder: Path
    patience_s: float

    @asynccontextmanager
    async def client(self) -> AsyncIterator[RunwayClient]:
        waits = {"create_timeout_s": self.patience_s, "read_timeout_s": self.patience_s}
        async with RunwayClient(settings(self.url, **waits), clock=FakeClock()) as client:
            yield client

    async def create_upload(self, filename: str) -> UploadSlot:
        """Fits `UploadSlots`: a place at the faulty server."""
        link = f"{self.url}/bucket?{SECRET}"
        return UploadSlot(url=link, fields={"key": "k"}, uri="runway://x")


async def create(rig: Rig) -> None:
    async with rig.client() as client:
        await client.create_task("image_to_video", BODY)


async def get(rig: Rig) -> None:
    async with rig.client() as client:
        await client.get_task(TASK)


async def delete(rig: Rig) -> None:
    async with rig.client() as client:
        await client.cancel_task(TASK)


async def organization(rig: Rig) -> None:
    async with rig.client() as client:
        await client.get_organization()


async def place(rig: Rig) -> None:
    async with rig.client() as client:
        await client.create_upload("a.png")


async def storage(rig: Rig) -> None:
    ref: AssetRef = asset(rig.folder, b"x" * 600)
    async with FormUploader(
        rig, MemoryCache(), clock=FakeClock(), rng=random.Random(1), proxies={},
        repeats=RepeatPolicy(attempts=1), answer_s=rig.patience_s,
    ) as uploader:  # fmt: skip
        await uploader.uri_for(ref)


async def media(rig: Rig) -> None:
    limits = BodyLimits(most_bytes=1 << 20, slow_s=rig.patience_s, slow_bytes=1000)
    async with HttpDownloader(
        proxies={}, allow_loopback=True, limits=limits, stall_s=rig.patience_s
    ) as downloader:
        fetched = await downloader.fetch(f"{rig.url}/a.mp4?{SECRET}", rig.folder / "a.part")
        assert fetched.warning


CALLS: Mapping[str, Callable[[Rig], Awaitable[None]]] = {
    call.__name__: call for call in (create, get, delete, organization, place, storage, media)
}
API_CALLS = ("create", "get", "delete", "organization", "place")


def rows() -> dict[str, dict[str, str]]:
    """Fault to call to letter."""
    first, *lines = MATRIX.strip("\n").splitlines()
    return {line[:28].strip(): dict(zip(first.split(), line[28:].split(), strict=True))
            for line in lines}  # fmt: skip


ROWS = rows()


async def outcome(fault: str, call: str, folder: Path) -> str:
    """The letter of what one call came to, after checking what went over the wire."""
    # only where the server goes silent is time what ends the call
    is_silent = fault == "no answer" or "drip" in fault
    letter = "."
    async with service(fault) as (url, server):
        try:
            await CALLS[call](Rig(url=url, folder=folder, patience_s=0.2 if is_silent else 30.0))
        except RunnerError as error:
            letter = next(key for key, kind in LETTERS.items() if kind is type(error))
            shown = error.message + error.hint
            assert not any(secret in shown for secret in (KEY, SECRET, "key_0123456789abcdef"))
    if call == "create":
        assert len(server.seen) == (0 if fault in ARRIVES_NEVER else 1), "a create is sent once"
    if call != "media":
        assert "/elsewhere" not in {seen.path for seen in server.seen}, "redirects are not followed"
    assert all(("authorization" in seen.headers) == (call in API_CALLS) for seen in server.seen)
    return letter


@pytest.mark.parametrize("fault", ROWS)
async def test_fault_ends_every_call_as_the_table_says(fault, tmp_path):
    letters = await asyncio.gather(*(outcome(fault, call, tmp_path) for call in CALLS))
    assert dict(zip(CALLS, letters, strict=True)) == ROWS[fault]


def test_table_has_every_call_and_every_status_of_the_promise():
    """Promise 1 lists them; nothing that it calls a refusal may be in doubt, or the reverse."""
    letters = {fault: row["create"] for fault, row in ROWS.items()}
    assert all(set(row) == set(CALLS) for row in ROWS.values())
    refusals = {400, 401, 402, 403, 404, 405, 413, 415, 422, 429, 503}
    in_doubt = {408, 409, 500, 502, 503, 504}
    for fault, letter in letters.items():
        status = int(fault[:3]) if fault[:3].isdigit() else 0
        if letter == "U":
            assert status not in refusals or fault.startswith("503")
        else:
            assert status not in in_doubt or fault == "503, API error"
    walked = {int(fault[:3]) for fault in letters if fault[:3].isdigit()}
    assert refusals | in_doubt <= walked
