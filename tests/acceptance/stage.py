"""A batch, its service and its commands as processes of their own, by a clock that runs quickly.

What counts is what the server charged and what lies on disk.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.crash.launcher import LIVES, Doom, Launcher, Victim
from tests.processes import KEY, EmulatorProcess

#: seconds in a real one: back-off of minutes is over in seconds
RATE = 100.0
#: of a job
CREDITS = 5
#: readings of the service after which something does not come any more; each takes a millisecond
PATIENCE = 20_000

_MANIFEST = """\
version: 1
name: shown
budget: {budget}
defaults:
  text_to_image: {{model: gen4_image, ratio: "1280:720"}}
jobs:
  - id: still
    text_to_image: {{promptText: a lighthouse}}
    takes: {jobs}
"""


@dataclass
class Stage:
    """One batch of equal jobs on one account."""

    launcher: Launcher
    service: EmulatorProcess
    folder: Path
    #: flags of every run
    flags: tuple[str, ...] = ()

    @property
    def manifest(self) -> Path:
        return self.folder / "shown.yaml"

    @property
    def outputs(self) -> Path:
        return self.folder / "outputs"

    def write(self, jobs: int, budget: str = "1000") -> None:
        self.manifest.write_text(_MANIFEST.format(jobs=jobs, budget=budget), encoding="utf-8")

    # commands

    def start(self, *more: str, doom: Doom = LIVES) -> int:
        """A run; returns its number."""
        run = ("run", self.manifest, "--base-url", self.service.url, *self.flags, *more)
        return self.launcher.start(*run, doom=doom)

    def end(self, number: int) -> Victim:
        return self.launcher.wait(number)

    def run(self, *more: str) -> Victim:
        return self.end(self.start(*more))

    def say(self, command: str, *args: str) -> Victim:
        """A short command about the batch."""
        words = (*command.split(), self.manifest, *args, *self.flags)
        return self.launcher.run(*words)

    def state_files(self) -> list[Path]:
        """The state file, and what SQLite keeps beside it."""
        return list((self.folder / ".runway-batch").glob("state.db*"))

    def status(self) -> Any:
        return json.loads(self.say("status", "--json").out)["data"]

    def statuses(self) -> Counter[str]:
        return Counter(job["status"] for job in self.status()["jobs"])

    def waits(self) -> list[str]:
        """Why nothing starts, as the live run last said it."""
        return [wait["code"] for wait in self.status()["waits"]]

    # the service

    @property
    def account(self) -> Any:
        return self.service.totals()["accounts"][KEY]

    @property
    def created(self) -> int:
        return int(self.account["creates"])

    def requests(self, place: str) -> int:
        """That arrived so far: `create`, `read` and the like."""
        return int(self.service.totals()["requests"].get(place, 0))

    def until(self, is_so: Callable[[], bool], what: str) -> None:
        """Watch the service, or the folder, until it is so."""
        for _ in range(PATIENCE):
            if self.service.totals() and is_so():
                return
        raise AssertionError(f"never came: {what}")

    def creates_reach(self, count: int) -> None:
        self.until(lambda: self.created >= count, f"{count} creates")

    def most_at_once_since(self, index: int) -> int:
        """Tasks at Runway at once among the creates from that index on."""
        spans = [(task["at"], task["endAt"]) for task in self.service.creates(index)]
        return max(sum(begin <= at < end for begin, end in spans) for at, _ in spans)

    # what must hold at the end

    def check_complete(self, jobs: int) -> None:
        """Every job was paid once and its file is on disk, whole."""
        status = self.status()
        assert Counter(job["status"] for job in status["jobs"]) == {"done": jobs}
        assert self.account["charged"] == jobs * CREDITS == status["budget"]["spent"]
        assert self.created == jobs
        self.check_files(status, jobs)

    def check_files(self, status: Any, files: int) -> None:
        named = set()
        for job in status["jobs"]:
            for output in job["outputs"]:
                path = self.outputs / output["path"]
                assert hashlib.sha256(path.read_bytes()).hexdigest() == output["sha256"]
                named.add(path)
        assert len(named) == files
        there = {path for path in self.outputs.rglob("*") if path.is_file()}
        assert {path for path in there if path.suffix != ".json"} == named, "nothing half-done"


@contextmanager
def stage(launcher: Launcher, folder: Path, *emulator: str) -> Iterator[Stage]:
    """A service with plain media for a batch in this folder."""
    here = replace(launcher, folder=folder)
    with here.emulator("--media", "plain", "--tier", "2", *emulator) as service:
        yield Stage(here, service, folder)


@dataclass(frozen=True)
class Disk:
    """A small file system of its own."""

    folder: Path

    def remount(self, options: str) -> None:
        self._mount("-o", f"remount,{options}")

    def make(self, size: str) -> None:
        self._mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs")

    def remove(self) -> None:
        subprocess.run(["umount", "-l", self.folder], check=True)

    def _mount(self, *args: str) -> None:
        subprocess.run(["mount", *args, self.folder], check=True, capture_output=True)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Disk]:
    """Mounted in a folder until the end.

    Raises:
        OSError: nobody here may mount.
    """
    disk = Disk(folder)
    folder.mkdir(parents=True)
    try:
        disk.make(size)
    except (OSError, subprocess.CalledProcessError) as error:
        raise OSError("a small disk cannot be mounted here: that takes Linux and root") from error
    try:
        yield disk
    finally:
        disk.remove()
