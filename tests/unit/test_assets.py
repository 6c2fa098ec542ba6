from __future__ import annotations

import hashlib
import os
import struct
import sys
import wave
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.manifest import media_probe
from runner.manifest.assets import MAX_BYTES, AssetProblem, is_local, local_asset
from runner.manifest.media_probe import measure
from runner.manifest.signatures import FORMATS, family_of, formats_for

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", 1920, 1080) + b"\x08" * 600
JPEG = b"\xff\xd8\xff\xe0" + bytes(600)
HEADS = {
    "jpeg": JPEG,
    "png": PNG,
    "webp": b"RIFF\0\0\0\0WEBPVP8 ",
    "gif": b"GIF89a",
    "mp4": b"\0\0\0\x18ftypisom",
    "matroska": b"\x1aE\xdf\xa3",
    "ogg": b"OggS\0",
    "avi": b"RIFF\0\0\0\0AVI LIST",
    "flv": b"FLV\x01",
    "mpeg": b"\0\0\x01\xba",
    "mp3": b"ID3\x04",
    "wav": b"RIFF\0\0\0\0WAVEfmt ",
    "flac": b"fLaC",
    "aac": b"\xff\xf1\x50",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    base = tmp_path / "project"
    (base / "plates").mkdir(parents=True)
    (base / "plates" / "intro.png").write_bytes(PNG)
    (tmp_path / "elsewhere.png").write_bytes(PNG)
    return base


def problem(
    value: str, folder: Path, *, media: str = "image", allow: tuple[Path, ...] = ()
) -> AssetProblem:
    with pytest.raises(AssetProblem) as caught:
        local_asset(value, media, base=folder, allow=allow)
    return caught.value


# What counts as a path


@pytest.mark.parametrize(
    "value", ["a.png", "./a.png", "/abs/a.png", "../a.png", "C:\\a.png", "a:b.png", "data/a.png"]
)
def test_paths_are_local(value: str) -> None:
    assert is_local(value)


@pytest.mark.parametrize(
    "value",
    [
        "https://example.com/a.png",
        "HTTP://example.com/a.png",
        "runway://abc",
        "data:image/png;base64,AAAA",
        "file:/a.png",
        "s3://bucket/a.png",
        "~/a.png",
        "",
    ],
)
def test_uris_and_home_folders_are_not_local(value: str) -> None:
    assert not is_local(value)


# Finding the file


def test_a_file_is_named_by_its_content(folder: Path) -> None:
    asset = local_asset("plates/intro.png", "image", base=folder, allow=())
    assert asset.path == str((folder / "plates" / "intro.png").resolve())
    assert asset.sha256 == hashlib.sha256(PNG).hexdigest()
    assert (asset.bytes, asset.media) == (len(PNG), "image")


def test_a_large_file_is_hashed_in_pieces(folder: Path) -> None:
    content = PNG + os.urandom(2_500_000)
    (folder / "big.png").write_bytes(content)
    asset = local_asset("big.png", "image", base=folder, allow=())
    assert asset.sha256 == hashlib.sha256(content).hexdigest()


def test_an_absolute_path_inside_the_folder_is_fine(folder: Path) -> None:
    path = str(folder / "plates" / "intro.png")
    assert local_asset(path, "image", base=folder, allow=()).path == str(Path(path).resolve())


def test_a_missing_file_suggests_its_neighbour(folder: Path) -> None:
    error = problem("plates/intor.png", folder)
    assert error.message == "`plates/intor.png` does not exist"
    assert error.hint == "did you mean `intro.png`?"


def test_a_missing_folder_is_named(folder: Path) -> None:
    assert "there is no folder" in problem("plate/intro.png", folder).hint


def test_a_missing_file_without_neighbours_says_where_it_was_looked_for(folder: Path) -> None:
    assert problem("plates/xyzzy.mov", folder).hint.startswith("looked for ")


@pytest.mark.parametrize("value", ["../elsewhere.png", "plates/../../elsewhere.png"])
def test_a_path_outside_the_folder_is_refused(folder: Path, value: str) -> None:
    error = problem(value, folder)
    assert error.message == f"`{value}` lies outside the manifest's folder"
    assert f"inputs: {{allow: [{folder.parent.resolve()}]}}" in error.hint


def test_a_path_outside_is_refused_before_its_existence_is_told(folder: Path) -> None:
    assert "outside" in problem("../no-such-file.png", folder).message


def test_an_allowed_folder_may_hold_inputs(folder: Path) -> None:
    asset = local_asset("../elsewhere.png", "image", base=folder, allow=[folder.parent])
    assert asset.path.endswith("elsewhere.png")


def test_a_neighbour_with_the_same_beginning_is_not_inside(folder: Path) -> None:
    twin = folder.parent / "project-2"
    twin.mkdir()
    (twin / "a.png").write_bytes(PNG)
    assert "outside" in problem("../project-2/a.png", folder).message


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_is_judged_by_where_it_leads(folder: Path) -> None:
    (folder / "link.png").symlink_to(folder.parent / "elsewhere.png")
    assert "outside" in problem("link.png", folder).message
    asset = local_asset("link.png", "image", base=folder, allow=[folder.parent])
    assert asset.path == str((folder.parent / "elsewhere.png").resolve())


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_loop_of_links_is_no_file(folder: Path) -> None:
    (folder / "a.png").symlink_to(folder / "b.png")
    (folder / "b.png").symlink_to(folder / "a.png")
    problem("a.png", folder)


def test_a_folder_is_no_file(folder: Path) -> None:
    assert problem("plates", folder).message == "`plates` is a folder"


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes there")
def test_a_pipe_is_refused_without_being_opened(folder: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    assert problem("pipe.png", folder).message == "`pipe.png` is not a regular file"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_a_file_without_permission_is_said(folder: Path) -> None:
    (folder / "plates" / "intro.png").chmod(0)
    assert "cannot be read" in problem("plates/intro.png", folder).message


@pytest.mark.parametrize("value", ["a\0b.png", "x" * 5000 + ".png"])
def test_a_name_that_no_file_can_have_is_refused(folder: Path, value: str) -> None:
    problem(value, folder)


@pytest.mark.parametrize("value", ["~/a.png", "https://example.com/a.png", ""])
def test_what_is_no_path_is_refused(folder: Path, value: str) -> None:
    assert "is not a local path" in problem(value, folder).message


# Size and type


def test_a_tiny_file_is_refused(folder: Path) -> None:
    (folder / "tiny.png").write_bytes(PNG[:511])
    assert problem("tiny.png", folder).message == "`tiny.png` has 511 bytes"


def test_the_smallest_file_is_taken(folder: Path) -> None:
    (folder / "small.png").write_bytes(PNG[:512])
    assert local_asset("small.png", "image", base=folder, allow=()).bytes == 512


def test_a_huge_file_is_refused_without_being_read(folder: Path) -> None:
    with (folder / "huge.png").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    error = problem("huge.png", folder)
    assert error.message == "`huge.png` has 209,715,201 bytes"
    assert "200 MB" in error.hint


def test_a_type_that_the_field_does_not_take_is_refused(folder: Path) -> None:
    error = problem("plates/intro.png", folder, media="video")
    assert error.message == "`plates/intro.png` is no video that Runway takes"
    assert error.hint.startswith("use one of: mp4, ")


def test_a_gif_is_no_image_that_runway_takes(folder: Path) -> None:
    (folder / "a.gif").write_bytes(b"GIF89a" + bytes(600))
    assert problem("a.gif", folder).hint == "use one of: jpg, jpeg, png, webp"


def test_a_name_that_lies_about_its_content_is_refused(folder: Path) -> None:
    (folder / "a.png").write_bytes(JPEG)
    assert problem("a.png", folder).message == (
        "`a.png` is named .png, but its content looks like jpeg"
    )


def test_text_named_as_a_picture_is_refused(folder: Path) -> None:
    (folder / "a.png").write_bytes(b"<html>" * 200)
    assert problem("a.png", folder).message.endswith("is of no known type")


def test_upper_case_extensions_count(folder: Path) -> None:
    (folder / "A.PNG").write_bytes(PNG)
    assert local_asset("A.PNG", "image", base=folder, allow=()).media == "image"


@pytest.mark.parametrize("family", HEADS)
def test_each_kind_of_file_is_known_by_its_first_bytes(family: str) -> None:
    assert family_of(HEADS[family]) == family


@pytest.mark.parametrize("suffix", FORMATS)
def test_each_extension_is_taken_with_its_bytes(suffix: str, tmp_path: Path) -> None:
    (media,) = FORMATS[suffix].media
    head = HEADS[min(FORMATS[suffix].families)]
    (tmp_path / f"a.{suffix}").write_bytes(head + bytes(600))
    assert local_asset(f"a.{suffix}", media, base=tmp_path, allow=()).media == media


def test_every_media_has_formats() -> None:
    assert formats_for("image") == ["jpg", "jpeg", "png", "webp"]
    assert formats_for("any") == []
    assert family_of(b"") == ""


# Measures


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
    assert measure(path, "image") == {"megapixels": 2.0736, "longest_side_px": 1920.0}


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
