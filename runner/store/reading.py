"""Queries. All of them read; each uses an index, none walks over all jobs of a batch."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from sqlite3 import Connection

from runner.core.events import Event
from runner.core.job import ACTIVE, Job, JobStatus
from runner.core.summary import LaneSum
from runner.store.codec import from_micros, optional_time, to_micros, to_text
from runner.store.rows import (
    Row,
    StoredBatch,
    event_from_row,
    job_from_row,
)
from runner.store.saving import batch_row

_JOB = "SELECT jobs.*, specs.data AS spec_data FROM jobs JOIN specs ON specs.spec = jobs.spec"
#: what a run may start once it is due; the partial indices are on these very words. A stale or
#: orphaned job is no longer what the manifest asks for, so it is not paid for
_STARTABLE = "status = 'pending' AND waiting = 0 AND stale = 0 AND orphaned = 0"
_ACTIVE = ", ".join(f"'{status.value}'" for status in sorted(ACTIVE))

# the text put into these statements is made of the constants above, never of data
ONE = f"{_JOB} WHERE jobs.batch = ? AND jobs.id = ?"
# sorted later: sorting here makes SQLite walk over the batch in that order instead
ACTIVE_JOBS = f"{_JOB} WHERE jobs.batch = ? AND jobs.status IN ({_ACTIVE})"
SUBMITTING = f"{_JOB} WHERE jobs.batch = ? AND jobs.status = 'submitting'"
IN_DOUBT = f"{_JOB} WHERE jobs.batch = ? AND jobs.status = 'in_doubt'"
#: ids are unique at Runway, so every batch of the file is looked at
READY = (
    f"{_JOB} WHERE jobs.batch = ? AND jobs.lane = ? AND {_STARTABLE}"
    " AND (jobs.not_before IS NULL OR jobs.not_before <= ?)"
    " ORDER BY jobs.priority DESC, jobs.position LIMIT ?"
)
#: one look-up a lane instead of a walk over all ready jobs
READY_LANES = f"""
WITH RECURSIVE lanes (lane) AS (
  SELECT MIN(lane) FROM jobs WHERE batch = :batch AND {_STARTABLE}
  UNION ALL
  SELECT (SELECT MIN(jobs.lane) FROM jobs
          WHERE jobs.batch = :batch AND jobs.lane > lanes.lane AND {_STARTABLE})
  FROM lanes WHERE lanes.lane IS NOT NULL
)
SELECT lane FROM lanes WHERE lane IS NOT NULL
"""  # noqa: S608
NEXT_DUE = (
    f"SELECT MIN(not_before) AS due FROM jobs WHERE batch = ? AND {_STARTABLE}"  # noqa: S608
    " AND not_before > ?"
)
DOOMED = """
SELECT children.job AS child, parents.id AS parent
FROM jobs AS parents
JOIN needs ON needs.parent = parents.job
JOIN jobs AS children ON children.job = needs.child
WHERE parents.batch = ? AND parents.status IN ('failed', 'skipped', 'cancelled')
  AND children.status = 'pending' AND children.orphaned = 0
