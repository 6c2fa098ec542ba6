"""The first and the last frame of real videos, as PNG files."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import pytest
from PIL import Image

from runner.core.spec import AssetRef
from runner.downloads.atomic import write_bytes
from runner.emulator.media import render
from runner.emulator.outputs import OutputFile
from runner.errors import DiskFull, DownloadError, PermanentApiError, TransientApiError
from runner.media import decoding, extra, frames
from runner.media.decoding import NoFrame, picture
from runner.media.extra import media_extra_missing
from runner.media.frames import KEPT_S, FrameFolder
from tests.videos import BLUE, GREEN, RED, SIZE, clip, colour_of, is_like, shades, written

GRAIN = Image.effect_noise(SIZE, 80).convert("RGB")
LONG = shades(150)  # six seconds: more than the tail that is looked at first


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return tmp_path / "clip.mp4"


def ends_of(path: Path) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    return colour_of(picture(path, "first")), colour_of(picture(path, "last"))


def x264(**params: Any) -> dict[str, str]:
    return {"x264-params": ":".join(f"{k.replace('_', '-')}={v}" for k, v in params.items())}


# The right frame


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"coding": x264(bframes=0)},
        {"coding": x264(bframes=6, b_pyramid="normal", keyint=20, open_gop=1, scenecut=0)},
        {"coding": x264(keyint=1000, scenecut=0, bframes=8)},
        {"coding": x264(intra_refresh=1, keyint=40)},
        {"codec": "libx265", "coding": {"x265-params": "bframes=4:keyint=30:log-level=none"}},
        {"codec": "mpeg4", "max_b_frames": 2},
        {"codec": "prores_ks", "pixels": "yuv422p10le", "ext": "mov"},
        {"codec": "prores_ks", "pixels": "yuva444p10le", "ext": "mov"},
        {"codec": "libvpx-vp9", "ext": "webm"},
        {"muxing": {"movflags": "+faststart"}},
        {"muxing": {"movflags": "frag_keyframe+empty_moov"}},
        {"times": [n * n for n in range(150)], "fps": 3000},
    ],
    ids=["h264", "no b-frames", "open gops", "one gop", "intra refresh", "h265", "mpeg4", "prores",
         "prores with alpha", "vp9", "faststart", "fragments", "variable rate"],
)  # fmt: skip
def test_the_first_and_the_last_frame_are_those_that_were_put_in(video, how):
    written(video, clip(LONG, **how))
    first, last = ends_of(video)
    assert is_like(first, LONG[0]), (first, LONG[0])
    assert is_like(last, LONG[-1]), (last, LONG[-1])


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_video_of_hardly_any_frames_has_both_ends(video, count):
    written(video, clip([RED, GREEN, BLUE][:count]))
    first, last = ends_of(video)
    assert is_like(first, RED)
    assert is_like(last, [RED, GREEN, BLUE][count - 1])


def test_a_tail_that_does_not_come_out_right_is_looked_for_from_the_start(video, monkeypatch):
    written(video, clip(LONG))
    before = picture(video, "last").tobytes()
    monkeypatch.setattr(decoding._Reading, "enter_tail", lambda self: False)
    assert picture(video, "last").tobytes() == before


def test_a_video_cut_off_anywhere_ends_with_its_last_whole_frame(video):
    """In a file without B-frames, so that frames lie in it in the order of time."""
    whole = clip(LONG, coding=x264(bframes=0, keyint=10), muxing={"movflags": "+faststart"})
    seen = []
    for percent in (99, 90, 75, 60):
        written(video, whole[: len(whole) * percent // 100])
        last = colour_of(picture(video, "last"))
        seen.append(next(n for n in range(149, -1, -1) if is_like(last, LONG[n])))
    assert seen == sorted(seen, reverse=True)
    assert 100 < seen[0] < 150
    assert seen[-1] > 10


@pytest.mark.parametrize("seconds", [1, 6])
@pytest.mark.parametrize(
    ("which", "at", "rest"), [("first", 0, slice(1, None)), ("last", -1, slice(-1))]
)
def test_a_damaged_frame_is_not_taken_for_what_was_shown(video, which, at, rest, seconds):
    """Every frame stands for itself here: what comes out is its neighbour, unharmed."""
    alone = {"coding": x264(keyint=1, bframes=0, qp=20)}
    shown = [Image.blend(Image.new("RGB", SIZE, c), GRAIN, 0.2) for c in LONG[: 25 * seconds]]
    written(video, clip(shown[rest], **alone))
    neighbour = picture(video, which)
    whole = bytearray(clip(shown, **alone))
    written(video, whole)
    assert picture(video, which).tobytes() != neighbour.tobytes()
    start, size = packets(video)[at]
    whole[start + size // 2 : start + size] = bytes(size - size // 2)
    written(video, whole)
    assert picture(video, which).tobytes() == neighbour.tobytes()


@pytest.mark.parametrize(
    ("frames", "newest"),
    [
        ([(1, False), (3, False), (2, False)], 3),
        ([(1, False), (2, False), (3, True)], 2),
        ([(None, False), (None, False)], None),
        ([(5, False), (None, False)], None),  # without a time, it is the order that counts
    ],
)
def test_the_newest_frame_is_the_one_shown_last(monkeypatch, frames, newest):
    given = [SimpleNamespace(pts=pts, is_corrupt=harmed) for pts, harmed in frames]
    monkeypatch.setattr(decoding._Reading, "frames", lambda self: iter(given))
    found = decoding._Reading.newest(object.__new__(decoding._Reading))
    assert found.pts == newest
    assert not found.is_corrupt


def packets(video: Path) -> list[tuple[int, int]]:
    """Where each packet of pictures lies in the file, and its size."""
    with av.open(video) as container:
        return [(p.pos or 0, p.size) for p in container.demux(video=0) if p.size]


# As a player shows it


@pytest.mark.parametrize(
    ("turn", "upright"),
    [
        ((0, False, False), None),
        ((90, False, False), Image.Transpose.ROTATE_90),
        ((180, False, False), Image.Transpose.ROTATE_180),
        ((270, False, False), Image.Transpose.ROTATE_270),
        ((0, True, False), Image.Transpose.FLIP_LEFT_RIGHT),
        ((0, False, True), Image.Transpose.FLIP_TOP_BOTTOM),
    ],
)
def test_a_turned_or_mirrored_video_comes_out_upright(video, turn, upright):
    corners = Image.new("RGB", SIZE, RED)
    corners.paste(GREEN, (0, 0, 32, 24))
    corners.paste(BLUE, (32, 0, 64, 24))
    written(video, clip([corners] * 3, turn=turn))
    found = picture(video, "last")
    wanted = corners if upright is None else corners.transpose(upright)
    assert found.size == wanted.size
    for x in (8, wanted.width - 8):
        for y in (8, wanted.height - 8):
            spot, right = found.getpixel((x, y)), wanted.getpixel((x, y))
            assert is_like(spot, right), (turn, x, y)


@pytest.mark.parametrize("which", ["first", "last"])
def test_a_quarter_turn_that_is_then_mirrored_is_shown_so(video, which):
    """Its top left corner comes to lie at the bottom left, and goes to the other side."""
    corners = Image.new("RGB", SIZE, RED)
    corners.paste(GREEN, (0, 0, 32, 24))
    for flip, corner in (((True, False), (40, 56)), ((False, True), (8, 8))):
        written(video, clip([corners], turn=(90, *flip)))
        found = picture(video, which)
        assert found.size == (48, 64)
        assert is_like(found.getpixel(corner), GREEN), flip


@pytest.mark.parametrize(
    "how",
    [
        {"colorspace": 1}, {"colorspace": 6}, {"color_range": 2, "pixels": "yuvj420p"},
        {"colorspace": 1, "size": (1280, 720)}, {"color_trc": 1, "colorspace": 1},
    ],
    ids=["bt709", "bt601", "full range", "bt709 in hd", "tagged as sdr"],
)  # fmt: skip
def test_colours_are_those_that_the_video_is_tagged_with(video, how):
    written(video, clip([RED, GREEN, (200, 40, 90)], **how))
    assert is_like(colour_of(picture(video, "last")), (200, 40, 90))


@pytest.mark.parametrize("curve", [16, 18], ids=["PQ", "HLG"])
def test_hdr_is_refused_and_not_made_to_look_washed_out(video, curve):
    how = {"codec": "libx265", "pixels": "yuv420p10le", "coding": {"x265-params": "log-level=none"}}
    written(video, clip([RED] * 3, color_trc=curve, **how))
    with pytest.raises(NoFrame, match="HDR"):
        picture(video, "last")


def test_what_the_emulator_makes_has_a_last_frame(video):
    facts = (("model", "gen4_turbo"),)
    made = OutputFile(
        task="t", index=0, ext="mp4", width=320, height=180, seconds=4.0, sound=True, facts=facts
    )
    written(video, render(made))
    first, last = picture(video, "first"), picture(video, "last")
    assert first.size == last.size == (320, 180)
    assert first.tobytes() != last.tobytes()


# What gives no frame


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "neither MP4"),
        (b"no video at all", "neither MP4"),
        (b"#EXTM3U\n#EXTINF:1,\nhttp://192.0.2.1/a.ts\n", "neither MP4"),
        (b"ffconcat version 1.0\nfile /etc/hostname\n", "neither MP4"),
        (clip([RED] * 3)[:400], "decoded"),
        (b"\0\0\0\x18ftypisom\0\0\x02\0" + bytes(5000), "decoded"),
        (b"\x1a\x45\xdf\xa3" + bytes(5000), "decoded"),
    ],
    ids=["empty", "text", "playlist", "list of files", "half", "zeros", "matroska of zeros"],
)
def test_what_is_no_video_says_so(video, data, why):
    written(video, data)
    for which in ("first", "last"):
        with pytest.raises(NoFrame, match=why):
            picture(video, which)


def test_sound_alone_has_no_frame(video):
    tone = OutputFile(
        task="t", index=0, ext="mp4", width=16, height=16, seconds=1.0, sound=True, facts=()
    )
    buffer = io.BytesIO()
    with av.open(io.BytesIO(render(tone))) as source, av.open(buffer, "w", format="mp4") as target:
        sound = source.streams.audio[0]
        copy = target.add_stream_from_template(sound)
        for packet in source.demux(sound):
            if packet.dts is not None:
                packet.stream = copy
                target.mux(packet)
    written(video, buffer.getvalue())
    with pytest.raises(NoFrame, match="no pictures"):
        picture(video, "last")


def test_frames_of_too_many_pixels_are_not_decoded(video, monkeypatch):
    written(video, clip([RED] * 3))
    monkeypatch.setattr(decoding, "MOST_PIXELS", SIZE[0] * SIZE[1])
    assert picture(video, "last").size == SIZE
    monkeypatch.setattr(decoding, "MOST_PIXELS", SIZE[0] * SIZE[1] - 1)
    with pytest.raises(NoFrame, match="megapixels"):
        picture(video, "last")


def test_frames_that_grow_on_the_way_are_not_decoded_either(video, monkeypatch):
    """The size is that of the first frame; the decoder is told the limit, too."""
    written(video, clip([RED] * 3))
    monkeypatch.setattr(decoding, "_check_size", lambda _: None)
    monkeypatch.setattr(decoding, "MOST_PIXELS", 100)
    with pytest.raises(NoFrame, match="decoded"):
        picture(video, "last")


# The folder of stills


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def digest_of(path: Path | str) -> str:
    return sha256(Path(path).read_bytes())


async def still_of(folder: FrameFolder, video: Path, which: str = "last") -> AssetRef:
    return await folder.frame(video, sha256=digest_of(video), which=which)


@pytest.fixture
def folder(tmp_path: Path) -> FrameFolder:
    return FrameFolder(tmp_path / "state" / "frames", write_bytes)


async def test_a_still_is_a_png_that_is_known_by_its_own_content(folder, video, tmp_path):
    written(video, clip([RED, GREEN, BLUE]))
    found = await still_of(folder, video)
    path = tmp_path / "state" / "frames" / f"{sha256(video.read_bytes())}-last.png"
    data = path.read_bytes()
    assert found == AssetRef(path=str(path), sha256=sha256(data), bytes=len(data), media="image")
    with Image.open(path) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", SIZE)
        assert image.tobytes() == picture(video, "last").tobytes()  # nothing was lost
        assert "date" not in " ".join(image.info).lower()
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


async def test_the_same_video_gives_the_same_bytes_wherever_it_lies(video, tmp_path):
    written(video, clip(LONG))
    other = written(tmp_path / "copy.mp4", video.read_bytes())
    stills = [
        await still_of(FrameFolder(tmp_path / name, write_bytes), path)
        for name, path in (("a", video), ("b", other))
    ]
    assert stills[0].sha256 == stills[1].sha256


async def test_a_still_that_is_there_needs_neither_video_nor_decoder(folder, video, monkeypatch):
    written(video, clip([RED, GREEN]))
    digest = sha256(video.read_bytes())
    before = await still_of(folder, video)
    video.unlink()
    monkeypatch.setattr(frames, "_png", None)
    assert await folder.frame(video, sha256=digest, which="last") == before


async def test_first_and_last_are_two_stills(folder, video):
    written(video, clip([RED, GREEN]))
    both = [await still_of(folder, video, which) for which in ("first", "last")]
    assert both[0].path != both[1].path
    assert both[0].sha256 != both[1].sha256


async def test_many_who_want_one_still_share_one_decoding(folder, video, monkeypatch):
    written(video, clip([RED, GREEN]))
    made = []

    def counted(path, which):
        made.append(which)
        return picture(path, which)

    monkeypatch.setattr(decoding, "picture", counted)
    found = await asyncio.gather(*(still_of(folder, video) for _ in range(20)))
    assert made == ["last"]
    assert len(set(found)) == 1


@pytest.mark.parametrize("left", [b"", b"\x89PNG\r\n\x1a\n but cut", b"something else"])
async def test_a_still_that_is_not_whole_is_made_again(folder, video, left):
    written(video, clip([RED, GREEN]))
    whole = await still_of(folder, video)
    written(Path(whole.path), left)
    assert await still_of(folder, video) == whole
    assert digest_of(whole.path) == whole.sha256


async def test_a_video_that_is_not_what_was_verified_is_refused(folder, video, tmp_path):
    written(video, clip([RED]))
    with pytest.raises(PermanentApiError, match=r"clip\.mp4.*changed since it was verified"):
        await folder.frame(video, sha256="0" * 64, which="last")
    assert not (tmp_path / "state").exists()


async def test_a_video_that_is_gone_is_refused_by_name(folder, video):
    with pytest.raises(PermanentApiError, match=r"last frame of .*clip\.mp4.*No such file"):
        await folder.frame(video, sha256="0" * 64, which="last")


async def test_a_video_without_a_frame_is_refused_by_name(folder, video, tmp_path):
    written(video, clip([RED])[:300])
    with pytest.raises(PermanentApiError, match=r"first frame of .*clip\.mp4.*decoded"):
        await still_of(folder, video, "first")
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("raised", "told"),
    [(DiskFull("full"), DiskFull), (DownloadError("cannot write"), TransientApiError)],
)
async def test_a_disk_that_does_not_take_a_still_is_no_fault_of_the_video(
    video, tmp_path, raised, told
):
    def write(_path: Path, _data: bytes) -> None:
        raise raised

    written(video, clip([RED]))
    with pytest.raises(told, match=raised.message):
        await still_of(FrameFolder(tmp_path, write), video)


async def test_old_stills_and_what_a_kill_left_make_room_for_new_ones(video, tmp_path):
    written(video, clip([RED]))
    folder = tmp_path / "frames"
    folder.mkdir()
    for name in ("old.png", ".cut.tmp", "young.png"):
        (folder / name).write_bytes(b"x")
    now = video.stat().st_mtime
    for name in ("old.png", ".cut.tmp"):
        os.utime(folder / name, (now - KEPT_S - 60, now - KEPT_S - 60))
    os.utime(folder / "young.png", (now - KEPT_S + 600, now - KEPT_S + 600))
    found = await still_of(FrameFolder(folder, write_bytes), video)
    assert {entry.name for entry in folder.iterdir()} == {"young.png", Path(found.path).name}


async def test_a_still_in_use_is_kept(video, tmp_path):
    written(video, clip([RED]))
    folder = tmp_path / "frames"
    old = await still_of(FrameFolder(folder, write_bytes), video)
    os.utime(old.path, (1_000_000_000, 1_000_000_000))
    again = FrameFolder(folder, write_bytes)
    await still_of(again, video)  # used now
    await still_of(again, written(tmp_path / "other.mp4", clip([BLUE])))
    assert digest_of(old.path) == old.sha256


# Without the extra


def test_the_extra_is_here():
    assert media_extra_missing() is None


@pytest.mark.parametrize("package", ["av", "pillow"])
@pytest.mark.parametrize("found", [None, "10.9.9", "odd"], ids=["none", "too old", "unreadable"])
async def test_without_the_extra_it_is_said_which_package_is_missing(
    folder, video, monkeypatch, package, found
):
    def version(name: str) -> str:
        if name != package:
            return "99.0"
        if found is None:
            raise PackageNotFoundError(name)
        return found

    written(video, clip([RED]))
    monkeypatch.setattr(extra, "version", version)
    told = media_extra_missing()
    assert told is not None
    assert f"`{package}`" in told
    assert told.count("`") == 4
    with pytest.raises(PermanentApiError, match=f"`{package}`") as error:
        await still_of(folder, video)
    assert "runway-batch[media]" in error.value.hint


async def test_an_extra_that_cannot_be_loaded_is_a_clear_failure(folder, video, monkeypatch):
    written(video, clip([RED]))
    monkeypatch.setitem(sys.modules, "runner.media.decoding", None)
    with pytest.raises(PermanentApiError, match="cannot take the last frame") as error:
        await still_of(folder, video)
    assert "runway-batch[media]" in error.value.hint
