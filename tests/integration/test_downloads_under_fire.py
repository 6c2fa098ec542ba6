"""Downloads from the worst of servers and onto the worst of disks, as tables.

What comes out is one of three: the real bytes, an error that says what to do next, or (where only
a decoder could object) the bytes with a warning. Never a file that looks finished and is not.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import stat
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from runner.downloads.arriving import BodyLimits, Pace
from runner.downloads.downloader import HttpDownloader
from runner.downloads.partfile import load_state
from runner.errors import DiskFull, DownloadError, LinkRefused

from .hostile import HostileServer, Script, Seen, Step, reply
from .test_downloader import (
    CLIP,
    ETAG,
    OTHER,
    SECRET,
    SHA,
    content_of,
    cut_after,
    ranged,
    serving,
    start_of,
    whole,
)

SIZE = len(CLIP)
CUT = cut_after(300_000)
OLD = cut_after(300_000, OTHER, ETag='"old"')
SHORT_WAITS = {"stall_s": 0.1, "connect_s": 0.2}
SLOW = BodyLimits(slow_s=0.05, slow_bytes=50_000)
SMALL = BodyLimits(most_bytes=100_000)


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "out" / "clip.0b5d1f9e.0.part"


def chunked(content: bytes, *, status: int = 200, **fields: str) -> Step:
    """A body whose length is not announced."""
    head = reply(status, **{"ETag": ETAG, "Content_Type": "video/mp4", **fields}).data
    head = head.replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    return Step(head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content))


def rest(span: str, size: int = SIZE, **fields: str) -> Script:
    """A 206 whose Content-Range is what the test says; `{start}` is what was asked for."""

    def answer(seen: Seen) -> Step:
        start = start_of(seen)
        named = {"ETag": ETAG, "Content_Range": span.format(start=start, size=SIZE), **fields}
        return reply(206, CLIP[start : start + size], **named)

    return answer


def too_long_rest(seen: Seen) -> Step:
    start = start_of(seen)
    span = f"bytes {start}-{SIZE - 1}/{SIZE}"
    return chunked(CLIP[start:] + b"more", status=206, Content_Range=span)


def bad_crc(content: bytes) -> bytes:
    packed = gzip.compress(content)
    return packed[:-8] + bytes(4) + packed[-4:]


def raw_deflate(content: bytes) -> bytes:
    """Deflate as some servers misread the word: without its frame."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


HONEST_RANGE = f"bytes {{start}}-{SIZE - 1}/{{size}}"


@dataclass(frozen=True)
class Fire:
    """Answers that end in an error, and the error."""

    steps: tuple[Script, ...]
    error: type[Exception] = DownloadError
    says: str = "`127.0.0.1`"
    limits: Mapping[str, Any] = field(default_factory=dict)


FIRES: Mapping[str, Fire] = {
    **{f"refused {status}": Fire((reply(status),), LinkRefused) for status in (401, 403, 404, 410)},
    "expired in the middle": Fire((CUT, reply(403)), LinkRefused),
    "truncated": Fire((CUT,), says="was cut"),
    "truncated without a length": Fire((Step(chunked(CLIP).data[:5_000], "close"),), says="cut"),
    "stalled": Fire((cut_after(9_000, then="stall"),), says="stalled", limits=SHORT_WAITS),
    "stalled within the headers": Fire(
        (Step(b"HTTP/1.1 200 OK\r\nX: ", "stall"),), says="stalled", limits=SHORT_WAITS
    ),
    "a slow drip": Fire(
        (Step(cut_after(9_000, ETag='"v0"').data, "drip", drip=b"x", drip_every_s=0.01),),
        says="stalled: ", limits={"limits": SLOW},
    ),
    "a slow drip of headers": Fire(
        (Step(b"HTTP/1.1 200 OK\r\nX: ", "drip", drip=b"x", drip_every_s=0.01),),
        says="stalled", limits=SHORT_WAITS,
    ),
    "headers without end": Fire(
        (Step(b"HTTP/1.1 200 OK\r\n", "drip", drip=b"X: y\r\n" * 1000),), limits=SHORT_WAITS
    ),
    "one header without end": Fire(
        (Step(b"HTTP/1.1 200 OK\r\nX: ", "drip", drip=b"x" * 8000),), limits=SHORT_WAITS
    ),
    "a body without end": Fire(
        (Step(b"HTTP/1.1 200 OK\r\n\r\n", "drip", drip=CLIP[:64_000]),),
        says="larger than any output", limits={"limits": SMALL},
    ),
    "larger than any output": Fire(
        (whole(),), says="larger than any output: over 100000 bytes", limits={"limits": SMALL}
    ),
    "larger than any output, chunked": Fire(
        (chunked(CLIP),), says="larger than any output", limits={"limits": SMALL}
    ),
    "longer than announced": Fire((whole(CLIP, Content_Length="1000"),)),
    "shorter than announced": Fire(
        (whole(CLIP[:-1], Content_Length=str(SIZE)),), says="stalled", limits=SHORT_WAITS
    ),
    "announced with two lengths": Fire(
        (Step(whole().data.replace(b"\r\n", b"\r\nContent-Length: 5\r\n", 1)),)
    ),
    "a rest that is too long": Fire((CUT, too_long_rest), says="beyond"),
    "a rest that is too short": Fire((CUT, rest(HONEST_RANGE, 10)), says=f"of {SIZE} bytes"),
    "a gzip bomb": Fire(
        (whole(gzip.compress(bytes(5 << 20)), Content_Encoding="gzip"),),
        says="without end", limits={"limits": SMALL},
    ),
    "gzip that is cut": Fire((whole(gzip.compress(CLIP)[:-9], Content_Encoding="gzip"),)),
    "gzip with a wrong checksum": Fire((whole(bad_crc(CLIP), Content_Encoding="gzip"),)),
    "gzip that is none": Fire((whole(CLIP, Content_Encoding="gzip"),), says="garbled"),
    "gzip with something behind": Fire(
        (whole(gzip.compress(CLIP) + b"x", Content_Encoding="gzip"),), says="not complete"
    ),
    "packed twice": Fire((whole(gzip.compress(CLIP), Content_Encoding="gzip, gzip"),)),
    "deflate without its frame": Fire((whole(raw_deflate(CLIP), Content_Encoding="deflate"),)),
    "a redirect to itself": Fire((reply(302, Location="/clip.mp4"),), says="too often"),
    "six redirects": Fire(
        (*(reply(302, Location=f"/{n}") for n in range(6)), whole()), says="too often"
    ),
    **{
        f"a redirect to {there}": Fire((reply(302, Location=there),), says="not a safe link")
        for there in (
            "https://10.0.0.1/x", "https://169.254.169.254/latest/", "https://[fd00::1]/",
            "https://[::ffff:192.168.0.1]/", "https://2130706433/", "https://127.1/",
            "http://outputs.example/x", "https://user:pw@outputs.example/x", "//10.0.0.1/x",
            "file:///etc/passwd", "https://0x7f.1/", "",
        )
    },
}  # fmt: skip


