"""What goes wrong during a soak: a scenario of the emulator, in virtual time.

Everything is rare enough for the quota to stay what takes the time, and often enough to meet every
state of a job.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

HOUR_S, DAY_S = 3600, 86_400

#: hours of an outage that begins `at_h` hours after the beginning of a night, and how it looks
OUTAGES: Sequence[tuple[int, float, float, str]] = (
    # night, hours after the window opens, hours, how
    (0, 1.0, 2.0, "refused"),
    (1, 0.5, 1.5, "unavailable"),
    (2, 1.0, 2.0, "gateway"),
    (3, 0.2, 5.0, "drop"),
    (4, 1.0, 9.5, "refused"),
)

FAULTS: Sequence[Mapping[str, Any]] = (
    # a create that was paid, and one that never arrived: nobody can tell them apart
    {"on": "create", "do": "lose", "how": "reset", "nth": [17, 90]},
    {"on": "create", "do": "drop", "how": "reset", "nth": [30, 70]},
    {"on": "create", "do": "lose", "how": "reset", "probability": 0.0006},
    {"on": "create", "do": "drop", "how": "reset", "probability": 0.0006},
    {"on": "create", "do": "garble", "body": "no_id", "probability": 0.0002},
    {"on": "create", "do": "delay", "seconds": 25, "probability": 0.002},
    {"on": "create", "do": "refuse", "status": 503, "probability": 0.002},
    {"on": "create", "do": "refuse", "status": 429, "retry_after": 20, "probability": 0.001},
    {"do": "fail", "code": "INTERNAL", "probability": 0.01},
    {"do": "fail", "code": "THIRD_PARTY.UNAVAILABLE", "probability": 0.004},
    {"do": "fail", "code": "INTERNAL.BAD_OUTPUT.01", "probability": 0.003},
    {"do": "fail", "probability": 0.002},
    {"do": "fail", "code": "SAFETY.INPUT.TEXT", "probability": 0.003},
    {"do": "fail", "code": "ASSET.INVALID", "probability": 0.001},
    {"do": "throttle", "seconds": 400, "probability": 0.001},
    {"on": "read", "do": "refuse", "status": 500, "probability": 0.001},
    {"on": "read", "do": "refuse", "status": 404, "probability": 0.0005},
    {"on": "read", "do": "drop", "probability": 0.0005},
    {"on": "read", "do": "garble", "probability": 0.0005},
    {"do": "expire", "probability": 0.01},
    {"do": "cut", "probability": 0.01},
    {"do": "stall", "seconds": 30, "probability": 0.002},
    {"on": "organization", "do": "refuse", "status": 500, "probability": 0.03},
    {"on": "organization", "do": "drop", "probability": 0.02},
)


def weather(*, first_night_s: float, link_life_s: float, harsh: float = 1.0) -> dict[str, Any]:
    """The scenario.

    Args:
        first_night_s: seconds from now until the window opens first.
        link_life_s: of output links.
        harsh: multiplies the chances: a short soak meets as much as a long one.
    """
    outages = [
        {"begin": begin, "end": begin + hours * HOUR_S, "how": how}
        for night, after_h, hours, how in OUTAGES
        for begin in [first_night_s + night * DAY_S + after_h * HOUR_S]
    ]
    faults = [
        {**fault, "probability": min(1.0, fault.get("probability", 1.0) * harsh)}
        for fault in FAULTS
    ]
    return {"faults": faults, "outages": outages, "settings": {"link_life_s": link_life_s}}
