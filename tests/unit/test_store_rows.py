"""Jobs and events survive the way into a row and back, whatever is in them."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.credits import CostBand
from runner.core.events import Added, Adopted, Event, Imported, Verdict
from runner.core.job import Failure, Job, JobStatus, OutputFile
from runner.core.spec import JobSpec
from runner.store.codec import from_micros, from_text, to_micros, to_text
from runner.store.rows import (
    EVENTS,
    SPEC_COLUMNS,
    STATE_COLUMNS,
    event_from_row,
    event_values,
    job_from_row,
    spec_values,
    state_values,
)

TEXT = st.text(max_size=12)
NUMBER = st.integers(-(2**63), 2**63 - 1)
COUNT = st.integers(0, 2**31)
TIMES = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1)).map(  # noqa: DTZ001
    lambda at: at.replace(tzinfo=UTC)
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
BANDS = st.builds(
    CostBand, low=COUNT, expected=COUNT, worst=st.none() | COUNT, confidence=TEXT, note=TEXT
)
OUTPUTS = st.builds(
    OutputFile, index=COUNT, path=TEXT, bytes=COUNT, sha256=TEXT, media_type=TEXT, warning=TEXT
)
FAILURES = st.builds(Failure, code=TEXT, message=TEXT)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
SPECS = st.builds(
    JobSpec, id=TEXT, key=TEXT, template=TEXT, take=COUNT, endpoint=TEXT,
    model=st.none() | TEXT, media=TEXT, body=st.dictionaries(TEXT, JSON, max_size=4),
    estimate=BANDS, output=TEXT, needs=TEXTS, tags=TEXTS, priority=NUMBER,
    max_credits=st.none() | COUNT, line=COUNT, sidecar=st.booleans(),
)  # fmt: skip
JOBS = st.builds(
    Job, batch=TEXT, spec=SPECS, status=st.sampled_from(JobStatus), version=COUNT, position=COUNT,
    since=st.none() | TIMES, attempt=COUNT, tries=COUNT, refusals=COUNT, download_tries=COUNT,
    task_id=st.none() | TEXT, task_ids=TEXTS, not_before=st.none() | TIMES,
    collect_by=st.none() | TIMES, outputs=st.lists(OUTPUTS, max_size=2).map(tuple), results=COUNT,
    expected=st.none() | COUNT, hold=COUNT, charged=COUNT, error=st.none() | FAILURES,
    cancel_requested=st.booleans(), stale=st.booleans(), orphaned=st.booleans(),
    accepted=st.booleans(), consumed=TEXTS,
)  # fmt: skip
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "at": TIMES, "spec": SPECS, "position": COUNT, "stale": st.booleans(),
    "orphaned": st.booleans(), "reserve": COUNT, "task_id": TEXT, "estimated": st.none() | COUNT,
    "reason": TEXT, "not_before": TIMES, "code": TEXT, "credits": st.none() | COUNT,
    "output": OUTPUTS, "outputs": st.none() | COUNT, "parent": TEXT,
    "verdict": st.sampled_from(Verdict), "collect_by": st.none() | TIMES, "counted": st.booleans(),
    "group": TEXT, "accepted": st.booleans(), "consumed": TEXTS, "identity": TEXT, "was": TEXT,
    "source": TEXT,
}  # fmt: skip
#: where a name means something else
FIELDS_OF: dict[type[Any], dict[str, st.SearchStrategy[Any]]] = {
    Imported: {"outputs": st.lists(OUTPUTS, max_size=2).map(tuple)},
    Adopted: {"outputs": st.lists(OUTPUTS, max_size=2).map(tuple)},
}
EVENTS_OF_ALL_KINDS: st.SearchStrategy[Any] = st.one_of(
    [
        st.builds(
            kind,
            **{
                name: FIELDS_OF.get(kind, {}).get(name, FIELDS.get(name))
                for name in kind.__dataclass_fields__
            },
        )
        for kind in get_args(Event)
    ]
)


def as_row(values: dict[str, Any]) -> sqlite3.Row:
    """Through SQLite itself, as the store does it."""
    db = sqlite3.connect(":memory:")
    db.row_factory = sqlite3.Row
    columns = ", ".join(f":{name} AS {name}" for name in values)
    row: sqlite3.Row = db.execute(f"SELECT {columns}", values).fetchone()
    db.close()
    return row


@given(job=JOBS)
def test_a_job_survives_its_row(job: Job) -> None:
    values = state_values(job) | spec_values(job, 1)
    assert set(values) == {*STATE_COLUMNS, *SPEC_COLUMNS}
    row = as_row(values | {"spec_data": to_text(job.spec)})
    assert job_from_row(job.batch, row) == job


@given(event=EVENTS_OF_ALL_KINDS)
def test_an_event_survives_its_row(event: Any) -> None:
    spec = getattr(event, "spec", None)
    row = as_row(event_values(event) | {"spec_data": None if spec is None else to_text(spec)})
    assert event_from_row(row) == event


@given(at=TIMES, hours=st.integers(-23, 23))
def test_times_keep_their_microseconds_and_lose_their_zone(at: datetime, hours: int) -> None:
    elsewhere = at.astimezone(timezone(timedelta(hours=hours)))
    assert from_micros(to_micros(elsewhere)) == at
    assert from_micros(to_micros(at)).tzinfo is UTC


@given(one=TIMES, two=TIMES)
def test_stored_times_sort_as_times_do(one: datetime, two: datetime) -> None:
    assert (one < two) == (to_micros(one) < to_micros(two))


def test_the_body_is_stored_once_and_not_in_the_event() -> None:
    band = CostBand(low=1, expected=1, worst=1)
    spec = JobSpec(
        id="a", key="k", template="a", take=1, endpoint="e", model=None, media="image",
        body={"promptText": "a long prompt"}, estimate=band, output="a",
    )  # fmt: skip
    added = Added(at=datetime(2026, 1, 1, tzinfo=UTC), spec=spec, position=3)
    assert json.loads(str(event_values(added)["data"])) == {"position": 3}


def test_a_field_that_an_older_file_lacks_takes_its_default() -> None:
    text = '{"code": "x", "message": "y", "unknown": 1}'
    assert from_text(Failure, text) == Failure(code="x", message="y")
    with pytest.raises(TypeError):
        from_text(Failure, "{}")


def test_names_of_stored_events_never_change() -> None:
    assert sorted(EVENTS) == [
        "Added", "Adopted", "CancelRequested", "Cancelled", "DownloadDelayed", "Downloaded",
        "Edited",
        "Flagged", "GaveUp", "Held", "Imported", "PollSuspended", "Refreshed", "Renamed",
        "Reopened", "Requeued",
        "Resolved", "RetryScheduled", "Running", "Skipped", "SubmitRefused", "SubmitStarted",
        "SubmitUnknown", "TaskAccepted", "TaskSucceeded", "Verified",
    ]  # fmt: skip
