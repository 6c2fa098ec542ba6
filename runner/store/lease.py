"""One live run per batch: a row that names its process. A dead owner's lease heals by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from sqlite3 import Connection

from runner.clock import Clock
from runner.core.events import Event, SubmitUnknown
from runner.core.job import Job
from runner.core.ledger import ledger_move
from runner.core.lifecycle import transition
from runner.errors import StoreLocked
from runner.store.caller import Caller
from runner.store.codec import from_micros, to_micros
from runner.store.process import Owner, is_running, this_process
from runner.store.reading import submitting
from runner.store.rows import Row
from runner.store.saving import batch_row, check_lease, write
from runner.store.talk import clear_waits
from runner.store.writer import Sql

_LIVE = "SELECT * FROM runs WHERE batch = ? AND ended_at IS NULL"
_END = "UPDATE runs SET ended_at = ?, exit_code = ? WHERE run = ? AND ended_at IS NULL"
_BEGIN = (
    "INSERT INTO runs (id, batch, host, boot_id, pid, pid_started, started_at, heartbeat_at, user,"
    " command) VALUES (:id, :batch, :host, :boot_id, :pid, :pid_started, :at, :at, :user, :command)"
    " RETURNING run"
)
_ALL_LIVE = (
    "SELECT runs.*, batches.name AS batch_name FROM runs"
    " JOIN batches ON batches.batch = runs.batch WHERE ended_at IS NULL ORDER BY run"
)
_BEAT = "UPDATE runs SET heartbeat_at = ? WHERE run = ? AND ended_at IS NULL"


@dataclass(frozen=True, kw_only=True, slots=True)
class Predecessor:
    """A run that did not end by itself."""

    run_id: str
    owner: Owner
    started_at: datetime
    heartbeat_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveRun:
    """A run without an end: it works on its batch, or it died."""

    batch: str
    run_id: str
    owner: Owner
    started_at: datetime
    is_dead: bool  # proved; of another machine nothing is


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """A fresh lease: the number of its row, and whose it was."""

    run: int
    predecessor: Predecessor | None


class Lease:
    """The right to work on a batch, until it is released or taken over."""

    def __init__(self, writer: Sql, clock: Clock, *, batch: str, run_id: str, taken: Taken) -> None:
        self._writer = writer
        self._clock = clock
        self._run = taken.run
        self.batch = batch
        self.run_id = run_id
        #: a dead run whose work this one goes on with
        self.predecessor = taken.predecessor

    async def beat(self) -> None:
        """Say that the run lives, for people who look; every few seconds.

        Raises:
            StoreLocked: another run took over.
        """
        now = to_micros(self._clock.now())

        def work(db: Connection) -> None:
            if db.execute(_BEAT, (now, self._run)).rowcount == 0:
                check_lease(db, self.batch, self._run)

        await self._writer.run(work)

    async def release(self, exit_code: int) -> None:
        """End the run; harmless where it was taken over, and a second time."""
        now = to_micros(self._clock.now())

        def work(db: Connection) -> None:
            if db.execute(_END, (now, exit_code, self._run)).rowcount:
                clear_waits(db, batch_row(db, self.batch))

        await self._writer.run(work)


def take(
    db: Connection, batch: str, run_id: str, owner: Owner, now: datetime, *, caller: Caller,
    take_over: bool,
) -> Taken:  # fmt: skip
    """Become the batch's live run, in one transaction.

    Raises:
        StoreLocked: a living process has it, or one of another host and not `take_over`.
    """
    number, at = batch_row(db, batch), to_micros(now)
    live = db.execute(_LIVE, (number,)).fetchone()
    if live is not None:
        _check_dead(batch, live, owner, take_over=take_over)
        db.execute(_END, (at, None, live["run"]))
        clear_waits(db, number)
    values = {"id": run_id, "batch": number, "host": owner.host, "boot_id": owner.boot_id,
              "pid": owner.pid, "pid_started": owner.pid_started, "at": at,
              "user": caller.user, "command": caller.command}  # fmt: skip
    row = db.execute(_BEGIN, values).fetchone()
    return Taken(run=row["run"], predecessor=None if live is None else _predecessor(live))


def is_live(db: Connection, batch: str, here: str) -> bool:
    """Whether a run holds the batch and its process lives; of another host only the row tells."""
    row = db.execute(_LIVE, (batch_row(db, batch),)).fetchone()
    if row is None:
        return False
    owner = owner_of(row)
    return owner.host != here or is_running(owner)


def live_runs(db: Connection) -> list[LiveRun]:
    """Every run without an end, of all batches."""
    return [_live_run(row) for row in db.execute(_ALL_LIVE).fetchall()]


def end_dead(db: Connection, at: int) -> list[LiveRun]:
    """End the leases of dead processes of this machine. What they left is healed by a run."""
    ended = []
    for row in db.execute(_ALL_LIVE).fetchall():
        found = _live_run(row)
        if found.is_dead:
            db.execute(_END, (at, None, row["run"]))
            ended.append(found)
    return ended


def heal(db: Connection, batch: str, run: int, now: datetime) -> Sequence[tuple[Job, Event]]:
    """Put in doubt what an earlier run left `submitting`: nobody knows whether it arrived.

    Raises:
        StoreLocked: `run` does not hold the batch.
    """
    check_lease(db, batch, run)
    event = SubmitUnknown(at=now, reason="the run ended before the answer was recorded")
    healed: list[tuple[Job, Event]] = []
    for before in submitting(db, batch):
        after = transition(before, event)
        write(db, before, after, event, ledger_move(before, event), run)
        healed.append((after, event))
    return healed


def _check_dead(batch: str, live: Row, ours: Owner, *, take_over: bool) -> None:
    owner = owner_of(live)
    since = f"{from_micros(live['started_at']):%Y-%m-%d %H:%M:%S} UTC"
    words = f"process {owner.pid} on `{owner.host}` works on batch `{batch}` since {since}"
    if owner.host != ours.host:
        if not take_over:
            raise StoreLocked(
                words, hint="if it is certain that it no longer runs, use `run --take-over`"
            )
    elif is_running(owner):
        raise StoreLocked(words, hint="wait until it has finished, or stop it with Ctrl-C")


def _live_run(row: Row) -> LiveRun:
    owner = owner_of(row)
    return LiveRun(
        batch=row["batch_name"],
        run_id=row["id"],
        owner=owner,
        started_at=from_micros(row["started_at"]),
        is_dead=owner.host == this_process().host and not is_running(owner),
    )


def _predecessor(row: Row) -> Predecessor:
    return Predecessor(
        run_id=row["id"],
        owner=owner_of(row),
        started_at=from_micros(row["started_at"]),
        heartbeat_at=from_micros(row["heartbeat_at"]),
    )


def owner_of(row: Row) -> Owner:
    """Who holds or held a lease, from its row."""
    return Owner(
        host=row["host"], boot_id=row["boot_id"], pid=row["pid"], pid_started=row["pid_started"]
    )
