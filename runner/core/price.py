"""How the catalogue writes a price down. What a body costs is worked out in `estimate.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from runner.errors import CatalogError

#: units that a formula can count; the others (unknown, router, workflow) have no price of ours
COUNTED_UNITS = frozenset({"second", "image", "characters", "frame"})


class Source(StrEnum):
    """Where the number of units comes from."""

    FIELD = "field"  # a number in the request
    LENGTH = "length"  # the length of a text in the request
    CONSTANT = "constant"
    INPUT = "input"  # a measure of an input file
    OUTPUT = "output"  # known only when the task has ended


@dataclass(frozen=True, kw_only=True, slots=True)
class Quantity:
    """The number of units of one task."""

    source: Source = Source.CONSTANT
    field: str = ""
    value: float = 1  # of a constant
    measure: str = "seconds"  # of an input: seconds or frames
    fallback: float | None = None  # where the field is absent
    fallback_note: str = ""
    flat: float | None = None  # credits where the field is absent
    auto_max: float | None = None  # what `auto` reserves
    least: float = 0  # a shorter input is refused
    most: float | None = None  # a longer input is refused
    cap: float | None = None  # a longer input is charged as this
    fractional: bool = False  # parts of a unit are charged as such
    nearest: bool = False  # seen to round to the nearest whole unit, not always up


@dataclass(frozen=True, kw_only=True, slots=True)
class RateTable:
    """Credits per unit by the values of some fields, the last of them through its tier."""

    fields: tuple[str, ...]
    rates: Mapping[tuple[str, ...], float]
    default: tuple[str, ...] = ()  # budgeted where a field is absent
    default_note: str = ""
    tiers: Mapping[str, str] = field(default_factory=dict)  # 1280:720 -> 720p; empty: no tiers


@dataclass(frozen=True, kw_only=True, slots=True)
class Threshold:
    """Credits per unit by the size of the input, times a field where the output counts."""

    measure: str  # megapixels or longest_side_px
    limit: float
    up_to: float
    above: float
    times_field: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class AddOn:
    """An extra charge per item of some fields, or per second of their media."""

    what: str
    credits: float | None = None  # None: the rate of a second of output
    by_tier: Mapping[str, float] = field(default_factory=dict)
    items_of: tuple[str, ...] = ()
    seconds_of: tuple[str, ...] = ()
    cap: float | None = None  # seconds
    times_field: str = ""
    without: str = ""  # items with this key are free


@dataclass(frozen=True, kw_only=True, slots=True)
class Surcharge:
    """Credits per second where a field has one of some values."""

    field: str
    values: tuple[str, ...]
    per_second: float
    above_4_megapixels: float  # the same per_second where size does not matter


@dataclass(frozen=True, kw_only=True, slots=True)
class Unsure:
    """A field that makes the price less sure than it is elsewhere."""

    field: str
    values: tuple[Any, ...] | None  # None: any
    confidence: str
    note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """The price of one model at one endpoint. `rate` is None where a table or nobody says it."""

    unit: str
    rate: float | None
    per: float
    base: float
    by: RateTable | Threshold | None
    quantity: Quantity
    minimum: float
    add: tuple[AddOn, ...]
    surcharges: tuple[Surcharge, ...]
    unsure: tuple[Unsure, ...]
    formula: str
    confidence: str  # high, medium, low, none
    as_of: str
    sources: tuple[str, ...]
    note: str

    @property
    def is_known(self) -> bool:
        """Whether there is a formula at all."""
        return self.unit in COUNTED_UNITS and (self.rate is not None or self.by is not None)


def price_from_dict(raw: Mapping[str, Any], tiers: Mapping[str, Mapping[str, str]]) -> Price:
    """Read a `price` block; `tiers` are the catalogue's `ratio_tiers`.

    Raises:
        CatalogError: the block names a table or a confidence that does not exist.
    """
    confidence = raw["confidence"]
    if confidence not in {"high", "medium", "low", "none"}:
        raise CatalogError(f"unknown confidence of a price: `{confidence}`")
    return Price(
        unit=raw["unit"],
        rate=raw.get("credits"),
        per=raw.get("per", 1),
        base=raw.get("base", 0),
        by=_rates(raw["by"], tiers) if "by" in raw else None,
        quantity=_quantity(raw.get("quantity", {})),
        minimum=raw.get("minimum", 0),
        add=tuple(_add_on(item) for item in raw.get("add", ())),
        surcharges=tuple(_surcharge(item) for item in raw.get("surcharges", ())),
        unsure=tuple(_unsure(item) for item in raw.get("unsure", ())),
        formula=raw.get("formula") or "",
        confidence=confidence,
        as_of=raw.get("as_of") or "",
        sources=tuple(raw.get("sources", ())),
        note=raw.get("note", ""),
    )


def _quantity(raw: Mapping[str, Any]) -> Quantity:
    return Quantity(
        source=Source(raw.get("from", "constant")),
        field=raw.get("field", ""),
        value=raw.get("value", 1),
        measure=raw.get("measure", "seconds"),
        fallback=raw.get("fallback"),
        fallback_note=raw.get("fallback_note", ""),
        flat=raw.get("flat"),
        auto_max=raw.get("auto_max"),
        least=raw.get("min", 0),
        most=raw.get("max"),
        cap=raw.get("cap"),
        fractional=raw.get("fractional", False),
        nearest=raw.get("likely") == "nearest",
    )


def _rates(raw: Mapping[str, Any], tiers: Mapping[str, Mapping[str, str]]) -> RateTable | Threshold:
    if "measure" in raw:
        return Threshold(**raw)
    name = raw.get("tiers")
    if name is not None and name not in tiers:
        raise CatalogError(f"a price names a table of ratios that does not exist: `{name}`")
    return RateTable(
        fields=tuple(raw["fields"]),
        rates=_flat(raw["values"]),
        default=tuple(raw.get("default", ())),
        default_note=raw.get("default_note", ""),
        tiers=tiers[name] if name is not None else {},
    )


def _flat(values: Mapping[str, Any]) -> dict[tuple[str, ...], float]:
    rates: dict[tuple[str, ...], float] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            rates |= {(key, *rest): rate for rest, rate in _flat(value).items()}
        else:
            rates[(key,)] = value
    return rates


def _add_on(raw: Mapping[str, Any]) -> AddOn:
    credits = raw.get("credits")
    return AddOn(
        what=raw["what"],
        credits=None if credits == "rate" else credits,
        by_tier=raw.get("by", {}),
        items_of=tuple(raw.get("items_of", ())),
        seconds_of=tuple(raw.get("seconds_of", ())),
        cap=raw.get("cap"),
        times_field=raw.get("times_field", ""),
        without=raw.get("without", ""),
    )


def _surcharge(raw: Mapping[str, Any]) -> Surcharge:
    per_second = raw["credits_per_second"]
    return Surcharge(
        field=raw["field"],
        values=tuple(raw["in"]),
        per_second=per_second,
        above_4_megapixels=raw.get("above_4_megapixels", per_second),
    )


def _unsure(raw: Mapping[str, Any]) -> Unsure:
    values = raw.get("in")
    return Unsure(
        field=raw["field"],
        values=None if values is None else tuple(values),
        confidence=raw["confidence"],
        note=raw["note"],
    )
