"""What a plan asks of a state file: pages of jobs, never all of them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from sqlite3 import Connection

from runner.core.changes import ELSEWHERE
from runner.core.job import Job, JobStatus
from runner.core.plan import KnownJob
from runner.core.spec import JobSpec
from runner.store import consumption, results
from runner.store.codec import from_text, to_text
from runner.store.results import StoredResult
from runner.store.rows import Row, job_from_row
from runner.store.saving import batch_row
from runner.store.writer import Sql

#: jobs that are asked about at once
LOOKUP = 500
#: row numbers that are read at once
NUMBERS = 5000

#: the specification only of those that a run may send as they are
_COLUMNS = """
SELECT job, id, key, status, hold, charged, stale, orphaned, accepted, consumed,
  CASE WHEN status = 'held' THEN json_extract(error, '$.code') END AS held_for,
  CASE WHEN status IN ('pending', 'skipped')
    THEN (SELECT data FROM specs WHERE specs.spec = jobs.spec) END AS spec_data
FROM jobs
"""
# the text put in is the constant above
_BY_ID = f"{_COLUMNS} WHERE batch = ? AND id IN (SELECT value FROM json_each(?))"  # noqa: S608
_BY_NUMBER = f"{_COLUMNS} WHERE job IN (SELECT value FROM json_each(?))"  # noqa: S608
_JOBS = (
    "SELECT jobs.*, specs.data AS spec_data FROM json_each(?) AS wanted"
    " JOIN jobs ON jobs.job = wanted.value JOIN specs ON specs.spec = jobs.spec"
    " ORDER BY jobs.position, jobs.job"
)
_NEWEST = "SELECT COALESCE(MAX(seq), 0) AS seq FROM events"
_LAST = "SELECT COALESCE(MAX(job), 0) AS job FROM jobs"
_SIZE = "SELECT COUNT(*) AS jobs FROM jobs WHERE batch = ? AND job <= ?"
_NUMBERS = "SELECT job FROM jobs WHERE batch = ? AND job > ? AND job <= ? ORDER BY job LIMIT ?"


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredHolder:
    """A job that has, makes, or once had a content."""

    number: int
    batch: str
    manifest: str  # of the batch, a path
    base_url: str
    output_dir: str
    id: str
    status: JobStatus
    is_present: bool  # its content now
    hold: int
    charged: int
    result: StoredResult | None


class PlanLookups:
    """Reads only; every call is one consistent state."""

    def __init__(self, reader: Sql) -> None:
        self._sql = reader

    async def known(self, batch: str, specs: Sequence[JobSpec]) -> dict[str, KnownJob]:
        """What the file has under the ids of the manifest's jobs, up to LOOKUP of them."""
        by_id = {spec.id: spec for spec in specs}
        ids = json.dumps(list(by_id))

        def work(db: Connection) -> dict[str, KnownJob]:
            rows = db.execute(_BY_ID, (batch_row(db, batch), ids)).fetchall()
            return {known.id: known for known in _known(db, rows, by_id)}

        return await self._sql.run(work)

    async def known_rows(self, numbers: Iterable[int]) -> dict[int, KnownJob]:
        """The same by row; whether the specification is the manifest's is not told."""
        wanted = json.dumps(list(numbers))

        def work(db: Connection) -> dict[int, KnownJob]:
            rows = db.execute(_BY_NUMBER, (wanted,)).fetchall()
            return {known.number: known for known in _known(db, rows, {})}

        return await self._sql.run(work)

    async def holders(self, keys: Iterable[str]) -> Mapping[str, Sequence[StoredHolder]]:
        """Jobs of all batches that have, make or had a content, by key."""
        wanted = {"keys": json.dumps(list(keys))}

        def work(db: Connection) -> Mapping[str, Sequence[StoredHolder]]:
            found: dict[str, list[StoredHolder]] = defaultdict(list)
            for row in db.execute(results.HOLDERS, wanted):
                found[row["key"]].append(_holder(row))
            return found

        return await self._sql.run(work)

    async def result(self, number: int, key: str) -> StoredResult | None:
        """The verified outputs that the job of a row has, or had, for a content."""
        return await self._sql.run(lambda db: results.result(db, number, key))

    async def jobs(self, batch: str, numbers: Iterable[int]) -> dict[int, Job]:
        """Whole jobs by row, in manifest order."""
        wanted = json.dumps(list(numbers))

        def work(db: Connection) -> dict[int, Job]:
            return {row["job"]: job_from_row(batch, row) for row in db.execute(_JOBS, (wanted,))}

        return await self._sql.run(work)

    async def newest_event(self) -> int:
        """The number of the newest event of the file, of whatever batch; 0: it has none."""

        def work(db: Connection) -> int:
            return int(db.execute(_NEWEST).fetchone()["seq"])

        return await self._sql.run(work)

    async def last(self) -> int:
        """The last row of the file; rows that are added come after it."""

        def work(db: Connection) -> int:
            return int(db.execute(_LAST).fetchone()["job"])

        return await self._sql.run(work)

    async def size(self, batch: str, last: int) -> int:
        """How many jobs the batch has up to a row, orphans included."""

        def work(db: Connection) -> int:
            return int(db.execute(_SIZE, (batch_row(db, batch), last)).fetchone()["jobs"])

        return await self._sql.run(work)

    async def numbers(self, batch: str, after: int, last: int) -> Sequence[int]:
        """The next rows of the batch up to the last, up to NUMBERS of them."""

        def work(db: Connection) -> Sequence[int]:
            rows = db.execute(_NUMBERS, (batch_row(db, batch), after, last, NUMBERS))
            return [row["job"] for row in rows]

        return await self._sql.run(work)


def _known(db: Connection, rows: Sequence[Row], specs: Mapping[str, JobSpec]) -> list[KnownJob]:
    made_of = {
        row["job"]: json.loads(row["consumed"])
        for row in rows
        if row["status"] == JobStatus.DONE and row["consumed"] != "[]"
    }
    outdated = consumption.outdated(db, made_of)
    return [
        KnownJob(
            number=row["job"],
            id=row["id"],
            key=row["key"],
            status=JobStatus(row["status"]),
            hold=row["hold"],
            charged=row["charged"],
            same_spec=_is_same(row["spec_data"], specs.get(row["id"])),
            stale=bool(row["stale"]),
            orphaned=bool(row["orphaned"]),
            accepted=bool(row["accepted"]),
            outdated=row["job"] in outdated,
            for_another=row["held_for"] == ELSEWHERE,
        )
        for row in rows
    ]


def _is_same(stored: str | None, spec: JobSpec | None) -> bool:
    """Whether a job is stored as the manifest has it; texts differ where only an order does."""
    if stored is None or spec is None:
        return False
    return to_text(spec) == stored or _is_alike(from_text(JobSpec, stored), spec)


def _is_alike(stored: JobSpec, spec: JobSpec) -> bool:
    """A price that was told since changes nothing as long as as much is set aside as before."""
    same_price = (stored.reserve, stored.estimate.confidence) == (
        spec.reserve, spec.estimate.confidence,
    )  # fmt: skip
    return same_price and replace(stored, estimate=spec.estimate) == spec


def _holder(row: Row) -> StoredHolder:
    return StoredHolder(
        number=row["job"],
        batch=row["batch"],
        manifest=row["manifest"],
        base_url=row["base_url"],
        output_dir=row["output_dir"],
        id=row["id"],
        status=JobStatus(row["status"]),
        is_present=row["key"] == row["present_key"],
        hold=row["hold"],
        charged=row["charged"],
        result=None if row["task_id"] is None else results.result_of(row),
    )
