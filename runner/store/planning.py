"""Batches, and a plan's changes in pages, parents before the jobs that need them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from graphlib import CycleError, TopologicalSorter
from itertools import islice
from sqlite3 import Connection
from typing import TypeAlias, TypeVar

from runner.core.events import Event
from runner.core.job import Job
from runner.core.ledger import ledger_move
from runner.errors import StoreError
from runner.store.codec import to_micros
from runner.store.saving import write

#: before (None: a new job), after, event
Change: TypeAlias = tuple[Job | None, Job, Event]
T = TypeVar("T")

_UPSERT = (
    "INSERT INTO batches (name, manifest, base_url, output_dir, created_at)"
    " VALUES (:name, :manifest, :base_url, :output_dir, :at)"
    " ON CONFLICT (name) DO UPDATE SET manifest = excluded.manifest,"
    " base_url = excluded.base_url, output_dir = excluded.output_dir"
)
_ELSEWHERE = (
    "SELECT base_url FROM batches WHERE name = :name AND base_url <> :base_url AND EXISTS"
    " (SELECT 1 FROM jobs WHERE jobs.batch = batches.batch AND jobs.attempt > 0)"
)


def upsert_batch(
    db: Connection, name: str, manifest: str, base_url: str, output_dir: str, now: datetime
) -> None:
    """Make the batch, or note where its manifest and outputs are now.

    Raises:
        StoreError: it has sent jobs to another base URL, where its tasks are.
    """
    values = {"name": name, "manifest": manifest, "base_url": base_url,
              "output_dir": output_dir, "at": to_micros(now)}  # fmt: skip
    row = db.execute(_ELSEWHERE, values).fetchone()
    if row is not None:
        raise StoreError(
            f"batch `{name}` has tasks at `{row['base_url']}` and cannot go on at `{base_url}`",
            hint=f"use `--base-url {row['base_url']}`, or another `name:` in the manifest",
        )
    db.execute(_UPSERT, values)


def parents_first(changes: Sequence[Change]) -> list[Change]:
    """The changes in an order in which every job follows the jobs it needs.

    Raises:
        StoreError: jobs need each other in a circle.
    """
    by_id = {after.id: (before, after, event) for before, after, event in changes}
    needs = {
        job_id: [need for need in after.spec.needs if need in by_id]
        for job_id, (_, after, _) in by_id.items()
    }
    try:
        return [by_id[job_id] for job_id in TopologicalSorter(needs).static_order()]
    except CycleError as error:
        circle = " → ".join(f"`{job_id}`" for job_id in error.args[1])
        raise StoreError(f"jobs need each other in a circle: {circle}") from error


def pages(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of at most `size`."""
    rest = iter(items)
    while page := list(islice(rest, size)):
        yield page


def write_page(db: Connection, changes: Sequence[Change], run: int | None) -> None:
    """Changes of one transaction."""
    for before, after, event in changes:
        move = None if before is None else ledger_move(before, event)
        write(db, before, after, event, move, run)
