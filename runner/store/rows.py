"""Job to row and back, event to row and back. Nothing here touches a database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeAlias, get_args

from runner.core.events import Event
from runner.core.job import Failure, Job, JobStatus, OutputFile
from runner.core.spec import JobSpec
from runner.store.codec import (
    from_plain,
    from_text,
    optional_micros,
    optional_time,
    to_micros,
    to_plain,
    to_text,
)

Row: TypeAlias = sqlite3.Row
Values: TypeAlias = dict[str, str | int | None]

#: columns that any event may change
STATE_COLUMNS = (
    "status", "version", "since", "attempt", "tries", "refusals", "download_tries", "task_id",
    "task_ids", "not_before", "collect_by", "outputs", "expected", "results", "hold", "charged",
    "error", "stale", "orphaned", "accepted", "cancel_requested", "consumed",
)  # fmt: skip

#: columns that only events with a specification change; `spec` is the number of its row in `specs`
SPEC_COLUMNS = ("spec", "id", "key", "lane", "priority", "position")

#: by the name under which an event is stored: its class name
EVENTS: Mapping[str, type[Any]] = {cls.__name__: cls for cls in get_args(Event)}


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredBatch:
    """A batch as the state file knows it."""

    name: str
    manifest: str  # path
    base_url: str
    output_dir: str
    #: salted digest of the key that sent its tasks; empty before the first run
    key_mark: str
    created_at: datetime
    paused_at: datetime | None = None  # a person has paused it
    #: default file names are spread over folders; None until its first run decides
    sharded: bool | None = None


def state_values(job: Job) -> Values:
    """The columns of STATE_COLUMNS."""
    return {
        "status": job.status.value,
        "version": job.version,
        "since": optional_micros(job.since),
        "attempt": job.attempt,
        "tries": job.tries,
        "refusals": job.refusals,
        "download_tries": job.download_tries,
        "task_id": job.task_id,
        "task_ids": to_text(job.task_ids),
        "not_before": optional_micros(job.not_before),
        "collect_by": optional_micros(job.collect_by),
        "outputs": to_text(job.outputs),
        "expected": job.expected,
        "results": job.results,
        "hold": job.hold,
        "charged": job.charged,
        "error": None if job.error is None else to_text(job.error),
        "stale": int(job.stale),
        "orphaned": int(job.orphaned),
        "accepted": int(job.accepted),
        "cancel_requested": int(job.cancel_requested),
        "consumed": to_text(job.consumed),
    }


def spec_values(job: Job, spec_row: int) -> Values:
    """The columns of SPEC_COLUMNS."""
    return {
        "spec": spec_row,
        "id": job.id,
        "key": job.spec.key,
        "lane": job.lane,
        "priority": job.spec.priority,
        "position": job.position,
    }


def job_from_row(batch: str, row: Row) -> Job:
    """A job from its columns and `spec_data`, the JSON of its specification."""
    return Job(
        batch=batch,
        spec=_spec(row["spec_data"]),
        status=JobStatus(row["status"]),
        version=row["version"],
        position=row["position"],
        since=optional_time(row["since"]),
        attempt=row["attempt"],
        tries=row["tries"],
        refusals=row["refusals"],
        download_tries=row["download_tries"],
        task_id=row["task_id"],
        task_ids=tuple(json.loads(row["task_ids"])),
        not_before=optional_time(row["not_before"]),
        collect_by=optional_time(row["collect_by"]),
        outputs=tuple(from_plain(OutputFile, item) for item in json.loads(row["outputs"])),
        expected=row["expected"],
        results=row["results"],
        hold=row["hold"],
        charged=row["charged"],
        error=None if row["error"] is None else from_text(Failure, row["error"]),
        stale=bool(row["stale"]),
        orphaned=bool(row["orphaned"]),
        accepted=bool(row["accepted"]),
        cancel_requested=bool(row["cancel_requested"]),
        consumed=tuple(json.loads(row["consumed"])),
    )


@lru_cache(maxsize=4096)  # what is under way is read again and again, and never changes
def _spec(text: str) -> JobSpec:
    return from_text(JobSpec, text)


def event_values(event: Event) -> Values:
    """kind, at and data; a specification is left out, it has a row of its own."""
    data = to_plain(event)
    data.pop("spec", None)
    del data["at"]
    return {
        "kind": type(event).__name__,
        "at": to_micros(event.at),
        "data": json.dumps(data, separators=(",", ":")),
    }


def event_from_row(row: Row) -> Event:
    """An event from kind, at, data and `spec_data` (NULL for most kinds)."""
    data = json.loads(row["data"])
    data["at"] = row["at"]
    if row["spec_data"] is not None:
        data["spec"] = json.loads(row["spec_data"])
    event: Event = from_plain(EVENTS[row["kind"]], data)
    return event