ORDER BY children.position, children.job, parents.position
"""
PAGE = (
    f"{_JOB} WHERE jobs.batch = ? AND (jobs.position, jobs.job) > (?, ?)"
    " ORDER BY jobs.position, jobs.job LIMIT ?"
)
#: the index has the order: `job` is its row number
PENDING_PAGE = (
    f"{_JOB} WHERE jobs.batch = ? AND jobs.status = 'pending' AND jobs.orphaned = 0"
    " AND (jobs.position, jobs.job) > (?, ?) ORDER BY jobs.position, jobs.job LIMIT ?"
)
#: the list of ids is JSON, in which an id stands between quotation marks
HAS_TASK = "SELECT 1 FROM jobs WHERE instr(task_ids, ?) > 0 LIMIT 1"
NEWEST_EVENT = "SELECT MAX(at) AS at FROM (SELECT at FROM events ORDER BY seq DESC LIMIT 1000)"
COUNTS = "SELECT status, COUNT(*) AS jobs FROM jobs WHERE batch = ? GROUP BY status"
LANE_SUMS = (
    "SELECT lane, status, COUNT(*) AS jobs, SUM(hold) AS hold, SUM(charged) AS charged FROM jobs"
    " WHERE batch = ? GROUP BY lane, status ORDER BY MIN(position)"
)
ORPHANS = (
    "SELECT status, COUNT(*) AS jobs FROM jobs WHERE batch = ? AND orphaned = 1 GROUP BY status"
)
EVENTS_OF = (
    "SELECT kind, at, events.data, specs.data AS spec_data FROM events"
    " LEFT JOIN specs ON specs.spec = events.spec"
    " WHERE events.batch = ? AND events.job = (SELECT job FROM jobs WHERE batch = ? AND id = ?)"
    " ORDER BY version"
)
EVENTS_OF_BATCH = (
    "SELECT job, kind, at, events.data, specs.data AS spec_data FROM events"
    " LEFT JOIN specs ON specs.spec = events.spec WHERE events.batch = ? ORDER BY job, version"
)

#: where a page starts: position and number of the last job of the page before
Cursor = tuple[int, int]
FIRST: Cursor = (-1, -1)


def job(db: Connection, batch: str, job_id: str) -> Job | None:
    row = db.execute(ONE, (batch_row(db, batch), job_id)).fetchone()
    return None if row is None else job_from_row(batch, row)


def active(db: Connection, batch: str) -> list[Job]:
    return sorted(_jobs(db, ACTIVE_JOBS, batch), key=lambda job: job.position)


def submitting(db: Connection, batch: str) -> list[Job]:
    """Jobs whose create was under way when the file was last written."""
    return _jobs(db, SUBMITTING, batch)


def in_doubt(db: Connection, batch: str) -> list[Job]:
    return sorted(_jobs(db, IN_DOUBT, batch), key=lambda job: job.position)


def holds_task(db: Connection, task_id: str) -> bool:
    """Whether the present attempt of any job of the file is this task."""
    one = "SELECT 1 FROM jobs WHERE task_id = ? LIMIT 1"
    return db.execute(one, (task_id,)).fetchone() is not None


def has_task(db: Connection, task_id: str) -> bool:
    """Whether any job of the file has, or had, this task; looks at all of them."""
    return db.execute(HAS_TASK, (to_text(task_id),)).fetchone() is not None


def newest_event_at(db: Connection) -> datetime | None:
    """The latest time among the last events of the file: a clock may have been set back since."""
    row = db.execute(NEWEST_EVENT).fetchone()
    return optional_time(row["at"])


def ready_lanes(db: Connection, batch: str) -> list[str]:
    rows = db.execute(READY_LANES, {"batch": batch_row(db, batch)})
    return [row["lane"] for row in rows]


def ready(
    db: Connection, batch: str, lane: str, now: datetime, limit: int, skip: Collection[str]
) -> list[Job]:
    most = limit + len(skip)
    rows = db.execute(READY, (batch_row(db, batch), lane, to_micros(now), most))
    return [job_from_row(batch, row) for row in rows if row["id"] not in skip][:limit]


def next_due(db: Connection, batch: str, after: datetime) -> datetime | None:
    row = db.execute(NEXT_DUE, (batch_row(db, batch), to_micros(after))).fetchone()
    return None if row["due"] is None else from_micros(row["due"])


def doomed(db: Connection, batch: str) -> list[tuple[Job, str]]:
    """One pair a job, with the first of its failed needs."""
    first: dict[int, str] = {}
    for row in db.execute(DOOMED, (batch_row(db, batch),)):
        first.setdefault(row["child"], row["parent"])
    one = f"{_JOB} WHERE jobs.job = ?"
    return [
        (job_from_row(batch, db.execute(one, (child,)).fetchone()), parent)
        for child, parent in first.items()
    ]


def page(db: Connection, batch: str, after: Cursor, size: int) -> tuple[list[Job], Cursor]:
    """Jobs in manifest order, and where the next page starts."""
    rows = db.execute(PAGE, (batch_row(db, batch), *after, size)).fetchall()
    return [job_from_row(batch, row) for row in rows], _end(rows, after)


def pending_page(db: Connection, batch: str, after: Cursor, size: int) -> tuple[list[Job], Cursor]:
    """Pending jobs of the manifest in its order, startable or not."""
    rows = db.execute(PENDING_PAGE, (batch_row(db, batch), *after, size)).fetchall()
    return [job_from_row(batch, row) for row in rows], _end(rows, after)


def counts(db: Connection, batch: str) -> dict[JobStatus, int]:
    """Jobs by status; a status that no job has is left out."""
    rows = db.execute(COUNTS, (batch_row(db, batch),))
    return {JobStatus(row["status"]): row["jobs"] for row in rows}


def lane_sums(db: Connection, batch: str) -> list[LaneSum]:
    """Jobs and credits by lane and status; looks at all of them."""
    return [
        LaneSum(
            lane=row["lane"],
            status=JobStatus(row["status"]),
            jobs=row["jobs"],
            hold=row["hold"],
            charged=row["charged"],
        )
        for row in db.execute(LANE_SUMS, (batch_row(db, batch),))
    ]


def orphans(db: Connection, batch: str) -> dict[JobStatus, int]:
    """Of these the jobs that are no longer in the manifest."""
    rows = db.execute(ORPHANS, (batch_row(db, batch),))
    return {JobStatus(row["status"]): row["jobs"] for row in rows}


def events(db: Connection, batch: str, job_id: str) -> list[Event]:
    """The past of a job, oldest first."""
    number = batch_row(db, batch)
    return [event_from_row(row) for row in db.execute(EVENTS_OF, (number, number, job_id))]


def histories(db: Connection, batch: str) -> Iterator[Sequence[Event]]:
    """The past of every job of a batch, job by job."""
    present: int | None = None
    past: list[Event] = []
    for row in db.execute(EVENTS_OF_BATCH, (batch_row(db, batch),)):
        if row["job"] != present and past:
            yield past
            past = []
        present = row["job"]
        past.append(event_from_row(row))
    if past:
        yield past


def batches(db: Connection) -> list[StoredBatch]:
    """All batches of the file, oldest first."""
    return [
        StoredBatch(
            name=row["name"],
            manifest=row["manifest"],
            base_url=row["base_url"],
            output_dir=row["output_dir"],
            key_mark=row["key_mark"],
            created_at=from_micros(row["created_at"]),
            paused_at=optional_time(row["paused_at"]),
            sharded=None if row["sharded"] is None else bool(row["sharded"]),
        )
        for row in db.execute("SELECT * FROM batches ORDER BY batch")
    ]


def _jobs(db: Connection, statement: str, batch: str) -> list[Job]:
    return [job_from_row(batch, row) for row in db.execute(statement, (batch_row(db, batch),))]


def _end(rows: Sequence[Row], after: Cursor) -> Cursor:
    return (rows[-1]["position"], rows[-1]["job"]) if rows else after
