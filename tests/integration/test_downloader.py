"""Downloads from servers that cut, stall, lie and redirect: a file is whole or it is not there."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gzip
import hashlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from runner.downloads import atomic
from runner.downloads.downloader import HttpDownloader, next_stop
from runner.downloads.partfile import PIECE_BYTES, PartFile, load_state, state_path
from runner.downloads.ranges import Incoming
from runner.errors import DiskFull, DownloadError, LinkRefused

from .hostile import HostileServer, Script, Seen, Step, reply

CLIP = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00" + bytes(range(256)) * 2000
OTHER = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00" + bytes(reversed(range(256))) * 2000
SHA = hashlib.sha256(CLIP).hexdigest()
ETAG = '"v1"'
SECRET = "_jwt=very-secret"


def whole(content: bytes = CLIP, **fields: str) -> Step:
    return reply(200, content, **{"ETag": ETAG, "Content_Type": "video/mp4", **fields})


def cut_after(size: int, content: bytes = CLIP, then: str = "close", **fields: str) -> Step:
    """Announces everything and sends only the first `size` bytes."""
    step = whole(content, **fields)
    return Step(step.data[: len(step.data) - len(content) + size], then=then)


def ranged(content: bytes = CLIP, etag: str = ETAG, **fields: str) -> Script:
    """An honest server: 206 where If-Range holds, else the whole file."""

    def answer(seen: Seen) -> Step:
        if seen.headers.get("if-range") != etag:
            return whole(content, ETag=etag)
        start = start_of(seen)
        span = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return reply(206, content[start:], **{"ETag": etag, "Content_Range": span, **fields})

    return answer


@contextlib.asynccontextmanager
async def serving(
    *steps: Script, **limits: Any
) -> AsyncIterator[tuple[HttpDownloader, HostileServer, str]]:
    small = {
        "piece_bytes": 64 << 10,
        "sync_bytes": 128 << 10,
        "proxies": {},
        "allow_loopback": True,
        **limits,
    }
    async with HostileServer(list(steps)) as server, HttpDownloader(**small) as downloader:
        yield downloader, server, f"{server.url}/clip.mp4?{SECRET}"


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "out" / "clip.0b5d1f9e.0.part"


def content_of(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# ---- whole files -----------------------------------------------------------------------------


async def test_file_arrives_whole_hashed_and_named_by_its_bytes(part):
    async with serving(whole()) as (downloader, server, url):
        fetched = await downloader.fetch(url, part)
    assert content_of(part) == CLIP
    assert (fetched.bytes, fetched.sha256) == (len(CLIP), SHA)
    assert (fetched.media_type, fetched.ext, fetched.warning) == ("video/mp4", "mp4", "")
    (seen,) = server.seen
    assert seen.path.endswith(SECRET)
    assert seen.headers["accept-encoding"] == "identity"
    assert "authorization" not in seen.headers


async def test_signature_is_read_across_small_pieces(part):
    async with serving(whole(b"\x89PNG\r\n\x1a\n" + b"x" * 99)) as (downloader, _, url):
        fetched = await downloader.fetch(url, part)
    assert fetched.ext == "png"
    assert "video/mp4" in fetched.warning


async def test_unknown_length_is_accepted_and_said(part):
    step = Step(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n" + CLIP, then="close")
    async with serving(step) as (downloader, _, url):
        fetched = await downloader.fetch(url, part)
    assert fetched.sha256 == SHA
    assert "how long" in fetched.warning


async def test_compressed_file_that_nobody_asked_for_is_unpacked(part):
    packed = gzip.compress(CLIP)
    async with serving(whole(packed, Content_Encoding="gzip")) as (downloader, _, url):
        fetched = await downloader.fetch(url, part)
    assert (fetched.sha256, content_of(part)) == (SHA, CLIP)
    assert not state_path(part).exists()


@pytest.mark.parametrize(
    "step",
    [
        whole(b""),
        whole(gzip.compress(b""), Content_Encoding="gzip"),
        whole(gzip.compress(CLIP)[:-8], Content_Encoding="gzip"),
        whole(CLIP, Content_Encoding="br"),
        whole(b"<!doctype html><title>Log in</title>", Content_Type="text/html"),
        reply(204),
        reply(206, CLIP, Content_Range=f"bytes 0-{len(CLIP) - 1}/{len(CLIP)}"),
        reply(416),
        reply(429),
        reply(500),
        reply(503),
        Step(then="close"),
        Step(then="reset"),
        Step(b"nonsense\r\n\r\n", then="close"),
        Step(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n", then="close"),
        Step(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", then="close"),
    ],
)
async def test_trouble_is_worth_another_fetch_and_never_shows_the_link(part, step):
    async with serving(step) as (downloader, _, url):
        with pytest.raises(DownloadError) as caught:
            await downloader.fetch(url, part)
    assert type(caught.value) is DownloadError
    assert SECRET not in caught.value.message
    assert "clip.mp4" not in caught.value.message


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
async def test_refused_link_asks_for_a_fresh_one(part, status):
    async with serving(reply(status)) as (downloader, _, url):
        with pytest.raises(LinkRefused) as caught:
            await downloader.fetch(url, part)
    assert SECRET not in str(caught.value)
    assert not part.exists()


async def test_no_traceback_shows_the_link(part):
    """aiohttp's own messages carry it."""
    async with serving(Step(b"nonsense\r\n\r\n", then="close")) as (downloader, _, url):
        with pytest.raises(DownloadError) as caught:
            await downloader.fetch(url, part)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


