"""What a signal does to a run, and what the person who sent it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import click

from runner.app.control import RunControl
from runner.core.job import AT_RUNWAY, JobStatus

from .board import Board
from .output import Output


class Stopper:
    """Called in the loop of the run, by name and number of the signal."""

    def __init__(self, control: RunControl, board: Board, out: Output) -> None:
        self._control = control
        self._board = board
        self._out = out
        self._main = asyncio.current_task()
        self._number = 0  # of the first signal

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """Two signals before the run has begun end it here, with the first one's exit code."""
        try:
            yield
        except asyncio.CancelledError:
            if not self._number:
                raise
            raise click.exceptions.Exit(128 + self._number) from None

    def __call__(self, number: int, name: str) -> None:
        again = bool(self._number)
        self._number = self._number or number
        self._out.say(self._leaving() if again else self._stopping(name))
        if again and self._control.scheduler is None and self._main is not None:
            self._main.cancel()  # nothing has begun: there is nothing to wait for
        self._control.signal(number, name)

    def _stopping(self, name: str) -> str:
        downloads = self._board.count(JobStatus.DOWNLOADING)
        under_way = self._board.count(JobStatus.SUBMITTING) + downloads
        left = self._board.count(*AT_RUNWAY)
        waiting = f"; {under_way} creates and downloads under way may end" if under_way else ""
        return f"{name}: nothing more is sent, {left} go on at Runway{waiting}; again to leave now"

    @staticmethod
    def _leaving() -> str:
        return "leaving; what is at Runway goes on there"
