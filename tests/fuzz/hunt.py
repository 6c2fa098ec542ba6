"""Many cases over a few processes; what was found, with the number that makes it again."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any, cast

#: real time without an answer after which a process waits for something that never comes
STUCK_S = 60.0
#: memory that no manifest of the seeds' size needs
MOST_GROWTH_BYTES = 512 * 1024**2


@dataclass(kw_only=True, slots=True)
class Hunt:
    """What became of all cases of a seed."""

    seed: int
    cases: int = 0
    accepted: int = 0
    jobs: int = 0
    slowest_s: float = 0.0
    slowest: int = 0  # number of a case
    most_grown_bytes: int = 0
    most_grown: int = 0  # number of a case
    faults: list[str] = field(default_factory=list)

    def add(self, told: dict[str, Any]) -> None:
        self.cases += 1
        self.accepted += told["accepted"]
        self.jobs += told["jobs"]
        if told["seconds"] > self.slowest_s:
            self.slowest_s, self.slowest = told["seconds"], told["number"]
        if told["grown"] > self.most_grown_bytes:
            self.most_grown_bytes, self.most_grown = told["grown"], told["number"]
        faults = list(told["faults"])
        if told["grown"] > MOST_GROWTH_BYTES:
            faults.append(f"took {told['grown'] // 1024**2} MiB")
        self.faults += [f"case {told['number']} ({told['name']}): {fault}" for fault in faults]

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: {self.cases:,} manifests, {self.accepted:,} accepted with "
            f"{self.jobs:,} jobs, {len(self.faults)} faults; slowest {self.slowest_s:.2f} s "
            f"(case {self.slowest}), most memory of one {self.most_grown_bytes // 1024**2} MiB "
            f"(case {self.most_grown})"
        )


def hunt(seed: int, numbers: range, *, processes: int = 1) -> Iterator[Hunt]:
    """Judge cases; yields the same, growing, account after each."""
    found = Hunt(seed=seed)
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    done: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    for number in numbers:
        waiting.put(number)
    threads = [
        threading.Thread(target=_work, args=(seed, waiting, done), daemon=True)
        for _ in range(processes)
    ]
    for thread in threads:
        thread.start()
    for _ in numbers:
        found.add(done.get())
        yield found
    for thread in threads:
        thread.join()


def _work(
    seed: int, waiting: queue.SimpleQueue[int], done: queue.SimpleQueue[dict[str, Any]]
) -> None:
    """Judge what waits, in a process that is replaced when a case has ended it."""
    worker: _Worker | None = None
    try:
        while True:
            number = waiting.get_nowait()
            worker = worker or _Worker(seed)
            told = worker.judge(number)
            done.put(told or _ended(number, worker.last_words()))
            worker = worker if told else None
    except queue.Empty:
        if worker is not None:
            worker.close()


def _ended(number: int, words: str) -> dict[str, Any]:
    fault = f"the process ended: out of time, or of memory\n{words}"
    return {"number": number, "name": "?", "accepted": False, "jobs": 0, "seconds": 0.0,
            "grown": 0, "faults": [fault]}  # fmt: skip


class _Worker:
    def __init__(self, seed: int) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.worker", str(seed)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True,
        )  # fmt: skip
        self._input = cast(IO[str], self._process.stdin)
        self._output = cast(IO[str], self._process.stdout)

    def judge(self, number: int) -> dict[str, Any] | None:
        """The verdict; None where the process ended over it."""
        timer = threading.Timer(STUCK_S, self._process.kill)
        timer.start()
        try:
            self._input.write(f"{number}\n")
            self._input.flush()
            line = self._output.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        found: dict[str, Any] | None = json.loads(line) if line.endswith("\n") else None
        return found

    def last_words(self) -> str:
        """What a process that ended wrote about it."""
        self._process.kill()
        self.close()
        return self._words

    def close(self) -> None:
        self._input.close()
        self._output.close()
        self._process.wait()
        self._errors.seek(0)
        self._words = self._errors.read().decode("utf-8", "replace")[-3000:]
        self._errors.close()
