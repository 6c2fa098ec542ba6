"""StateReader: what commands may ask a state file without changing it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from sqlite3 import Connection
from types import TracebackType
from typing import Self, TypeVar

from runner.core.commands import Command, Wait
from runner.core.events import Event
from runner.core.groups import GroupState
from runner.core.job import Job, JobStatus
from runner.core.ledger import Cap, Entry, LedgerTotals
from runner.core.price_memory import PriceMemory
from runner.core.quota import DailyQuota
from runner.core.standing import Standing
from runner.core.summary import LaneSum
from runner.core.task import Reading
from runner.store import (
    account,
    accounting,
    audit,
    budget,
    group_rows,
    holding,
    lease,
    prices,
    reading,
    talk,
    windows,
)
from runner.store.accounting import By, LedgerRow
from runner.store.caps import DAY
from runner.store.connection import BUSY_TIMEOUT_S, Mode, connect
from runner.store.facts import StateFacts
from runner.store.lookups import PlanLookups
from runner.store.process import this_process
from runner.store.rows import StoredBatch
from runner.store.runs import StoredRun
from runner.store.runs import runs as stored_runs
from runner.store.saving import batch_row
from runner.store.standing import standing
from runner.store.writer import READ, Sql, SqlThread

T = TypeVar("T")

#: jobs that are held in memory at once
PAGE = 1000


class StateReader:
    """A state file opened for reading only, beside whoever writes it.

    Every method sees one consistent state, not older than the last commit before the call. A name
    of a batch that is not in the file raises `StoreError`.
    """

    def __init__(self, reader: Sql) -> None:
        self._reader = reader

    @classmethod
    async def read(cls, path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> StateReader:
        """Open for reading; nothing is made, migrated or changed.

        Raises:
            StoreError: missing, not a state file, or of another version.
        """
        return StateReader(await start_reader(path, busy_timeout_s))

    async def close(self) -> None:
        """Finish what was asked, then let go of the file. May be called twice."""
        await self._reader.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        await self.close()

    async def batches(self) -> Sequence[StoredBatch]:
        """All batches of the file, oldest first."""
        return await self._reader.run(reading.batches)

    async def batch(self, name: str) -> StoredBatch | None:
        found = [batch for batch in await self.batches() if batch.name == name]
        return found[0] if found else None

    async def is_live(self, batch: str) -> bool:
        """Whether a living run holds the batch."""
        here = this_process().host
        return await self._reader.run(lambda db: lease.is_live(db, batch, here))

    async def runs(self, batch: str | None = None) -> Sequence[StoredRun]:
        """Every run of a batch, or of the whole file, oldest first."""
        return await self._reader.run(lambda db: stored_runs(db, batch))

    async def job(self, batch: str, job_id: str) -> Job | None:
        return await self._reader.run(lambda db: reading.job(db, batch, job_id))

    async def jobs(self, batch: str, *, page: int = PAGE) -> AsyncIterator[Job]:
        """All jobs in manifest order, read in pages: each page is one consistent state."""
        cursor = reading.FIRST
        while True:
            query = partial(reading.page, batch=batch, after=cursor, size=page)
            found, cursor = await self._reader.run(query)
            for job in found:
                yield job
            if len(found) < page:
                return

    async def active(self, batch: str) -> Sequence[Job]:
        """Jobs that a run works on: submitting, at Runway, or downloading."""
        return await self._reader.run(lambda db: reading.active(db, batch))

    async def in_doubt(self, batch: str) -> Sequence[Job]:
        """Jobs in doubt, in manifest order."""
        return await self._reader.run(lambda db: reading.in_doubt(db, batch))

    async def holds_task(self, task_id: str) -> bool:
        """Whether the present attempt of a job of the state file is this task."""
        return await self._reader.run(lambda db: reading.holds_task(db, task_id))

    async def has_task(self, task_id: str) -> bool:
        """Whether a job of the state file has, or had, this task."""
        return await self._reader.run(lambda db: reading.has_task(db, task_id))

    async def newest_event_at(self) -> datetime | None:
        """The latest time that the file knows of: it is never earlier now."""
        return await self._reader.run(reading.newest_event_at)

    async def ready_lanes(self, batch: str) -> Sequence[str]:
        """Lanes with at least one pending job that only waits for its time or a slot."""
        return await self._reader.run(lambda db: reading.ready_lanes(db, batch))

    async def ready(
        self, batch: str, lane: str, *, now: datetime, limit: int, skip: Collection[str] = ()
    ) -> Sequence[Job]:
        """Due pending jobs of a lane, by priority, then manifest order, without those in `skip`.

        Their needs are all done and not stale; stale and orphaned jobs are left out.
        """
        return await self._reader.run(
            lambda db: reading.ready(db, batch, lane, now, limit, frozenset(skip))
        )

    async def next_due(self, batch: str, *, after: datetime) -> datetime | None:
        """The earliest `not_before` later than `after` of a job that `ready` would return then."""
        return await self._reader.run(lambda db: reading.next_due(db, batch, after))

    async def doomed(self, batch: str) -> Sequence[tuple[Job, str]]:
        """Pending jobs with a need that failed, was skipped or cancelled, each once."""
        return await self._reader.run(lambda db: reading.doomed(db, batch))

    async def counts(self, batch: str) -> dict[JobStatus, int]:
        """Jobs by status; a status that no job has is left out."""
        return await self._reader.run(lambda db: reading.counts(db, batch))

    async def lane_sums(self, batch: str) -> Sequence[LaneSum]:
        """Jobs and credits by lane and status."""
        return await self._reader.run(lambda db: reading.lane_sums(db, batch))

    async def orphans(self, batch: str) -> dict[JobStatus, int]:
        """Of these the jobs that are no longer in the manifest."""
        return await self._reader.run(lambda db: reading.orphans(db, batch))

    async def totals(self, batch: str) -> LedgerTotals:
        """Credits of the batch, from the ledger's entries."""
        return await self._reader.run(lambda db: budget.totals(db, batch_row(db, batch)))

    async def caps_in_force(self, batch: str, *, now: datetime | None = None) -> Sequence[Cap]:
        """Every cap with what counts against it; `day` and `month` only where `now` is named.

        For `balance` the limit is what may be spent of it; left out before the first reading.
        """
        return await self._reader.run(
            lambda db: budget.caps_in_force(db, batch_row(db, batch), now)
        )

    async def ledger(self, batch: str | None, by: By) -> Sequence[LedgerRow]:
        """Sums of the ledger's entries, of one batch or of the whole file, by name."""
        return await self._reader.run(
            lambda db: accounting.sums(db, None if batch is None else batch_row(db, batch), by)
        )

    async def entries(self, batch: str, *, since: datetime) -> Sequence[Entry]:
        """Ledger entries of the batch's account, all batches, not settled before `since`."""
        return await self._of_service(batch, lambda db, s: accounting.entries(db, s, since))

    async def readings(self, batch: str, *, since: datetime) -> Sequence[Reading]:
        """Readings of the batch's account asked for at `since` or later, oldest first."""
        return await self._of_service(batch, lambda db, s: account.readings(db, s, since))

    async def quotas(self, batch: str, *, now: datetime) -> Mapping[str, DailyQuota]:
        """The daily quota of every lane that the newest reading lists; empty without one."""
        return await self._of_service(batch, lambda db, s: account.quotas(db, s, now))

    async def standing(
        self, service: str, *, now: datetime, fresh: Reading | None = None
    ) -> Standing:
        """The account behind a base URL: `fresh` or the newest reading, and what is ours of it."""
        return await self._reader.run(lambda db: standing(db, service, now, fresh))

    async def room_at(
        self, service: str, limit: int, credits: int, *, now: datetime
    ) -> datetime | None:
        """When a cap of any 24 hours has room for so many credits; None: never by itself."""
        return await self._reader.run(
            lambda db: windows.room_at(db, service, DAY, limit, credits, now)
        )

    async def group_states(self, job: Job) -> Sequence[GroupState]:
        """The groups of a job with their counts over all batches of the account."""
        return await self._of_service(job.batch, lambda db, s: group_rows.states(db, s, job))

    async def remembered_prices(self, service: str) -> PriceMemory:
        """What Runway asked and charged at a base URL; empty where nothing ran there yet."""
        return await self._reader.run(lambda db: prices.memory(db, service))

    async def is_paused(self, batch: str) -> bool:
        """Whether a person has paused the batch."""
        return await self._reader.run(lambda db: holding.is_paused(db, batch))

    async def next_commands(self, batch: str) -> Sequence[Command]:
        """What was asked of the batch's run and is not answered, oldest first."""
        return await self._reader.run(lambda db: talk.next_commands(db, batch))

    async def command(self, number: int) -> Command | None:
        """One of them, answered or not."""
        return await self._reader.run(lambda db: talk.command(db, number))

    async def waits(self, batch: str) -> Sequence[Wait]:
        """Why the batch's live run starts nothing, as it last said."""
        return await self._reader.run(lambda db: talk.waits(db, batch))

    async def events(self, batch: str, job_id: str) -> Sequence[Event]:
        """The past of a job, oldest first."""
        return await self._reader.run(lambda db: reading.events(db, batch, job_id))

    def lookups(self) -> PlanLookups:
        """What a plan asks of the file."""
        return PlanLookups(self._reader)

    def facts(self) -> StateFacts:
        """What the file knows of itself."""
        return StateFacts(self._reader)

    async def rebuild(self, batch: str) -> Sequence[Job]:
        """The jobs replayed from their events, in manifest order."""
        return await self._reader.run(lambda db: audit.rebuild(db, batch))

    async def check(self, batch: str) -> Sequence[str]:
        """What does not agree with the events or the ledger, a sentence each; normally nothing."""
        return await self._reader.run(lambda db: audit.check(db, batch))

    async def _of_service(self, batch: str, work: Callable[[Connection, str], T]) -> T:
        """Ask about all batches that share the account of this one."""
        return await self._reader.run(
            lambda db: work(db, account.service_of(db, batch_row(db, batch)))
        )


async def start_reader(path: Path, busy_timeout_s: float) -> SqlThread:
    """A thread with a read-only connection; raises what opening raises."""
    reader = SqlThread(
        lambda: connect(path, Mode.READ, busy_timeout_s=busy_timeout_s), path, begin=READ
    )
    await reader.start()
    return reader