async def test_web_page_is_never_resumed(part):
    page = whole(b"<html>busy</html>")
    async with serving(page, ranged()) as (downloader, server, url):
        with pytest.raises(DownloadError, match="web page"):
            await downloader.fetch(url, part)
        assert (await downloader.fetch(url, part)).sha256 == SHA
    assert "range" not in server.seen[1].headers


# ---- going on --------------------------------------------------------------------------------


async def test_cut_download_goes_on_where_it_stopped(part):
    async with serving(cut_after(300_000), ranged()) as (downloader, server, url):
        with pytest.raises(DownloadError, match="was cut"):
            await downloader.fetch(url, part)
        fetched = await downloader.fetch(url, part)
    assert (fetched.sha256, content_of(part)) == (SHA, CLIP)
    assert 0 < start_of(server.seen[1]) <= 300_000  # what aiohttp still held is lost with the cut
    assert server.seen[1].headers["if-range"] == ETAG


def start_of(seen: Seen) -> int:
    return int(seen.headers["range"].removeprefix("bytes=").rstrip("-"))


async def test_many_cuts_still_make_one_whole_file(part):
    def drip(seen: Seen) -> Step:
        step = ranged()
        assert callable(step)
        data = step(seen).data
        head = data.index(b"\r\n\r\n") + 4
        return Step(data[: head + 70_000], then="close")

    async with serving(drip) as (downloader, server, url):
        for _ in range(7):
            with pytest.raises(DownloadError):
                await downloader.fetch(url, part)
        fetched = await downloader.fetch(url, part)
    assert fetched.sha256 == SHA
    starts = [start_of(seen) for seen in server.seen[1:]]
    assert starts == sorted(set(starts)), "every try comes further"


async def test_kill_loses_at_most_what_was_not_synced(part):
    """After a kill only the last sync is vouched for, whatever else the file holds."""
    async with serving(cut_after(200_000, then="stall"), ranged()) as (downloader, server, url):
        fetching = asyncio.create_task(downloader.fetch(url, part))
        while not await asyncio.to_thread(load_state, part):
            await asyncio.wait({fetching}, timeout=0.001)
        state = await asyncio.to_thread(load_state, part)
        snapshot = await asyncio.to_thread(state_path(part).read_text)
        fetching.cancel()
        await asyncio.gather(fetching, return_exceptions=True)
        await asyncio.to_thread(state_path(part).write_text, snapshot)
        await asyncio.to_thread(spoil_after, part, state.synced)
        fetched = await downloader.fetch(url, part)
    assert fetched.sha256 == SHA
    assert server.seen[1].headers["range"] == f"bytes={state.synced}-"
    assert state.synced >= 128 << 10


