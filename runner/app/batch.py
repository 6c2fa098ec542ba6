"""Which batch is meant, and where it stands. Reads only, also while a run is live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from runner.clock import Clock, SystemClock
from runner.core.commands import Wait
from runner.core.job import Job
from runner.core.quota import DailyQuota
from runner.core.summary import BatchSummary
from runner.core.waiting import Surroundings, why_waiting
from runner.errors import UsageError
from runner.manifest.catalog_file import load_catalog
from runner.settings import Settings, state_path
from runner.store.reader import StateReader
from runner.store.rows import StoredBatch

from .local_zone import LocalZone
from .manifests import glance, names_manifest


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchRef:
    """A batch of a state file."""

    state: Path
    name: str
    manifest: str = field(default="", compare=False)  # where the last run found it


@dataclass(frozen=True, kw_only=True, slots=True)
class JobLine:
    """A job, and why it waits."""

    job: Job
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchStatus:
    """Where a batch stands, as one look at the state file has it."""

    summary: BatchSummary
    jobs: Sequence[JobLine]
    batch: StoredBatch | None
    live: bool  # a run works on it
    waits: Sequence[Wait] = ()  # why the live run starts nothing, in a lane or in all
    quotas: Mapping[str, DailyQuota] = field(default_factory=dict)  # of the account, by lane


async def find_batch(target: str | None, settings: Settings, *, here: Path) -> BatchRef:
    """The batch that a FILE or a name means; without either the only one of the state file.

    Raises:
        UsageError: no state file, no such batch, or several to choose from.
    """
    state, batches, target = await find_batches(target, settings, here=here)
    name = _choose([batch.name for batch in batches], target)
    manifest = next(batch.manifest for batch in batches if batch.name == name)
    return BatchRef(state=state, name=name, manifest=manifest)


async def find_batches(
    target: str | None, settings: Settings, *, here: Path
) -> tuple[Path, Sequence[StoredBatch], str | None]:
    """The state file that a FILE or a name means, its batches, and which of them is meant.

    Raises:
        UsageError: no state file.
    """
    path = Path(target) if target else None
    if path is not None and (is_file(path) or names_manifest(path)):
        state = state_path(path.resolve().parent, settings)
        target = glance(path, load_catalog()).name
    else:
        state = state_path(here, settings)
    if not state.is_file():
        raise UsageError("nothing has run here yet", hint="start with: runway-batch run FILE")
    async with await StateReader.read(state) as reader:
        return state, await reader.batches(), target


def is_file(path: Path) -> bool:
    """Also of what may be anything: a name longer than any file's is none."""
    try:
        return path.is_file()
    except OSError:
        return False


def _choose(names: Sequence[str], target: str | None) -> str:
    if target is None and len(names) == 1:
        return names[0]
    if target in names:
        return str(target)
    listed = ", ".join(names) or "none"
    if target is None:
        raise UsageError(
            "which batch?",
            hint=f"name one of: {listed}; commands that take a job take it as `--batch NAME`",
        )
    raise UsageError(f"no batch of this name: {target}", hint=f"batches here: {listed}")


async def batch_status(ref: BatchRef, *, clock: Clock | None = None) -> BatchStatus:
    """Where the batch stands; changes nothing."""
    now = (clock or SystemClock()).now()
    async with await StateReader.read(ref.state) as reader:
        around = await surroundings(reader, ref.name, now)
        summary = await summary_of(reader, ref.name, now=now)
        jobs = {job.id: job async for job in reader.jobs(ref.name)}
        return BatchStatus(
            summary=summary,
            jobs=[JobLine(job=job, reason=_reason(job, jobs, around)) for job in jobs.values()],
            batch=await reader.batch(ref.name),
            live=around.is_live,
            waits=around.waits,
            quotas=around.quotas,
        )


def _reason(job: Job, jobs: Mapping[str, Job], around: Surroundings) -> str:
    return why_waiting(job, [jobs[need] for need in job.spec.needs if need in jobs], around)


async def surroundings(reader: StateReader, batch: str, now: datetime) -> Surroundings:
    """What decides whether a pending job moves; waits count only while a run is live."""
    is_live = await reader.is_live(batch)
    return Surroundings(
        now=now,
        local=LocalZone(),
        is_live=is_live,
        is_paused=await reader.is_paused(batch),
        waits=await reader.waits(batch) if is_live else (),
        quotas=await reader.quotas(batch, now=now),
        caps=await reader.caps_in_force(batch, now=now),
    )


async def summary_of(
    reader: StateReader, batch: str, *, now: datetime | None = None
) -> BatchSummary:
    """The batch's numbers, from the state file; rolling caps only where `now` is named."""
    return BatchSummary(
        batch=batch,
        counts=await reader.counts(batch),
        orphans=await reader.orphans(batch),
        totals=await reader.totals(batch),
        caps=await reader.caps_in_force(batch, now=now),
    )
