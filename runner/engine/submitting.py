"""The create call: intent on disk before it leaves, its answer on disk right after.

A create is never cancelled half-way: it runs in a set of its own, which a stop waits for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta

from runner.core.events import (
    Event,
    GaveUp,
    SubmitRefused,
    SubmitStarted,
    SubmitUnknown,
    TaskAccepted,
)
from runner.core.groups import PROBED, GroupKind
from runner.core.identity import consumed_refs, request_identity
from runner.core.job import Job
from runner.core.limits import Terms
from runner.core.spec import Body, OutputRef
from runner.core.task import CreatedTask
from runner.errors import (
    AccountError,
    ApiError,
    DiskFull,
    PermanentApiError,
    StaleJob,
    StoreBusy,
    StoreError,
    StoreLocked,
    SubmitUncertain,
    TransientApiError,
)

from .tools import Tools

#: an accepted task whose id cannot be written is tried for about five minutes, once a second
RECORD_TRIES = 300


class Submitter:
    """Sends creates and records what became of them."""

    def __init__(self, tools: Tools, terms: Callable[[Job], Terms]) -> None:
        self._tools = tools
        self._terms = terms
        self._under_way: set[asyncio.Task[Job]] = set()
        #: by endpoint and model, where Runway asked for more than was estimated, in credits
        self._dearer: dict[tuple[str, str | None], int] = {}
        #: tasks that creates of this run were answered with
        self._answered_with: set[str] = set()

    @property
    def under_way(self) -> frozenset[asyncio.Task[Job]]:
        """Creates whose answer is not recorded yet."""
        return frozenset(self._under_way)

    async def reserve_for(self, job: Job) -> int:
        """Credits to set aside: our worst case, or more where Runway asked more for its like.

        A price that is a guess or a person's own is known once its first job was priced, by any
        run of the account.
        """
        seen = self._dearer.get((job.spec.endpoint, job.spec.model), 0)
        if job.spec.estimate.confidence in PROBED:
            states = await self._tools.store.group_states(job)
            told = (s.credits or 0 for s in states if s.group.kind is GroupKind.PRICE)
            seen = max(seen, *told, 0)
        return max(job.spec.reserve, seen)

    async def submit(self, job: Job, body: Body, reserve: int) -> Job:
        """Create the task. Cancelling the caller does not cancel the create.

        Args:
            job: pending.
            body: as Runway takes it.
            reserve: credits to set aside.

        Raises:
            NotNow: the intent did not fit; nothing was sent.
            AccountError: key refused or no credits; nothing was created.
        """
        create = asyncio.create_task(self._create(job, body, reserve), name=f"create {job.id}")
        self._under_way.add(create)
        create.add_done_callback(self._ended)
        return await asyncio.shield(create)

    def _ended(self, create: asyncio.Task[Job]) -> None:
        self._under_way.discard(create)
        if not create.cancelled():
            create.exception()  # the caller has it too, unless it left at a stop

    async def _create(self, job: Job, body: Body, reserve: int) -> Job:
        consumed = await self._consumed(job)
        started = SubmitStarted(
            at=self._tools.clock.now(),
            reserve=reserve,
            consumed=tuple(consumed.values()),
            identity=request_identity(job.spec, consumed, self._tools.account),
        )
        job = await self._tools.recorder.record(job, started, self._terms(job))
        try:
            created = await self._tools.api.create_task(job.spec.endpoint, body)
        except SubmitUncertain as error:
            unknown = SubmitUnknown(at=self._tools.clock.now(), reason=error.message)
            return await self._record_while_full(job, unknown)
        except TransientApiError as error:
            self._note(error)
            return await self._record_while_full(job, self.refused(job, error))
        except AccountError as error:
            await self._record_while_full(job, self.refused(job, error, wait=False))
            raise
        except PermanentApiError as error:
            return await self._record_while_full(job, self.gave_up(error))
        self._tools.patience.answered()
        return await self._accepted(job, created)

    async def _consumed(self, job: Job) -> Mapping[OutputRef, str]:
        """The content of the parents' outputs that go into the body, as they are now."""
        found: dict[OutputRef, str] = {}
        for ref in consumed_refs(job.spec):
            parent = await self._tools.store.job(job.batch, ref.job)
            for output in () if parent is None else parent.outputs:
                if output.index == ref.index:
                    found[ref] = output.sha256
        return found

    def _note(self, error: TransientApiError) -> None:
        if error.status is None:
            self._tools.patience.failed(self._tools.clock.monotonic())
        else:
            self._tools.patience.answered()

    async def _accepted(self, job: Job, created: CreatedTask) -> Job:
        """Write the id down, whatever it takes: without it, a paid task is out of reach."""
        self._note_price(job, created)
        recorded = None
        try:
            with suppress(DiskFull, StoreBusy, StaleJob, StoreLocked):
                recorded = await self._record_while_full(job, await self._answered(created))
        finally:
            if recorded is None:  # also where the run is being torn down
                self._tools.rescue(f"job `{job.id}` of batch `{job.batch}` is task {created.id}")
        if recorded is not None:
            return recorded
        raise StoreError(
            f"task {created.id} of job `{job.id}` is paid, but its id cannot be recorded",
            hint=f"make room, then: runway-batch resolve {job.id} --task {created.id}",
        )

    async def _answered(self, created: CreatedTask) -> Event:
        """A task that another create had before is not what this one paid for."""
        now = self._tools.clock.now()
        if await self._is_taken(created.id):
            reason = f"the create was answered with task {created.id}, which another job has"
            return SubmitUnknown(at=now, reason=reason)
        return TaskAccepted(at=now, task_id=created.id, estimated=created.estimated_credits)

    async def _is_taken(self, task_id: str) -> bool:
        if task_id in self._answered_with:
            return True
        self._answered_with.add(task_id)
        with suppress(StoreError, DiskFull):  # a file that cannot be read objects to nothing
            return await self._tools.store.holds_task(task_id)
        return False

    async def _record_while_full(self, job: Job, event: Event) -> Job:
        """What became of a create must be known: tried again for minutes on a full disk.

        Raises:
            DiskFull, StoreBusy: the state file still does not take it.
            StaleJob, StoreLocked: another run has taken the batch over.
        """
        for _ in range(RECORD_TRIES):
            with suppress(DiskFull, StoreBusy):
                return await self._record(job, event)
            await self._tools.clock.sleep(1)
        return await self._record(job, event)

    async def _record(self, job: Job, event: Event) -> Job:
        """The answer belongs to the attempt, also where a reload has flagged the job meanwhile."""
        try:
            return await self._tools.recorder.record(job, event)
        except StaleJob:
            stored = await self._tools.store.job(job.batch, job.id)
            if stored is None or (stored.status, stored.attempt) != (job.status, job.attempt):
                raise
        return await self._record(stored, event)

    def _note_price(self, job: Job, created: CreatedTask) -> None:
        asked = created.estimated_credits or 0
        if asked > job.spec.reserve:
            shape = (job.spec.endpoint, job.spec.model)
            self._dearer[shape] = max(asked, self._dearer.get(shape, 0))

    def refused(self, job: Job, error: ApiError, *, wait: bool = True) -> SubmitRefused:
        """Nothing was created; try again later."""
        delay = 0.0
        if wait:
            delay = self._tools.policies.refusal.delay(
                job.refusals + 1, self._tools.rng, retry_after_s=error.retry_after_s
            )
        now = self._tools.clock.now()
        again = now + timedelta(seconds=delay)
        return SubmitRefused(at=now, not_before=again, code=code_of(error), reason=error.message)

    def gave_up(self, error: ApiError) -> GaveUp:
        """Nothing was created, and the same request would be refused again."""
        return GaveUp(
            at=self._tools.clock.now(), code=code_of(error), reason=error.message, credits=0
        )


def code_of(error: ApiError) -> str:
    """`HTTP_400`, or the error's own word where there was no answer."""
    return f"HTTP_{error.status}" if error.status else error.code.upper()
