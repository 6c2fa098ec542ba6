"""Waiting for one of several things, by the clock that was handed in."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

from runner.clock import Clock

#: seconds that the answers of creates already sent are waited for: at a stop, at a second signal
ANSWER_S, LAST_MOMENT_S = 60.0, 2.0


async def sleep_or(clock: Clock, seconds: float, wake: asyncio.Event) -> None:
    """Return after the time, or as soon as `wake` is set."""
    timer = asyncio.ensure_future(clock.sleep(seconds))
    woken = asyncio.ensure_future(wake.wait())
    try:
        await asyncio.wait({timer, woken}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        timer.cancel()
        woken.cancel()


async def all_ended(clock: Clock, tasks: Collection[asyncio.Task[Any]], seconds: float) -> None:
    """Return when all have ended, or after the time; cancels none of them."""
    ended = asyncio.Event()
    open_tasks = {task for task in tasks if not task.done()}

    def count_down(task: asyncio.Task[Any]) -> None:
        open_tasks.discard(task)
        if not open_tasks:
            ended.set()

    if open_tasks:
        for task in tasks:
            task.add_done_callback(count_down)
        await sleep_or(clock, seconds, ended)


async def answers_of(
    clock: Clock, creates: Collection[asyncio.Task[Any]], leaving: asyncio.Event
) -> None:
    """Wait for creates already sent: a minute, or a last moment once `leaving` is set."""
    patient = asyncio.ensure_future(all_ended(clock, creates, ANSWER_S))
    woken = asyncio.ensure_future(leaving.wait())
    try:
        await asyncio.wait({patient, woken}, return_when=asyncio.FIRST_COMPLETED)
        if leaving.is_set():
            await all_ended(clock, creates, LAST_MOMENT_S)
    finally:
        patient.cancel()
        woken.cancel()
