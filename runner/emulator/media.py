"""Playable media: clips, pictures and sounds that show which task made them.

Needs the extra `media` (PyAV and Pillow), imported when the first file is drawn. The bytes are a
function of the task alone: the same on every download, in every life of a world. Simpler than the
service: clips are small, have few frames a second and end after ten seconds; HDR formats are plain
H.264 or ProRes, and EXR sequences are PNG.
"""

from __future__ import annotations

import importlib.util
import io
import textwrap
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from runner.emulator.outputs import OutputFile
from runner.emulator.palette import Palette
from runner.emulator.plain import plain_media, svg, zipped
from runner.errors import MissingExtra

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

SEQUENCE_FRAMES = 8
CACHE_BYTES = 64 * 1024 * 1024
_PILLOW_FORMATS = {"png": "PNG", "jpeg": "JPEG", "webp": "WEBP"}


class MediaMaker:
    """Bytes of output files, the latest kept in memory. Safe to call from a thread at a time."""

    def __init__(self, kind: str, plain_bytes: int = 2048) -> None:
        if kind == "real":
            require_media()
        self._kind = kind
        self._plain_bytes = plain_bytes
        self._cache: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._cached_bytes = 0

    def cached(self, file: OutputFile) -> bytes | None:
        """The bytes, when they are known without drawing."""
        key = (file.task, file.index)
        if key in self._cache:
            self._cache.move_to_end(key)
        elif self._kind == "plain":
            self._keep(key, plain_media(file, self._plain_bytes))
        return self._cache.get(key)

    def draw(self, file: OutputFile) -> bytes:
        """The bytes; takes up to some tenths of a second."""
        return plain_media(file, self._plain_bytes) if self._kind == "plain" else render(file)

    def keep(self, file: OutputFile, data: bytes) -> bytes:
        """Remember drawn bytes; the oldest make room."""
        self._keep((file.task, file.index), data)
        return data

    def _keep(self, key: tuple[str, int], data: bytes) -> None:
        if key not in self._cache:
            self._cached_bytes += len(data)
        self._cache[key] = data
        while self._cached_bytes > CACHE_BYTES and len(self._cache) > 1:
            self._cached_bytes -= len(self._cache.popitem(last=False)[1])


def require_media() -> None:
    """Refuse early where PyAV or Pillow is not installed.

    Raises:
        MissingExtra: says how to install them.
    """
    missing = [name for name in ("av", "PIL") if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtra(
            f"playable media need the packages `av` and `pillow` (missing: {', '.join(missing)})",
            hint="install `runway-batch[media]`",
        )


def render(file: OutputFile) -> bytes:
    """Draw and encode one file."""
    if file.ext == "svg":
        return svg(file)
    if file.ext == "zip":
        frames = (_frame(file, step / SEQUENCE_FRAMES) for step in range(SEQUENCE_FRAMES))
        return zipped({f"frame_{n:04}.png": _picture(f, "png") for n, f in enumerate(frames, 1)})
    if file.media == "image":
        return _picture(_frame(file, 0.0), file.ext)
    from runner.emulator.encode import encode_clip, encode_sound

    if file.media == "audio":
        return encode_sound(file)
    count = max(1, round(file.seconds * file.fps))
    return encode_clip(file, (_frame(file, step / count) for step in range(count)), file.fps)


def _picture(frame: Image.Image, ext: str) -> bytes:
    buffer = io.BytesIO()
    frame.save(buffer, _PILLOW_FORMATS[ext])
    return buffer.getvalue()


def _frame(file: OutputFile, share: float) -> Image.Image:
    """One picture: colours of the task, a disc that moves with the time, the task's facts."""
    from PIL import Image, ImageDraw

    colours = Palette.of(file.task, file.index)
    image = Image.new("RGB", (file.width, file.height), colours.back)
    draw = ImageDraw.Draw(image)
    radius = min(file.width, file.height) // 5
    x = int(radius + (file.width - 2 * radius) * share)
    y = file.height - radius
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colours.disc)
    _write_facts(draw, file, colours)
    draw.rectangle((0, file.height - 6, int(file.width * share), file.height), fill=colours.text)
    return image


def _write_facts(draw: ImageDraw.ImageDraw, file: OutputFile, colours: Palette) -> None:
    font: Any = _font(max(10, min(file.width, file.height) // 22))
    columns = max(12, int(file.width / (font.size * 0.56)))
    lines = [
        line
        for name, value in file.facts
        for line in textwrap.wrap(f"{name}: {value}", columns, max_lines=4)
    ]
    y = font.size
    for line in lines:
        draw.text((font.size, y), line, fill=colours.text, font=font)
        y += int(font.size * 1.35)


def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)
