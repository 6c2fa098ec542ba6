"""What Runway takes as media by URI. Values are not repeated in messages: links can be secrets."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from runner.manifest.assets import is_local
from runner.manifest.words import some

MIN_CHARS = 13
MAX_CHARS = {"https": 2048, "runway": 5000}
#: of the whole data URI; the same for every kind of media since the end of August 2026
MAX_DATA_CHARS = 5 * 1024 * 1024

_DATA = re.compile(r"data:(?P<type>(?P<media>image|video|audio)/[^;,]+);base64,")

Complaint = tuple[str, str]  # message, hint


def complaint(
    value: str, media: str, content_types: Mapping[str, Sequence[str]]
) -> Complaint | None:
    """Why a value cannot be sent as media of this kind; None where it can, or is a local path."""
    if is_local(value):
        return None
    if not value:
        return "is empty", f"give {some(media)}: a local file or an https URL"
    if value.startswith("~"):
        return "starts with `~`, which is not expanded", "write the path relative to the manifest"
    scheme = value.partition(":")[0].lower()
    if not value.startswith(scheme):
        return f"starts with `{value[: len(scheme)]}:`", f"write `{scheme}:` in small letters"
    if scheme == "data":
        return _data(value, media, content_types)
    if scheme in MAX_CHARS:
        return _length(value, MAX_CHARS[scheme]) or (_https(value) if scheme == "https" else None)
    return _refused(scheme)


def _refused(scheme: str) -> Complaint:
    fixes = {
        "http": "Runway fetches over TLS only: use `https://`, or a local file",
        "file": "write the path itself, relative to the manifest",
    }
    fix = fixes.get(scheme, "use an https URL, a `runway://` URI or a local file")
    return f"cannot be a `{scheme}:` URL", fix


def _length(value: str, most: int) -> Complaint | None:
    if MIN_CHARS <= len(value) <= most:
        return None
    return f"is a URI of {len(value):,} characters", f"Runway takes {MIN_CHARS} to {most:,}"


def _https(value: str) -> Complaint | None:
    try:
        host = urlsplit(value).hostname or ""
    except ValueError:
        host = ""
    if any(char.isspace() for char in value):
        return "is a URL with a blank in it", "write the blank as `%20`"
    if _is_ip(host):
        return "names a server by its IP address", "Runway wants a domain name"
    if "." not in host.strip("."):
        return "is a URL without a public domain name", "Runway must be able to fetch it"
    return None


def _is_ip(host: str) -> bool:
    if host.rpartition(".")[2].isdigit():  # 127.1, 2130706433
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _data(value: str, media: str, content_types: Mapping[str, Sequence[str]]) -> Complaint | None:
    match = _DATA.match(value)
    if match is None:
        return "is a data URI of another form", f"write `data:{media}/TYPE;base64,…`"
    if match["media"] != media:
        return f"takes {some(media)}, the data URI holds {match['media']}", f"give {some(media)}"
    known = [*content_types.get(media, ()), *content_types.get(f"{media}_discouraged", ())]
    if match["type"].lower() not in known:
        return f"is of a type Runway does not take: {match['type']}", f"one of: {', '.join(known)}"
    if len(value) > MAX_DATA_CHARS:
        return (
            f"is a data URI of {len(value):,} characters, the most is {MAX_DATA_CHARS:,}",
            "use a local file: it is uploaded",
        )
    return None if _is_base64(value[match.end() :]) else ("is not valid base64", "encode it again")


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return False
