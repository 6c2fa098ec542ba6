"""Kinds of media files: by extension, and by their first bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """What an extension promises."""

    media: frozenset[str]  # what the file can be used as
    families: frozenset[str]  # what its bytes may look like


def _format(media: str, *families: str) -> Format:
    return Format(media=frozenset(media.split()), families=frozenset(families))


#: what Runway takes, by extension (its page on inputs); avi, flv and mpg work but are discouraged
FORMATS = {
    "jpg": _format("image", "jpeg"),
    "jpeg": _format("image", "jpeg"),
    "png": _format("image", "png"),
    "webp": _format("image", "webp"),
    "mp4": _format("video", "mp4"),
    "m4v": _format("video", "mp4"),
    "mov": _format("video", "mp4"),
    "3gp": _format("video", "mp4"),
    "mkv": _format("video", "matroska"),
    "webm": _format("video", "matroska"),
    "ogv": _format("video", "ogg"),
    "avi": _format("video", "avi"),
    "flv": _format("video", "flv"),
    "mpg": _format("video", "mpeg"),
    "mpeg": _format("video", "mpeg"),
    "mp3": _format("audio", "mp3"),
    "wav": _format("audio", "wav"),
    "flac": _format("audio", "flac"),
    "m4a": _format("audio", "mp4"),
    "aac": _format("audio", "aac", "mp3"),  # either may start with an ID3 tag
}

#: QuickTime files may start with another box than `ftyp`
_SIGNATURES = (
    ("jpeg", re.compile(rb"\xff\xd8\xff")),
    ("png", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("gif", re.compile(rb"GIF8[79]a")),
    ("webp", re.compile(rb"RIFF....WEBP", re.DOTALL)),
    ("wav", re.compile(rb"RIFF....WAVE|RF64....WAVE", re.DOTALL)),
    ("avi", re.compile(rb"RIFF....AVI ", re.DOTALL)),
    ("heif", re.compile(rb"....ftyp(?:hei[cmsx]|hev[cmsx]|mif1|msf1)", re.DOTALL)),
    ("avif", re.compile(rb"....ftypavi[fs]", re.DOTALL)),
    ("mp4", re.compile(rb"....(?:ftyp|moov|mdat|wide|free|skip|pnot)", re.DOTALL)),
    ("matroska", re.compile(rb"\x1aE\xdf\xa3")),
    ("ogg", re.compile(rb"OggS")),
    ("flv", re.compile(rb"FLV\x01")),
    ("mpeg", re.compile(rb"\x00\x00\x01[\xba\xb3]")),
    ("flac", re.compile(rb"fLaC")),
    ("aac", re.compile(rb"\xff[\xf0\xf1\xf8\xf9]")),
    ("tiff", re.compile(rb"II\*\0|MM\0\*")),
    ("bmp", re.compile(rb"BM....\0\0\0\0", re.DOTALL)),
    ("psd", re.compile(rb"8BPS")),
    ("jxl", re.compile(rb"\xff\x0a|\0\0\0\x0cJXL ")),
    ("asf", re.compile(rb"\x30\x26\xb2\x75\x8e\x66")),
    ("aiff", re.compile(rb"FORM....AIF[FC]", re.DOTALL)),
    ("mp3", re.compile(rb"ID3|\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff]")),
)


def family_of(head: bytes) -> str:
    """The kind of file by its first bytes (12 are enough), empty where none is known."""
    return next((name for name, pattern in _SIGNATURES if pattern.match(head)), "")


def family_of_suffix(suffix: str) -> frozenset[str]:
    """What the bytes of a file with this extension may look like."""
    known = FORMATS.get(suffix)
    return frozenset() if known is None else known.families


def formats_for(media: str) -> list[str]:
    """Extensions that can be used where a field takes this media."""
    return [name for name, item in FORMATS.items() if media in item.media]
