from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.manifest.image_size import sides_of
from runner.manifest.media_probe import measure

Image = pytest.importorskip("PIL.Image")

#: orientation of the camera, as a JPEG notes it
UPRIGHT, TURNED = 1, 6


def picture(kind: str, size: tuple[int, int] = (300, 200), **options: object) -> bytes:
    file = io.BytesIO()
    Image.new("RGBA" if kind == "WEBP" else "RGB", size).save(file, kind, **options)
    return file.getvalue()


def exif(orientation: int, order: str = "<") -> bytes:
    """The segment of a JPEG in which a camera says how it was held."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    make = struct.pack(order + "HHIHH", 0x010F, 2, 1, 0, 0)
    turn = struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    content = b"Exif\0\0" + head + struct.pack(order + "H", 2) + make + turn
    return b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("JPEG", {"comment": b"x" * 60_000}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"exif": b"x" * 100}),
    ],
)
def test_the_size_of_a_real_picture_is_read(kind: str, options: dict[str, object]) -> None:
    assert sides_of(io.BytesIO(picture(kind, **options))) == (300, 200)


@pytest.mark.parametrize("size", [(1, 1), (16383, 1), (1, 16383), (257, 4097)])
@pytest.mark.parametrize("options", [{}, {"lossless": True}])
def test_the_sides_of_a_webp_are_read_to_the_last_bit(
    size: tuple[int, int], options: dict[str, object]
) -> None:
    assert sides_of(io.BytesIO(picture("WEBP", size, **options))) == size


def test_an_opaque_webp_is_read_too() -> None:
    file = io.BytesIO()
    Image.new("RGB", (300, 200)).save(file, "WEBP")
    assert file.getvalue()[12:16] == b"VP8 "
    assert sides_of(file) == (300, 200)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_photo_of_a_camera_held_upright_is_as_high_as_it_is_shown(order: str) -> None:
    plain = picture("JPEG")
    assert sides_of(io.BytesIO(plain[:2] + exif(UPRIGHT, order) + plain[2:])) == (300, 200)
    assert sides_of(io.BytesIO(plain[:2] + exif(TURNED, order) + plain[2:])) == (200, 300)


def test_padding_before_a_marker_is_skipped() -> None:
    plain = picture("JPEG")
    assert sides_of(io.BytesIO(plain[:2] + b"\xff" * 50 + plain[2:])) == (300, 200)


def test_measures_of_a_photo_need_no_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    path = tmp_path / "a.jpg"
    path.write_bytes(picture("JPEG"))
    assert measure(path, "image") == {
        "width_px": 300.0,
        "height_px": 200.0,
        "longest_side_px": 300.0,
        "megapixels": 0.06,
    }


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xda\0\x04ab",
        b"\xff\xd8\xff\xe0\0\x00",
        b"\xff\xd8\xff\xc0\0\x04ab",
        b"\xff\xd8" + b"\xff" * 5000,
        b"\xff\xd8" + b"\xff\xe0\0\x02" * 5000,
        b"RIFF\0\0\0\0WEBPVP8 " + bytes(16),
        b"RIFF\0\0\0\0WEBPVP9 " + bytes(16),
        b"RIFF\0\0\0\0WEBP",
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n" + bytes(24),
        b"GIF89a" + bytes(30),
    ],
)
def test_what_is_no_picture_or_a_broken_one_has_no_size(content: bytes) -> None:
    assert sides_of(io.BytesIO(content)) is None


STARTS = [picture("JPEG")[:2] + exif(TURNED), picture("JPEG"), picture("WEBP"), picture("PNG")]


@given(
    start=st.sampled_from(STARTS),
    cut=st.integers(0, 700),
    noise=st.binary(max_size=60),
    at=st.integers(0, 700),
)
def test_a_broken_picture_never_breaks_the_reading(
    start: bytes, cut: int, noise: bytes, at: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "broken.jpg"
    path.write_bytes(start[: min(at, len(start))] + noise + start[at : max(at, cut)])
    found = measure(path, "image")
    assert all(value > 0 for value in found.values())
