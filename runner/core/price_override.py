"""Prices that a person sets: they stand in for the catalogue's, whole.

What the catalogue adds for references, formats or sizes is not added to them. What Runway asked
before still bounds the reserve from below: see price_memory.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from runner.core.catalog import Catalog, Endpoint, ModelInfo
from runner.core.price import Price, Quantity, Source
from runner.core.price_shape import media_in

#: confidence of such a price
USER = "user"
#: where it comes from, as sources name it
SOURCE = "the manifest"
_CHARACTERS = 1000


class Per(StrEnum):
    """What is paid for, as the manifest writes it."""

    TASK = "per_task"
    SECOND = "per_second"  # of output, or of the input where the catalogue counts that
    IMAGE = "per_image"
    CHARACTERS = "per_1000_characters"


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceOverride:
    """One price that a person sets."""

    per: Per
    credits: float  # more than 0
    minimum: float = 0  # of a task
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Target:
    """What an override is for; empty: any. The more it names, the more it counts."""

    endpoint: str = ""
    model: str = ""


PriceOverrides: TypeAlias = Mapping[Target, PriceOverride]


def overridden(catalog: Catalog, overrides: PriceOverrides) -> Catalog:
    """The catalogue with these prices; the same one where there are none.

    What an override cannot price (seconds of an image) keeps its price.
    """
    if not overrides:
        return catalog
    endpoints = {**catalog.endpoints, **dict(_workflows(catalog, overrides))}
    changed = {name: _with_prices(each, overrides) for name, each in endpoints.items()}
    return replace(catalog, endpoints=changed)


def overridden_price(info: ModelInfo, override: PriceOverride) -> Price | None:
    """The price of a model at an endpoint; None where it does not have what is paid for."""
    quantity = _quantity(info, override.per)
    if quantity is None:
        return None
    unit, per, words = _UNITS[override.per]
    return Price(
        unit=unit,
        rate=override.credits,
        per=per,
        base=0,
        by=None,
        quantity=quantity,
        minimum=override.minimum,
        add=(),
        surcharges=(),
        unsure=(),
        formula=f"{override.credits:g} {words}",
        confidence=USER,
        as_of="",
        sources=(SOURCE,),
        note=override.note,
    )


_UNITS: Mapping[Per, tuple[str, float, str]] = {
    Per.TASK: ("image", 1, "per task"),
    Per.SECOND: ("second", 1, "per second"),
    Per.IMAGE: ("image", 1, "per image"),
    Per.CHARACTERS: ("characters", _CHARACTERS, "per 1,000 characters"),
}


def _quantity(info: ModelInfo, per: Per) -> Quantity | None:
    known = info.price.quantity
    match per:
        case Per.TASK:
            return Quantity()
        case Per.SECOND:
            return _seconds(info)
        case Per.IMAGE if info.media == "image":
            is_counted = known.source is Source.FIELD or info.price.unit == "image"
            return known if is_counted else _images(info)
        case Per.CHARACTERS if known.source is Source.LENGTH:
            return known
        case Per.CHARACTERS if info.media == "audio" and "promptText" in info.fields:
            return Quantity(source=Source.LENGTH, field="promptText")
        case _:
            return None


def _images(info: ModelInfo) -> Quantity:
    if "outputCount" not in info.fields:
        return Quantity()
    return Quantity(source=Source.FIELD, field="outputCount", fallback=1)


def _seconds(info: ModelInfo) -> Quantity | None:
    """As the catalogue counts them, else the length that is asked for, else the input's."""
    if info.media == "image":
        return None
    known = info.price.quantity
    if known.source is Source.INPUT:
        return replace(known, measure="seconds")
    if known.source is Source.FIELD and known.field == "duration":
        return replace(known, flat=None)
    if "duration" in info.fields:
        return Quantity(source=Source.FIELD, field="duration")
    for name in info.required:
        if media_in(info.fields[name]) & {"video", "audio"}:
            return Quantity(source=Source.INPUT, field=name)
    return Quantity(source=Source.OUTPUT)


def _with_prices(endpoint: Endpoint, overrides: PriceOverrides) -> Endpoint:
    models = {
        name: _with_price(endpoint, info, overrides) for name, info in endpoint.models.items()
    }
    return replace(endpoint, models=models)


def _with_price(endpoint: Endpoint, info: ModelInfo, overrides: PriceOverrides) -> ModelInfo:
    for target in targets_of(endpoint, info):
        if target in overrides:
            price = overridden_price(info, overrides[target])
            return info if price is None else replace(info, price=price)
    return info


def targets_of(endpoint: Endpoint, info: ModelInfo) -> tuple[Target, ...]:
    """Every way to name a model at an endpoint, the narrowest first."""
    found = [Target(endpoint=endpoint.name)]
    if endpoint.discriminator == "model":
        found.insert(0, Target(model=info.model))
    if endpoint.discriminator is not None:
        found.insert(0, Target(endpoint=endpoint.name, model=info.model))
    return tuple(found)


def _workflows(catalog: Catalog, overrides: PriceOverrides) -> Iterator[tuple[str, Endpoint]]:
    """A workflow that has a price of its own is an endpoint of its own."""
    for target in overrides:
        known = catalog.endpoint(target.endpoint)
        if known is not None and known.name != target.endpoint:
            yield target.endpoint, replace(known, name=target.endpoint)
