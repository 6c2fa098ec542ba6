"""The account and its tasks, as short commands see them: one call or two, no state file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, timedelta

from runner import __version__
from runner.clock import Clock, SystemClock
from runner.core.task import Organization, Reading, Task, TaskStatus
from runner.errors import PermanentApiError, UsageError
from runner.runway.client import RunwayClient
from runner.runway.shapes import DailyUse
from runner.runway.transport import ApiSettings
from runner.settings import Settings

_GONE = 404
#: nothing is paid for certain yet: a DELETE gives the credits back
_NOT_BEGUN = frozenset({TaskStatus.PENDING, TaskStatus.THROTTLED})


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """Balance, limits, and what was used on one day (UTC)."""

    organization: Organization
    day: date
    used: tuple[DailyUse, ...]


async def read_account(settings: Settings, *, clock: Clock | None = None) -> Account:
    """Free, and changes nothing."""
    clock = clock or SystemClock()
    today = clock.now().date()
    async with _client(settings, clock) as client:
        organization = await client.get_organization()
        used = await client.get_usage(start=today, before=today + timedelta(days=1))
    of_today = tuple(use for use in used if use.day == today)
    return Account(organization=organization, day=today, used=of_today)


async def read_limits_and_balance(settings: Settings, *, clock: Clock | None = None) -> Reading:
    """One call, free; nothing is written down."""
    clock = clock or SystemClock()
    async with _client(settings, clock) as client:
        asked_at = clock.now()
        organization = await client.get_organization()
        return Reading(asked_at=asked_at, answered_at=clock.now(), organization=organization)


async def read_task(settings: Settings, task_id: str, *, clock: Clock | None = None) -> Task:
    """A task of the account.

    Raises:
        UsageError: there is no such task under this key.
    """
    async with _client(settings, clock or SystemClock()) as client:
        return await _read(client, task_id)


async def cancel_task(
    settings: Settings, task_id: str, *, abandon_running: bool, clock: Clock | None = None
) -> Task:
    """Read a task, then DELETE it if nothing paid is lost by it; returns it as it was read.

    The window between the two calls cannot be closed: a task that begins in it is charged.

    Raises:
        UsageError: no such task, it has ended, or it runs and `abandon_running` was not given.
    """
    async with _client(settings, clock or SystemClock()) as client:
        task = await _read(client, task_id)
        _may_cancel(task, abandon_running)
        await client.cancel_task(task_id)
        return task


def _may_cancel(task: Task, abandon_running: bool) -> None:
    if task.status in _NOT_BEGUN or (task.status is TaskStatus.RUNNING and abandon_running):
        return
    if task.status is TaskStatus.RUNNING:
        raise UsageError(
            f"task {task.id} runs: it is paid, and cancelling loses what it makes",
            hint="let it end; `--abandon-running` cancels it and loses its credits",
        )
    if task.status is TaskStatus.SUCCEEDED:
        raise UsageError(
            f"task {task.id} has succeeded: deleting it would delete its outputs",
            hint="nothing is left to cancel",
        )
    raise UsageError(f"task {task.id} has ended: {task.status}", hint="nothing is left to cancel")


async def _read(client: RunwayClient, task_id: str) -> Task:
    try:
        return await client.get_task(task_id)
    except PermanentApiError as error:
        if error.status != _GONE:
            raise
        raise UsageError(
            f"no task of this id under this key: {task_id}",
            hint="cancelled tasks are gone as well",
        ) from error


@asynccontextmanager
async def _client(settings: Settings, clock: Clock) -> AsyncIterator[RunwayClient]:
    api = ApiSettings(key=settings.need_key(), version=__version__, base_url=settings.base_url)
    async with RunwayClient(api, clock=clock) as client:
        yield client
