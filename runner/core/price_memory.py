"""What Runway asked and charged before, by shape: the next price of the same shape.

The memory never makes a reserve smaller than what Runway asked for the shape within `KEPT`, and
never smaller than a table that is sure. Where the table is a guess, or there is none, what Runway
asked takes its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from runner.core.credits import CostBand, format_credits
from runner.core.events import Event, TaskAccepted, TaskSucceeded
from runner.core.groups import UNSURE
from runner.core.price_override import SOURCE, USER

#: how long the most that was asked counts, where less has been asked since
KEPT = timedelta(days=30)
#: how often it is written down that the most was asked again
REFRESHED = timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class SeenPrice:
    """What Runway said of one shape, in credits."""

    model: str = ""  # empty where the endpoint has none
    asked: int | None  # newest answer to a create: the most the task may cost
    charged: int | None  # newest charge since; None: nothing was charged since the price changed
    at: datetime  # when these two were said first
    most: int  # the most of both within `KEPT`
    most_at: datetime  # when it was last said, to the day

    @property
    def newest(self) -> int:
        """What the next one will probably cost."""
        told = self.charged if self.charged is not None else self.asked
        return told or 0


def learn(before: SeenPrice | None, event: Event, *, model: str = "") -> SeenPrice | None:
    """What is known after an event; `before` itself where it tells nothing new."""
    asked = event.estimated if isinstance(event, TaskAccepted) else None
    charged = event.credits if isinstance(event, TaskSucceeded) else None
    if asked is None and charged is None:
        return before
    at = event.at
    told = max(amount for amount in (asked, charged) if amount is not None)
    if before is None:
        return SeenPrice(model=model, asked=asked, charged=charged, at=at, most=told, most_at=at)
    after = _newest(before, asked, charged, at)
    top = max(amount for amount in (after.asked, after.charged) if amount is not None)
    if top >= before.most or at - before.most_at > KEPT:
        is_due = top != before.most or at - before.most_at > REFRESHED
        return replace(after, most=top, most_at=at) if is_due else after
    return after


def _newest(before: SeenPrice, asked: int | None, charged: int | None, at: datetime) -> SeenPrice:
    """A new price makes the old charge worthless; what was said before keeps its date."""
    if asked is not None and asked != before.asked:
        return replace(before, asked=asked, charged=None, at=at)
    if charged is not None and charged != before.charged:
        return replace(before, charged=charged, at=at)
    return before


def remembered(band: CostBand, seen: SeenPrice) -> CostBand:
    """The estimate with what Runway asked before; itself where that is what was expected."""
    if band.confidence in UNSURE or band.worst is None:
        is_guess = band.confidence in UNSURE
        return replace(
            band, low=seen.newest, expected=seen.newest, worst=seen.most, asked=seen.most,
            confidence="medium" if is_guess else band.confidence, note=_when(seen),
        )  # fmt: skip
    if band.confidence == USER:
        return replace(band, asked=seen.most) if seen.most > band.expected else band
    if seen.newest == seen.most == band.expected:
        return band
    return replace(
        band,
        low=min(band.low, seen.newest),
        expected=seen.newest,
        worst=max(band.worst, seen.most),
        asked=seen.most,
        note="; ".join(part for part in (_when(seen), band.note) if part),
    )


def _when(seen: SeenPrice) -> str:
    verb = "asked" if seen.charged is None else "charged"
    return f"as Runway {verb} on {seen.at:%Y-%m-%d}"


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceNote:
    """A price of a table that Runway does not keep to."""

    endpoint: str
    model: str
    expected: int  # by the table, or by the manifest
    seen: int
    at: datetime
    is_own: bool = False  # the manifest's own price, not the catalogue's
    shapes: int = 1  # kinds of jobs that it was seen for

    @property
    def message(self) -> str:
        name = self.model or self.endpoint
        source = SOURCE if self.is_own else "the price table"
        more = f", and {self.shapes - 1} more like it" if self.shapes > 1 else ""
        return (
            f"Runway asked {format_credits(self.seen)} for a job of `{name}` on"
            f" {self.at:%Y-%m-%d}, {source} says {format_credits(self.expected)}{more}"
        )


@dataclass(slots=True)
class PriceMemory:
    """All that was seen on one service, for one plan; collects where tables are wrong."""

    #: by endpoint and shape
    seen: Mapping[tuple[str, str], SeenPrice] = field(default_factory=dict)
    _bands: dict[tuple[str, str], CostBand] = field(default_factory=dict)
    _notes: dict[tuple[str, str], PriceNote] = field(default_factory=dict)

    def adjusted(self, endpoint: str, band: CostBand) -> CostBand:
        """The estimate with what was seen of its shape; repeats cost next to nothing."""
        if not band.shape or not self.seen:
            return band
        key = (endpoint, band.shape)
        known = self._bands.get(key)
        if known is None:
            seen = self.seen.get(key)
            known = self._bands[key] = band if seen is None else remembered(band, seen)
            if seen is not None and _is_off(band, seen):
                self._note(endpoint, band, seen)
        return known

    @property
    def notes(self) -> tuple[PriceNote, ...]:
        """Where Runway asked something else than the table says, for what was looked at so far."""
        return tuple(self._notes.values())

    def _note(self, endpoint: str, band: CostBand, seen: SeenPrice) -> None:
        key = (endpoint, seen.model)
        first = self._notes.get(key)
        self._notes[key] = (
            replace(first, shapes=first.shapes + 1)
            if first is not None
            else PriceNote(
                endpoint=endpoint, model=seen.model, expected=band.expected, seen=seen.newest,
                at=seen.at, is_own=band.confidence == USER,
            )
        )  # fmt: skip


def _is_off(band: CostBand, seen: SeenPrice) -> bool:
    """Whether what was seen lies outside of what the table says."""
    if band.worst is None or band.confidence == "none":
        return False
    return seen.newest < band.low or seen.most > band.worst
