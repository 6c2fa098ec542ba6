"""Uploads: once per content, never with the key, a new place after each failure."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runner.core.spec import AssetRef
from runner.errors import AccountError, PermanentApiError, TransientApiError
from runner.runway.client import RunwayClient
from runner.runway.retrying import RepeatPolicy
from runner.runway.transport import ApiSettings
from runner.runway.uploads import FormUploader
from runner.testing import FakeClock

from .hostile import HostileServer, Script, Seen, Step, reply

KEY = "key_" + "c0ffee" * 20
CONTENT = bytes(range(256)) * 4096  # 1 MiB


class InstantClock(FakeClock):
    """Waits by moving the time on: a pump would run ahead of real sockets."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.advance(seconds)


class MemoryCache:
    """An `UploadCache` that remembers as the state file does."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[str, datetime]] = {}

    async def uploaded(self, sha256: str, *, not_before: datetime) -> str | None:
        uri, at = self.rows.get(sha256, ("", datetime.min.replace(tzinfo=UTC)))
        return uri if uri and at >= not_before else None

    async def remember_upload(self, sha256: str, uri: str, *, at: datetime) -> None:
        self.rows[sha256] = (uri, at)


class Rig:
    """API and storage on one hostile server; places are numbered as they are given out."""

    def __init__(self, *storage: Script, places: tuple[Step, ...] = (), url: str = "") -> None:
        self.storage = list(storage) or [reply(204)]
        self.places = list(places)
        self.url = url
        self.server = HostileServer([self._answer])
        self.clock = InstantClock()
        self.cache = MemoryCache()
        self.given = 0
        self.stored: list[Seen] = []

    def _answer(self, seen: Seen) -> Step:
        if seen.path == "/v1/uploads":
            return self._place()
        self.stored.append(seen)
        script = self.storage[min(len(self.stored), len(self.storage)) - 1]
        return script if isinstance(script, Step) else script(seen)

    def _place(self) -> Step:
        if self.places:
            return self.places.pop(0)
        self.given += 1
        place = {
            "uploadUrl": self.url or f"{self.server.url}/bucket?sig=s%2Fx",
            "fields": {"key": f"uploads/{self.given}", "Content-Type": "image/png", "policy": "p"},
            "runwayUri": f"runway://place-{self.given}",
        }
        return reply(200, json.dumps(place).encode())

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[FormUploader]:
        async with self.server as server:
            settings = ApiSettings(key=KEY, version="1", base_url=server.url, proxies={})
            async with (
                RunwayClient(settings, clock=self.clock) as client,
                FormUploader(
                    client,
                    self.cache,
                    clock=self.clock,
                    rng=random.Random(1),
                    repeats=RepeatPolicy(attempts=3),
                    proxies={},
                ) as uploader,
            ):
                yield uploader


def asset(tmp_path: Path, content: bytes = CONTENT, name: str = "My plate.PNG") -> AssetRef:
    path = tmp_path / name
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return AssetRef(path=str(path), sha256=digest, bytes=len(content), media="image")


def rewrite(ref: AssetRef, content: bytes) -> None:
    Path(ref.path).write_bytes(content)


def remove(ref: AssetRef) -> None:
    Path(ref.path).unlink()


def parts(seen: Seen) -> list[tuple[str, bytes]]:
    """Names and contents of a multipart form, in order."""
    boundary = seen.headers["content-type"].partition("boundary=")[2].strip('"').encode()
    found = []
    for piece in seen.body.split(b"--" + boundary)[1:-1]:
        head, _, content = piece.strip(b"\r\n").partition(b"\r\n\r\n")
        name = head.partition(b'name="')[2].partition(b'"')[0].decode()
        found.append((name, content))
    return found


async def test_file_is_sent_whole_after_all_fields_and_without_the_key(tmp_path):
    rig = Rig()
    async with rig.open() as uploader:
        uri = await uploader.uri_for(asset(tmp_path))
    assert uri == "runway://place-1"
    (seen,) = rig.stored
    names = [name for name, _ in parts(seen)]
    assert names == ["key", "Content-Type", "policy", "file"]
    assert parts(seen)[-1][1] == CONTENT.strip(b"\r\n")
    assert "authorization" not in seen.headers
    assert KEY.encode() not in seen.body + str(seen.headers).encode()
    assert seen.headers["content-length"].isdigit()
    assert seen.path == "/bucket?sig=s%2Fx"


async def test_name_tells_nothing_but_the_extension(tmp_path):
    rig = Rig()
    async with rig.open() as uploader:
        await uploader.uri_for(asset(tmp_path, name="Client secret.PNG"))
        await uploader.uri_for(asset(tmp_path, b"x" * 600, name="no-extension"))
    asked = [json.loads(s.body) for s in rig.server.seen if s.path == "/v1/uploads"]
    assert [request["filename"].partition(".")[2] for request in asked] == ["png", "png"]
    assert b"Client" not in rig.stored[0].body


async def test_one_content_is_uploaded_once_however_many_ask(tmp_path):
    rig = Rig()
    one, same = asset(tmp_path), asset(tmp_path, name="copy.png")
    async with rig.open() as uploader:
        uris = await asyncio.gather(*(uploader.uri_for(ref) for ref in [one, same] * 10))
        assert await uploader.uri_for(one) == "runway://place-1"
    assert set(uris) == {"runway://place-1"}
    assert len(rig.stored) == 1


async def test_upload_is_remembered_for_23_hours_from_before_it_began(tmp_path):
    rig = Rig()
    ref = asset(tmp_path)
    async with rig.open() as uploader:
        begun = rig.clock.now()
        await uploader.uri_for(ref)
        assert rig.cache.rows[ref.sha256] == ("runway://place-1", begun)
        rig.clock.advance(timedelta(hours=22, minutes=59).total_seconds())
        assert await uploader.uri_for(ref) == "runway://place-1"
        rig.clock.advance(120)
        assert await uploader.uri_for(ref) == "runway://place-2"


@pytest.mark.parametrize(
    "trouble",
    [Step(then="close"), Step(then="reset"), reply(500), reply(403), reply(307, Location="/x")],
)
async def test_failed_storage_gets_a_new_place_each_time(tmp_path, trouble):
    rig = Rig(trouble, trouble, reply(204))
    async with rig.open() as uploader:
        assert await uploader.uri_for(asset(tmp_path)) == "runway://place-3"
    assert [dict(parts(seen))["key"] for seen in rig.stored] == [
        b"uploads/1",
        b"uploads/2",
        b"uploads/3",
    ]
    assert len(rig.clock.waits) == 2


@pytest.mark.parametrize(
    ("trouble", "kind"), [(reply(503), TransientApiError), (reply(403), PermanentApiError)]
)
async def test_tries_are_bounded_and_nothing_is_remembered(tmp_path, trouble, kind):
    rig = Rig(trouble)
    async with rig.open() as uploader:
        with pytest.raises((TransientApiError, PermanentApiError)) as caught:
            await uploader.uri_for(asset(tmp_path))
    assert isinstance(caught.value, kind)
    assert "sig=" not in str(caught.value)
    assert len(rig.stored) == 3
    assert rig.cache.rows == {}


async def test_callers_share_a_failure_and_the_next_one_tries_anew(tmp_path):
    rig = Rig(reply(403), reply(403), reply(403), reply(204))
    ref = asset(tmp_path)
    async with rig.open() as uploader:
        results = await asyncio.gather(
            *(uploader.uri_for(ref) for _ in range(5)), return_exceptions=True
        )
        assert all(isinstance(result, PermanentApiError) for result in results)
        assert len(rig.stored) == 3
        assert await uploader.uri_for(ref) == "runway://place-4"


async def test_rate_limit_for_places_is_waited_out(tmp_path):
    rig = Rig(places=(reply(429, Retry_After="9"),))
    async with rig.open() as uploader:
        assert await uploader.uri_for(asset(tmp_path)) == "runway://place-1"
    assert rig.clock.waits[0] >= 9


async def test_account_that_may_not_upload_is_an_account_error(tmp_path):
    rig = Rig(places=(reply(401),))
    async with rig.open() as uploader:
        with pytest.raises(AccountError):
            await uploader.uri_for(asset(tmp_path))
    assert rig.stored == []


@pytest.mark.parametrize("url", ["http://storage.example/x", "file:///etc/passwd", "nonsense"])
async def test_unsafe_place_is_refused(tmp_path, url):
    rig = Rig(url=url)
    async with rig.open() as uploader:
        with pytest.raises(PermanentApiError, match="unsafe"):
            await uploader.uri_for(asset(tmp_path))
    assert rig.stored == []


async def test_file_that_changed_since_planning_is_not_sent(tmp_path):
    rig = Rig()
    ref = asset(tmp_path)
    rewrite(ref, b"another picture" * 100)
    async with rig.open() as uploader:
        with pytest.raises(PermanentApiError, match="changed since the job was planned") as caught:
            await uploader.uri_for(ref)
    assert "runway-batch run" in caught.value.hint
    assert rig.server.seen == []


async def test_file_that_changes_while_it_is_sent_is_not_trusted(tmp_path):
    ref = asset(tmp_path)

    def change(seen: Seen) -> Step:
        rewrite(ref, CONTENT + b"more")
        return reply(204)

    rig = Rig(change)
    async with rig.open() as uploader:
        with pytest.raises(PermanentApiError, match="changed"):
            await uploader.uri_for(ref)
    assert rig.cache.rows == {}


async def test_file_that_is_gone_says_so(tmp_path):
    rig = Rig()
    ref = asset(tmp_path)
    remove(ref)
    async with rig.open() as uploader:
        with pytest.raises(PermanentApiError, match="No such file"):
            await uploader.uri_for(ref)


async def test_cancelled_caller_leaves_the_upload_to_the_others(tmp_path):
    rig = Rig()
    ref = asset(tmp_path)
    async with rig.open() as uploader:
        first = asyncio.create_task(uploader.uri_for(ref))
        second = asyncio.create_task(uploader.uri_for(ref))
        while not rig.server.seen:
            await asyncio.wait({first, second}, timeout=0.001)
        first.cancel()
        assert await second == "runway://place-1"
        assert (await asyncio.gather(first, return_exceptions=True))[0].__class__ is (
            asyncio.CancelledError
        )
    assert len(rig.stored) == 1


async def test_closing_ends_an_upload_under_way(tmp_path):
    rig = Rig(Step(then="stall"))
    async with rig.open() as uploader:
        waiting = asyncio.create_task(uploader.uri_for(asset(tmp_path)))
        while not rig.stored:
            await asyncio.wait({waiting}, timeout=0.001)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert rig.cache.rows == {}


async def test_netrc_of_the_user_is_never_sent_to_the_storage(tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    rig = Rig()
    async with rig.open() as uploader:
        await uploader.uri_for(asset(tmp_path))
    assert "authorization" not in rig.stored[0].headers
