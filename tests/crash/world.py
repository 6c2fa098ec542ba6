"""A hostile world: a service with faults, one batch on it, and a runner that is killed for ever.

Everything is drawn from one seed: what is done next, where it dies, and which answers are faulty.
What is done is in steps.py, what must hold in promises.py.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import Request, urlopen

from tests.crash import faults, manifest, promises, state
from tests.crash.flavours import Flavour, draw
from tests.crash.launcher import LIVES, Doom, Launcher, Victim, launcher
from tests.crash.points import Point, choose
from tests.processes import KEY, EmulatorProcess

BATCH = "fuzzed"
#: of commands: nothing that is done here is a bug, wrong, or meets a locked batch
NEVER = frozenset({1, 2, 6})
#: blocks of jobs that are added where nothing is left to do
GROWTH = 2
#: of dooms at a random instant: those that wait in vain for their point come on top
INSTANT_SHARE = 0.3
#: times the last instant, a named point is waited for
PATIENCE = 1.5


@dataclass
class World:
    """One seed, one folder, one service."""

    seed: str
    folder: Path
    flavour: Flavour
    text: manifest.Text
    launcher: Launcher
    service: EmulatorProcess
    rng: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    log: list[str] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.folder / f"{BATCH}.yaml"

    @property
    def state_file(self) -> Path:
        return self.folder / ".runway-batch" / "state.db"

    @property
    def outputs(self) -> Path:
        return self.folder / "outputs"

    def stored(self) -> state.Stored:
        return state.read(self.state_file, BATCH)

    def account(self) -> dict[str, int]:
        found: dict[str, int] = self.service.totals()["accounts"][KEY]
        return found

    def grow(self, stored: state.Stored) -> None:
        """More jobs; room for most of them."""
        self.text.blocks += GROWTH
        share = GROWTH * self.rng.choice([0.7, 1.0, 1.5])
        room = round(manifest.BLOCK_CREDITS * share)
        self.text.budget = max(self.text.budget, stored.totals.used + room)
        self.write()

    def write(self) -> None:
        """The manifest as it is now."""
        manifest.write(self.file, self.text)

    # Commands

    def doom(self, points: Mapping[str, Point], span_s: tuple[float, float]) -> Doom:
        """At a named point if it comes in time, else at a random instant: about half and half."""
        if self.rng.random() < INSTANT_SHARE:
            return Doom(after_s=self.rng.uniform(*span_s))
        point, nth = choose(points, self.rng)
        return Doom(point=point, nth=nth, after_s=span_s[1] * PATIENCE)

    def do(self, doom: Doom, *args: str | Path) -> Victim:
        """One command, alone."""
        return self.end(self.begin(doom, *args), doom, *args)

    def begin(self, doom: Doom, *args: str | Path) -> int:
        """Start a command; its number, for `end`."""
        return self.launcher.start(*args, "--base-url", self.service.url, doom=doom)

    def end(
        self, number: int, doom: Doom, *args: str | Path, never: frozenset[int] = NEVER
    ) -> Victim:
        """Wait for a command, count it if it was killed, and note how it ended."""
        ended = self.launcher.wait(number)
        words = " ".join(Path(arg).name if isinstance(arg, Path) else arg for arg in args)
        self.log.append(f"{words}: {doom}: {'late' if ended.is_late else ended.code}")
        if ended.is_killed:
            self.kills["instant" if ended.is_late else doom.point or ""] += 1
        elif ended.code in never:
            self.expect([f"{words} ended with {ended.code}", ended.out, ended.err])
        return ended

    # What is checked

    def check(self, stored: state.Stored) -> None:
        """What must hold after every command."""
        self.expect(promises.broken(stored, self.account(), cap=self.text.budget))

    def check_at_rest(self) -> None:
        """What must hold besides, once an undisturbed run has ended."""
        stored, tasks = self.stored(), self.service.state()["tasks"]
        self.check(stored)
        self.expect(promises.broken_by_tasks(stored, tasks))
        self.expect(promises.broken_at_rest(stored, tasks, self.outputs))
        ours = promises.files_of(stored)
        self.expect([f"not the server's file: {name}" for name in self._other_files(ours)])

    def _other_files(self, ours: Mapping[str, str]) -> Iterator[str]:
        for task_id in {name.partition("/")[0] for name in ours}:
            for index, link in enumerate(self._ask(f"/v1/tasks/{task_id}")["output"]):
                with urlopen(link) as answer:  # noqa: S310 - loopback, started below
                    name = f"{task_id}/{index}"
                    if hashlib.sha256(answer.read()).hexdigest() != ours.get(name):
                        yield name

    def _ask(self, path: str) -> dict[str, list[str]]:
        headers = {"Authorization": f"Bearer {KEY}", "X-Runway-Version": "2024-11-06"}
        with urlopen(Request(self.service.url + path, headers=headers)) as answer:  # noqa: S310
            found: dict[str, list[str]] = json.load(answer)
            return found

    def expect(self, problems: list[str]) -> None:
        """What went wrong, how it came to that, and how to see it again."""
        title = f"CRASH_SEED={self.seed}, `{self.flavour.name}`, {len(self.log)} commands:"
        assert not problems, "\n".join([*problems, title, *self.log])

    def quiet(self) -> None:
        """No more faults."""
        self.service.scenario({"faults": []})

    def lives(self, *args: str | Path) -> Victim:
        """A command that is not disturbed."""
        return self.do(LIVES, *args)


@contextmanager
def world(folder: Path, seed: str) -> Iterator[World]:
    """A world of this seed."""
    rng = random.Random(seed)
    flavour = draw(rng)
    with (
        launcher(folder, flavour.rate) as its_launcher,
        its_launcher.emulator("--media", "plain", "--tier", "1", "--speed", "2") as service,
    ):
        scenario = faults.scenario(rng.getrandbits(32))
        outages = list(flavour.outages)
        service.scenario({**scenario, "settings": dict(flavour.service), "outages": outages})
        text = manifest.Text(name=BATCH, more=flavour.manifest)
        yield World(seed, folder, flavour, text, its_launcher, service, rng)
