"""What a fault makes of an answer: as plain data, for HTTP and for calls without it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.emulator.rules import Fault

#: what a proxy says when nothing is behind it
PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """An HTTP answer."""

    status: int
    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


def refusal(fault: Fault) -> Reply:
    """The answer of `refuse` and `deny`."""
    headers = {}
    if fault.retry_after:
        headers["Retry-After"] = fault.retry_after
    if fault.location:
        headers["Location"] = fault.location
    text = fault.error or "The service is overloaded."
    if fault.body == "html":
        text = PAGE.format(fault.error or f"{fault.status} Bad Gateway")
    return _reply(fault.status, fault.body, text, headers)


def garbled(fault: Fault, answer: bytes) -> Reply:
    """A success that nobody can use."""
    if fault.body == "no_id":
        data = json.loads(answer or b"{}")
        data.pop("id", None)
        return Reply(status=200, body=json.dumps(data).encode(), content_type="application/json")
    if fault.body == "json":
        half = answer[: max(1, len(answer) // 2)]
        return Reply(status=200, body=half, content_type="application/json")
    text = PAGE.format("Welcome") if fault.body == "html" else fault.error or "OK"
    return _reply(200, fault.body, text, {})


def _reply(status: int, kind: str, text: str, headers: Mapping[str, str]) -> Reply:
    match kind:
        case "json":
            body, content_type = json.dumps({"error": text}).encode(), "application/json"
        case "html":
            body, content_type = text.encode(), "text/html"
        case "text":
            body, content_type = text.encode(), "text/plain"
        case _:
            body, content_type = b"", "text/plain"
    return Reply(status=status, body=body, content_type=content_type, headers=headers)


def seconds_before(fault: Fault, on: str) -> float:
    """Seconds that pass before the request is carried out. A download starts late, no less."""
    early = {"refuse", "drop", "lose", "deny", "garble"}
    if on == "download":
        early.add("delay")
    return fault.seconds if fault.do in early and fault.how != "hang" else 0.0


def seconds_after(fault: Fault, on: str) -> float:
    """Seconds between carrying out the request and its answer."""
    return fault.seconds if fault.do == "delay" and on != "download" else 0.0
