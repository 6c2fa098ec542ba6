"""Files that Runway does not take: what they are called, and the command that makes them fit."""

from __future__ import annotations

import shlex
from pathlib import PurePath

from runner.manifest.signatures import family_of_suffix, formats_for

#: what people call a file, by extension
_PICTURES = {
    "heic": "HEIC", "heif": "HEIF", "hif": "HEIF", "avif": "AVIF", "gif": "GIF", "tif": "TIFF",
    "tiff": "TIFF", "bmp": "BMP", "svg": "SVG", "jxl": "JPEG XL", "jp2": "JPEG 2000",
    "psd": "PSD", "ico": "ICO", "exr": "OpenEXR", "pdf": "PDF", "dng": "a raw picture",
    "cr2": "a raw picture", "cr3": "a raw picture", "nef": "a raw picture", "arw": "a raw picture",
}  # fmt: skip
_MOVIES = {
    "gif": "GIF", "wmv": "WMV", "asf": "WMV", "ts": "an MPEG transport stream",
    "mts": "AVCHD", "m2ts": "AVCHD", "vob": "VOB", "mxf": "MXF", "m2v": "MPEG-2",
}  # fmt: skip
_SOUNDS = {
    "ogg": "Ogg", "oga": "Ogg", "opus": "Opus", "wma": "WMA", "aif": "AIFF", "aiff": "AIFF",
    "aifc": "AIFF", "amr": "AMR", "caf": "CAF", "mid": "MIDI", "midi": "MIDI",
}  # fmt: skip
_NAMES = {"image": _PICTURES, "video": _MOVIES, "audio": _SOUNDS}
#: what the first bytes say, in the words of people
_FAMILIES = {
    "heif": "HEIC", "avif": "AVIF", "gif": "GIF", "tiff": "TIFF", "bmp": "BMP", "jxl": "JPEG XL",
    "psd": "PSD", "asf": "WMV", "aiff": "AIFF", "ogg": "Ogg",
}  # fmt: skip
#: what shows transparency, or many colours exactly, is better kept so
_EXACT = frozenset({"GIF", "SVG", "PSD", "ICO", "BMP", "TIFF", "OpenEXR", "PDF"})


def refused_name(media: str, suffix: str) -> str:
    """What a file that is refused as this media is called; empty where its ending says nothing."""
    return _NAMES.get(media, {}).get(suffix, "")


def refused_content(family: str) -> str:
    """The same by the first bytes of a file."""
    return _FAMILIES.get(family, "")


def conversion(value: str, media: str, name: str) -> str:
    """How to make a file fit: `convert it to JPEG, e.g. …`."""
    path = PurePath(value)
    if media == "image":
        label, suffix = ("PNG", "png") if name in _EXACT else ("JPEG", "jpg")
        source = f"{value}[0]" if name in {"GIF", "PDF", "TIFF", "PSD"} else value  # the first page
        return f"convert it to {label}, e.g. `magick {_quoted(source)} {_beside(path, suffix)}`"
    if media == "video":
        made = _beside(path, "mp4")
        return f"convert it to MP4, e.g. `ffmpeg -i {_quoted(value)} -pix_fmt yuv420p {made}`"
    return f"convert it to MP3, e.g. `ffmpeg -i {_quoted(value)} {_beside(path, 'mp3')}`"


def extraction(value: str, media: str, suffix: str) -> str:
    """How to take a picture or the sound out of a video; empty where there is none in it."""
    path, is_video = PurePath(value), suffix in formats_for("video")
    if is_video and media == "image":
        made = _beside(path, "png")
        return f"take a frame out of it, e.g. `ffmpeg -i {_quoted(value)} -frames:v 1 {made}`"
    if is_video and media == "audio":
        made = _beside(path, "mp3")
        return f"take the sound out of it, e.g. `ffmpeg -i {_quoted(value)} -vn {made}`"
    return ""


def renaming(value: str, media: str, family: str) -> str:
    """`rename it to a.png`, where Runway takes what the file really is; else empty."""
    for suffix in formats_for(media):
        if family_of_suffix(suffix) == {family}:
            return f"rename it to {_beside(PurePath(value), suffix)}"
    return ""


def _beside(path: PurePath, suffix: str) -> str:
    """The same name with another ending; a name that is free where the ending is the same."""
    new = path.with_suffix(f".{suffix}")
    return _quoted(str(new if new != path else path.with_stem(f"{path.stem}-converted")))


def _quoted(path: str) -> str:
    return shlex.quote(path)
