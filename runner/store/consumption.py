"""What finished jobs consumed of their parents, against what the parents have now."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from sqlite3 import Connection

from runner.core.job import Job, JobStatus
from runner.store.rows import job_from_row

_PARENTS = """
SELECT needs.child, parents.status, parents.outputs FROM needs
JOIN jobs AS parents ON parents.job = needs.parent
WHERE needs.child IN (SELECT value FROM json_each(?))
"""
_CHILDREN = """
SELECT jobs.*, specs.data AS spec_data FROM needs
JOIN jobs ON jobs.job = needs.child JOIN specs ON specs.spec = jobs.spec
WHERE needs.parent = ? AND jobs.status = 'done' AND jobs.stale = 0 AND jobs.consumed <> '[]'
"""


def outdated(db: Connection, consumed: Mapping[int, Collection[str]]) -> set[int]:
    """Jobs that were made of something that their parents no longer have.

    A parent that is not done has nothing to compare with: it is not judged before it is.

    Args:
        db: the connection.
        consumed: by row, the sha256 of what went into the job.
    """
    if not consumed:
        return set()
    present: dict[int, set[str]] = defaultdict(set)
    unknown: set[int] = set()
    for row in db.execute(_PARENTS, (json.dumps(list(consumed)),)):
        if row["status"] == JobStatus.DONE:
            present[row["child"]].update(item["sha256"] for item in json.loads(row["outputs"]))
        else:
            unknown.add(row["child"])
    return {
        job
        for job, digests in consumed.items()
        if job not in unknown and not present[job].issuperset(digests)
    }


def outdated_children(db: Connection, batch: str, parent: int) -> list[Job]:
    """Finished children of a job that consumed what it no longer has, and are not stale yet."""
    rows = db.execute(_CHILDREN, (parent,)).fetchall()
    found = outdated(db, {row["job"]: json.loads(row["consumed"]) for row in rows})
    return [job_from_row(batch, row) for row in rows if row["job"] in found]
