"""What others change while a run is live: its display hears only of what it does itself.

`cancel`, `retry`, `resume` and an edited manifest change jobs in the state file. Every few seconds
its counts are compared with those shown, and where they stay apart they are counted again.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from runner.clock import Clock
from runner.errors import StoreError
from runner.store.reader import StateReader

from .board import Board

#: seconds between two looks
LOOK_S = 2.0


async def keep_up(board: Board, state: Path, batch: str, *, clock: Clock) -> None:
    """Correct the board for as long as nobody cancels this; reads only."""
    was_behind = False
    while True:
        await clock.sleep(LOOK_S)
        with suppress(StoreError):  # it is the run that has to say so
            async with await StateReader.read(state) as reader:
                # an event is on disk a moment before the board hears of it: so look twice
                board.orphans = await reader.orphans(batch)
                is_behind = board.jobs > 0 and await reader.counts(batch) != board.statuses()
                if is_behind and was_behind:
                    board.correct(await reader.lane_sums(batch))
                was_behind = is_behind and not was_behind
