"""What a file is, by its first bytes. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import unquote, urlsplit

#: as many bytes of a file's start as are looked at
HEAD_BYTES = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A media type and the extension that people expect of it."""

    media_type: str
    ext: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What a download is taken for, and what is odd about it."""

    kind: Kind
    warning: str = ""


MP4 = Kind(media_type="video/mp4", ext="mp4")
MOV = Kind(media_type="video/quicktime", ext="mov")
M4A = Kind(media_type="audio/mp4", ext="m4a")
WEBM = Kind(media_type="video/webm", ext="webm")
MKV = Kind(media_type="video/x-matroska", ext="mkv")
PNG = Kind(media_type="image/png", ext="png")
JPEG = Kind(media_type="image/jpeg", ext="jpg")
WEBP = Kind(media_type="image/webp", ext="webp")
AVIF = Kind(media_type="image/avif", ext="avif")
GIF = Kind(media_type="image/gif", ext="gif")
SVG = Kind(media_type="image/svg+xml", ext="svg")
MP3 = Kind(media_type="audio/mpeg", ext="mp3")
AAC = Kind(media_type="audio/aac", ext="aac")
WAV = Kind(media_type="audio/wav", ext="wav")
FLAC = Kind(media_type="audio/flac", ext="flac")
OGG = Kind(media_type="audio/ogg", ext="ogg")
ZIP = Kind(media_type="application/zip", ext="zip")
UNKNOWN = Kind(media_type="application/octet-stream", ext="bin")

_KINDS = (
    MP4, MOV, M4A, WEBM, MKV, PNG, JPEG, WEBP, AVIF, GIF, SVG, MP3, AAC, WAV, FLAC, OGG, ZIP
)  # fmt: skip

#: other names that servers give to the same thing
_ALIASES: Mapping[str, Kind] = MappingProxyType(
    {kind.media_type: kind for kind in _KINDS}
    | {
        "application/mp4": MP4,
        "audio/m4a": M4A,
        "audio/x-m4a": M4A,
        "audio/webm": WEBM,
        "image/jpg": JPEG,
        "audio/mp3": MP3,
        "audio/aacp": AAC,
        "audio/wave": WAV,
        "audio/x-wav": WAV,
        "audio/vnd.wave": WAV,
        "audio/x-flac": FLAC,
        "audio/opus": OGG,
        "application/ogg": OGG,
        "video/ogg": OGG,
        "application/x-zip-compressed": ZIP,
    }
)
#: types that say nothing
_GENERIC = frozenset(
    {"", "application/octet-stream", "binary/octet-stream", "application/x-binary"}
)

_PREFIXES: tuple[tuple[bytes, Kind], ...] = (
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"ID3", MP3),
    (b"fLaC", FLAC),
    (b"OggS", OGG),
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", ZIP),
)
_RIFF: Mapping[bytes, Kind] = MappingProxyType({b"WAVE": WAV, b"WEBP": WEBP})
#: first boxes of a QuickTime file from before `ftyp`
_OLD_MOV = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
_SVG = re.compile(rb"<svg[\s>]", re.IGNORECASE)
_HTML = re.compile(rb"<!doctype html|<html[\s>]", re.IGNORECASE)
_PROLOGUE = ((b"<?xml", b"?>"), (b"<!--", b"-->"), (b"<!doctype svg", b">"))
_BOM = b"\xef\xbb\xbf"
_EXTENSION = re.compile(r"\.([A-Za-z0-9]{1,5})$")


def sniff(head: bytes) -> Kind | None:
    """The kind of file that starts like this, or None."""
    for prefix, kind in _PREFIXES:
        if head.startswith(prefix):
            return kind
    if head[:4] in {b"RIFF", b"RF64"}:
        return _RIFF.get(head[8:12])
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return WEBM if b"webm" in head[:64] else MKV
    if head[4:8] == b"ftyp":
        return _by_brand(head[8:12])
    if head[4:8] in _OLD_MOV:
        return MOV
    if _SVG.match(_first_element(head)):
        return SVG
    return _by_frame(head)


def is_html(head: bytes) -> bool:
    """A web page: never what a generation makes, but what a broken link or a proxy answers."""
    return _HTML.match(_first_element(head)) is not None


def judge(head: bytes, content_type: str, url: str) -> Verdict:
    """What a file is: by its signature, else the server's word, else the name in the link."""
    said = content_type.partition(";")[0].strip().lower()
    named = _ALIASES.get(said)
    found = sniff(head)
    if found is None:
        return Verdict(
            kind=_unsigned(said, named, url),
            warning=f"the file has no known signature; the server calls it `{_shown(said)}`",
        )
    if found is MP4 and named is M4A:
        return Verdict(kind=M4A)  # one container; only the server knows that it is sound alone
    if said in _GENERIC or named is found:
        return Verdict(kind=found)
    return Verdict(
        kind=found,
        warning=f"the file is {found.media_type}, but the server calls it `{_shown(said)}`",
    )


def _unsigned(said: str, named: Kind | None, url: str) -> Kind:
    if named is not None:
        return named
    match = _EXTENSION.search(unquote(urlsplit(url).path))
    known = re.fullmatch(r"[a-z]+/[a-z0-9.+-]{1,60}", said)
    return Kind(
        media_type=said if known else UNKNOWN.media_type,
        ext=match[1].lower() if match else UNKNOWN.ext,
    )


def _shown(media_type: str) -> str:
    plain = "".join(char for char in media_type if char.isascii() and char.isprintable())
    return plain[:60] or "nothing"


def _first_element(head: bytes) -> bytes:
    """XML or HTML from its first element on: without declaration, comments and XML doctype."""
    text = head.removeprefix(_BOM).lstrip()
    for opening, closing in _PROLOGUE * 3:
        while text[: len(opening)].lower() == opening:
            text = text.partition(closing)[2].lstrip()
    return text


def _by_brand(brand: bytes) -> Kind:
    if brand == b"qt  ":
        return MOV
    if brand in {b"M4A ", b"M4B "}:
        return M4A
    return AVIF if brand in {b"avif", b"avis"} else MP4


def _by_frame(head: bytes) -> Kind | None:
    """MPEG audio without a tag: eleven bits set, then the layer; layer 0 is AAC's ADTS."""
    if len(head) < 3 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    layer, version = head[1] & 0x06, head[1] & 0x18
    if layer == 0:
        return AAC if head[1] & 0xF6 == 0xF0 else None
    is_reserved = version == 0x08 or head[2] & 0xF0 == 0xF0 or head[2] & 0x0C == 0x0C
    return None if is_reserved else MP3
