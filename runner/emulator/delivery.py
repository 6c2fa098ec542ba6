"""Which bytes of an output are sent, under which headers: ranges, and what faults do to them."""

from __future__ import annotations

import gzip
import hashlib
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from runner.emulator.faults import PAGE
from runner.emulator.outputs import OutputFile
from runner.emulator.rules import Fault

RANGE = re.compile(r"bytes=(\d*)-(\d*)")
#: bytes at the end of a file that differ from version to version
MARK_BYTES = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What a download asks for."""

    range: str = ""
    if_range: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """An answer with a file, or a part of it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    length: int | None  # as the headers tell; None: they do not


@dataclass(frozen=True, kw_only=True, slots=True)
class _Slice:
    status: int
    start: int
    end: int  # exclusive


def deliver(file: OutputFile, data: bytes, asked: Asked, fault: Fault, version: int) -> Delivery:
    """The answer to a download.

    Args:
        file: what was asked for.
        data: its bytes.
        asked: the request's headers.
        fault: what strikes the download.
        version: differs from answer to answer, for a file that does.
    """
    if fault.do == "page":
        return _page()
    data = _content(data, fault, version)
    etag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    headers = {"Content-Type": file.content_type, "ETag": etag, "Accept-Ranges": "bytes"}
    if fault.do == "gzip":
        packed = gzip.compress(data, mtime=0)
        headers["Content-Encoding"] = "gzip"
        return Delivery(status=200, headers=headers, body=packed, length=len(packed))
    part = _slice(asked, etag, len(data), fault)
    if part.status == 206:
        headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{len(data)}"
    elif part.status == 416:
        headers["Content-Range"] = f"bytes */{len(data)}"
    body = data[part.start : part.end]
    length = len(body) + (fault.bytes if fault.do == "wrong_length" else 0)
    told = None if fault.do == "no_length" else length
    return Delivery(status=part.status, headers=headers, body=body, length=told)


def _content(data: bytes, fault: Fault, version: int) -> bytes:
    """The file as this server has it."""
    match fault.do:
        case "short":
            return data[: fault.bytes]
        case "changed" | "mixed_range":
            mark = hashlib.sha256(str(version).encode()).digest()[:MARK_BYTES]
            return data[:-MARK_BYTES] + mark
        case "noise":
            kept = data[: fault.bytes]
            return kept + random.Random(len(data)).randbytes(len(data) - len(kept))
    return data


def _slice(asked: Asked, etag: str, size: int, fault: Fault) -> _Slice:
    """One range at most; `If-Range` with another ETag means the whole file."""
    whole = _Slice(status=200, start=0, end=size)
    match = RANGE.fullmatch(asked.range)
    if fault.do == "no_range" or match is None or match.groups() == ("", ""):
        return whole
    is_same = asked.if_range in {None, etag}
    if not is_same and fault.do != "mixed_range":
        return whole
    part = _part(match.group(1), match.group(2), size)
    if fault.do == "wrong_range" and part.status == 206:
        start = min(part.start + max(1, fault.bytes), part.end - 1)
        return replace(part, start=start)
    return part


def _part(first: str, last: str, size: int) -> _Slice:
    if not first:
        return _Slice(status=206, start=max(0, size - int(last)), end=size)
    start, end = int(first), min(size, int(last) + 1 if last else size)
    if start >= size or start >= end:
        return _Slice(status=416, start=0, end=0)
    return _Slice(status=206, start=start, end=end)


def _page() -> Delivery:
    body = PAGE.format("Sign in to the network").encode()
    headers = {"Content-Type": "text/html"}
    return Delivery(status=200, headers=headers, body=body, length=len(body))
