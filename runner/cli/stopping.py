"""What a signal does to a run, and what the person who sent it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from runner.app.control import RunControl
from runner.core.job import AT_RUNWAY, JobStatus
from runner.errors import RunnerError

from .board import Board
from .output import Output


class Stopped(RunnerError):
    """A signal came before the run had sent anything."""

    code = "interrupted"

    def __init__(self, number: int, name: str) -> None:
        super().__init__(
            f"stopped by {name}: nothing was sent",
            hint="what is at Runway goes on there; the same command collects it",
        )
        self.exit_code = 128 + number


class Stopper:
    """Called in the loop of the run, by name and number of the signal."""

    def __init__(self, control: RunControl, board: Board, out: Output) -> None:
        self._control = control
        self._board = board
        self._out = out
        self._main = asyncio.current_task()
        self._stopped: Stopped | None = None  # by the first signal

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """A signal before the run has begun ends it here, with that signal's exit code."""
        try:
            yield
        except asyncio.CancelledError:
            if self._stopped is None:
                raise
            raise self._stopped from None

    def __call__(self, number: int, name: str) -> None:
        again = self._stopped is not None
        self._stopped = self._stopped or Stopped(number, name)
        if self._control.has_begun or self._main is None:
            self._out.say(self._leaving() if again else self._stopping(name))
        else:
            self._main.cancel()
        self._control.signal(number, name)

    def _stopping(self, name: str) -> str:
        downloads = self._board.count(JobStatus.DOWNLOADING)
        under_way = self._board.count(JobStatus.SUBMITTING) + downloads
        left = self._board.count(*AT_RUNWAY)
        waiting = f"; creates and downloads under way ({under_way:,}) may end" if under_way else ""
        going = {0: "nothing is", 1: "1 goes on"}.get(left, f"{left:,} go on")
        return f"{name}: nothing more is sent, {going} at Runway{waiting}; again to leave now"

    @staticmethod
    def _leaving() -> str:
        return "leaving; what is at Runway goes on there"
