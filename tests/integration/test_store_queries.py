"""A million jobs: what is asked all the time must not walk over a batch."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.core.events import Added
from runner.core.lifecycle import create
from runner.store import reading
from runner.store.connection import Mode, connect
from runner.store.planning import upsert_batch, write_page
from runner.store.rows import Row
from runner.testing import START, make_spec

JOBS = 20_000
LANES = 4


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """20,000 pending jobs over four lanes; every tenth needs the one before it."""
    connection = connect(Path(tmp_path_factory.mktemp("many")) / "state.db", Mode.CREATE)
    connection.execute("BEGIN")
    upsert_batch(connection, "b", "", "", "", START)
    for n in range(JOBS):
        needs = [f"j{n - 1}"] if n % 10 == 9 else []
        spec = make_spec(f"j{n}", model=f"m{n % LANES}", needs=needs, priority=n % 3)
        added = Added(at=START, spec=spec, position=n)
        write_page(connection, [(None, create("b", added), added)], None)
    connection.execute("COMMIT")
    yield connection
    connection.close()


def plan_of(db: sqlite3.Connection, statement: str) -> list[str]:
    marks = ":batch" in statement
    values = {"batch": 1} if marks else (1,) * statement.count("?")
    return [row["detail"] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}", values)]


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (reading.READY, "jobs_ready (batch=? AND lane=?)"),
        (reading.READY_LANES, "jobs_ready (batch=? AND lane>?)"),
        (reading.NEXT_DUE, "jobs_due (batch=? AND not_before>?)"),
        (reading.ACTIVE_JOBS, "jobs_status (batch=? AND status=?)"),
        (reading.SUBMITTING, "jobs_status (batch=? AND status=?)"),
        (reading.DOOMED, "jobs_status (batch=? AND status=?)"),
        (reading.COUNTS, "COVERING INDEX jobs_status (batch=?)"),
        (reading.ONE, "jobs_id (batch=? AND id=?)"),
        (reading.PAGE, "jobs_position (batch=? AND "),
        (reading.EVENTS_OF, "events_version (batch=? AND job=?)"),
        (reading.EVENTS_OF_BATCH, "events_version (batch=?)"),
    ],
)
def test_queries_use_their_index(db: sqlite3.Connection, statement: str, index: str) -> None:
    plan = plan_of(db, statement)
    assert any(index in step for step in plan), plan
    scans = [step for step in plan if step.startswith("SCAN") and "lanes" not in step]
    assert scans == [], plan


@pytest.mark.parametrize("statement", [reading.READY, reading.PAGE])
def test_pages_come_sorted_from_the_index(db: sqlite3.Connection, statement: str) -> None:
    plan = plan_of(db, statement)
    assert not any("TEMP B-TREE" in step for step in plan), plan


def steps(db: sqlite3.Connection, statement: str, values: Any) -> tuple[list[Row], int]:
    """Rows, and how many hundreds of SQLite's own instructions they took."""
    hundreds = 0

    def count() -> int:
        nonlocal hundreds
        hundreds += 1
        return 0

    db.set_progress_handler(count, 100)
    try:
        return db.execute(statement, values).fetchall(), hundreds
    finally:
        db.set_progress_handler(None, 0)


def test_a_page_costs_what_it_returns_wherever_it_starts(db: sqlite3.Connection) -> None:
    first, cheap = steps(db, reading.PAGE, (1, -1, -1, 50))
    last, late = steps(db, reading.PAGE, (1, JOBS - 51, JOBS, 50))
    assert len(first) == len(last) == 50
    assert late <= cheap + 5


def test_ready_and_its_lanes_cost_what_they_return(db: sqlite3.Connection) -> None:
    rows, cost = steps(db, reading.READY, (1, "m2", 0, 50))
    assert [row["priority"] for row in rows] == [2] * 50
    assert cost < 60  # 50 rows; a walk over the lane would be thousands
    lanes, cost = steps(db, reading.READY_LANES, {"batch": 1})
    assert [row["lane"] for row in lanes] == ["m0", "m1", "m2", "m3"]
    assert cost < 10