def spoil_after(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        file.seek(size)
        file.write(bytes(50_000))


async def test_cancelled_download_keeps_what_came(part):
    async with serving(cut_after(200_000, then="stall"), ranged()) as (downloader, server, url):
        fetching = asyncio.create_task(downloader.fetch(url, part))
        while not await asyncio.to_thread(load_state, part):
            await asyncio.wait({fetching}, timeout=0.001)
        fetching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetching
        assert (await downloader.fetch(url, part)).sha256 == SHA
    assert "range" in server.seen[1].headers


async def test_complete_part_is_confirmed_by_its_last_byte(part):
    async with serving(whole(), ranged()) as (downloader, server, url):
        first = await downloader.fetch(url, part)
        second = await downloader.fetch(url, part)
    assert first.sha256 == second.sha256 == SHA
    assert server.seen[1].headers["range"] == f"bytes={len(CLIP) - 1}-"


async def test_changed_file_starts_over(part):
    async with serving(cut_after(300_000), ranged(OTHER, '"v2"')) as (downloader, server, url):
        with pytest.raises(DownloadError):
            await downloader.fetch(url, part)
        fetched = await downloader.fetch(url, part)
    assert content_of(part) == OTHER
    assert fetched.sha256 == hashlib.sha256(OTHER).hexdigest()
    assert len(server.seen) == 2


async def test_shorter_file_leaves_nothing_of_the_longer_one(part):
    short = CLIP[:1000]
    async with serving(cut_after(300_000), whole(short, ETag='"v2"')) as (downloader, _, url):
        with pytest.raises(DownloadError):
            await downloader.fetch(url, part)
        assert (await downloader.fetch(url, part)).bytes == 1000
    assert content_of(part) == short


@pytest.mark.parametrize(
    "wrong",
    [
        reply(206, OTHER[5:], ETag=ETAG, Content_Range=f"bytes 5-{len(OTHER) - 1}/{len(OTHER)}"),
        reply(206, OTHER, ETag=ETAG),
        reply(206, OTHER[300_000:], ETag='"v2"', Content_Range="bytes 300000-512015/512016"),
        reply(416, Content_Range="bytes */7"),
    ],
)
async def test_rest_that_does_not_fit_starts_over_within_the_same_fetch(part, wrong):
    async with serving(cut_after(300_000), wrong, whole()) as (downloader, server, url):
        with pytest.raises(DownloadError):
            await downloader.fetch(url, part)
        assert (await downloader.fetch(url, part)).sha256 == SHA
    assert "range" not in server.seen[2].headers


async def test_rest_shorter_than_its_own_range_is_no_whole_file(part):
    def short(seen: Seen) -> Step:
        span = f"bytes {start_of(seen)}-{len(CLIP) - 1}/{len(CLIP)}"
        few = CLIP[start_of(seen) : start_of(seen) + 10]
        return reply(206, few, ETag=ETAG, Content_Range=span)

    async with serving(cut_after(300_000), short, ranged()) as (downloader, _, url):
        with pytest.raises(DownloadError):
            await downloader.fetch(url, part)
        with pytest.raises(DownloadError, match=f"of {len(CLIP)} bytes"):
            await downloader.fetch(url, part)
        assert (await downloader.fetch(url, part)).sha256 == SHA


@pytest.mark.parametrize("etag", ['W/"v1"', ""])
async def test_file_without_a_strong_etag_is_never_pieced_together(part, etag):
    first = cut_after(300_000, ETag=etag)
    async with serving(first, whole()) as (downloader, server, url):
        with pytest.raises(DownloadError):
            await downloader.fetch(url, part)
        assert (await downloader.fetch(url, part)).sha256 == SHA
    assert "range" not in server.seen[1].headers


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", '{"etag": 1, "length": "x", "synced": 3}', "\x00"]
)
async def test_broken_state_beside_the_part_starts_over(part, text):
    part.parent.mkdir()
    part.write_bytes(b"old bytes")
    state_path(part).write_text(text)
    async with serving(whole()) as (downloader, server, url):
        assert (await downloader.fetch(url, part)).sha256 == SHA
    assert "range" not in server.seen[0].headers


