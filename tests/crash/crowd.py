"""Several runs at once, each of a batch of its own, on one state file and one account.

Each is killed and started again at random. Where no answer is faulty, what the server turns down,
or makes wait, is what the runs have asked too much of.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.core.events import SubmitUnknown
from runner.core.job import ACTIVE
from runner.store.connection import version_of
from tests.crash import faults, promises, state
from tests.crash.launcher import LIVES, Doom, Launcher, Victim, launcher
from tests.crash.points import CROWD_POINTS, choose
from tests.processes import KEY, EmulatorProcess

#: seconds in a real one: a lease that is silent for 30 s is forgotten, a restart must be quicker
RATE = 20.0
LANE, CREDITS = "gen4_image", 5
SLOTS, QUEUE_AHEAD = 3, 1
JOBS = 40  # of each batch: more than any cap of a test lets through
#: real seconds in which a kill at a random instant falls
INSTANTS_S = (0.1, 1.2)
INSTANT_SHARE = 0.5
#: how no run ends: by a bug, or by meeting another one of its batch
NEVER = frozenset({1, 2, 6})

_MANIFEST = """\
version: 1
name: {name}
budget: {budget}
jobs:
{jobs}
"""
_JOB = (
    "  - id: {id}\n    text_to_image:"
    ' {{model: gen4_image, ratio: "1280:720", promptText: {id}}}'
)  # fmt: skip


@dataclass
class Crowd:
    """Batches on one state file, and the runs that work on them."""

    seed: str
    names: tuple[str, ...]
    cap: int  # credits that the server may charge for all batches
    is_on_books: bool  # also what may not have arrived counts against it
    is_faulty: bool  # one answer in ten is
    folder: Path
    launcher: Launcher
    service: EmulatorProcess
    rng: random.Random
    at_work: dict[int, str] = field(default_factory=dict)  # number of a victim: its batch
    kills: Counter[str] = field(default_factory=Counter)
    log: list[str] = field(default_factory=list)

    @property
    def state_file(self) -> Path:
        return self.folder / "state.db"

    def write(self, budget: str) -> None:
        """A manifest for each batch, all with this budget."""
        for name in self.names:
            jobs = "\n".join(_JOB.format(id=f"{name}-{n}") for n in range(JOBS))
            text = _MANIFEST.format(name=name, budget=budget, jobs=jobs)
            (self.folder / f"{name}.yaml").write_text(text, encoding="utf-8")

    def suffer(self, kills: int) -> None:
        """All at work at once; who dies begins again, until so many kills have struck."""
        while self.kills.total() < kills:
            for name in self.names:
                if name not in self.at_work.values():
                    self._start(name, self._doom())
            self._end(self.launcher.wait_any(self.at_work))
            self.check()

    def rest(self) -> None:
        """Let all of them end by themselves."""
        while self.at_work:
            self._end(self.launcher.wait_any(self.at_work))
        self.service.scenario({"faults": []})
        for name in self.names:
            self._start(name, LIVES)
        while self.at_work:
            self._end(self.launcher.wait_any(self.at_work))

    def _start(self, name: str, doom: Doom) -> None:
        number = self.launcher.start(
            "run", self.folder / f"{name}.yaml", "--state", self.state_file, "--max-wait", "10m",
            "--base-url", self.service.url, "--output-dir", self.folder / name, doom=doom,
        )  # fmt: skip
        self.at_work[number] = name
        self.log.append(f"{name} begins: {doom}")

    def _doom(self) -> Doom:
        after_s = self.rng.uniform(*INSTANTS_S)
        if self.rng.random() < INSTANT_SHARE:
            return Doom(after_s=after_s)
        point, nth = choose(CROWD_POINTS, self.rng)
        return Doom(point=point, nth=nth, after_s=INSTANTS_S[1])

    def _end(self, number: int) -> None:
        ended: Victim = self.launcher.wait(number)
        name = self.at_work.pop(number)
        self.log.append(f"{name} ends: {'late' if ended.is_late else ended.code}")
        self.kills["instant" if ended.is_late else "named"] += ended.is_killed
        problems = [ended.out, ended.err] if ended.code in NEVER else []
        self._expect(problems)

    # What is checked

    def check(self) -> None:
        """What the server saw, which holds at every moment."""
        account = self.account()
        found = []
        if account["most_charged"] > self.cap:
            found.append(f"{account['most_charged']} charged under a cap of {self.cap}")
        if account["refused"] and not self.is_faulty:
            found.append(f"{account['refused']} creates were turned down")
        again = {} if self.is_faulty else account["equal"]
        self._expect([*found, *(f"sent {n} times: {digest}" for digest, n in again.items())])

    def check_slots(self, stored: Mapping[str, state.Stored]) -> None:
        """A create whose answer a kill has lost holds a slot that nobody knows of."""
        pasts = (events for one in stored.values() for events in one.past.values())
        lost = sum(isinstance(event, SubmitUnknown) for events in pasts for event in events)
        most = self.account()["most_alive"]
        if most > SLOTS + QUEUE_AHEAD + lost:
            self._expect([f"{most} tasks at once in {SLOTS} slots, {lost} creates lost"])

    def check_at_rest(self) -> None:
        self.check()
        stored = self.stored()
        tasks = self.service.state()["tasks"]
        for name, one in stored.items():
            ours = [task for task in tasks if task["body"]["promptText"].startswith(f"{name}-")]
            self._expect(list(one.problems))
            self._expect(promises.broken_by_tasks(one, ours))
            self._expect(promises.broken_at_rest(one, ours, self.folder / name))
        self._expect(self._wrong_books(stored))
        self.check_slots(stored)

    def _wrong_books(self, stored: Mapping[str, state.Stored]) -> list[str]:
        used = sum(one.totals.used for one in stored.values())
        charged = self.account()["charged"]
        found = [] if used >= charged else [f"{charged} charged, {used} on the books"]
        if used > self.cap and self.is_on_books:
            found.append(f"{used} on the books under a cap of {self.cap}")
        left = sum(bool(one.of(*ACTIVE)) for one in stored.values())
        return [*found, *([f"{left} batches are not at rest"] if left else [])]

    def stored(self) -> dict[str, state.Stored]:
        assert version_of(self.state_file), "nobody has made a state file"
        return {name: state.read(self.state_file, name) for name in self.names}

    def account(self) -> dict[str, Any]:
        found: dict[str, Any] = self.service.totals()["accounts"][KEY]
        return found

    def _expect(self, problems: list[str]) -> None:
        title = f"CRASH_SEED={self.seed}, {len(self.names)} runs:"
        assert not problems, "\n".join([*problems, title, *self.log])


@contextmanager
def crowd(
    folder: Path, seed: str, *, size: int, cap: int, budget: str, is_on_books: bool = True,
    is_faulty: bool = False, daily: int | None = None, policy: str = "",
) -> Iterator[Crowd]:  # fmt: skip
    """So many batches on an account of few slots.

    Args:
        cap: credits that all of them together may spend.
        budget: of each manifest.
        is_on_books: whether the cap is on what we know; False: on what the account tells.
        is_faulty: whether one answer in ten is.
        daily: creates in 24 hours.
        policy: the text of a policy file.
    """
    variables = {}
    if policy:
        (folder / "policy.yaml").write_text(policy, encoding="utf-8")
        variables["RUNWAY_BATCH_POLICY"] = str(folder / "policy.yaml")
    with (
        launcher(folder, RATE, **variables) as its_launcher,
        its_launcher.emulator("--media", "plain", "--speed", "3") as service,
    ):
        service.account(limits={LANE: {"concurrent": SLOTS, "daily": daily}})
        names = tuple("abcdefgh"[:size])
        rng = random.Random(f"{seed} {budget}")
        found = Crowd(seed, names, cap, is_on_books, is_faulty, folder, its_launcher, service, rng)
        if is_faulty:
            service.scenario(faults.scenario(rng.getrandbits(32)))
        found.write(budget)
        yield found
