"""JobStore: the state file of a run. Fits `runner.ports.Store`; the SQL is in the other modules.

Writes go through one thread and return after the commit; reads have a connection of their own, so
that a long list does not hold up a task id.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from sqlite3 import Connection
from typing import Self

from runner.clock import Clock
from runner.core.events import Event, SubmitStarted
from runner.core.job import Job
from runner.core.ledger import Caps, LedgerMove
from runner.store import budget, lease, planning
from runner.store.connection import BUSY_TIMEOUT_S, Mode, connect
from runner.store.lease import Lease
from runner.store.planning import Change
from runner.store.process import Owner
from runner.store.reader import StateReader, start_reader
from runner.store.saving import batch_row, check_lease, write
from runner.store.uploads import StoredUploads
from runner.store.writer import Sql, SqlInline, SqlThread

#: changes of a plan in one transaction: keeps the writer free for a task id that comes in
PLAN_PAGE = 200


class JobStore(StateReader):
    """A state file opened for writing.

    A store that holds a batch's lease (`acquire`) writes that batch only while the lease is its
    own; without a lease, as short commands do, a write is conditional on the job's version alone.
    """

    def __init__(self, writer: Sql, reader: Sql, clock: Clock) -> None:
        super().__init__(reader)
        self._writer = writer
        self._clock = clock
        self._held: dict[str, tuple[int, str]] = {}  # batch: number and id of our run

    @classmethod
    async def open(
        cls, path: Path, *, clock: Clock, create: bool = True,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> Self:  # fmt: skip
        """Open and migrate, or make, a state file.

        Raises:
            StoreError: missing and not `create`, damaged, or written by a newer version.
            StoreLocked: another process kept it locked for longer than the timeout.
        """
        mode = Mode.CREATE if create else Mode.WRITE
        writer = SqlThread(lambda: connect(path, mode, busy_timeout_s=busy_timeout_s), path)
        await writer.start()
        try:
            reader = await start_reader(path, busy_timeout_s)
        except BaseException:
            await writer.close()
            raise
        return cls(writer, reader, clock)

    @classmethod
    async def in_memory(cls, *, clock: Clock) -> Self:
        """For tests: real SQLite without a thread, so that virtual time can be used; not shared."""
        sql = SqlInline()
        return cls(sql, sql, clock)

    async def close(self) -> None:
        """Write what is still in the queue, then let go of the file. May be called twice."""
        await self._reader.close()
        await self._writer.close()

    async def save(self, before: Job, after: Job, event: Event, move: LedgerMove | None) -> None:
        """Job, event and ledger move, all or nothing; on disk when it returns.

        Raises:
            StaleJob: the stored job is no longer `before` (its version differs).
            CapReached: the reserve of `move` does not fit under a cap.
            StoreLocked: this run no longer holds the batch.
        """
        run = self._run(after.batch)
        await self._writer.run(
            lambda db: write(db, before, after, event, move, run),
            intent=isinstance(event, SubmitStarted),
        )

    async def check_room(self, job: Job, credits: int | None = None) -> None:
        """Whether a reserve would fit now, the job's own if none is named.

        Raises `CapReached` where it would not.
        """
        asked = job.spec.reserve if credits is None else credits
        run = self._run(job.batch)
        await self._reader.run(
            lambda db: budget.check_room(db, batch_row(db, job.batch), job.spec, run, asked)
        )

    async def upsert_batch(
        self, name: str, *, manifest: str = "", base_url: str = "", output_dir: str = ""
    ) -> None:
        """Make the batch, or note where its manifest and outputs are now.

        Raises:
            StoreError: it has sent jobs to another base URL, where its tasks are.
        """
        now = self._clock.now()
        await self._writer.run(
            lambda db: planning.upsert_batch(db, name, manifest, base_url, output_dir, now)
        )

    async def set_key_mark(self, batch: str, mark: str) -> None:
        """Note whose key sends the batch's tasks: a salted digest, never the key."""

        def work(db: Connection) -> None:
            update = "UPDATE batches SET key_mark = ? WHERE batch = ?"
            db.execute(update, (mark, batch_row(db, batch)))

        await self._writer.run(work)

    async def set_caps(self, batch: str, caps: Caps) -> None:
        """Replace the batch's caps; `caps.run` limits the run that holds the lease.

        A cap below what is used already is kept: nothing more starts under it.
        """
        run, run_id = self._held.get(batch, (None, None))

        def work(db: Connection) -> None:
            check_lease(db, batch, run)
            budget.set_caps(db, batch_row(db, batch), caps, run, run_id)

        await self._writer.run(work)

    async def apply_plan(self, batch: str, changes: Sequence[Change]) -> None:
        """Add, edit and flag jobs, in pages: a crash leaves a part, and the next plan the rest.

        Raises:
            StaleJob: a job was changed since the plan was made; pages before it are kept.
        """
        run = self._run(batch)
        for page in planning.pages(planning.parents_first(changes), PLAN_PAGE):
            await self._writer.run(partial(planning.write_page, changes=page, run=run))

    async def acquire(
        self, batch: str, *, run_id: str, owner: Owner, take_over: bool = False
    ) -> Lease:
        """Become the batch's one live run; a dead process of this host loses its lease.

        Follow it with `heal`, before anything of the batch is touched.

        Raises:
            StoreLocked: a living process has it, or one of another host and not `take_over`.
        """
        now = self._clock.now()
        taken = await self._writer.run(
            lambda db: lease.take(db, batch, run_id, owner, now, take_over=take_over)
        )
        self._held[batch] = (taken.run, run_id)
        return Lease(self._writer, self._clock, batch=batch, run_id=run_id, taken=taken)

    async def heal(self, batch: str) -> Sequence[tuple[Job, Event]]:
        """Put in doubt what an earlier run left `submitting`; returns what was done, to be told.

        Only for the holder of the lease, before it submits anything.
        """
        run, _ = self._held[batch]
        now = self._clock.now()
        return await self._writer.run(lambda db: lease.heal(db, batch, run, now))

    def uploads(self, base_url: str) -> StoredUploads:
        """The upload cache for one service."""
        return StoredUploads(self._writer, self._reader, base_url)

    def _run(self, batch: str) -> int | None:
        """Our run, also after its lease was lost: such a write must be refused, not unfenced."""
        return self._held[batch][0] if batch in self._held else None