async def test_stalled_download_is_given_up_and_can_go_on(part):
    steps = cut_after(100_000, then="stall"), ranged()
    async with serving(*steps, stall_s=0.05) as (downloader, _, url):
        with pytest.raises(DownloadError, match="stalled"):
            await downloader.fetch(url, part)
        assert (await downloader.fetch(url, part)).sha256 == SHA


async def test_server_that_never_answers_is_given_up(part):
    async with serving(Step(then="stall"), stall_s=0.05) as (downloader, _, url):
        with pytest.raises(DownloadError, match="stalled"):
            await downloader.fetch(url, part)


# ---- redirects and proxies -------------------------------------------------------------------


async def test_redirect_to_a_safe_link_is_followed_with_its_range(part):
    async with HostileServer([cut_after(9_000), ranged()]) as store:
        there = reply(302, Location=f"{store.url}/real?{SECRET}")
        async with serving(there) as (downloader, _, url):
            with pytest.raises(DownloadError):
                await downloader.fetch(url, part)
            assert (await downloader.fetch(url, part)).sha256 == SHA
        assert store.seen[1].headers["range"] == "bytes=9000-"


async def test_relative_redirect_stays_on_the_host(part):
    async with serving(reply(307, Location="/b%2Fc?x=%20y"), whole()) as (downloader, server, url):
        await downloader.fetch(url, part)
    assert server.seen[1].path == "/b%2Fc?x=%20y"


@pytest.mark.parametrize(
    "location", ["http://outputs.example/a", "file:///etc/passwd", "ftp://x/", "", "http://[bad"]
)
async def test_redirect_to_an_unsafe_link_is_refused(part, location):
    async with serving(reply(302, Location=location)) as (downloader, server, url):
        with pytest.raises(DownloadError, match="safe link"):
            await downloader.fetch(url, part)
    assert len(server.seen) == 1


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]"])
def test_redirect_from_outside_never_reaches_this_machine(host):
    with pytest.raises(DownloadError, match="safe link"):
        next_stop("https://outputs.example/a", f"http://{host}/admin")
    with pytest.raises(DownloadError, match="safe link"):
        next_stop("https://outputs.example/a", f"https://{host}/admin")
    assert next_stop("https://outputs.example/a?b", "/c?d") == "https://outputs.example/c?d"


async def test_redirects_come_to_an_end(part):
    async with serving(reply(302, Location="/again")) as (downloader, server, url):
        with pytest.raises(DownloadError, match="too often"):
            await downloader.fetch(url, part)
    assert len(server.seen) == 6


@pytest.mark.parametrize("url", ["http://outputs.example/a.mp4", "file:///etc/passwd", "", "x"])
async def test_unsafe_link_is_refused_before_anything_is_sent(part, url):
    async with HttpDownloader(proxies={}) as downloader:
        with pytest.raises(DownloadError, match="safe link"):
            await downloader.fetch(url, part)


