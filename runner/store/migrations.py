"""Tables and columns of the state file: forward only, numbered, never edited after a release.

A migration sets `user_version` to its number in its own transaction. `SCHEMA_VERSION` in
version.py is the number of the last one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from sqlite_utils import Database, Migrations
from sqlite_utils.db import Table

from runner.store import migration_002, migration_003
from runner.store.version import APPLICATION_ID

migrations = Migrations("runner.store")


def migrate(connection: sqlite3.Connection, *, first: Callable[[], None]) -> None:
    """Bring the file to the newest version, all or nothing.

    The write lock comes first, so that two processes that create one file do not meet half-way.

    Args:
        connection: outside of a transaction.
        first: what is done under the lock before anything changes; where it raises nothing does.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        first()
        migrations.apply(Database(connection, execute_plugins=False, recursive_triggers=False))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@migrations()
def m001_first(db: Database) -> None:
    _batches_and_runs(db)
    _jobs(db)
    _job_indices(db)
    _events(db)
    _money(db)
    _assets(db)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute("PRAGMA user_version = 1")


@migrations()
def m002_money(db: Database) -> None:
    migration_002.upgrade(db)
    _meta(db)
    db.execute("PRAGMA user_version = 2")


@migrations()
def m003_language(db: Database) -> None:
    migration_003.upgrade(db)
    db.execute("PRAGMA user_version = 3")


def _batches_and_runs(db: Database) -> None:
    batches = _table(db, "batches")
    batches.create(
        {"batch": int, "name": str, "manifest": str, "base_url": str, "output_dir": str,
         "key_mark": str, "created_at": int},
        pk="batch",
        not_null={"name", "manifest", "base_url", "output_dir", "key_mark", "created_at"},
        defaults={"key_mark": ""},
    )  # fmt: skip
    batches.create_index(["name"], unique=True)
    runs = _table(db, "runs")
    runs.create(
        {"run": int, "id": str, "batch": int, "host": str, "boot_id": str, "pid": int,
         "pid_started": str, "started_at": int, "heartbeat_at": int, "ended_at": int,
         "exit_code": int},
        pk="run", foreign_keys=[("batch", "batches", "batch")],
        not_null={"id", "batch", "host", "boot_id", "pid", "pid_started", "started_at",
                  "heartbeat_at"},
    )  # fmt: skip
    # the lease: the database itself refuses a second live run of a batch
    db.execute("CREATE UNIQUE INDEX runs_live ON runs (batch) WHERE ended_at IS NULL")


def _jobs(db: Database) -> None:
    _table(db, "specs").create({"spec": int, "data": str}, pk="spec", not_null={"data"})
    numbers = ("version", "position", "priority", "waiting", "attempt", "tries", "refusals",
               "download_tries", "results", "hold", "charged", "stale", "orphaned")  # fmt: skip
    texts = ("id", "key", "lane", "status", "task_ids", "outputs")
    _table(db, "jobs").create(
        {"job": int, "batch": int, "spec": int}
        | dict.fromkeys(texts, str)
        | dict.fromkeys(numbers, int)
        | {
            "since": int,
            "not_before": int,
            "collect_by": int,
            "expected": int,
            "task_id": str,
            "error": str,
        },
        pk="job",
        not_null={"batch", "spec", *texts, *numbers},
        foreign_keys=[("batch", "batches", "batch"), ("spec", "specs", "spec")],
    )
    needs = _table(db, "needs")
    needs.create(
        {"child": int, "parent": int}, pk=("child", "parent"), not_null={"child", "parent"},
        foreign_keys=[("child", "jobs", "job"), ("parent", "jobs", "job")],
    )  # fmt: skip
    needs.create_index(["parent"])


def _job_indices(db: Database) -> None:
    jobs = _table(db, "jobs")
    jobs.create_index(["batch", "id"], "jobs_id", unique=True)
    jobs.create_index(["batch", "position"], "jobs_position")
    jobs.create_index(["batch", "status", "position"], "jobs_status")
    startable = "status = 'pending' AND waiting = 0 AND stale = 0 AND orphaned = 0"
    db.execute(
        f"CREATE INDEX jobs_ready ON jobs (batch, lane, priority DESC, position) WHERE {startable}"
    )
    db.execute(
        f"CREATE INDEX jobs_due ON jobs (batch, not_before) WHERE {startable}"
        " AND not_before IS NOT NULL"
    )


def _events(db: Database) -> None:
    events = _table(db, "events")
    events.create(
        {"seq": int, "batch": int, "job": int, "version": int, "kind": str, "at": int,
         "data": str, "spec": int, "run": int},
        pk="seq", not_null={"batch", "job", "version", "kind", "at", "data"},
        foreign_keys=[("batch", "batches", "batch"), ("job", "jobs", "job"),
                      ("spec", "specs", "spec"), ("run", "runs", "run")],
    )  # fmt: skip
    events.create_index(["batch", "job", "version"], "events_version", unique=True)
    for verb in ("UPDATE", "DELETE"):
        db.execute(
            f"CREATE TRIGGER events_no_{verb.lower()} BEFORE {verb} ON events"
            " BEGIN SELECT RAISE(ABORT, 'events are append-only'); END"
        )


def _money(db: Database) -> None:
    ledger = _table(db, "ledger")
    ledger.create(
        {"job": int, "attempt": int, "batch": int, "run": int, "lane": str, "tags": str,
         "state": str, "credits": int, "at": int},
        pk=("job", "attempt"),
        not_null={"job", "attempt", "batch", "lane", "tags", "state", "credits", "at"},
        foreign_keys=[("job", "jobs", "job"), ("batch", "batches", "batch"),
                      ("run", "runs", "run")],
    )  # fmt: skip
    ledger.create_index(["batch", "state", "credits"], "ledger_totals")
    _table(db, "caps").create(
        {"batch": int, "name": str, "run": int, "limit_credits": int, "used_credits": int},
        pk=("batch", "name"), not_null={"batch", "name", "limit_credits", "used_credits"},
        foreign_keys=[("batch", "batches", "batch"), ("run", "runs", "run")],
    )  # fmt: skip


def _assets(db: Database) -> None:
    _table(db, "assets").create(
        {"base_url": str, "sha256": str, "uri": str, "at": int},
        pk=("base_url", "sha256"), not_null={"base_url", "sha256", "uri", "at"},
    )  # fmt: skip


def _meta(db: Database) -> None:
    """What the file knows of itself: its home, and tasks that `doctor --adopt` has set aside."""
    _table(db, "meta").create({"name": str, "value": str}, pk="name", not_null={"name", "value"})


def _table(db: Database, name: str) -> Table:
    return db.table(name)
