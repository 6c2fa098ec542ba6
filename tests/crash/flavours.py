"""What differs between worlds besides their chance: how strict the batch is, and the service."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

#: seconds in a real one: back-off of half a minute is over in no time
RATE = 80.0
#: proof that a create did not arrive takes two readings ten minutes apart
EVIDENCE_RATE = 400.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Flavour:
    """One world's rules."""

    name: str
    rate: float = RATE
    manifest: str = ""  # top-level keys, as lines
    service: Mapping[str, float | bool] = field(default_factory=dict)  # its settings
    outages: Sequence[Mapping[str, float | str]] = ()  # in which connections are made


FLAVOURS = (
    Flavour(name="plain"),
    Flavour(
        name="strict",
        manifest="halt: {same_error: 2, refusals: 1}\nretry: {attempts: 2}\n",
        service={"refund_delay_s": 120, "link_life_s": 240, "date_skew_s": -90},
        outages=(
            {"begin": 200, "end": 280, "how": "gateway"},
            {"begin": 400, "end": 440, "how": "drop"},
            {"begin": 600, "end": 660, "how": "unavailable"},
        ),
    ),
    Flavour(
        name="alone",
        rate=EVIDENCE_RATE,
        manifest="account: {exclusive: true}\n",
        service={"refund_delay_s": 30, "cancel_refunds": False, "link_exp": False},
    ),
)


def draw(rng: random.Random) -> Flavour:
    """One of them."""
    return rng.choice(FLAVOURS)