async def test_netrc_of_the_user_is_never_sent(part, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with serving(whole()) as (downloader, server, url):
        await downloader.fetch(url, part)
    assert "authorization" not in server.seen[0].headers


async def test_unreachable_host_is_worth_another_fetch(part):
    async with serving(whole()) as (downloader, server, url):
        await server.__aexit__(None, None, None)
        with pytest.raises(DownloadError, match="no connection"):
            await downloader.fetch(url, part)


# ---- disk ------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
async def test_full_disk_is_told_apart(part):
    part.parent.mkdir()
    part.symlink_to("/dev/full")
    async with serving(whole()) as (downloader, _, url):
        with pytest.raises(DiskFull, match="the disk is full") as caught:
            await downloader.fetch(url, part)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_disk_that_takes_nothing_stops_submitting(tmp_path, number):
    with pytest.raises(DiskFull), atomic.disk_errors(tmp_path / "x"):
        raise OSError(number, os.strerror(number))


def test_other_disk_errors_are_worth_another_fetch(tmp_path):
    with pytest.raises(DownloadError, match="Input/output"), atomic.disk_errors(tmp_path / "x"):
        raise OSError(errno.EIO, "Input/output error")


async def test_folder_that_is_a_file_is_a_download_error(tmp_path):
    (tmp_path / "out").write_text("x")
    async with serving(whole()) as (downloader, _, url):
        with pytest.raises(DownloadError, match="cannot write"):
            await downloader.fetch(url, tmp_path / "out" / "sub" / "x.part")


async def test_bytes_reach_the_disk_before_they_are_vouched_for(part, monkeypatch):
    synced: list[int] = []
    fsync = os.fsync

    def spy(handle: int) -> None:
        synced.append(os.fstat(handle).st_ino)
        fsync(handle)

    monkeypatch.setattr(os, "fsync", spy)
    async with serving(whole()) as (downloader, _, url):
        fetched = await downloader.fetch(url, part)
        inode = inode_of(part)
        assert inode in synced
        synced.clear()
        await downloader.place(part, part.parent / "clip.mp4", fetched.sha256)
    assert synced == [inode_of(part.parent)]
    assert inode_of(part.parent / "clip.mp4") == inode


def inode_of(path: Path) -> int:
    return path.stat().st_ino


async def test_writes_are_large_and_the_hash_covers_them_all(part):
    """Many small arrivals make few writes, each of at least 512 KiB."""
    assert PIECE_BYTES >= 512 << 10
    sizes = set()
    incoming = Incoming(start=0, length=len(CLIP), etag=ETAG)
    async with PartFile(part, incoming, piece_bytes=256_000) as file:
        for at in range(0, len(CLIP), 1000):
            await file.write(CLIP[at : at + 1000])
            sizes.add(len(content_of(part) or b""))
        await file.sync()
        assert file.sha256 == SHA
    assert sizes == {0, 256_000, 512_000}
    assert content_of(part) == CLIP


# ---- final names -----------------------------------------------------------------------------


@pytest.fixture(params=["links", "no links"])
def links(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """File systems with hard links and without."""
    if request.param == "no links":

        def refuse(*_: object) -> None:
            raise PermissionError(errno.EPERM, "no hard links here")

        monkeypatch.setattr(os, "link", refuse)


@pytest.mark.usefixtures("links")
async def test_file_moves_to_its_name_in_folders_that_are_made(part):
    target = part.parent / "deep" / "er" / "clip.mp4"
    async with serving(whole()) as (downloader, _, url):
        fetched = await downloader.fetch(url, part)
        await downloader.place(part, target, fetched.sha256)
        assert await downloader.sha256_of(target) == SHA
    assert names_in(part.parent) == {"deep"}
    assert names_in(target.parent) == {"clip.mp4"}


@pytest.mark.usefixtures("links")
async def test_other_content_is_never_replaced(part):
    target = part.parent / "clip.mp4"
    part.parent.mkdir()
    target.write_bytes(OTHER)
    part.write_bytes(CLIP)
    async with HttpDownloader() as downloader:
        with pytest.raises(FileExistsError):
            await downloader.place(part, target, SHA)
    assert (content_of(target), content_of(part)) == (OTHER, CLIP)


@pytest.mark.usefixtures("links")
@pytest.mark.parametrize("part_is_there", [True, False])
async def test_same_content_under_the_name_is_success(part, part_is_there):
    target = part.parent / "clip.mp4"
    part.parent.mkdir()
    target.write_bytes(CLIP)
    if part_is_there:
        part.write_bytes(CLIP)
    async with HttpDownloader() as downloader:
        await downloader.place(part, target, SHA)
    assert names_in(part.parent) == {"clip.mp4"}


@pytest.mark.usefixtures("links")
async def test_missing_part_claims_no_name(part):
    part.parent.mkdir()
    async with HttpDownloader() as downloader:
        with pytest.raises(DownloadError):
            await downloader.place(part, part.parent / "clip.mp4", SHA)
    assert names_in(part.parent) == set()


@pytest.mark.usefixtures("links")
async def test_dangling_symlink_holds_its_name(part):
    target = part.parent / "clip.mp4"
    part.parent.mkdir()
    part.write_bytes(CLIP)
    target.symlink_to(part.parent / "elsewhere")
    async with HttpDownloader() as downloader:
        with pytest.raises(FileExistsError):
            await downloader.place(part, target, SHA)
    assert target.is_symlink()
    assert not (part.parent / "elsewhere").exists()


async def test_many_movers_to_one_name_make_one_winner(tmp_path):
    parts = [tmp_path / f"{number}.part" for number in range(8)]
    for number, path in enumerate(parts):
        path.write_bytes(b"%d" % number)
    async with HttpDownloader() as downloader:
        results = await asyncio.gather(
            *(downloader.place(path, tmp_path / "one", "0" * 64) for path in parts),
            return_exceptions=True,
        )
    assert sorted(type(result).__name__ for result in results) == ["FileExistsError"] * 7 + [
        "NoneType"
    ]


def sidecar(job: str = "clip", batch: str = "b", **more: object) -> str:
    return json.dumps({"version": 1, "batch": batch, "job": job, **more}, ensure_ascii=False)


async def test_sidecar_is_replaced_whole_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "deep" / "clip.mp4.json"
    async with HttpDownloader() as downloader:
        await downloader.write_sidecar(path, sidecar(task_id="one"))
        await downloader.write_sidecar(path, sidecar(task_id="ü"))
    assert content_of(path) == sidecar(task_id="ü").encode()
    assert names_in(path.parent) == {"clip.mp4.json"}


@pytest.mark.parametrize(
    "foreign",
    [
        b"", b"notes", b"\xff\xfe", b"[]", b"{}", b"[" * 100_000, b'{"prompt": "mine"}',
        sidecar("other").encode(), sidecar(batch="other").encode(),
        b'{"batch": ["b"], "job": "clip"}',
    ],
)  # fmt: skip
async def test_sidecar_never_replaces_a_file_of_somebody_else(tmp_path, foreign):
    path = tmp_path / "clip.json"
    path.write_bytes(foreign)
    async with HttpDownloader() as downloader:
        with pytest.raises(FileExistsError):
            await downloader.write_sidecar(path, sidecar())
    assert content_of(path) == foreign
    assert names_in(tmp_path) == {"clip.json"}


@pytest.mark.parametrize("kind", ["folder", "pipe", "dangling link"])
async def test_sidecar_never_replaces_what_is_no_file(tmp_path, kind):
    path = tmp_path / "clip.json"
    make = {
        "folder": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
        "dangling link": lambda: path.symlink_to("nowhere"),
    }
    make[kind]()
    before = path.lstat()
    async with HttpDownloader() as downloader:
        with pytest.raises(FileExistsError):
            await downloader.write_sidecar(path, sidecar())
    assert path.lstat().st_ino == before.st_ino
    assert names_in(tmp_path) == {"clip.json"}


async def test_failed_sidecar_keeps_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "clip.json"
    path.write_text(sidecar())

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    async with HttpDownloader() as downloader:
        with pytest.raises(DiskFull):
            await downloader.write_sidecar(path, sidecar(task_id="new"))
    assert content_of(path) == sidecar().encode()
    assert names_in(tmp_path) == {"clip.json"}


async def test_missing_file_and_folder_have_no_digest(tmp_path):
    async with HttpDownloader() as downloader:
        assert await downloader.sha256_of(tmp_path / "none") is None
        assert await downloader.sha256_of(tmp_path) is None
