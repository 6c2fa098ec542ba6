"""`limits`: what may be at Runway at once and in a day, what is in use, and how to change it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from runner.clock import Clock, SystemClock
from runner.core.commands import CommandKind
from runner.core.job import AT_RUNWAY
from runner.core.ledger import Cap
from runner.core.quota import DailyQuota
from runner.core.task import Reading
from runner.errors import ManifestError, UsageError
from runner.manifest.catalog_file import load_catalog
from runner.store.reader import StateReader
from runner.store.rows import StoredBatch
from runner.store.store import JobStore

from .asking import ask
from .batch import BatchRef
from .manifests import glance

#: readings older than this say nothing about what is left of a day
OLDEST = timedelta(days=3)


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitsView:
    """Limits of a batch and of the account that it runs on."""

    batch: str
    live: bool
    total: int | None  # of the manifest; a live run may have been told others
    lanes: Mapping[str, int]
    at_runway: Mapping[str, int]  # by lane, over all batches of the account
    used_lanes: frozenset[str]  # that jobs of the batch have
    reading: Reading | None  # of the account, the newest
    quotas: Mapping[str, DailyQuota] = field(default_factory=dict)
    caps: Sequence[Cap] = ()


async def read_limits(ref: BatchRef, *, clock: Clock | None = None) -> LimitsView:
    """Reads only, and asks nobody."""
    now = (clock or SystemClock()).now()
    async with await StateReader.read(ref.state) as reader:
        batches = {batch.name: batch for batch in await reader.batches()}
        stored = batches[ref.name]
        total, lanes = _bounds(stored)
        readings = await reader.readings(ref.name, since=now - OLDEST)
        return LimitsView(
            batch=ref.name,
            live=await reader.is_live(ref.name),
            total=total,
            lanes=lanes,
            used_lanes=frozenset([job.lane async for job in reader.jobs(ref.name)]),
            at_runway=await _in_use(reader, stored, batches.values()),
            reading=readings[-1] if readings else None,
            quotas=await reader.quotas(ref.name, now=now),
            caps=await reader.caps_in_force(ref.name, now=now),
        )


async def set_limits(
    ref: BatchRef, data: Mapping[str, Any], *, clock: Clock | None = None
) -> Mapping[str, Any]:
    """Tell the live run; what is not named in `data` (total, lanes, max_credits) stays.

    Returns:
        The limits of the run from now on.

    Raises:
        UsageError: no run is live, it refused, or it did not answer.
    """
    clock = clock or SystemClock()
    async with await JobStore.open(ref.state, clock=clock, create=False) as store:
        if not await store.is_live(ref.name):
            raise UsageError(
                f"no run of batch `{ref.name}` is live",
                hint="`runway-batch run FILE -j N --max-credits N` begins with these limits",
            )
        answer = await ask(store, ref.name, CommandKind.LIMITS, data, clock=clock)
    if answer is None:
        raise UsageError(
            "the run has not answered, and its limits are what they were",
            hint="is it waiting for a question at its terminal, or on another machine?",
        )
    return answer


def _bounds(stored: StoredBatch) -> tuple[int | None, Mapping[str, int]]:
    """What the manifest allows, as far as it can be read."""
    try:
        concurrency = glance(Path(stored.manifest), load_catalog()).concurrency
    except ManifestError:
        return None, {}
    return concurrency.total, concurrency.models


async def _in_use(
    reader: StateReader, stored: StoredBatch, batches: Iterable[StoredBatch]
) -> Mapping[str, int]:
    used: Counter[str] = Counter()
    for batch in batches:
        if batch.base_url == stored.base_url:
            jobs = await reader.active(batch.name)
            used.update(job.lane for job in jobs if job.status in AT_RUNWAY)
    return used