async def be_cut(downloader: HttpDownloader, url: str, part: Path) -> None:
    """A first try that leaves some bytes behind."""
    with pytest.raises(DownloadError, match="was cut"):
        await downloader.fetch(url, part)


@pytest.mark.parametrize("words", FIRES)
async def test_fire_is_an_error_that_shows_no_link_and_the_next_fetch_is_whole(part, words):
    fire = FIRES[words]
    async with serving(*fire.steps, **fire.limits) as (downloader, server, url):
        if fire.steps[0] is CUT and len(fire.steps) > 1:
            await be_cut(downloader, url, part)
        with pytest.raises(DownloadError, match=fire.says) as caught:
            await downloader.fetch(url, part)
        assert type(caught.value) is fire.error
        assert SECRET not in str(caught.value)
        assert {seen.headers.get("authorization") for seen in server.seen} == {None}
    async with serving(ranged()) as (downloader, _, url):
        assert (await downloader.fetch(url, part)).sha256 == SHA
    assert content_of(part) == CLIP


MENDED: Mapping[str, tuple[Script, ...]] = {
    "ETag changed between pieces": (OLD, ranged()),
    "Range ignored": (CUT, whole()),
    "Range ignored, length not said": (CUT, chunked(CLIP)),
    "206 from the wrong place": (CUT, rest("bytes 5-{size}/{size}"), whole()),
    "206 of a wrong total": (CUT, rest(HONEST_RANGE.replace("{size}", "999999")), whole()),
    "206 that ends early": (CUT, rest("bytes {start}-400000/{size}"), whole()),
    "206 in another unit": (CUT, rest(f"seconds {{start}}-{SIZE - 1}/{{size}}"), whole()),
    "206 without a range": (CUT, rest(""), whole()),
    "206 of another version": (CUT, rest(HONEST_RANGE, ETag='"v2"'), whole()),
    "206 that is compressed": (CUT, rest(HONEST_RANGE, Content_Encoding="gzip"), whole()),
    "416": (CUT, reply(416, Content_Range=f"bytes */{SIZE}"), whole()),
    "206 whose total is not known": (CUT, rest(HONEST_RANGE.replace("{size}", "*"))),
    "redirected five times": (*(reply(307, Location=f"/{n}") for n in range(5)), whole()),
    "gzip, not asked for": (whole(gzip.compress(CLIP), Content_Encoding="gzip"),),
    "gzip, chunked": (chunked(gzip.compress(CLIP), Content_Encoding="x-gzip"),),
    "deflate": (whole(zlib.compress(CLIP), Content_Encoding="deflate"),),
    "cut, then gzip": (CUT, whole(gzip.compress(CLIP), Content_Encoding="gzip")),
    "exactly as long as any output": (whole(),),
}


