"""Faulty answers by chance and seed: about one request in ten, of every kind."""

from __future__ import annotations

from typing import Any

#: of each request, over all faults that may strike it
SHARE = 0.1

#: answers to a create that may have arrived: it was carried out, and charged
_DOUBTFUL: tuple[dict[str, Any], ...] = (
    {"do": "lose"},
    {"do": "lose", "how": "reset"},
    {"do": "lose", "how": "cut"},
    {"do": "drop"},
    {"do": "deny", "status": 500},
    {"do": "deny", "status": 502, "body": "html"},
    {"do": "deny", "status": 504, "body": "text"},
    {"do": "deny", "status": 503, "body": "html"},
    {"do": "deny", "status": 408},
    {"do": "deny", "status": 409},
    {"do": "garble", "body": "html"},
    {"do": "garble", "body": "empty"},
    {"do": "garble", "body": "json"},
    {"do": "garble", "body": "no_id"},
)
#: answers to a create that was not
_REFUSED: tuple[dict[str, Any], ...] = (
    {"do": "refuse", "status": 429, "retry_after": "1"},
    {"do": "refuse", "status": 429},
    {"do": "refuse", "status": 503},
    {"do": "refuse", "status": 400, "error": "scripted"},
    {"do": "refuse", "status": 422, "error": "scripted"},
)
_TASKS: tuple[dict[str, Any], ...] = (
    {"do": "fail", "code": "INTERNAL"},
    {"do": "fail"},
    {"do": "fail", "code": "INTERNAL.BAD_OUTPUT"},
    {"do": "fail", "code": "THIRD_PARTY.UNAVAILABLE"},
    {"do": "fail", "code": "SAFETY.OUTPUT.VIDEO"},
    {"do": "fail", "code": "INPUT_PREPROCESSING.SAFETY.TEXT"},
    {"do": "throttle", "seconds": 20},
)
_ANY: tuple[dict[str, Any], ...] = (
    {"do": "refuse", "status": 500},
    {"do": "refuse", "status": 502, "body": "html"},
    {"do": "refuse", "status": 429},
    {"do": "drop"},
    {"do": "lose", "how": "reset"},
    {"do": "garble", "body": "html"},
)
#: what would hand out another file, or half of one as a whole, is left out: nobody could tell
_DOWNLOADS: tuple[dict[str, Any], ...] = (
    {"do": "cut", "bytes": 700},
    {"do": "cut", "bytes": 1500},
    {"do": "stall", "bytes": 900, "seconds": 5},
    {"do": "no_range"},
    {"do": "wrong_range"},
    {"do": "wrong_length", "bytes": 10},
    {"do": "no_length"},
    {"do": "gzip"},
    {"do": "page"},
    {"do": "expire"},
    {"do": "redirect"},
    {"do": "refuse", "status": 500},
)


def scenario(seed: int) -> dict[str, Any]:
    """Faults for every kind of request; a create also succeeds late, so that kills meet it."""
    creates = _shared(_DOUBTFUL + _REFUSED + _TASKS, "create")
    calls = ("read", "cancel", "upload", "organization")
    rest = [fault for on in calls for fault in _shared(_ANY, on)]
    slow = {"on": "create", "do": "delay", "seconds": 2, "probability": 0.3}
    return {"seed": seed, "faults": [*creates, *rest, *_shared(_DOWNLOADS, "download"), slow]}


def _shared(faults: tuple[dict[str, Any], ...], on: str) -> list[dict[str, Any]]:
    return [{**fault, "on": on, "probability": SHARE / len(faults)} for fault in faults]
