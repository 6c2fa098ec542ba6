"""Real processes for promises: the emulator over TCP, and the command, killed at will."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

COMMAND = (sys.executable, "-m", "runner")
KEY = "key_emulator"
#: a hang is a failure, not a wait
LIMIT_S = 120


def environment(home: Path, **extra: str) -> dict[str, str]:
    """Nothing of the machine's own settings reaches the command."""
    return {
        "PATH": os.environ["PATH"], "HOME": str(home), "RUNWAYML_API_SECRET": KEY, **extra
    }  # fmt: skip


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run_command(folder: Path, *args: str | Path, **extra: str) -> Ended:
    """Run the command to its end."""
    done = subprocess.run(
        [*COMMAND, *map(str, args)],
        cwd=folder, env=environment(folder, **extra), capture_output=True, text=True,
        timeout=LIMIT_S, check=False,
    )  # fmt: skip
    return Ended(done.returncode, done.stdout, done.stderr)


def start_command(folder: Path, *args: str | Path) -> subprocess.Popen[bytes]:
    """Start the command in a process group of its own; its output goes to a file."""
    log = (folder / "command.log").open("ab")
    with log:
        return subprocess.Popen(
            [*COMMAND, *map(str, args)], cwd=folder, env=environment(folder),
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip


def kill(process: subprocess.Popen[bytes]) -> None:
    """kill -9, of this process only."""
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait(LIMIT_S)


@dataclass(frozen=True)
class EmulatorProcess:
    """An emulator in a process of its own."""

    url: str

    def state(self) -> Mapping[str, Any]:
        """What it charged: the account of the default key."""
        return self.accounts()[KEY]

    def accounts(self) -> Mapping[str, Mapping[str, Any]]:
        """What it charged, by the name of the key that made the account."""
        found: Mapping[str, Mapping[str, Any]] = self._get("/_emulator/")["accounts"]
        return found

    def totals(self) -> Any:
        """Sums only: cheap, however much there is."""
        return self._get("/_emulator/totals")

    def scenario(self, text: Mapping[str, Any]) -> None:
        """Script faults."""
        self._post("/_emulator/scenario", text)

    def account(self, **changes: Any) -> None:
        """Change the account of the default key: balance, limits and the like."""
        self._post("/_emulator/account", changes)

    def outage(self, seconds: float) -> None:
        """Connections are refused from now on, for so long by its clock."""
        self._post("/_emulator/outage", {"seconds": seconds})

    def creates(self, since: int = 0) -> Any:
        """A line for each create from that index on."""
        return self._get(f"/_emulator/state?since={since}")["creates"]

    def faults_met(self) -> Mapping[str, int]:
        """How often which fault has struck, by `create lose` and the like."""
        found: Mapping[str, int] = self._get("/_emulator/state")["injected"]
        return found

    def _post(self, path: str, data: Any) -> None:
        headers = {"Content-Type": "application/json"}
        request = Request(self.url + path, json.dumps(data).encode(), headers)  # noqa: S310
        urlopen(request).close()  # noqa: S310 - loopback, started below

    def _get(self, path: str) -> Any:
        with urlopen(f"{self.url}{path}") as answer:  # noqa: S310 - loopback, started below
            return json.load(answer)


@contextmanager
def emulator(folder: Path, *args: str) -> Iterator[EmulatorProcess]:
    """Start `runway-batch emulator` on a free port; it ends with the test."""
    process = subprocess.Popen(
        [*COMMAND, "emulator", "--json", *args],
        cwd=folder, env=environment(folder), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield EmulatorProcess(json.loads(process.stdout.readline())["data"]["url"])
    finally:
        process.terminate()
        process.communicate(timeout=LIMIT_S)
