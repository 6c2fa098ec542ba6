"""What the pretend service charges: the catalogue's prices, made-up ones where none is known."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runner.core.catalog import ModelInfo
from runner.core.estimate import estimate, priced_inputs
from runner.core.price import Source

#: credits of a task whose price is not published, by what it makes
MADE_UP: Mapping[str, int] = {"video": 50, "image": 20, "audio": 20, "any": 70}

#: what an input that cannot be looked at (any https URL) is taken to be
PRETEND_INPUT: Mapping[str, float] = {
    "seconds": 5.0,
    "fps": 24.0,
    "frames": 120.0,
    "megapixels": 0.92,
    "longest_side_px": 1280.0,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Charge:
    """Credits of one task."""

    most: int  # taken at the submit: estimatedCost
    final: int  # kept when it succeeds: cost


def charge(
    info: ModelInfo, body: Mapping[str, Any], measures: Mapping[str, float], rng: random.Random
) -> Charge:
    """The price of a task.

    Args:
        measures: of the input files that could be looked at; empty where there was none.
        rng: chooses what the service would choose, such as the length for `auto`.
    """
    most = estimate(info, body, measures).worst
    chosen = _chosen(info, body, rng)
    if most is not None and not chosen and not priced_inputs(info):
        return Charge(most=most, final=most)  # nothing is left open
    settled = {**body, **chosen}
    final = estimate(info, settled, {**PRETEND_INPUT, **measures}).worst
    if final is None:
        made_up = MADE_UP[info.media]
        return Charge(most=most or made_up, final=most or made_up)
    if most is None:
        most = final
    return Charge(most=most, final=min(final, most))


def _chosen(info: ModelInfo, body: Mapping[str, Any], rng: random.Random) -> dict[str, int]:
    """The length that `auto` turned out to have."""
    quantity = info.price.quantity
    if quantity.source is not Source.FIELD or body.get(quantity.field) != "auto":
        return {}
    branches = info.fields[quantity.field].get("anyOf", ())
    numbers: Mapping[str, Any] = next((b for b in branches if b.get("type") == "integer"), {})
    least, most = numbers.get("minimum", 1), int(quantity.auto_max or numbers.get("maximum", 5))
    return {quantity.field: rng.randint(int(least), most)}
