"""Runs commands in processes that can be killed, without the half second that a start takes.

    python -m tests.crash.victim QUICK_TIME_AS_JSON

Everything is imported once; each line on stdin, an `Order` as JSON, is one forked process. A nanny
between the two waits for it, kills it when its time is up, and answers with a line on stdout.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import runner
from runner.cli.main import main as command
from tests.crash.fuse import Fuse, arm, small_pieces
from tests.crash.quick_time import QuickTime

TERM, KILL = signal.SIGTERM, signal.SIGKILL


def load() -> None:
    """All of the product, so that no victim has to."""
    for module in pkgutil.walk_packages(runner.__path__, "runner."):
        if not module.name.endswith(".__main__"):
            with suppress(ImportError):  # what needs an extra
                importlib.import_module(module.name)


def serve() -> None:
    """One process for each order, until stdin ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nannies are nobody's business
    os.write(1, b"ready\n")
    for line in sys.stdin:
        if os.fork() == 0:
            _nanny(json.loads(line))


def _nanny(order: dict[str, Any]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        _live(order)
    signals = [(order[name], what) for name, what in (("term_s", TERM), ("after_s", KILL))]
    plan = [(at, what) for at, what in signals if at is not None]
    is_late = []

    def late(*_: object) -> None:
        at, what = plan.pop(0)
        with suppress(ProcessLookupError):  # it was quicker
            os.kill(child, what)
            is_late.append(what is KILL)
        if plan:
            signal.setitimer(signal.ITIMER_REAL, plan[0][0] - at)

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, plan[0][0] if plan else 0)
    _, status = os.waitpid(child, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    code = os.waitstatus_to_exitcode(status)
    answer = {"number": order["number"], "code": code, "is_late": any(is_late)}
    os.write(1, (json.dumps(answer) + "\n").encode())
    os._exit(0)


def _live(order: dict[str, Any]) -> None:
    """The command line of the order, and nothing of this module."""
    code = 1
    fuse = Fuse(point=order["point"] or "", nth=order["nth"])
    try:
        _stand_alone(order)
        if order["point"] is not None:
            arm(fuse)
        code = command(order["args"])
        Path("passed.json").write_text(json.dumps(sorted(fuse.seen)), encoding="utf-8")
    finally:
        if sys.exc_info()[0] is not None:
            sys.excepthook(*sys.exc_info())
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _stand_alone(order: dict[str, Any]) -> None:
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    for handle, name in ((1, "out"), (2, "err")):
        with Path(order[name]).open("wb") as file:
            os.dup2(file.fileno(), handle)


if __name__ == "__main__":
    load()
    small_pieces()
    QuickTime(**json.loads(sys.argv[1])).install()
    serve()
