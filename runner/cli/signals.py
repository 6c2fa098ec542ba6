"""Ctrl-C and SIGTERM: once stops politely, twice leaves. Neither cancels anything at Runway."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}

#: number and name of the signal
OnSignal = Callable[[int, str], None]


class SignalWatch:
    """Sends signals to a callback while a run goes on."""

    def __init__(self, on_signal: OnSignal) -> None:
        self._on_signal = on_signal
        self._loop = asyncio.get_running_loop()
        self._before: dict[signal.Signals, object] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        self._install()
        try:
            yield
        finally:
            self._remove()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """While a person is asked: Ctrl-C ends the question, and with it the command."""
        self._remove()
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
            self._install()

    def _install(self) -> None:
        for number in NAMES:
            try:
                self._loop.add_signal_handler(number, self._tell, number)
            except NotImplementedError:  # Windows: the loop cannot, the interpreter can
                self._before[number] = signal.signal(number, self._handle)

    def _remove(self) -> None:
        for number in NAMES:
            if number in self._before:
                signal.signal(number, self._before.pop(number))  # type: ignore[arg-type]
            else:
                self._loop.remove_signal_handler(number)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(self._tell, signal.Signals(number))

    def _tell(self, number: signal.Signals) -> None:
        self._on_signal(int(number), NAMES[number])
