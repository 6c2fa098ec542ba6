"""A million jobs: what is asked all the time must not walk over a batch."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from runner.core.events import Added
from runner.core.ledger import Caps
from runner.core.lifecycle import create
from runner.core.limits import Terms
from runner.core.task import ModelLimits, Organization, Reading
from runner.store import account, accounting, group_rows, intents, reading, talk, windows
from runner.store.caps import all_caps, set_caps
from runner.store.codec import to_micros
from runner.store.connection import Mode, connect
from runner.store.planning import upsert_batch, write_page
from runner.store.rows import Row
from runner.testing import START, make_spec

T = TypeVar("T")

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
    names = re.findall(r":(\w+)", statement)
    values = dict.fromkeys(names, 1) if names else (1,) * statement.count("?")
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
        (reading.PENDING_PAGE, "jobs_status (batch=? AND status=? AND position>?)"),
        (reading.IN_DOUBT, "jobs_status (batch=? AND status=?)"),
        (windows.WHOLE_HOURS, "spending_1 (service=? AND hour>?)"),
        (windows.FIRST_HOUR, "COVERING INDEX ledger_intended (intended_at>? AND intended_at<?)"),
        (windows.OLDEST, "COVERING INDEX ledger_intended (intended_at>?)"),
        (account.NEWEST, "readings_asked (service=?)"),
        (account.OWN_CREATES, "COVERING INDEX ledger_lane (lane=? AND intended_at>?)"),
        (account.UNREAD, "COVERING INDEX ledger_answered (answered_at>?)"),
        (account.UNREAD, "COVERING INDEX ledger_answered (answered_at=?)"),
        (account.UNREAD_CREDITS, "COVERING INDEX ledger_answered (answered_at>?)"),
        (accounting.ENTRIES, "ledger_settled (settled_at>?)"),
        (accounting.ENTRIES, "ledger_settled (settled_at=?)"),
        (intents.TAKEN, "jobs_at_runway (lane=?"),
        (group_rows.IN_FLIGHT, "jobs_status (batch=? AND status=?)"),
        (talk.OPEN, "commands_open (batch=?)"),
    ],
)
def test_queries_use_their_index(db: sqlite3.Connection, statement: str, index: str) -> None:
    plan = plan_of(db, statement)
    assert any(index in step for step in plan), plan
    scans = [step for step in plan if re.match(r"SCAN (?!lanes|\(subquery)", step)]
    assert scans == [], plan


@pytest.mark.parametrize(
    "statement", [reading.READY, reading.PAGE, reading.PENDING_PAGE, windows.OLDEST]
)
def test_pages_come_sorted_from_the_index(db: sqlite3.Connection, statement: str) -> None:
    plan = plan_of(db, statement)
    assert not any("TEMP B-TREE" in step for step in plan), plan


def steps(db: sqlite3.Connection, statement: str, values: Any) -> tuple[list[Row], int]:
    """Rows, and how many hundreds of SQLite's own instructions they took."""
    return cost_of(db, lambda: db.execute(statement, values).fetchall())


def cost_of(db: sqlite3.Connection, work: Callable[[], T]) -> tuple[T, int]:
    """What `work` returns, and how many hundreds of SQLite's own instructions it took."""
    hundreds = 0

    def count() -> int:
        nonlocal hundreds
        hundreds += 1
        return 0

    db.set_progress_handler(count, 100)
    try:
        return work(), hundreds
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


FULL_DAY = """
INSERT INTO ledger (job, attempt, batch, lane, tags, state, credits, at, endpoint, held, asked,
  arrived, intended_at, answered_at, settled_at)
SELECT job, 1, batch, lane, '[]', 'settled', 25, :start + 4000000 * job, 'e', 25, 25, 1,
  :start + 4000000 * job, :start + 4000000 * job, :start + 4000000 * job FROM jobs
"""


def test_an_intent_costs_the_same_after_twenty_thousand_of_the_day(db: sqlite3.Connection) -> None:
    now = START + timedelta(hours=24, minutes=30)
    limits = ModelLimits(max_concurrent=9, max_daily=10_000, daily_used=5_000)
    organization = Organization(credit_balance=10**9, models={"m1": limits})
    caps = Caps(day=10**9, month=10**9, keep_balance=1)
    terms = Terms(slots=9, refusals=5, balance_from=START)
    job = reading.job(db, "b", "j1")
    assert job is not None
    db.execute("BEGIN")
    try:
        db.execute(FULL_DAY, {"start": to_micros(START)})
        assert len(windows.recount(db, "")) == 23
        account.note(db, "", Reading(asked_at=now, answered_at=now, organization=organization))
        set_caps(db, 1, caps, None, None, {})
        _, cost = cost_of(db, lambda: intents.check(db, 1, 2, job, 25, now, all_caps(db, 1), terms))
        assert windows.used(db, "", "day", now) == (JOBS - 450) * 25
    finally:
        db.execute("ROLLBACK")
    assert cost < 100  # half an hour of entries; a walk over the day would be thousands
