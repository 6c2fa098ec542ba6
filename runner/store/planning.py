"""Batches, and a plan's changes in pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from sqlite3 import Connection
from typing import TypeVar

from runner.core.changes import Change
from runner.core.ledger import ledger_move
from runner.errors import StoreError
from runner.store.codec import to_micros
from runner.store.saving import batch_row, write

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


def pages(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of at most `size`."""
    rest = iter(items)
    while page := list(islice(rest, size)):
        yield page


def whole_pages(changes: Iterable[Change], size: int) -> Iterator[list[Change]]:
    """Lists of `size` or a little more: what happens to one job is never torn apart."""
    page: list[Change] = []
    for change in changes:
        if len(page) >= size and change[1].id != page[-1][1].id:
            yield page
            page = []
        page.append(change)
    if page:
        yield page


def set_sharded(db: Connection, name: str, sharded: bool) -> None:
    """Decide for good whether default file names are spread over folders."""
    update = "UPDATE batches SET sharded = ? WHERE batch = ? AND sharded IS NULL"
    db.execute(update, (int(sharded), batch_row(db, name)))


def write_page(db: Connection, changes: Sequence[Change], run: int | None) -> None:
    """Changes of one transaction."""
    for before, after, event in changes:
        move = None if before is None else ledger_move(before, event)
        write(db, before, after, event, move, run)
