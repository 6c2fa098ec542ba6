"""Version 3: what jobs consumed, all results by content, prices that the API told, file names."""

from __future__ import annotations

from sqlite_utils import Database

_COLUMNS = (
    # sha256 of each output of another job that went into the present result
    "jobs ADD COLUMN consumed TEXT NOT NULL DEFAULT '[]'",
    # stale, and somebody lets the jobs that need it start all the same
    "jobs ADD COLUMN accepted INTEGER NOT NULL DEFAULT 0",
    # whether default names are spread over folders; NULL until the first run decides
    "batches ADD COLUMN sharded INTEGER",
)


def upgrade(db: Database) -> None:
    """Everything of version 3 except its number."""
    for column in _COLUMNS:
        db.execute(f"ALTER TABLE {column}")
    db.execute("CREATE INDEX jobs_key ON jobs (key)")
    _results(db)
    _prices(db)


def _results(db: Database) -> None:
    """The last verified outputs of each content that a job ever had; filled from what is done."""
    results = db.table("results")
    results.create(
        {"job": int, "key": str, "task_id": str, "outputs": str, "consumed": str},
        pk=("job", "key"), not_null={"job", "key", "task_id", "outputs", "consumed"},
        foreign_keys=[("job", "jobs", "job")],
    )  # fmt: skip
    results.create_index(["key"], "results_key")
    db.execute(
        "INSERT INTO results (job, key, task_id, outputs, consumed)"
        " SELECT job, key, task_id, outputs, '[]' FROM jobs"
        " WHERE status = 'done' AND task_id IS NOT NULL AND outputs <> '[]'"
    )


def _prices(db: Database) -> None:
    """What the API asked at the create and charged in the end, newest and most, by shape."""
    texts = ("service", "endpoint", "model", "shape")
    times = ("at", "most_at")
    db.table("prices").create(
        dict.fromkeys(texts, str) | dict.fromkeys(("asked", "charged", "most", *times), int),
        pk=texts, not_null={*texts, "most", *times},
    )  # fmt: skip
