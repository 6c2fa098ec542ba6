"""Small real videos whose frames are told apart by their colour."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from PIL import Image

Colour = tuple[int, int, int]

SIZE = (64, 48)
RED, GREEN, BLUE = (200, 30, 30), (30, 190, 60), (40, 50, 210)


def shades(count: int) -> list[Colour]:
    """As many colours, each of which differs clearly from its neighbours."""
    return [(n * 37 % 200 + 20, n * 91 % 200 + 20, n * 53 % 200 + 20) for n in range(count)]


def clip(
    pictures: Sequence[Colour | Image.Image], *, ext: str = "mp4", codec: str = "libx264",
    pixels: str = "yuv420p", size: tuple[int, int] = SIZE, fps: int = 25,
    times: Sequence[int] | None = None, turn: tuple[int, bool, bool] | None = None,
    coding: dict[str, str] | None = None, muxing: dict[str, str] | None = None, **stream: Any,
) -> bytes:  # fmt: skip
    """A video.

    Args:
        pictures: of each frame, or the colour that fills it.
        ext: of the file: mp4, mov, webm.
        codec: FFmpeg's name of the encoder.
        pixels: FFmpeg's name of the pixel format.
        size: width and height.
        fps: ticks of a second.
        times: tick of each frame; default: one after the other.
        turn: degrees counter-clockwise, then whether to mirror from side to side, upside down.
        coding: options of the encoder.
        muxing: options of the container.
        stream: attributes of the encoder: colorspace, color_trc, …
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        av.open(path := Path(folder, f"clip.{ext}"), "w", options=muxing or {}) as container,
    ):
        video: Any = container.add_stream(codec, rate=fps, options=coding or {})
        video.width, video.height, video.pix_fmt = *size, pixels
        video.thread_count = 1
        for name, value in stream.items():
            setattr(video.codec_context, name, value)
        if turn is not None:
            video.set_display_rotation(turn[0], hflip=turn[1], vflip=turn[2])
        for number, picture in enumerate(pictures):
            frame = _frame(picture, size, pixels, stream)
            frame.pts = number if times is None else times[number]
            frame.time_base = Fraction(1, fps)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        container.close()
        return path.read_bytes()


def _frame(
    picture: Colour | Image.Image, size: tuple[int, int], pixels: str, stream: dict[str, Any]
) -> Any:
    image = picture if isinstance(picture, Image.Image) else Image.new("RGB", size, picture)
    make: Any = av.VideoFrame
    return make.from_image(image).reformat(format=pixels, dst_colorspace=stream.get("colorspace"))


def colour_of(image: Image.Image) -> Colour:
    """What the middle of a picture shows."""
    found = image.convert("RGB").getpixel((image.width // 2, image.height // 2))
    assert isinstance(found, tuple)
    return found[0], found[1], found[2]


def is_like(found: Colour, wanted: Colour) -> bool:
    """Whether two colours differ by no more than coding may change."""
    return all(abs(a - b) <= 6 for a, b in zip(found, wanted, strict=True))


def written(path: Path, data: bytes) -> Path:
    """The data as a file."""
    path.write_bytes(data)
    return path
