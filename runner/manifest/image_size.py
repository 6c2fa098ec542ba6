"""Width and height of a picture from the first bytes of its file: PNG, JPEG, WebP."""

from __future__ import annotations

import struct
from typing import BinaryIO

Sides = tuple[int, int]  # width, height in pixels, as the picture is shown

#: start of frame: 0xC0 to 0xCF without the tables of Huffman, JPEG and arithmetic coding
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
#: markers that stand alone, without a length
_BARE = frozenset({0x01, *range(0xD0, 0xD8)})
#: more segments before the picture than any camera writes
_MAX_SEGMENTS = 1000
_MAX_EXIF_BYTES = 64 * 1024
_ORIENTATION = 0x0112
#: ways to hold a camera in which width and height change places
_TURNED = frozenset({5, 6, 7, 8})


def sides_of(file: BinaryIO) -> Sides | None:
    """The size of the picture, None where the file is of another kind or broken."""
    file.seek(0)
    head = file.read(32)
    if head.startswith(b"\x89PNG\r\n\x1a\n") and len(head) >= 24:
        return _seen(*struct.unpack(">II", head[16:24]))
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP" and len(head) >= 30:
        return _webp(head)
    if head.startswith(b"\xff\xd8\xff"):
        return _jpeg(file)
    return None


def _seen(width: int, height: int) -> Sides | None:
    return (width, height) if width and height else None


def _webp(head: bytes) -> Sides | None:
    kind = head[12:16]
    if kind == b"VP8X":  # the canvas: sides less one, in three bytes each
        width, height = head[24:27], head[27:30]
        return int.from_bytes(width, "little") + 1, int.from_bytes(height, "little") + 1
    if kind == b"VP8L" and head[20] == 0x2F:  # sides less one, in 14 bits each
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and head[23:26] == b"\x9d\x01\x2a":  # two bits of each side are a scale
        width_14, height_14 = struct.unpack("<HH", head[26:30])
        return _seen(width_14 & 0x3FFF, height_14 & 0x3FFF)
    return None


# JPEG: segments, each with a marker and a length


def _jpeg(file: BinaryIO) -> Sides | None:
    file.seek(2)
    is_turned = False
    for _ in range(_MAX_SEGMENTS):
        marker = _marker(file)
        if marker is None or marker in {0xD9, 0xDA}:  # the end, or the picture without a frame
            return None
        if marker in _BARE:
            continue
        length = int.from_bytes(file.read(2), "big")
        begin = file.tell()
        if marker in _FRAMES:
            found = _frame(file.read(5))
            return found[::-1] if found and is_turned else found
        if marker == 0xE1:
            is_turned = _is_turned(file.read(min(length - 2, _MAX_EXIF_BYTES))) or is_turned
        if length < 2:
            return None
        file.seek(begin + length - 2)
    return None


def _marker(file: BinaryIO) -> int | None:
    """The next marker; any number of 0xFF may stand before it."""
    if file.read(1) != b"\xff":
        return None
    for _ in range(_MAX_SEGMENTS):
        byte = file.read(1)
        if byte != b"\xff":
            return byte[0] if byte else None
    return None


def _frame(content: bytes) -> Sides | None:
    if len(content) < 5:
        return None
    height, width = struct.unpack(">HH", content[1:5])
    return _seen(width, height)


def _is_turned(exif: bytes) -> bool:
    """Whether the camera was held upright, so that what it stored as width is the height."""
    if not exif.startswith(b"Exif\0\0") or len(exif) < 14:
        return False
    tiff = exif[6:]
    order = "<" if tiff[:2] == b"II" else ">"
    (offset,) = struct.unpack(order + "I", tiff[4:8])
    entries = tiff[offset + 2 :]
    count = int.from_bytes(tiff[offset : offset + 2], "little" if order == "<" else "big")
    for index in range(min(count, len(entries) // 12)):
        tag, _, _, value = struct.unpack(order + "HHIH", entries[index * 12 : index * 12 + 10])
        if tag == _ORIENTATION:
            return value in _TURNED
    return False
