"""Length and size of local files, read from their first bytes."""

from __future__ import annotations

import struct
import sys
import wave
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.manifest import media_probe
from runner.manifest.media_probe import measure
from tests.unit.test_assets import HEADS, PNG


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, name) + content


def header(scale: int, duration: int, *, is_long: bool = False) -> bytes:
    if is_long:
        return b"\1\0\0\0" + bytes(16) + struct.pack(">IQ", scale, duration) + bytes(80)
    return b"\0\0\0\0" + bytes(8) + struct.pack(">II", scale, duration) + bytes(80)


def track(kind: bytes, *, frames: int = 72, width: int = 1280, height: int = 720) -> bytes:
    samples = struct.pack(">II", 0, 1) + struct.pack(">II", frames, 512)
    media = (
        box(b"mdhd", header(12288, 512 * frames))
        + box(b"hdlr", bytes(8) + kind + bytes(13))
        + box(b"minf", box(b"stbl", box(b"stts", samples)))
    )
    return box(
        b"trak",
        box(b"tkhd", bytes(76) + struct.pack(">II", width << 16, height << 16))
        + box(b"mdia", media),
    )


def movie(*parts: bytes, is_long: bool = False) -> bytes:
    head = box(b"mvhd", header(1000, 3000, is_long=is_long))
    return box(b"ftyp", b"isom" + bytes(4)) + box(b"moov", head + b"".join(parts))


@pytest.mark.parametrize("is_long", [False, True])
def test_a_video_is_measured_by_its_boxes(tmp_path: Path, is_long: bool) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(
        box(b"free", b"") + movie(track(b"soun"), track(b"vide"), track(b"soun"), is_long=is_long)
    )
    assert measure(path, "video") == {
        "seconds": 3.0,
        "megapixels": 0.9216,
        "width_px": 1280.0,
        "height_px": 720.0,
        "longest_side_px": 1280.0,
        "frames": 72.0,
        "fps": 24.0,
    }


def test_a_box_of_64_bit_length_before_the_movie_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    media = struct.pack(">I4sQ", 1, b"mdat", 16 + 1000) + bytes(1000)
    path.write_bytes(box(b"ftyp", b"isom" + bytes(4)) + media + box(b"moov", movie()[24:]))
    assert measure(path, "video")["seconds"] == 3.0


def test_sound_in_an_mp4_has_a_length_and_no_size(tmp_path: Path) -> None:
    path = tmp_path / "a.m4a"
    path.write_bytes(movie(track(b"soun")))
    assert measure(path, "audio") == {"seconds": 3.0}


def test_a_wav_is_measured_by_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(4 * 12000))
    assert measure(path, "audio") == {"seconds": 1.5}


def test_a_streamed_wav_of_unknown_size_counts_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8)
    note = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    data = b"data" + struct.pack("<I", 0xFFFFFFFF) + bytes(4000)
    path.write_bytes(b"RIFF\xff\xff\xff\xffWAVE" + form + note + data)
    assert measure(path, "audio") == {"seconds": 0.5}


def test_a_picture_has_a_size(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    assert measure(path, "image") == {
        "width_px": 1920.0,
        "height_px": 1080.0,
        "longest_side_px": 1920.0,
        "megapixels": 2.0736,
    }


@pytest.mark.parametrize("content", [b"", b"text", *HEADS.values(), movie()[:40]])
def test_what_cannot_be_measured_is_unknown(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)  # as where the extra is not installed
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    assert "seconds" not in measure(path, "video")


def test_a_missing_file_is_unknown(tmp_path: Path) -> None:
    assert measure(tmp_path / "none.mp4", "video") == {}


def test_boxes_in_boxes_without_end_are_given_up(tmp_path: Path) -> None:
    content = b""
    for _ in range(3000):
        content = box(b"moov", content)
    path = tmp_path / "deep.mp4"
    path.write_bytes(box(b"ftyp", b"isom" + bytes(4)) + content)
    assert "seconds" not in measure(path, "video")


def test_other_containers_are_measured_by_pyav(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(50):
            container.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        container.mux(stream.encode())
    found = measure(path, "video")
    assert found["seconds"] == pytest.approx(2, abs=0.05)
    assert (found["fps"], found["longest_side_px"]) == (25, 64)


def test_our_reading_of_a_real_mp4_agrees_with_pyav(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 128, 72, "yuv420p"
        for _ in range(45):
            container.mux(stream.encode(av.VideoFrame(128, 72, "yuv420p")))
        container.mux(stream.encode())
    found = measure(path, "video")
    assert found["seconds"] == pytest.approx(1.5, abs=0.05)
    assert (found["frames"], found["fps"], found["longest_side_px"]) == (45, 30, 128)
    assert media_probe._by_pyav(path, "video")["seconds"] == pytest.approx(found["seconds"])


@given(
    content=st.binary(max_size=300), start=st.sampled_from([*HEADS.values(), movie(track(b"vide"))])
)
def test_broken_files_never_break_the_measuring(
    content: bytes, start: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "broken.bin"
    path.write_bytes(start[: len(start) - len(content) // 2] + content)
    found = measure(path, "video")
    assert all(value > 0 for value in found.values())
