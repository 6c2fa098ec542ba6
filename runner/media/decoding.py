"""The first and the last picture of a video, as a player shows them.

Needs the extra `media`: import it only where that is known to be there. Its functions block.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import av
from av.stream import Disposition
from PIL import Image

#: more takes gigabytes of memory, and is no video of Runway's
MOST_PIXELS = 100_000_000
#: a video is entered so long before its end to look for its last frame
TAIL_S = 2
#: kinds of files, by how they begin. Others are not opened: FFmpeg knows formats that make it read
#: further files, and addresses, which the first one names
_DEMUXERS = (
    *((4, box, "mov") for box in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")),
    (0, b"\x1a\x45\xdf\xa3", "matroska"),
)
#: transfer curves PQ and HLG: in eight bits they look washed out
_HDR = frozenset({16, 18})
#: of libswscale: bicubic, full chroma, accurate, and the same on every machine
_CONVERSION = 0x4 | 0x2000 | 0x40000 | 0x80000
#: signs of a display matrix's a, b, c, d to what turns the picture upright
_UPRIGHT = {
    (-1, 0, 0, 1): Image.Transpose.FLIP_LEFT_RIGHT,
    (-1, 0, 0, -1): Image.Transpose.ROTATE_180,
    (1, 0, 0, -1): Image.Transpose.FLIP_TOP_BOTTOM,
    (0, 1, 1, 0): Image.Transpose.TRANSPOSE,
    (0, 1, -1, 0): Image.Transpose.ROTATE_270,  # counter-clockwise
    (0, -1, -1, 0): Image.Transpose.TRANSVERSE,
    (0, -1, 1, 0): Image.Transpose.ROTATE_90,
}


class NoFrame(Exception):
    """The file gives no picture; the message says why, without the file's name."""


def picture(path: Path, which: str) -> Image.Image:
    """The `first` or the `last` frame in full size, upright, in 8 bits per colour.

    Raises:
        NoFrame: no video, none of whose frames can be decoded, too large, or HDR.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        try:
            return _first(file) if which == "first" else _last(file)
        except (av.FFmpegError, ValueError) as error:
            raise NoFrame("is not a video that can be decoded") from error


def _first(file: BinaryIO) -> Image.Image:
    with _opened(file) as reading:
        frames = (frame for frame in reading.frames() if not frame.is_corrupt)
        return _image(next(frames, None), reading.stream)


def _last(file: BinaryIO) -> Image.Image:
    """From near the end; where nothing can be made of that, the long way from the start."""
    with _opened(file) as reading:
        newest = reading.newest() if reading.enter_tail() else None
        if newest is not None:
            return _image(newest, reading.stream)
    with _opened(file) as reading:
        return _image(reading.newest(), reading.stream)


@contextmanager
def _opened(file: BinaryIO) -> Iterator[_Reading]:
    file.seek(0)
    head = file.read(8)
    file.seek(0)
    names = (name for at, mark, name in _DEMUXERS if head[at : at + len(mark)] == mark)
    name = next(names, None)
    if name is None:
        raise NoFrame("is neither MP4, MOV, WebM nor MKV")
    with av.open(file, format=name) as container:
        yield _Reading(container)


class _Reading:
    """One way through the pictures of a video."""

    def __init__(self, container: Any) -> None:
        pictures = [
            stream
            for stream in container.streams.video
            if not stream.disposition & Disposition.attached_pic
        ]
        if not pictures or pictures[0].codec_context is None:
            raise NoFrame("has no pictures that can be decoded")
        self._container = container
        self.stream = pictures[0]
        _check_size(self.stream.codec_context)
        self.stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}
        self.stream.thread_type = "AUTO"

    def enter_tail(self) -> bool:
        """Go to a key frame near the end; False where the end is not known."""
        length = self._container.duration  # microseconds
        if not length:
            return False
        start = self._container.start_time or 0
        try:
            self._container.seek(start + max(0, length - TAIL_S * av.time_base))
        except av.FFmpegError:
            return False
        return True

    def newest(self) -> Any:
        """The frame that is shown last of those from here on, or None."""
        newest, shown_at = None, float("-inf")
        for frame in self.frames():
            if frame.is_corrupt:
                continue
            at = shown_at if frame.pts is None else float(frame.pts)
            if at >= shown_at:
                newest, shown_at = frame, at
        return newest

    def frames(self) -> Iterator[Any]:
        """Every frame from here to the end that a decoder makes something of."""
        packets = self._container.demux(self.stream)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError:
                break  # the file ends in the middle of something
            if packet is None or packet.size == 0:
                break
            yield from self._decoded(packet)
        yield from self._decoded(None)  # those that it has held back

    def _decoded(self, packet: Any) -> list[Any]:
        try:
            return list(self.stream.codec_context.decode(packet))
        except av.FFmpegError:
            return []


def _image(frame: Any, stream: Any) -> Image.Image:
    if frame is None:
        raise NoFrame("has no frame that can be decoded")
    _check_size(frame)
    if stream.codec_context.color_trc in _HDR:
        raise NoFrame("is HDR, and a PNG of it would have other colours")
    image: Image.Image = frame.to_image(interpolation=_CONVERSION)
    turn = _UPRIGHT.get(_matrix_signs(frame))
    return image if turn is None else image.transpose(turn)


def _check_size(picture: Any) -> None:
    if picture.width * picture.height > MOST_PIXELS:
        raise NoFrame(f"has frames of more than {MOST_PIXELS // 1_000_000} megapixels")


def _matrix_signs(frame: Any) -> tuple[int, int, int, int]:
    """Of a, b, c and d; the identity where no matrix comes with the frame."""
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            a, b, _, c, d, *_ = struct.unpack("9i", bytes(data)[:36])
            return _sign(a), _sign(b), _sign(c), _sign(d)
    return 1, 0, 0, 1


def _sign(number: int) -> int:
    """Less than a thousandth counts as nothing: a matrix is in units of 1/65536."""
    return 0 if abs(number) < 66 else (1 if number > 0 else -1)
