"""Length and size of a local input, for its price. Finding nothing is no error.

Sound in WAV, video in MP4 and pictures in PNG, JPEG and WebP are read here; other files by PyAV
where the extra `media` is installed.
"""

from __future__ import annotations

import importlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from runner.manifest.image_size import sides_of

Measures = dict[str, float]

_FULL_BOX = 4  # version and flags
_CONTAINERS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl"})
_WANTED = frozenset({b"mvhd", b"tkhd", b"mdhd", b"hdlr", b"stts"})
_MAX_BOX_BYTES = 4 * 1024 * 1024
_MAX_DEPTH = 8  # boxes in boxes; real files have 5


def measure(path: Path, media: str) -> Measures:
    """What is known of a file.

    `seconds`, `frames`, `fps`; of pictures `width_px`, `height_px`, `longest_side_px`,
    `megapixels`.
    """
    try:
        with path.open("rb") as file:
            found = _read(file)
    except (OSError, struct.error, ValueError, ZeroDivisionError):
        found = {}
    is_enough = "longest_side_px" in found if media == "image" else "seconds" in found
    return found if is_enough else {**_by_pyav(path, media), **found}


def _read(file: BinaryIO) -> Measures:
    head = file.read(32)
    if head[:4] in {b"RIFF", b"RF64"} and head[8:12] == b"WAVE":
        return _wav(file)
    if head[4:8] in {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"}:
        return _mp4(file)
    sides = sides_of(file)
    return {} if sides is None else _sides(*sides)


def _sides(width: int, height: int) -> Measures:
    if not width or not height:
        return {}
    return {
        "width_px": float(width),
        "height_px": float(height),
        "longest_side_px": float(max(width, height)),
        "megapixels": width * height / 1e6,
    }


def _wav(file: BinaryIO) -> Measures:
    """Bytes of sound over bytes per second."""
    file.seek(12)
    bytes_per_second = 0
    while len(header := file.read(8)) == 8:
        name, size = header[:4], struct.unpack("<I", header[4:])[0]
        if name == b"fmt ":
            bytes_per_second = struct.unpack("<I", file.read(size)[8:12])[0]
        elif name == b"data":
            start = file.tell()
            size = min(size, file.seek(0, 2) - start)  # a stream's size is written as the greatest
            return {"seconds": size / bytes_per_second}
        else:
            file.seek(size, 1)
        file.seek(size % 2, 1)
    return {}


# ISO base media files: MP4, MOV, M4A


def _mp4(file: BinaryIO) -> Measures:
    file.seek(0, 2)
    end = file.tell()
    found: Measures = {}
    track: dict[bytes, bytes] = {}
    for name, content in _boxes(file, 0, end):
        if name == b"mvhd":
            found |= _movie_header(content)
        elif name == b"trak":
            found |= _track(track)
            track = {}
        else:
            track[name] = content
    return found | _track(track)


def _boxes(file: BinaryIO, start: int, end: int, depth: int = 0) -> Iterator[tuple[bytes, bytes]]:
    """The wanted boxes in order; a new `trak` is announced without content."""
    while start + 8 <= end:
        file.seek(start)
        size, name = struct.unpack(">I4s", file.read(8))
        header = 8
        if size == 1:
            size, header = struct.unpack(">Q", file.read(8))[0], 16
        size = end - start if size == 0 else size
        if size < header or depth > _MAX_DEPTH:
            return
        if name in _CONTAINERS:
            if name == b"trak":
                yield name, b""
            yield from _boxes(file, start + header, min(start + size, end), depth + 1)
        elif name in _WANTED and size <= _MAX_BOX_BYTES:
            yield name, file.read(size - header)
        start += size


def _movie_header(content: bytes) -> Measures:
    scale, duration = _times(content)
    return {"seconds": duration / scale} if duration and scale else {}


def _times(content: bytes) -> tuple[int, int]:
    """Time scale and duration of an `mvhd` or `mdhd`; all ones stand for an unknown duration."""
    is_long = content[0] == 1
    scale, duration = struct.unpack_from(
        ">IQ" if is_long else ">II", content, 20 if is_long else 12
    )
    unknown = (1 << (64 if is_long else 32)) - 1
    return scale, 0 if duration == unknown else duration


def _track(boxes: dict[bytes, bytes]) -> Measures:
    """Size and frames of a track of pictures; nothing of others."""
    if boxes.get(b"hdlr", b"")[8:12] != b"vide" or b"tkhd" not in boxes:
        return {}
    width, height = struct.unpack(">II", boxes[b"tkhd"][-8:])  # 16.16 fixed point
    found = _sides(width >> 16, height >> 16)
    frames = _samples(boxes.get(b"stts", b""))
    scale, duration = _times(boxes[b"mdhd"]) if b"mdhd" in boxes else (0, 0)
    if frames and scale and duration:
        found |= {"frames": float(frames), "fps": frames * scale / duration}
    return found


def _samples(stts: bytes) -> int:
    entries = stts[_FULL_BOX + 4 :]
    return sum(count for count, _ in struct.iter_unpack(">II", entries[: len(entries) // 8 * 8]))


# Everything else


def _by_pyav(path: Path, media: str) -> Measures:
    try:
        av: Any = importlib.import_module("av")
    except ImportError:
        return {}
    try:
        with av.open(str(path)) as container:
            return _of_container(container, media)
    except (av.FFmpegError, OSError, ValueError):
        return {}


def _of_container(container: Any, media: str) -> Measures:
    found: Measures = {}
    if container.duration and media != "image":
        found["seconds"] = container.duration / 1_000_000
    for stream in container.streams.video[:1]:
        found |= _sides(stream.width, stream.height)
        rate = stream.average_rate
        if rate and "seconds" in found:
            found |= {"fps": float(rate)}
            found |= {"frames": float(stream.frames)} if stream.frames else {}
    return found
