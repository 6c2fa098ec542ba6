"""One event of one job into the tables: conditional updates inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable
from sqlite3 import Connection

from runner.core.events import Added, Edited, Event
from runner.core.job import Job, JobStatus
from runner.core.ledger import LedgerMove
from runner.core.limits import Terms
from runner.errors import StaleJob, StoreError, StoreLocked
from runner.store import group_rows
from runner.store.account import service_of
from runner.store.budget import apply_move
from runner.store.codec import to_text
from runner.store.rows import SPEC_COLUMNS, STATE_COLUMNS, event_values, spec_values, state_values

_SETS = ", ".join(f"{name} = :{name}" for name in STATE_COLUMNS)
_COLUMNS = ("batch", "id", "waiting", *STATE_COLUMNS, *SPEC_COLUMNS)
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
_COUNT_WAITING = (
    "UPDATE jobs SET waiting = (SELECT COUNT(*) FROM needs JOIN jobs AS parents"
    " ON parents.job = needs.parent WHERE needs.child = jobs.job"
    " AND NOT (parents.status = 'done' AND parents.stale = 0)) WHERE job = ?"
)


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
    """Job, event, needs, groups and ledger move; the caller undoes all of it when this raises.

    Raises:
        StaleJob: the stored job is no longer `before`.
        StoreLocked: `run` no longer holds the batch.
        NotNow: the move's reserve does not fit, or something else that `terms` asks for.
    """
    check_lease(db, after.batch, run)
    batch = batch_row(db, after.batch)
    spec = _add_spec(db, after) if isinstance(event, Added | Edited) else None
    job = _write_job(db, batch, before, after, spec)
    if spec is not None:
        _write_needs(db, batch, job, after)
    if before is not None and _feeds(before) != _feeds(after):
        db.execute(_RELEASE, (-1 if _feeds(after) else 1, job))
    values = event_values(event)
    values |= {"batch": batch, "job": job, "version": after.version, "spec": spec, "run": run}
    db.execute(_APPEND, values)
    if move is not None:
        apply_move(db, batch, job, after, run, move, event.at, terms)
    if before is not None:
        group_rows.apply(db, service_of(db, batch), before, after, event)


def _write_job(db: Connection, batch: int, before: Job | None, after: Job, spec: int | None) -> int:
    if before is None:
        return _insert(db, batch, after, spec)
    where = {"in_batch": batch, "in_id": before.id, "read_version": before.version}
    row = db.execute(_UPDATE, state_values(after) | where).fetchone()
    if row is None:
        raise _stale(after)
    job = int(row["job"])
    if spec is not None:
        db.execute(_UPDATE_SPEC, {**spec_values(after, spec), "job": job})
    return job


def _insert(db: Connection, batch: int, job: Job, spec: int | None) -> int:
    there = "SELECT 1 FROM jobs WHERE batch = ? AND id = ?"
    if spec is None or db.execute(there, (batch, job.id)).fetchone() is not None:
        raise _stale(job)
    values = state_values(job) | spec_values(job, spec)
    values |= {"batch": batch, "id": job.id, "waiting": 0}
    return int(db.execute(_INSERT, values).fetchone()["job"])


def _add_spec(db: Connection, job: Job) -> int:
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


def _feeds(job: Job) -> bool:
    """Whether children may start on the job: a stale parent would make something else now."""
    return job.status is JobStatus.DONE and not job.stale


def _stale(job: Job) -> StaleJob:
    return StaleJob(
        f"job `{job.id}` was changed by another process; nothing was written",
        hint=f"`runway-batch status {job.batch}` shows where it stands now",
    )
