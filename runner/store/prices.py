"""What Runway asked and charged, by shape: written with the answers, read once for a plan."""

from __future__ import annotations

from sqlite3 import Connection

from runner.core.events import Event, TaskAccepted, TaskSucceeded
from runner.core.price_memory import PriceMemory, SeenPrice, learn
from runner.core.spec import JobSpec
from runner.store.codec import from_micros, to_micros
from runner.store.rows import Row

#: the newest shapes that a plan looks at
MOST_SHAPES = 20_000

_FIND = "SELECT * FROM prices WHERE service = ? AND endpoint = ? AND model = ? AND shape = ?"
_KEEP = (
    "INSERT OR REPLACE INTO prices"
    " (service, endpoint, model, shape, asked, charged, at, most, most_at)"
    " VALUES (:service, :endpoint, :model, :shape, :asked, :charged, :at, :most, :most_at)"
)
_ALL = "SELECT * FROM prices WHERE service = ? ORDER BY most_at DESC, shape LIMIT ?"


def note(db: Connection, service: str, spec: JobSpec, event: Event) -> None:
    """Remember what an answer tells of the price; most often it tells nothing new."""
    shape = spec.estimate.shape
    if not shape or not isinstance(event, TaskAccepted | TaskSucceeded):
        return
    model = spec.model or ""
    row = db.execute(_FIND, (service, spec.endpoint, model, shape)).fetchone()
    before = None if row is None else _seen(row)
    after = learn(before, event, model=model)
    if after is None or after == before:
        return
    values = {"service": service, "endpoint": spec.endpoint, "model": model, "shape": shape,
              "asked": after.asked, "charged": after.charged, "at": to_micros(after.at),
              "most": after.most, "most_at": to_micros(after.most_at)}  # fmt: skip
    db.execute(_KEEP, values)


def memory(db: Connection, service: str) -> PriceMemory:
    """All that was seen on a service."""
    rows = db.execute(_ALL, (service, MOST_SHAPES))
    return PriceMemory(seen={(row["endpoint"], row["shape"]): _seen(row) for row in rows})


def _seen(row: Row) -> SeenPrice:
    return SeenPrice(
        model=row["model"],
        asked=row["asked"],
        charged=row["charged"],
        at=from_micros(row["at"]),
        most=row["most"],
        most_at=from_micros(row["most_at"]),
    )
