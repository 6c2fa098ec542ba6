"""Caps as rows. `batch`, `run`, `model` and `tag` are counted; `day`, `month`, `balance` are not.

What is counted is the sum of the entries that a cap covers, kept in the transaction of the entry.
The others depend on the time and on other batches: see windows.py and account.py.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from sqlite3 import Connection

from runner.core.credits import format_credits
from runner.core.ledger import Caps
from runner.errors import CapReached
from runner.store.rows import Row

DAY, MONTH, BALANCE = "day", "month", "balance"
#: caps whose use is computed and never counted
COMPUTED = frozenset({DAY, MONTH, BALANCE})
#: where a cap was set unless somebody says otherwise
MANIFEST, FLAG = "the manifest", "`--max-credits`"

_CAPS = (
    "SELECT name, run, limit_credits, used_credits, source FROM caps WHERE batch = ? ORDER BY name"
)
_FIT = (
    "UPDATE caps SET used_credits = used_credits + :more WHERE batch = :batch AND name = :name"
    " AND used_credits + :more <= limit_credits"
)
_COUNT = "UPDATE caps SET used_credits = used_credits + :more WHERE batch = :batch AND name = :name"
_SUMS = (
    "SELECT lane, tags, run, SUM(credits) AS credits FROM ledger WHERE batch = ?"
    " GROUP BY lane, tags, run"
)
_ADD = (
    "INSERT INTO caps (batch, name, run, limit_credits, used_credits, source)"
    " VALUES (:batch, :name, :run, :limit, :used, :source)"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """What decides which caps count an entry: fixed when the credits were reserved."""

    lane: str
    tags: Collection[str]
    run: int | None

    def covers(self, cap: Row | Mapping[str, object]) -> bool:
        """Whether the cap counts what has this scope."""
        kind, _, value = str(cap["name"]).partition(":")
        match kind:
            case "batch":
                return True
            case "run":
                return cap["run"] is not None and cap["run"] == self.run
            case "model":
                return value == self.lane
            case "tag":
                return value in self.tags
        return False


def scope_of(row: Row) -> Scope:
    """The scope of an entry that is stored."""
    return Scope(lane=row["lane"], tags=json.loads(row["tags"]), run=row["run"])


def all_caps(db: Connection, batch: int) -> list[Row]:
    """Every cap of a batch, by name."""
    return db.execute(_CAPS, (batch,)).fetchall()


def count(
    db: Connection, batch: int, caps: Iterable[Row], scope: Scope, more: int, *, must_fit: bool
) -> None:
    """Count credits under every cap that covers them.

    Raises:
        CapReached: they must fit and do not; the caller undoes the transaction.
    """
    for cap in caps:
        if scope.covers(cap):
            values = {"batch": batch, "name": cap["name"], "more": more}
            if db.execute(_FIT if must_fit else _COUNT, values).rowcount == 0:
                raise reached(cap, more, cap["limit_credits"] - cap["used_credits"])


def check_counted(caps: Iterable[Row], scope: Scope, credits: int) -> None:
    """Raise `CapReached` where a reserve would not fit under a counted cap."""
    for cap in caps:
        left = cap["limit_credits"] - cap["used_credits"]
        if scope.covers(cap) and credits > left:
            raise reached(cap, credits, left)


def set_caps(
    db: Connection, batch: int, caps: Caps, run: int | None, run_id: str | None,
    sources: Mapping[str, str],
) -> None:  # fmt: skip
    """Replace the batch's caps; what counts against them is summed up from the entries.

    A cap below what is used already is kept: nothing more starts under it.
    """
    db.execute("DELETE FROM caps WHERE batch = ?", (batch,))
    sums = _sums(db, batch)
    for name, limit in _limits(caps, run_id).items():
        if limit is not None:
            is_run = name.startswith("run:")
            cap = {"name": name, "run": run if is_run else None}
            used = sum(credits for scope, credits in sums if scope.covers(cap))
            source = sources.get("run" if is_run else name, FLAG if is_run else MANIFEST)
            values = {**cap, "batch": batch, "limit": limit, "used": used, "source": source}
            db.execute(_ADD, values)


def caps_off(db: Connection, batch: int) -> list[str]:
    """Names of caps whose count is not the sum of the entries: none, unless there is a bug."""
    return [name for name, more in _differences(db, batch) if more]


def recount(db: Connection, batch: int) -> list[str]:
    """Sum the entries up again; returns the names of caps whose count was wrong."""
    wrong = [(name, more) for name, more in _differences(db, batch) if more]
    for name, more in wrong:
        db.execute(_COUNT, {"batch": batch, "name": name, "more": more})
    return [name for name, _ in wrong]


def reached(cap: Row, asked: int, left: int) -> CapReached:
    """The error of a counted cap."""
    available = max(0, left)
    kind, _, value = str(cap["name"]).partition(":")
    words, key = {
        "batch": ("the batch's budget", "budget.credits"),
        "run": ("this run's cap", "--max-credits"),
        "model": (f"the cap of model `{value}`", f"budget.models.{value}"),
        "tag": (f"the cap of tag `{value}`", f"budget.tags.{value}"),
    }[kind]
    return CapReached(
        f"{words} of {format_credits(cap['limit_credits'])} has {format_credits(available)} left,"
        f" and the job may cost {format_credits(asked)}",
        cap=cap["name"],
        available=available,
        hint=f"raise {where(key, cap)}, then run again",
    )


def where(key: str, cap: Row) -> str:
    """Which word to change, and where: a flag or a variable is its own place."""
    source = str(cap["source"])
    return source if source.startswith("`") else f"`{key}` in {source}"


def _limits(caps: Caps, run_id: str | None) -> dict[str, int | None]:
    limits: dict[str, int | None] = {
        "batch": caps.batch, DAY: caps.day, MONTH: caps.month, BALANCE: caps.keep_balance
    }  # fmt: skip
    limits |= {f"model:{lane}": most for lane, most in caps.models.items()}
    limits |= {f"tag:{tag}": most for tag, most in caps.tags.items()}
    if run_id is not None:
        limits[f"run:{run_id}"] = caps.run
    return limits


def _differences(db: Connection, batch: int) -> list[tuple[str, int]]:
    """Of every cap: what is missing in its count."""
    sums = _sums(db, batch)
    return [
        (
            cap["name"],
            sum(credits for scope, credits in sums if scope.covers(cap)) - cap["used_credits"],
        )
        for cap in all_caps(db, batch)
    ]


def _sums(db: Connection, batch: int) -> list[tuple[Scope, int]]:
    rows = db.execute(_SUMS, (batch,)).fetchall()
    return [(scope_of(row), row["credits"]) for row in rows]
