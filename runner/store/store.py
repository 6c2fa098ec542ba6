"""JobStore: the state file of a run. Fits `runner.ports.Store`; the SQL is in the other modules.

Writes go through one thread and return after the commit; reads have a connection of their own, so
that a long list does not hold up a task id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from sqlite3 import Connection
from typing import Any, Self

from runner.clock import Clock
from runner.core.changes import Change
from runner.core.commands import CommandKind, Wait
from runner.core.events import Event, Held, SubmitStarted
from runner.core.job import Job
from runner.core.ledger import Caps, LedgerMove
from runner.core.limits import Terms
from runner.core.task import Reading
from runner.store import account, budget, holding, lease, planning, reading, talk
from runner.store import caps as cap_rows
from runner.store.caller import Caller, this_caller
from runner.store.connection import BUSY_TIMEOUT_S, Mode, connect
from runner.store.facts import StateCare
from runner.store.lease import Lease
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

    async def save(
        self, before: Job, after: Job, event: Event, move: LedgerMove | None,
        terms: Terms | None = None,
    ) -> None:  # fmt: skip
        """Job, event and ledger move, all or nothing; on disk when it returns.

        Raises:
            StaleJob: the stored job is no longer `before` (its version differs).
            NotNow: the reserve of `move` does not fit under a cap, or what else `terms` names.
            StoreLocked: this run no longer holds the batch.
        """
        run = self._run(after.batch)
        await self._writer.run(
            lambda db: write(db, before, after, event, move, run, terms),
            intent=isinstance(event, SubmitStarted),
        )

    async def check_room(self, job: Job, credits: int | None = None) -> None:
        """Whether a reserve would fit under every cap now, the job's own if none is named.

        Raises `CapReached` where it would not.
        """
        asked = job.spec.reserve if credits is None else credits
        run, now = self._run(job.batch), self._clock.now()
        await self._reader.run(
            lambda db: budget.check_room(db, batch_row(db, job.batch), job.spec, run, asked, now)
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

    async def set_caps(
        self, batch: str, caps: Caps, *, sources: Mapping[str, str] | None = None
    ) -> None:
        """Replace the batch's caps; `caps.run` limits the run that holds the lease.

        A cap below what is used already is kept: nothing more starts under it.

        Args:
            batch: its name.
            caps: all of them; those that are not in it are gone.
            sources: where a cap was set, for people: by name (`batch`, `run`, `day`, `month`,
                `balance`, `model:LANE`, `tag:TAG`); a flag or a variable in backquotes. The
                manifest where nothing is said, `--max-credits` for the run's own.
        """
        run, run_id = self._held.get(batch, (None, None))

        def work(db: Connection) -> None:
            check_lease(db, batch, run)
            cap_rows.set_caps(db, batch_row(db, batch), caps, run, run_id, sources or {})

        await self._writer.run(work)

    async def apply_plan(self, batch: str, changes: Sequence[Change]) -> None:
        """Bring jobs to a plan, in pages: a crash leaves a part, and the next plan the rest.

        Args:
            batch: its name.
            changes: parents before the jobs that need them; any part of a plan.

        Raises:
            StaleJob: a job was changed since the plan was made; pages before it are kept.
        """
        run = self._run(batch)
        for page in planning.whole_pages(changes, PLAN_PAGE):
            await self._writer.run(partial(planning.write_page, changes=page, run=run))

    async def set_sharded(self, batch: str, sharded: bool) -> None:
        """Decide for good whether default file names are spread over folders; the first counts."""
        await self._writer.run(lambda db: planning.set_sharded(db, batch, sharded))

    async def acquire(
        self, batch: str, *, run_id: str, owner: Owner, take_over: bool = False,
        caller: Caller | None = None,
    ) -> Lease:  # fmt: skip
        """Become the batch's one live run; a dead process of this host loses its lease.

        Follow it with `heal`, before anything of the batch is touched. `caller` is who pays, for
        the ledger: whoever started this process where nobody is named.

        Raises:
            StoreLocked: a living process has it, or one of another host and not `take_over`.
        """
        now, who = self._clock.now(), caller or this_caller()
        taken = await self._writer.run(
            lambda db: lease.take(db, batch, run_id, owner, now, caller=who, take_over=take_over)
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

    async def hold(
        self, batch: str, event: Held, *, lane: str | None = None, group: str | None = None
    ) -> int:
        """Hold the batch's pending jobs, of one lane or one group; returns how many.

        In pages, as a plan is applied: a crash leaves a part of them held.
        """
        run = self._run(batch)
        which = holding.Which(lane=lane, group=group)
        held = 0
        cursor: reading.Cursor | None = reading.FIRST
        while cursor is not None:
            page = partial(holding.hold_page, batch=batch, event=event, which=which, after=cursor,
                           size=PLAN_PAGE, run=run)  # fmt: skip
            jobs, cursor = await self._writer.run(page)
            held += len(jobs)
        return held

    async def set_paused(self, batch: str, paused: bool) -> None:
        """Pause the batch, or let it go on: a live run looks at it."""
        at = self._clock.now() if paused else None
        await self._writer.run(lambda db: holding.set_paused(db, batch, at))

    async def note_reading(self, batch: str, reading: Reading) -> None:
        """Keep a reading of the account that the batch runs on: quotas and evidence rest on it."""

        def work(db: Connection) -> None:
            account.note(db, account.service_of(db, batch_row(db, batch)), reading)

        await self._writer.run(work)

    async def ask(self, batch: str, kind: CommandKind, data: Mapping[str, Any], by: str) -> int:
        """Ask the batch's live run for something; the number under which the answer is found."""
        now = self._clock.now()
        return await self._writer.run(lambda db: talk.ask(db, batch, kind, data, by, now))

    async def finish_command(self, number: int, result: Mapping[str, Any]) -> None:
        """Answer what was asked; a second answer changes nothing."""
        now = self._clock.now()
        await self._writer.run(lambda db: talk.finish(db, number, result, now))

    async def publish_waits(self, batch: str, waits: Sequence[Wait]) -> None:
        """Say why nothing starts, for `status` and `explain`; replaces what was said before."""
        run = self._run(batch)
        await self._writer.run(lambda db: talk.publish_waits(db, batch, run, waits))

    def uploads(self, base_url: str) -> StoredUploads:
        """The upload cache for one service."""
        return StoredUploads(self._writer, self._reader, base_url)

    def care(self) -> StateCare:
        """The file's home, its leases, and what can be computed again."""
        return StateCare(self._reader, self._writer, self._clock)

    def _run(self, batch: str) -> int | None:
        """Our run, also after its lease was lost: such a write must be refused, not unfenced."""
        return self._held[batch][0] if batch in self._held else None
