"""What people ask of a live run: read from the state file twice a second, done, answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from runner.clock import Clock
from runner.core.commands import Command, CommandKind
from runner.errors import DiskFull, RunnerError, StoreBusy
from runner.store.store import JobStore

#: seconds between two looks
LOOK_S = 0.5

#: does what a command's data say, and returns what came of it
Handler = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


async def obey_commands(
    store: JobStore,
    batch: str,
    handlers: Mapping[CommandKind, Handler],
    *,
    paused: Callable[[bool], None],
    clock: Clock,
) -> None:
    """Until cancelled. A command that fails harms nothing: who asked is told why."""
    while True:
        await clock.sleep(LOOK_S)
        try:
            paused(await store.is_paused(batch))
            for command in await store.next_commands(batch):
                await store.finish_command(command.number, await _obey(command, handlers))
        except (StoreBusy, DiskFull):
            continue  # asked again: an answer that was not written was not given


async def _obey(command: Command, handlers: Mapping[CommandKind, Handler]) -> Mapping[str, Any]:
    try:
        return await handlers[command.kind](command.data)
    except RunnerError as error:
        return {"error": error.message, "hint": error.hint, "exit_code": error.exit_code}
