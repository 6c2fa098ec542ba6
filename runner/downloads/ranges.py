"""What a server's answer to a (partial) download means. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.errors import DownloadError, LinkRefused

_CONTENT_RANGE = re.compile(r"bytes\s+(\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.IGNORECASE)
_STRONG_ETAG = re.compile(r'"[^"\x00-\x1f\x7f]{1,300}"')
_RETRIED_4XX = frozenset({408, 429})
_RANGE_REFUSED = 416
_OK = 200
_PARTIAL = 206


@dataclass(frozen=True, kw_only=True, slots=True)
class PartState:
    """What is known of an unfinished download; written beside it, so that it survives a kill."""

    etag: str  # strong: the bytes are the same as long as it is
    length: int  # of the whole file, in bytes
    synced: int = 0  # bytes that are on disk for sure

    @property
    def start(self) -> int:
        """Where to go on; a complete part asks for its last byte, so that the server confirms."""
        return min(self.synced, self.length - 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Incoming:
    """A body that is worth reading."""

    start: int  # its first byte's place in the file
    length: int | None  # of the whole file, in bytes; None where the server does not say
    etag: str = field(default="", repr=False)  # empty where there is no strong one
    content_type: str = ""
    encoding: str = ""  # empty: as it is

    @property
    def can_resume(self) -> bool:
        return bool(self.etag) and self.length is not None and not self.encoding


def range_headers(state: PartState | None) -> dict[str, str]:
    """Ask for the rest, and only if the file is still the same."""
    if state is None:
        return {}
    return {"Range": f"bytes={state.start}-", "If-Range": state.etag}


def read_answer(
    status: int, headers: Mapping[str, str], state: PartState | None, host: str
) -> Incoming | None:
    """What comes; None: what is here does not fit what is there, start over.

    Args:
        status: of the final answer, after redirects.
        headers: names in lower case.
        state: what was asked to be continued, None where the whole file was asked for.
        host: for messages; all of a link that may be shown.

    Raises:
        LinkRefused: the link is expired or refused.
        DownloadError: worth another try.
    """
    if status == _OK:
        return _whole(headers)
    if status == _PARTIAL and state is not None:
        return _rest(headers, state)
    if status == _RANGE_REFUSED and state is not None:
        return None
    message = f"the download from `{host}` was answered with {status}"
    if 400 <= status < 500 and status not in _RETRIED_4XX | {_RANGE_REFUSED}:
        raise LinkRefused(message)
    raise DownloadError(message)


def _whole(headers: Mapping[str, str]) -> Incoming:
    return Incoming(
        start=0,
        length=_length(headers.get("content-length", "")),
        etag=_strong(headers.get("etag", "")),
        content_type=headers.get("content-type", ""),
        encoding=_encoding(headers),
    )


def _rest(headers: Mapping[str, str], state: PartState) -> Incoming | None:
    """The asked-for rest to its end, of the same file; anything else does not fit."""
    match = _CONTENT_RANGE.fullmatch(headers.get("content-range", "").strip())
    if match is None or _encoding(headers):
        return None
    first, last, total = int(match[1]), int(match[2]), match[3]
    if first != state.start or last != state.length - 1 or total not in {"*", str(state.length)}:
        return None
    if headers.get("etag", state.etag) != state.etag:
        return None
    return Incoming(
        start=first,
        length=state.length,
        etag=state.etag,
        content_type=headers.get("content-type", ""),
    )


def _length(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def _strong(etag: str) -> str:
    return etag if _STRONG_ETAG.fullmatch(etag) else ""


def _encoding(headers: Mapping[str, str]) -> str:
    word = headers.get("content-encoding", "").strip().lower()
    return "" if word == "identity" else word
