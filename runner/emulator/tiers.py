"""Limits of an account: so many at once and so many in 24 hours, per model and tier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runner.core.catalog import Catalog

DAY_S = 24 * 3600.0
CREDITS_PER_USD = 100

#: column of the tier table. The published page lost its titles; a live tier 1 account showed
#: images in the second class and video and speech in classes of 1 / 50.
CLASSES: Mapping[str, int] = {"video": 0, "image": 1, "audio": 3}


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Of one lane; None is unlimited."""

    concurrent: int | None
    daily: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class TierTable:
    """What each tier allows for each lane."""

    lanes: Mapping[str, str]  # lane -> media
    rows: Mapping[int, Mapping[str, object]]
    unlimited: bool = False

    @classmethod
    def from_catalog(cls, catalog: Catalog, *, unlimited: bool = False) -> TierTable:
        lanes = {
            lane_of(endpoint.name, model): info.media
            for endpoint in catalog.endpoints.values()
            if not endpoint.name.startswith(("generate/", "workflows/"))
            for model, info in endpoint.models.items()
        }
        rows = {row["tier"]: row for row in catalog.facts["tiers"]}
        return cls(lanes=lanes, rows=rows, unlimited=unlimited)

    def limits(self, tier: int, lane: str) -> Limits:
        media = self.lanes.get(lane)
        if self.unlimited or media is None:
            return Limits(concurrent=None, daily=None)
        column = CLASSES[media]
        return Limits(
            concurrent=self._cell(tier, "max_concurrent", column),
            daily=self._cell(tier, "max_daily", column),
        )

    def monthly_credits(self, tier: int) -> int:
        usd = self.rows[tier]["max_monthly_usd"]
        assert isinstance(usd, int)  # noqa: S101 - the catalogue is our own data
        return usd * CREDITS_PER_USD

    def _cell(self, tier: int, name: str, column: int) -> int:
        cells = self.rows[tier][name]
        assert isinstance(cells, list)  # noqa: S101 - the catalogue is our own data
        return int(cells[column])


def lane_of(endpoint: str, model: str) -> str:
    """What slots and usage are counted by: the model, or the recipe's name."""
    head, _, tail = endpoint.partition("/")
    return tail if head == "recipes" else model
