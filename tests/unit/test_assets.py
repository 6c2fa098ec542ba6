from __future__ import annotations

import hashlib
import os
import struct
import sys
from pathlib import Path

import pytest

from runner.manifest.assets import MAX_BYTES, AssetProblem, is_local, local_asset
from runner.manifest.signatures import FORMATS, family_of, formats_for

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", 1920, 1080) + b"\x08" * 600
JPEG = b"\xff\xd8\xff\xe0" + bytes(600)
HEADS = {
    "jpeg": JPEG,
    "png": PNG,
    "webp": b"RIFF\0\0\0\0WEBPVP8 ",
    "gif": b"GIF89a",
    "heif": b"\0\0\0\x18ftypheic",
    "avif": b"\0\0\0\x18ftypavif",
    "tiff": b"II*\0",
    "bmp": b"BM\x36\x10\0\0\0\0\0\0",
    "psd": b"8BPS",
    "jxl": b"\xff\x0a\xfa",
    "asf": b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",
    "aiff": b"FORM\0\0\0\0AIFF",
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


HEIC = b"\0\0\0\x18ftypheic" + bytes(600)


@pytest.mark.parametrize(
    ("name", "media", "message", "hint"),
    [
        (
            "a.heic",
            "image",
            "`a.heic` is HEIC, which Runway does not take",
            "convert it to JPEG, e.g. `magick a.heic a.jpg`",
        ),
        (
            "my plate.AVIF",
            "image",
            "`my plate.AVIF` is AVIF, which Runway does not take",
            "convert it to JPEG, e.g. `magick 'my plate.AVIF' 'my plate.jpg'`",
        ),
        (
            "a.gif",
            "image",
            "`a.gif` is GIF, which Runway does not take",
            "convert it to PNG, e.g. `magick 'a.gif[0]' a.png`",
        ),
        (
            "a.gif",
            "video",
            "`a.gif` is GIF, which Runway does not take",
            "convert it to MP4, e.g. `ffmpeg -i a.gif -pix_fmt yuv420p a.mp4`",
        ),
        (
            "a.ogg",
            "audio",
            "`a.ogg` is Ogg, which Runway does not take",
            "convert it to MP3, e.g. `ffmpeg -i a.ogg a.mp3`",
        ),
        (
            "a.mov",
            "image",
            "`a.mov` is no image that Runway takes",
            "take a frame out of it, e.g. `ffmpeg -i a.mov -frames:v 1 a.png`",
        ),
        (
            "a.mp4",
            "audio",
            "`a.mp4` is no audio that Runway takes",
            "take the sound out of it, e.g. `ffmpeg -i a.mp4 -vn a.mp3`",
        ),
        ("a.txt", "image", "`a.txt` is no image that Runway takes", "use one of: jpg, jpeg, png"),
        ("a", "image", "`a` is no image that Runway takes", "use one of: jpg, jpeg, png"),
    ],
)
def test_a_type_that_runway_refuses_is_named_with_the_command_that_helps(
    folder: Path, name: str, media: str, message: str, hint: str
) -> None:
    (folder / name).write_bytes(HEIC)
    error = problem(name, folder, media=media)
    assert error.message == message
    assert error.hint.startswith(hint)


@pytest.mark.parametrize(
    ("name", "media", "content", "message", "hint"),
    [
        (
            "a.jpg",
            "image",
            HEIC,
            "`a.jpg` is named .jpg, but it is HEIC, which Runway does not take",
            "convert it to JPEG, e.g. `magick a.jpg a-converted.jpg`",
        ),
        (
            "a.png",
            "image",
            JPEG,
            "`a.png` is named .png, but its content looks like jpeg",
            "rename it to a.jpg",
        ),
        (
            "a.mp4",
            "video",
            b"OggS" + bytes(600),
            "`a.mp4` is named .mp4, but its content looks like ogg",
            "rename it to a.ogv",
        ),
        (
            "a.mp3",
            "audio",
            b"OggS" + bytes(600),
            "`a.mp3` is named .mp3, but it is Ogg, which Runway does not take",
            "convert it to MP3, e.g. `ffmpeg -i a.mp3 a-converted.mp3`",
        ),
        (
            "a.png",
            "image",
            b"<html>" * 200,
            "`a.png` is named .png, but its content is of no known type",
            "rename or convert it: the type must follow from the name",
        ),
    ],
)
def test_content_that_is_not_what_the_name_says_is_told_with_the_fix(
    folder: Path, name: str, media: str, content: bytes, message: str, hint: str
) -> None:
    (folder / name).write_bytes(content)
    error = problem(name, folder, media=media)
    assert (error.message, error.hint) == (message, hint)


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
