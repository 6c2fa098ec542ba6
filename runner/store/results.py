"""Results by content: the last verified outputs of every content that a job ever had.

They outlive an edit of the manifest, so that going back to what was made before costs nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from sqlite3 import Connection

from runner.core.job import Job, OutputFile
from runner.store.codec import from_plain, to_text
from runner.store.rows import Row

_KEEP = (
    "INSERT INTO results (job, key, task_id, outputs, consumed)"
    " VALUES (:job, :key, :task_id, :outputs, :consumed)"
    " ON CONFLICT (job, key) DO UPDATE SET task_id = excluded.task_id,"
    " outputs = excluded.outputs, consumed = excluded.consumed"
)
#: what the content is and whose; `present` is whether the job has it still
HOLDERS = """
SELECT found.key, jobs.job, jobs.id, jobs.status, jobs.hold, jobs.charged, jobs.key AS present_key,
  batches.name AS batch, batches.manifest, batches.base_url, batches.output_dir,
  results.task_id, results.outputs, results.consumed
FROM (
  SELECT job, key FROM jobs WHERE key IN (SELECT value FROM json_each(:keys))
  UNION SELECT job, key FROM results WHERE key IN (SELECT value FROM json_each(:keys))
) AS found
JOIN jobs ON jobs.job = found.job JOIN batches ON batches.batch = jobs.batch
LEFT JOIN results ON results.job = found.job AND results.key = found.key
ORDER BY jobs.job
"""
_ONE = (
    "SELECT results.task_id, results.outputs, results.consumed, jobs.id, batches.name AS batch,"
    " batches.output_dir FROM results JOIN jobs ON jobs.job = results.job"
    " JOIN batches ON batches.batch = jobs.batch WHERE results.job = ? AND results.key = ?"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredResult:
    """Verified outputs of a content, and where they lie."""

    batch: str
    job: str
    output_dir: str
    task_id: str
    outputs: tuple[OutputFile, ...]
    consumed: tuple[str, ...]


def keep(db: Connection, number: int, job: Job) -> None:
    """Note what a finished job has."""
    if job.task_id is None or not job.outputs:
        return
    values = {"job": number, "key": job.spec.key, "task_id": job.task_id,
              "outputs": to_text(job.outputs), "consumed": to_text(job.consumed)}  # fmt: skip
    db.execute(_KEEP, values)


def result(db: Connection, number: int, key: str) -> StoredResult | None:
    """What the job of that row made of the content."""
    row = db.execute(_ONE, (number, key)).fetchone()
    return None if row is None else result_of(row)


def result_of(row: Row) -> StoredResult:
    """A result from its columns."""
    return StoredResult(
        batch=row["batch"],
        job=row["id"],
        output_dir=row["output_dir"],
        task_id=row["task_id"],
        outputs=tuple(from_plain(OutputFile, item) for item in json.loads(row["outputs"])),
        consumed=tuple(json.loads(row["consumed"])),
    )
