"""One event of one job into the tables: conditional updates inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable
from sqlite3 import Connection

from runner.core.events import (
    Added,
    Adopted,
    Downloaded,
    Edited,
    Event,
    Flagged,
    Imported,
    Refreshed,
    Renamed,
)
from runner.core.job import Job
from runner.core.ledger import LedgerMove
from runner.core.lifecycle import transition
from runner.core.limits import Terms
from runner.errors import StaleJob, StoreError, StoreLocked
from runner.store import consumption, group_rows, prices, results
from runner.store.account import service_of
from runner.store.budget import apply_move
from runner.store.codec import to_text
from runner.store.rows import SPEC_COLUMNS, STATE_COLUMNS, event_values, spec_values, state_values

_SETS = ", ".join(f"{name} = :{name}" for name in STATE_COLUMNS)
_COLUMNS = ("batch", "waiting", *STATE_COLUMNS, *SPEC_COLUMNS)
# the names in these statements are the constants above, never data
_UPDATE = (
    f"UPDATE jobs SET {_SETS} WHERE batch = :in_batch AND id = :in_id"  # noqa: S608
    " AND version = :read_version RETURNING job"
)
_UPDATE_SPEC = (
    f"UPDATE jobs SET {', '.join(f'{name} = :{name}' for name in SPEC_COLUMNS)}"  # noqa: S608
    " WHERE job = :job"
)
_INSERT = (
    f"INSERT INTO jobs ({', '.join(_COLUMNS)})"  # noqa: S608
    f" VALUES ({', '.join(f':{name}' for name in _COLUMNS)}) RETURNING job"
)
_APPEND = (
    "INSERT INTO events (batch, job, version, kind, at, data, spec, run)"
    " VALUES (:batch, :job, :version, :kind, :at, :data, :spec, :run)"
)
_RELEASE = (
    "UPDATE jobs SET waiting = waiting + ? WHERE job IN (SELECT child FROM needs WHERE parent = ?)"
)
#: how many parents of a job do not feed it yet: see `Job.feeds`
WAITING = (
    "(SELECT COUNT(*) FROM needs JOIN jobs AS parents ON parents.job = needs.parent"
    " WHERE needs.child = jobs.job"
    " AND NOT (parents.status = 'done' AND (parents.stale = 0 OR parents.accepted = 1)))"
)
_COUNT_WAITING = f"UPDATE jobs SET waiting = {WAITING} WHERE job = ?"  # noqa: S608

#: events that bring a specification along
_SPECIFYING = Added | Edited | Renamed | Refreshed | Adopted


def batch_row(db: Connection, name: str) -> int:
    """The number of a batch.

    Raises:
        StoreError: the file has no such batch.
    """
    row = db.execute("SELECT batch FROM batches WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise StoreError(
            f"no batch `{name}` in this state file", hint="`runway-batch run` makes it"
        )
    return int(row["batch"])


def check_lease(db: Connection, batch: str, run: int | None) -> None:
    """Raise `StoreLocked` where `run` no longer holds the batch; None is a short command."""
    if run is None:
        return
    live = "SELECT 1 FROM runs WHERE run = ? AND ended_at IS NULL"
    if db.execute(live, (run,)).fetchone() is None:
        raise StoreLocked(
            f"another run took over batch `{batch}`",
            hint=f"`runway-batch status {batch}` shows who works on it",
        )


def write(
    db: Connection, before: Job | None, after: Job, event: Event, move: LedgerMove | None,
    run: int | None, terms: Terms | None = None,
) -> None:  # fmt: skip
    """Job, event, needs, groups, price and ledger move; the caller undoes all when this raises.

    Raises:
        StaleJob: the stored job is no longer `before`.
        StoreLocked: `run` no longer holds the batch.
        NotNow: the move's reserve does not fit, or something else that `terms` asks for.
    """
    check_lease(db, after.batch, run)
    batch = batch_row(db, after.batch)
    spec = _spec_row(db, batch, before, after) if isinstance(event, _SPECIFYING) else None
    job = _write_job(db, batch, before, after, spec)
    if spec is not None:
        _write_needs(db, batch, job, after)
    if before is not None and before.feeds != after.feeds:
        db.execute(_RELEASE, (-1 if after.feeds else 1, job))
    values = event_values(event)
    values |= {"batch": batch, "job": job, "version": after.version, "spec": spec, "run": run}
    db.execute(_APPEND, values)
    if move is not None:
        apply_move(db, batch, job, after, run, move, event.at, terms)
    if before is not None:
        service = service_of(db, batch)
        group_rows.apply(db, service, before, after, event)
        prices.note(db, service, after.spec, event)
    if isinstance(event, Downloaded | Imported | Adopted):
        results.keep(db, job, after)
    if isinstance(event, Downloaded | Imported):
        _flag_children(db, job, after, event, run)


def _flag_children(db: Connection, job: int, after: Job, event: Event, run: int | None) -> None:
    """Finished jobs that consumed another output than the job has now are stale from here on.

    A plan finds that out by itself, and writes it with all else that became of them.
    """
    for child in consumption.outdated_children(db, after.batch, job):
        flagged = Flagged(at=event.at, stale=True, orphaned=child.orphaned)
        write(db, child, transition(child, flagged), flagged, None, run)


def _write_job(db: Connection, batch: int, before: Job | None, after: Job, spec: int | None) -> int:
    if before is None:
        return _insert(db, batch, after, spec)
    if after.id != before.id and _is_taken(db, batch, after.id):
        raise _stale(after)
    where = {"in_batch": batch, "in_id": before.id, "read_version": before.version}
    row = db.execute(_UPDATE, state_values(after) | where).fetchone()
    if row is None:
        raise _stale(after)
    job = int(row["job"])
    if spec is not None:
        db.execute(_UPDATE_SPEC, {**spec_values(after, spec), "job": job})
    return job


def _insert(db: Connection, batch: int, job: Job, spec: int | None) -> int:
    if spec is None or _is_taken(db, batch, job.id):
        raise _stale(job)
    values = state_values(job) | spec_values(job, spec)
    values |= {"batch": batch, "waiting": 0}
    return int(db.execute(_INSERT, values).fetchone()["job"])


def _is_taken(db: Connection, batch: int, job_id: str) -> bool:
    there = "SELECT 1 FROM jobs WHERE batch = ? AND id = ?"
    return db.execute(there, (batch, job_id)).fetchone() is not None


def _spec_row(db: Connection, batch: int, before: Job | None, job: Job) -> int:
    """The row of its specification, a new one unless it is the very same as before."""
    if before is not None and before.spec is job.spec:
        find = "SELECT spec FROM jobs WHERE batch = ? AND id = ?"
        row = db.execute(find, (batch, before.id)).fetchone()
        if row is not None:
            return int(row["spec"])
    add = "INSERT INTO specs (data) VALUES (?) RETURNING spec"
    return int(db.execute(add, (to_text(job.spec),)).fetchone()["spec"])


def _write_needs(db: Connection, batch: int, job: int, after: Job) -> None:
    db.execute("DELETE FROM needs WHERE child = ?", (job,))
    for parent in _parents(db, batch, after):
        db.execute("INSERT INTO needs (child, parent) VALUES (?, ?)", (job, parent))
    db.execute(_COUNT_WAITING, (job,))


def _parents(db: Connection, batch: int, job: Job) -> Iterable[int]:
    find = "SELECT job FROM jobs WHERE batch = ? AND id = ?"
    for needed in dict.fromkeys(job.spec.needs):
        row = db.execute(find, (batch, needed)).fetchone()
        if row is None:
            raise StoreError(f"job `{job.id}` needs `{needed}`, which is not in the batch")
        yield int(row["job"])


def _stale(job: Job) -> StaleJob:
    return StaleJob(
        f"job `{job.id}` was changed by another process; nothing was written",
        hint=f"`runway-batch status {job.batch}` shows where it stands now",
    )