@pytest.mark.parametrize("words", MENDED)
async def test_what_can_be_mended_ends_with_the_real_bytes(part, words):
    steps = MENDED[words]
    limits = BodyLimits(most_bytes=SIZE)
    async with serving(*steps, limits=limits) as (downloader, server, url):
        if steps[0] in (CUT, OLD):
            await be_cut(downloader, url, part)
        fetched = await downloader.fetch(url, part)
        assert len(server.seen) == len(steps)
    assert (fetched.bytes, fetched.sha256) == (SIZE, SHA)
    assert content_of(part) == CLIP


async def test_complete_body_that_no_decoder_would_open_is_kept_with_a_warning(part):
    noise = hashlib.shake_128(b"noise").digest(3_000)
    async with serving(whole(noise)) as (downloader, server, url):
        fetched = await downloader.fetch(url, part)
    assert (content_of(part), fetched.bytes, fetched.ext) == (noise, 3_000, "mp4")
    assert "no known signature" in fetched.warning
    assert len(server.seen) == 1


async def test_odd_characters_of_a_link_cannot_break_the_request(part):
    async with serving(whole()) as (downloader, server, url):
        await downloader.fetch(f"{url}&x=ü \r\nX-Evil: 1\x00\ud800%20", part)
    (seen,) = server.seen
    assert seen.path.endswith("&x=%C3%BC%20%0D%0AX-Evil:%201%00%ED%A0%80%20")
    assert "x-evil" not in seen.headers


# ---- pace ------------------------------------------------------------------------------------


def test_slow_is_judged_over_a_long_window_only():
    pace = Pace(BodyLimits(slow_s=120, slow_bytes=64_000), "outputs.example")
    for _ in range(1000):  # a burst, then a minute and a half of next to nothing
        pace.came(70_000, 1)
        pace.came(1, 90)
    for _ in range(11):
        pace.came(100, 10)
    with pytest.raises(DownloadError, match=r"`outputs.example` stalled: 1200 bytes in 120 s"):
        pace.came(100, 10)


def test_fast_download_is_never_slow_however_many_pieces():
    pace = Pace(BodyLimits(), "outputs.example")
    for _ in range(10_000):
        pace.came(1500, 1.0)


# ---- hosts -----------------------------------------------------------------------------------


async def test_link_to_this_machine_is_refused_unless_the_api_is_here_too(part):
    async with HostileServer([whole()]) as server, HttpDownloader(proxies={}) as downloader:
        for url in (f"{server.url}/a?{SECRET}", f"https://localhost:{server.port}/a?{SECRET}"):
            with pytest.raises(DownloadError, match="not a safe link") as caught:
                await downloader.fetch(url, part)
            assert type(caught.value) is DownloadError
            assert SECRET not in caught.value.message
        assert server.connections == 0


# ---- disks -----------------------------------------------------------------------------------


def failing(number: int) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
async def test_disk_that_is_full_only_at_the_fsync_is_full_and_vouches_for_nothing(
    part, monkeypatch, number
):
    """After a failed fsync the next may succeed, without the bytes that the first has lost."""
    calls: list[int] = []
    fsync = os.fsync

    def once(handle: int) -> None:
        if stat.S_ISREG(os.fstat(handle).st_mode):
            calls.append(handle)
            if len(calls) == 1:
                failing(number)()
        fsync(handle)

    async with serving(whole(), ranged()) as (downloader, server, url):
        monkeypatch.setattr(os, "fsync", once)
        with pytest.raises(DiskFull) as caught:
            await downloader.fetch(url, part)
        assert SECRET not in str(caught.value)
        assert load_state(part) is None
        assert (await downloader.fetch(url, part)).sha256 == SHA
    assert "range" not in server.seen[1].headers


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC])
@pytest.mark.parametrize("call", ["mkdir", "place"])
async def test_folder_that_takes_nothing_stops_the_submitting(part, monkeypatch, call, number):
    async with serving(whole()) as (downloader, _, url):
        if call == "mkdir":
            monkeypatch.setattr(Path, "mkdir", failing(number))
            with pytest.raises(DiskFull):
                await downloader.fetch(url, part)
            return
        fetched = await downloader.fetch(url, part)
        monkeypatch.setattr(os, "link", failing(number))
        monkeypatch.setattr(os, "open", failing(number))
        with pytest.raises(DiskFull):
            await downloader.place(part, part.parent / "clip.mp4", fetched.sha256)
        monkeypatch.undo()
        await downloader.place(part, part.parent / "clip.mp4", fetched.sha256)
    assert content_of(part.parent / "clip.mp4") == CLIP


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
async def test_folder_that_may_not_be_written_stops_the_submitting(part):
    part.parent.mkdir()
    part.parent.chmod(0o500)
    try:
        async with serving(whole()) as (downloader, _, url):
            with pytest.raises(DiskFull, match="not permitted"):
                await downloader.fetch(url, part)
    finally:
        part.parent.chmod(0o700)
