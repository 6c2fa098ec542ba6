"""Asking a live run for something, by a row in the state file, and waiting for its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.clock import Clock
from runner.core.commands import CommandKind
from runner.errors import UsageError
from runner.store.caller import this_caller
from runner.store.process import this_process
from runner.store.store import JobStore

#: seconds that an answer is waited for: a run looks twice a second
ANSWER_S = 15.0
#: seconds between two looks
LOOK_S = 0.25
#: the answer to what nobody wants any more, so that no later run does it
WITHDRAWN = "withdrawn"


async def ask(
    store: JobStore,
    batch: str,
    kind: CommandKind,
    data: Mapping[str, Any],
    *,
    clock: Clock,
    wait_s: float = ANSWER_S,
) -> Mapping[str, Any] | None:
    """What the run answers; None where it gave no answer, and then it does nothing later either.

    Raises:
        UsageError: the run refused.
    """
    number = await store.ask(batch, kind, data, by=asker())
    until_s = clock.monotonic() + wait_s
    while clock.monotonic() < until_s and await store.is_live(batch):
        await clock.sleep(LOOK_S)
        command = await store.command(number)
        if command is not None and command.done_at is not None:
            break
    await store.finish_command(number, {WITHDRAWN: True})  # harmless where it was answered
    command = await store.command(number)
    result = (command.result if command else None) or {}
    if "error" in result:
        error = UsageError(str(result["error"]), hint=str(result.get("hint", "")))
        error.exit_code = int(result.get("exit_code", UsageError.exit_code))
        raise error
    return None if WITHDRAWN in result else result


def asker() -> str:
    """`user@host`, for whoever looks into the state file."""
    return f"{this_caller().user or 'unknown'}@{this_process().host}"
