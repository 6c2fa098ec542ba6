"""What a media string of a body may be, and what is known of the file behind it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from runner.core.catalog import ModelInfo, media_fields
from runner.core.estimate import priced_inputs
from runner.emulator.records import Body, UploadRecord
from runner.emulator.tiers import DAY_S

HTTPS_LENGTH = (13, 2048)
RUNWAY_LENGTH = (13, 5000)
DATA_LENGTH = 5_242_880  # characters
DATA_URI = re.compile(r"data:(image|video|audio)/[^;,]+;base64,")

EXTENSIONS: Mapping[str, tuple[str, ...]] = {
    "image": ("jpg", "jpeg", "png", "webp"),
    "video": ("mp4", "mov", "mkv", "webm", "3gp", "ogv", "avi", "flv", "mpg"),
    "audio": ("mp3", "wav", "flac", "m4a", "aac"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Looked:
    """A file that the service could look at."""

    media: str
    measures: Mapping[str, float]


def media_of_name(filename: str) -> str | None:
    """image, video or audio by the extension; None for anything else."""
    ext = filename.rpartition(".")[2].lower()
    return next((media for media, exts in EXTENSIONS.items() if ext in exts), None)


def https_problem(value: str) -> str:
    """Why an https URL is refused, or empty. What it points to is not looked at."""
    least, most = HTTPS_LENGTH
    if not least <= len(value) <= most:
        return f"Invalid URL: expected {least} to {most} characters"
    try:
        host = urlsplit(value).hostname or ""
    except ValueError:
        return "Invalid URL"
    if "." not in host or _is_address(host):
        return "Invalid URL: a domain name is required, not an IP address"
    return ""


def data_problem(value: str, media: str) -> str:
    """Why a data URI is refused, or empty."""
    match = DATA_URI.match(value)
    if match is None:
        return "Invalid data URI: expected a media type and base64"
    if len(value) > DATA_LENGTH:
        return f"Too big: expected at most {DATA_LENGTH} characters"
    return kind_problem(match[1], media)


def upload_problem(upload: UploadRecord | None, account: str, media: str, now: float) -> str:
    """Why a `runway://` URI is refused, or empty."""
    if upload is None or upload.account != account or upload.size is None:
        return "Could not find the uploaded file"
    if now - upload.created_at >= DAY_S:
        return "The uploaded file has expired"
    return kind_problem(upload.media, media)


def kind_problem(found: str, wanted: str) -> str:
    return "" if not wanted or found == wanted else f"Expected {wanted}, received {found}"


def uris_of(info: ModelInfo, body: Body) -> list[tuple[str, str, str]]:
    """(top-level field, media kind, URI) of every media string of a body."""
    return [
        (str(item.path[0]), item.media, item.value)
        for item in media_fields(info, body)
        if isinstance(item.value, str)
    ]


def sum_measures(info: ModelInfo, found: list[tuple[str, str, Looked | None]]) -> dict[str, float]:
    """What the price may be worked out from; empty when one of its inputs cannot be looked at."""
    names = priced_inputs(info)
    looked = [item for name, _, item in found if name in names]
    if not looked or any(item is None for item in looked):
        return {}
    merged: dict[str, float] = {}
    for item in looked:
        assert item is not None  # noqa: S101 - checked above
        for name, value in item.measures.items():
            sums = name in {"seconds", "frames"}
            merged[name] = merged.get(name, 0.0) + value if sums else value
    return merged


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
