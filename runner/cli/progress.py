"""Listeners that show a run: a live table on a terminal, timed lines elsewhere, JSON lines.

All of them talk on stderr, except the JSON lines, which are the result.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self

from runner.clock import Clock
from runner.core.commands import Wait
from runner.core.events import Event, SubmitStarted
from runner.core.job import Job, JobStatus
from runner.core.outcome import Reason
from runner.ports import Listener

from .board import Board
from .event_text import CHANGES, TROUBLE, EventLines, clock_time, event_json
from .output import Output, clean
from .quotas import short_wait, wait_line

if TYPE_CHECKING:
    from rich.console import RenderableType

#: seconds between two pictures of the live table
FRAME_S = 0.25
#: a wait that ends sooner is not worth a line
LONG_WAIT = timedelta(minutes=1)
#: lanes shown; more would push the table off the screen
MOST_LANES = 12
#: display: the events that are said in a line of their own
_SAID: Mapping[str, tuple[type[object], ...]] = {
    "full": TROUBLE, "plain": CHANGES, "log": (object,)
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Show:
    """How a run is shown."""

    display: str  # full, plain, log or none
    stats_s: float = 60.0  # between two lines of numbers; 0 = none
    json_lines: bool = False


class RunDisplay:
    """The listeners of a run. Open it with `async with`; it says nothing before `begin`.

    A question may have to be asked first, and nothing may draw over it.
    """

    def __init__(self, show: Show, board: Board, out: Output, clock: Clock) -> None:
        self._show = show
        self._board = board
        self._out = out
        self._clock = clock
        self._beside: asyncio.Task[None] | None = None
        self._stack = ExitStack()
        self._lines = EventLines()
        self._waits: dict[str, Wait] = {}  # by lane, as long as nothing of it starts

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._beside is not None:
            self._beside.cancel()
            with suppress(asyncio.CancelledError):
                await self._beside
        self._stack.close()

    @property
    def listeners(self) -> list[Listener]:
        found: list[Listener] = [lambda job, event: self._board.note(job)]
        if self._show.json_lines:
            found.append(lambda job, event: self._out.json_line(event_json(job, event)))
        if self._show.display in _SAID:
            found.append(self._tell)
        return found

    def begin(self) -> None:
        """The run may spend: from here on the screen is ours."""
        if self._show.display == "full":
            self._beside = asyncio.create_task(_repeat(self._clock, FRAME_S, self._open_table()))
        elif self._show.display != "none" and self._show.stats_s > 0:
            self._beside = asyncio.create_task(
                _repeat(self._clock, self._show.stats_s, self._stats)
            )

    def _tell(self, job: Job, event: Event) -> None:
        line = self._lines.line(job, event)  # it hears of every event
        if isinstance(event, SubmitStarted):
            self._waits = {w.lane: w for w in self._waits.values() if w.lane not in {"", job.lane}}
        if isinstance(event, _SAID[self._show.display]):
            self._out.say(line)

    def on_notice(self, notice: Wait | Reason) -> None:
        """Say what keeps the run from going on for more than a moment."""
        if self._show.display == "none":
            return
        now = self._clock.now()
        if isinstance(notice, Reason):
            self._out.say(f"{clock_time(now)} held: {notice.message}")
            self._out.hint(notice.hint)
        elif notice.until is None or notice.until - now > LONG_WAIT:
            where = f" {notice.lane}" if notice.lane else ""
            self._out.say(f"{clock_time(now)} waiting{where}: {wait_line(notice, now)}")
            self._waits[notice.lane] = notice

    def _stats(self) -> None:
        now = self._clock.now()
        self._out.say(f"{clock_time(now)} {self._board.line()}{self._why_waiting(now)}")

    def _why_waiting(self, now: datetime) -> str:
        """`; waiting for budget until 21:42`; nothing where all that waited may start."""
        if not self._board.count(JobStatus.PENDING):
            return ""
        waits = (w for w in self._waits.values() if w.until is None or w.until > now)
        reasons = dict.fromkeys(wait_line(short_wait(wait), now) for wait in waits)
        return f"; waiting: {', '.join(reasons)}" if reasons else ""

    def _open_table(self) -> Callable[[], None]:
        """Drawn by this loop and no thread: the board changes only between two pictures."""
        from rich.console import Console
        from rich.live import Live

        live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)
        self._stack.enter_context(live)
        return lambda: live.update(picture(self._board), refresh=True)


async def _repeat(clock: Clock, seconds: float, act: Callable[[], None]) -> None:
    while True:
        await clock.sleep(seconds)
        act()


def picture(board: Board) -> RenderableType:
    """One line per lane, a bar for the whole, and the money."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    for header in ("waiting", "queued", "running", "downloading", "done", "failed", "in doubt"):
        table.add_column(header, justify="right")
    lanes = board.lanes()
    for lane in lanes[:MOST_LANES]:
        numbers = (
            lane.waiting, lane.queued, lane.running, lane.downloading, lane.done, lane.failed,
            lane.in_doubt,
        )  # fmt: skip
        table.add_row(Text(clean(lane.lane)), *(str(number or "·") for number in numbers))
    if len(lanes) > MOST_LANES:
        table.add_row(Text(f"and {len(lanes) - MOST_LANES} more"))
    whole = Table.grid()
    whole.add_row(ProgressBar(total=max(1, board.jobs), completed=board.settled, width=60))
    whole.add_row(Text(f"{board.settled} of {board.jobs}; {board.money()}"))
    return Group(table, whole)
