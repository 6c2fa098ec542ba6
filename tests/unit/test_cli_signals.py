"""Ctrl-C: once politely, twice at once; a question can always be left."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from runner.app.control import RunControl
from runner.cli.board import Board
from runner.cli.output import Output
from runner.cli.signals import SignalWatch
from runner.cli.stopping import Stopper
from runner.clock import SystemClock
from runner.errors import RunnerError
from runner.testing import make_spec
from tests.plans import plan

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


class UnderWay(RunControl):
    """The reins of a run that has begun."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[int, str]] = []

    @property
    def has_begun(self) -> bool:
        return True

    def signal(self, number: int, name: str) -> None:
        self.told.append((number, name))


async def turn() -> None:
    """Let the loop read its wake-up pipe."""
    for _ in range(3):
        await SystemClock().sleep(0)


async def test_signals_reach_the_callback_while_watched() -> None:
    heard: list[tuple[int, str]] = []
    before = signal.getsignal(signal.SIGTERM)
    watch = SignalWatch(lambda number, name: heard.append((number, name)))
    with watch.watching():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        await turn()
    assert sorted(heard) == [(2, "Ctrl-C"), (15, "SIGTERM")]
    assert signal.getsignal(signal.SIGTERM) == before


async def test_a_question_is_left_with_ctrl_c() -> None:
    heard: list[int] = []
    watch = SignalWatch(lambda number, name: heard.append(number))
    with watch.watching():
        with pytest.raises(KeyboardInterrupt), watch.paused():
            signal.raise_signal(signal.SIGINT)
        assert heard == []
        signal.raise_signal(signal.SIGINT)
        await turn()
    assert heard == [2]


async def test_the_first_signal_says_what_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    board, control = Board(), UnderWay()
    board.begin(plan([make_spec("a")], {}), None)
    Stopper(control, board, Output())(2, "Ctrl-C")
    assert control.told == [(2, "Ctrl-C")]
    assert capsys.readouterr().err == (
        "Ctrl-C: nothing more is sent, nothing is at Runway; again to leave now\n"
    )


@pytest.mark.parametrize(
    ("signals", "exit_code"),
    [
        ([(2, "Ctrl-C")], 130),
        ([(15, "SIGTERM")], 143),
        ([(15, "SIGTERM"), (2, "Ctrl-C")], 143),
    ],
)
async def test_one_signal_ends_a_run_that_has_not_begun(signals, exit_code, capsys) -> None:
    async def waits_for_an_answer() -> None:
        stopper = Stopper(RunControl(), Board(), Output())
        for signal_ in signals:
            asyncio.get_running_loop().call_soon(stopper, *signal_)
        with stopper.leaving():
            await asyncio.Event().wait()

    with pytest.raises(RunnerError) as caught:
        await asyncio.create_task(waits_for_an_answer())
    assert (caught.value.exit_code, caught.value.code) == (exit_code, "interrupted")
    assert "nothing was sent" in caught.value.message
    assert capsys.readouterr().err == "", "the error itself says it"


async def test_a_cancellation_that_no_signal_asked_for_goes_on() -> None:
    async def is_cancelled() -> None:
        with Stopper(RunControl(), Board(), Output()).leaving():
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(is_cancelled())
