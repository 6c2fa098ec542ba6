"""Files with the right signature and nothing worth playing: no PyAV, no Pillow, a few kilobytes.

PNG, WAV, SVG and ZIP are real; the others hold a valid head and padding. Bytes follow from the
task id, so that a wrong file is found out.
"""

from __future__ import annotations

import io
import random
import struct
import wave
import zipfile
import zlib

from runner.emulator.outputs import OutputFile

_ZIP_DATE = (2026, 1, 1, 0, 0, 0)
_RATE_HZ = 8000
_SEQUENCE_FRAMES = 3


def plain_media(file: OutputFile, size: int = 2048) -> bytes:
    """A file of the right kind; at least about `size` bytes."""
    luck = random.Random(f"{file.task}/{file.index}")
    padding = luck.randbytes(max(size, 64))
    match file.ext:
        case "png":
            return plain_png(luck.randbytes(3), padding)
        case "wav":
            return _wav(padding)
        case "svg":
            return svg(file)
        case "zip":
            names = (f"frame_{number:04}.png" for number in range(1, _SEQUENCE_FRAMES + 1))
            return zipped({name: plain_png(luck.randbytes(3), padding) for name in names})
        case "mp4" | "mov":
            return _boxes(b"isom" if file.ext == "mp4" else b"qt  ", padding)
        case _:
            return _HEADS[file.ext] + padding


def plain_png(rgb: bytes, padding: bytes = b"") -> bytes:
    """A real picture of one colour, 8 by 8 pixels, with a private chunk as padding."""
    rows = (b"\0" + rgb * 8) * 8
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)),
        (b"pdDg", padding),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def svg(file: OutputFile) -> bytes:
    """A real vector picture with the task's facts."""
    lines = "".join(
        f'<text x="12" y="{28 + 22 * row}">{_escaped(f"{name}: {value}")}</text>'
        for row, (name, value) in enumerate(file.facts)
    )
    colour = random.Random(file.task).randbytes(3).hex()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{file.width}" height="{file.height}">'
        f'<rect width="100%" height="100%" fill="#{colour}"/>{lines}</svg>'
    ).encode()


def zipped(files: dict[str, bytes]) -> bytes:
    """A ZIP whose bytes depend on its files only."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, _ZIP_DATE), data)
    return buffer.getvalue()


_HEADS = {
    "jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00",
    "webp": b"RIFF\x00\x00\x00\x00WEBPVP8 ",
    "mp3": b"ID3\x04\x00\x00\x00\x00\x00\x00\xff\xfb\x90\x00",
    "flac": b"fLaC\x80\x00\x00\x22",
    "ogg": b"OggS\x00\x02",
}


def _wav(samples: bytes) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(_RATE_HZ)
        sound.writeframes(samples)
    return buffer.getvalue()


def _boxes(brand: bytes, padding: bytes) -> bytes:
    head = brand + struct.pack(">I", 512) + brand
    return b"".join(
        struct.pack(">I", len(data) + 8) + name + data
        for name, data in ((b"ftyp", head), (b"free", b""), (b"mdat", padding))
    )


def _chunk(name: bytes, data: bytes) -> bytes:
    check = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
