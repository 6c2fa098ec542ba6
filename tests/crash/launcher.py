"""The side of a test: orders victims, and hears how they ended."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.crash.quick_time import QuickTime
from tests.processes import LIMIT_S, EmulatorProcess, Ended, environment

ROOT = Path(__file__).parents[2]
#: seconds without a request after which a forgotten emulator ends, by the quick clock
IDLE_S = 7200


@dataclass(frozen=True, kw_only=True, slots=True)
class Doom:
    """When a victim dies: at a pass of a named point, or after a time; by default never.

    With both, whatever comes first.
    """

    point: str | None = None
    nth: int = 0
    after_s: float | None = None
    term_s: float | None = None  # when it is asked to end, by SIGTERM

    def __str__(self) -> str:
        words = [] if self.point is None else [f"{self.point} ({self.nth})"]
        words += [] if self.term_s is None else [f"SIGTERM at {self.term_s:.3f} s"]
        words += [] if self.after_s is None else [f"after {self.after_s:.3f} s"]
        return " or ".join(words) or "lives"


LIVES = Doom()
KILLED = -9


@dataclass(frozen=True)
class Victim(Ended):
    """A command that has ended, or was killed."""

    is_late: bool = False  # killed because its time was up

    @property
    def is_killed(self) -> bool:
        return self.code == KILLED


@dataclass
class Launcher:
    """One `tests.crash.victim`, and the folder in which its victims work."""

    process: subprocess.Popen[str]
    folder: Path
    variables: Mapping[str, str]
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    ended: dict[int, dict[str, Any]] = field(default_factory=dict)

    def start(self, *args: str | Path, doom: Doom = LIVES, out: Path | None = None) -> int:
        """A command line; returns the number under which its end is heard of."""
        number = next(self.numbers)
        order: dict[str, Any] = {
            **asdict(doom), "number": number, "args": [str(arg) for arg in args],
            "folder": str(self.folder), "environment": environment(self.folder, **self.variables),
            "out": str(out or self._log(number, "out")), "err": str(self._log(number, "err")),
        }  # fmt: skip
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return number

    def wait(self, number: int) -> Victim:
        """How it ended: the code is -9 where it was killed."""
        while number not in self.ended:
            self._hear()
        out, err = (_text(self._log(number, name)) for name in ("out", "err"))
        answer = self.ended.pop(number)
        return Victim(answer["code"], out, err, is_late=answer["is_late"])

    def wait_any(self, numbers: Collection[int]) -> int:
        """The first of them to end, for `wait`."""
        while not (ended := self.ended.keys() & numbers):
            self._hear()
        return min(ended)

    def _hear(self) -> None:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the launcher has died"
        answer = json.loads(line)
        self.ended[answer["number"]] = answer

    def run(self, *args: str | Path, doom: Doom = LIVES) -> Victim:
        return self.wait(self.start(*args, doom=doom))

    def _log(self, number: int, name: str) -> Path:
        return self.folder / f"log-{number}.{name}"

    @contextmanager
    def emulator(self, *args: str) -> Iterator[EmulatorProcess]:
        """A service in a process of its own, by the same time as its clients."""
        told = self.folder / "emulator.pipe"
        os.mkfifo(told)
        number = self.start("emulator", "--json", "--idle-exit", str(IDLE_S), *args, out=told)
        with told.open() as pipe:
            url = json.loads(pipe.readline())["data"]["url"]
        service = EmulatorProcess(url)
        try:
            yield service
        finally:
            with suppress(ProcessLookupError):
                os.kill(service.totals()["pid"], signal.SIGTERM)
            self.wait(number)


@contextmanager
def launcher(folder: Path, rate: float, **variables: str) -> Iterator[Launcher]:
    """Victims for whom time runs at this rate, with these variables in their environment."""
    time = QuickTime.from_now(rate)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.crash.victim", json.dumps(asdict(time))],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline(), "the launcher does not start"
    try:
        yield Launcher(process, folder, variables)
    finally:
        process.communicate(timeout=LIMIT_S)


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""
