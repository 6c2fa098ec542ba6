"""A file of version 1 becomes one of version 2: nothing is lost, and what is new is filled in.

The old file is made of what the present code writes, less everything that version 1 had not: so
the migration has to find out by itself what the present code knew when it wrote.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from runner.core.events import (
    Edited,
    Event,
    GaveUp,
    Requeued,
    Resolved,
    RetryScheduled,
    SubmitRefused,
    SubmitStarted,
    SubmitUnknown,
    TaskAccepted,
    TaskSucceeded,
    Verdict,
)
from runner.core.ledger import Caps
from runner.store.migrations import migrations
from runner.store.process import this_process
from runner.store.store import JobStore
from runner.testing import START, FakeClock, make_spec
from tests.integration.store_steps import add, happen

SERVICE = "https://api.example"


def at(minutes: int) -> Any:
    return START + timedelta(minutes=minutes)


SENT = SubmitStarted(at=at(1), reserve=25)
AGAIN = SubmitStarted(at=at(90), reserve=30)
ACCEPTED = TaskAccepted(at=at(2), task_id="t", estimated=40)
UNKNOWN = SubmitUnknown(at=at(3), reason="reset")
FAILED = GaveUp(at=at(6), code="SAFETY.INPUT", reason="no", credits=0)
BUSY = SubmitRefused(at=at(4), not_before=at(5), code="HTTP_429", reason="busy")
RETRY = RetryScheduled(at=at(7), not_before=at(8), code="INTERNAL", reason="x", credits=0)


def resolved(verdict: Verdict) -> Event:
    task = "t9" if verdict is Verdict.ADOPTED else None
    return Resolved(at=at(5), verdict=verdict, task_id=task)


HISTORIES: dict[str, list[Event]] = {
    "waits": [],
    "upload-failed": [BUSY, FAILED],  # nothing was sent
    "sent": [SENT],
    "refused": [SENT, BUSY],
    "refused-then-accepted": [SENT, BUSY, AGAIN, ACCEPTED],
    "rejected": [SENT, FAILED],
    "rejected-and-charged": [SENT, GaveUp(at=at(6), code="HTTP_400", reason="no", credits=3)],
    "rejected-at-no-price": [SENT, GaveUp(at=at(6), code="HTTP_400", reason="no", credits=None)],
    "queued": [SENT, ACCEPTED],
    "in-doubt": [SENT, UNKNOWN],
    "adopted": [SENT, UNKNOWN, resolved(Verdict.ADOPTED)],
    "adopted-and-failed": [SENT, UNKNOWN, resolved(Verdict.ADOPTED), FAILED],
    "lost": [SENT, UNKNOWN, resolved(Verdict.LOST)],
    "not-arrived": [SENT, UNKNOWN, resolved(Verdict.NOT_ARRIVED)],
    "resubmitted": [SENT, UNKNOWN, resolved(Verdict.RESUBMIT), AGAIN, ACCEPTED],
    "paid": [SENT, ACCEPTED, TaskSucceeded(at=at(9), credits=20)],
    "price-unknown": [SENT, ACCEPTED, TaskSucceeded(at=at(9), credits=None)],
    "paid-and-gone": [SENT, ACCEPTED, TaskSucceeded(at=at(5), credits=20), FAILED],
    "refused-then-unusable": [SENT, BUSY, FAILED],
    "retried": [SENT, ACCEPTED, RETRY, AGAIN],
    "asked-again": [SENT, FAILED, Requeued(at=at(20)), AGAIN, UNKNOWN],
}


async def fill(path: Path) -> None:
    async with await JobStore.open(path, clock=FakeClock()) as store:
        await store.upsert_batch("b", base_url=SERVICE)
        await store.acquire("b", run_id="r1", owner=this_process())
        jobs = await add(store, *(make_spec(name, tags=["x"]) for name in HISTORIES))
        await store.set_caps("b", Caps(batch=9999, run=9999))
        for job in jobs:
            after = await happen(store, job, *HISTORIES[job.id])
            if job.id == "rejected":  # its first attempt was at another endpoint than it has now
                spec = make_spec(job.id, model="veo3.1")
                edited = Edited(at=at(30), spec=spec, position=job.position)
                await happen(store, after, edited, AGAIN, UNKNOWN)


def as_version_1(new: Path, old: Path) -> None:
    """Copy what version 1 had."""
    with closing(sqlite3.connect(old, isolation_level=None)) as db:
        migrations.apply(Database(db), stop_before="m002_money")
        db.execute("ATTACH ? AS new", (str(new),))
        for table in tables(db):
            if not table.startswith("_"):
                columns = ", ".join(
                    row[1] for row in db.execute(f"PRAGMA main.table_info({table})")
                )
                db.execute(
                    f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}"  # noqa: S608
                )


def tables(db: sqlite3.Connection) -> list[str]:
    rows = db.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")
    return sorted(row[0] for row in rows if not row[0].startswith("sqlite_"))


def content(path: Path) -> dict[str, list[dict[str, Any]]]:
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        return {
            table: sorted(
                map(dict, db.execute(f"SELECT * FROM {table}")),  # noqa: S608
                key=lambda row: str(list(row.values())),
            )
            for table in tables(db)
        }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A file of the present version, and what it would have been in version 1."""
    folder = tmp_path_factory.mktemp("migration")
    new, old = folder / "new.db", folder / "old.db"
    asyncio.run(fill(new))
    as_version_1(new, old)
    return new, old


@pytest.fixture
async def both(made: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Path]:
    """A file of the present version, and one that was brought up to it."""
    old = Path(shutil.copy(made[1], tmp_path / "old.db"))
    async with await JobStore.open(old, clock=FakeClock(), create=False) as store:
        assert await store.check("b") == []
    return made[0], old


async def test_nothing_is_lost_and_the_rest_is_what_the_present_code_would_have_written(
    both: tuple[Path, Path],
) -> None:
    new, old = map(content, both)
    assert old.keys() == new.keys()
    for table in set(old) - {"_sqlite_migrations", "groups", "runs"}:
        assert old[table] == new[table], table
    assert len(old["ledger"]) == sum(
        isinstance(event, SubmitStarted) for events in HISTORIES.values() for event in events
    ) + 1  # fmt: skip
    assert [run["id"] for run in old["runs"]] == ["r1"]


async def test_what_is_in_flight_and_what_works_is_known_from_the_jobs(
    both: tuple[Path, Path],
) -> None:
    def known(rows: list[dict[str, Any]]) -> dict[str, tuple[int, int]]:
        found = {f"{row['kind']} {row['label']}": row for row in rows}
        return {
            name: (row["in_flight"], row["succeeded"])
            for name, row in found.items()
            if row["in_flight"] or row["succeeded"]
        }

    new, old = map(content, both)
    assert known(old["groups"]) == known(new["groups"])
    assert known(old["groups"])["template template `queued`"] == (1, 0)
    assert known(old["groups"])["prompt prompt `paid`"] == (0, 1)


async def test_an_old_file_goes_on_where_it_stood(both: tuple[Path, Path]) -> None:
    async with await JobStore.open(both[1], clock=FakeClock()) as store:
        job = await store.job("b", "queued")
        assert job is not None
        await happen(store, job, TaskSucceeded(at=at(100), credits=21))
        [state, *_] = await store.group_states(job)
        assert (state.in_flight, state.succeeded) == (0, 1)
        entries = await store.entries("b", since=at(100))
        assert [entry.job for entry in entries if entry.settled_at] == ["queued"]
        assert await store.check("b") == []
