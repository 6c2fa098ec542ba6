"""What is done in a hostile world, one command after the other, most of them killed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runner.core.job import ACTIVE, AT_RUNWAY, JobStatus
from runner.store.connection import version_of
from runner.store.version import SCHEMA_VERSION
from tests.crash import downgrade, promises, state
from tests.crash.launcher import LIVES, Doom
from tests.crash.points import (
    AFTER_MIGRATION,
    CANCEL_POINTS,
    DECISION_POINTS,
    FETCH_POINTS,
    MIGRATION_POINTS,
    RUN_POINTS,
    choose,
)
from tests.crash.world import NEVER, World

#: real seconds in which a kill at a random instant falls: few of these commands are let end
RUN_S, CANCEL_S, DECISION_S = (0.03, 0.55), (0.03, 0.4), (0.02, 0.2)
#: where two commands want a batch at once, one may say that the other one has it
ALONE = NEVER - {6}
#: kills in one migration, then it is let through
MIGRATION_KILLS = 2
#: undisturbed runs until nothing is at Runway any more; more is stuck
LAST_RUNS = 6


@dataclass
class Steps:
    """Draws the next step from what there is to do. Each says whether nothing was left to do."""

    world: World
    stored: state.Stored = state.NOTHING
    is_migrated: bool = False

    def suffer(self, kills: int) -> None:
        """Until so many kills have struck; where all is done there is more to do."""
        self.world.grow(self.stored)
        while self.world.kills.total() < kills:
            is_idle = self._next()()
            self.stored = self.world.stored()
            self.world.check(self.stored)
            if is_idle:
                self.world.grow(self.stored)

    def rest(self) -> None:
        """Undisturbed, until nothing moves any more; what was damaged is fetched again."""
        self.world.quiet()
        self.world.text.hidden.clear()
        self.world.write()
        for command in ("resume", "fetch"):
            self.world.lives(command, self.world.file)
        for _ in range(LAST_RUNS):
            self.world.lives("run", self.world.file)
            if not self.world.stored().of(*ACTIVE):
                break
        self.world.lives("doctor", self.world.file)

    def _next(self) -> Callable[[], bool]:
        of = self.stored.of
        resting = of(JobStatus.FAILED, JobStatus.SKIPPED, JobStatus.CANCELLED, JobStatus.HELD)
        steps: dict[Callable[[], bool], int] = {
            self._run: 24,
            self._resolve: 6 * bool(of(JobStatus.IN_DOUBT)),
            self._release: 2 * bool(resting),
            self._pause: bool(self.stored.jobs),
            self._stop: 2,
            self._cancel: bool(self.stored.jobs) + 3 * bool(of(JobStatus.QUEUED)),
            self._cancel_live: 2 * bool(self.stored.jobs),
            self._hand_over: 2,
            self._edit: 2,
            self._fetch: 2 * bool(of(JobStatus.DONE)),
            self._migrate: 2 * (bool(of(JobStatus.DONE)) and not self.is_migrated),
        }
        [chosen] = self.world.rng.choices(list(steps), list(steps.values()))
        return chosen

    # Runs

    def _run(self) -> bool:
        doom = self.world.doom(RUN_POINTS, RUN_S)
        return not self.world.do(doom, "run", self.world.file).is_killed

    def _stop(self) -> bool:
        """Ctrl-C, and no patience with what it still collects."""
        term_s = self.world.rng.uniform(*RUN_S)
        doom = Doom(term_s=term_s, after_s=term_s + self.world.rng.uniform(*DECISION_S))
        self.world.do(doom, "run", self.world.file)
        return False

    def _hand_over(self) -> bool:
        """More jobs while a run is live: a second one tells it, and one of them dies."""
        doom = self.world.doom(RUN_POINTS, RUN_S)
        number = self.world.begin(doom, "run", self.world.file)
        self.world.grow(self.stored)
        late = Doom(after_s=self.world.rng.uniform(*RUN_S) + DECISION_S[1])
        second = self.world.begin(late, "run", self.world.file)
        for each, its_doom in ((number, doom), (second, late)):
            self.world.end(each, its_doom, "run", self.world.file, never=ALONE)
        return False

    def _edit(self) -> bool:
        """Some jobs say something else, are left out, or are back; a run takes it, or dies."""
        text, rng = self.world.text, self.world.rng
        block = rng.randrange(text.blocks)
        if block in text.hidden:
            text.hidden.remove(block)
        elif rng.choice([True, False]) and len(text.hidden) < text.blocks - 1:
            text.hidden.add(block)  # never the last: a manifest without jobs is an error
        else:
            text.edits[block] += 1
        self.world.write()
        return self._run()

    # What a person does

    def _resolve(self) -> bool:
        """As somebody would who knows what the server knows, and sometimes gives up."""
        rng = self.world.rng
        job = rng.choice(self.stored.of(JobStatus.IN_DOUBT))
        tasks = promises.by_job(self.world.service.state()["tasks"]).get(job.id, [])
        ids = [task["id"] for task in tasks if task["id"] not in self.stored.task_ids]
        ways = [["--lost"], ["--resubmit"], *([["--task", each] for each in ids] * 3)]
        if not ids:
            ways += [["--not-arrived"]] * 4
        ways += [["--by-evidence"]]
        self._decide("resolve", job.id, "--batch", self.world.file, *rng.choice(ways))
        return False

    def _release(self) -> bool:
        rng = self.world.rng
        cancelled = self.stored.of(JobStatus.CANCELLED)
        ways = [["retry"], ["resume"]]
        ways += [["retry", "-s", rng.choice(cancelled).id]] if cancelled else []
        command, *words = rng.choice(ways)
        self._decide(command, self.world.file, *words)
        return False

    def _decide(self, *command: str | Path) -> None:
        """A short command, which may die, alone or beside a run, which may die as well."""
        rng, world = self.world.rng, self.world
        doom = rng.choice([LIVES, world.doom(DECISION_POINTS, DECISION_S)])
        if rng.choice([True, False]):
            world.do(doom, *command)
            return
        its_doom = world.doom(RUN_POINTS, RUN_S)
        number = world.begin(its_doom, "run", world.file)
        # the run may have settled by then what is decided here: that is refused
        world.end(world.begin(doom, *command), doom, *command, never=ALONE - {2})
        world.end(number, its_doom, "run", world.file)

    def _pause(self) -> bool:
        self.world.do(self.world.doom(DECISION_POINTS, DECISION_S), "pause", self.world.file)
        self.world.do(self.world.doom(RUN_POINTS, CANCEL_S), "run", self.world.file)
        self.world.lives("resume", self.world.file)
        return False

    def _cancel(self) -> bool:
        """With no run that could do it."""
        doom = self.world.doom(CANCEL_POINTS, CANCEL_S)
        self.world.do(doom, *self._cancelling())
        return False

    def _cancel_live(self) -> bool:
        """Of a run at work, which dies of it."""
        doom = self.world.doom(CANCEL_POINTS, RUN_S)
        number = self.world.begin(doom, "run", self.world.file)
        late, command = Doom(after_s=RUN_S[1] * 2), self._cancelling()
        self.world.end(self.world.begin(late, *command), late, *command, never=ALONE)
        self.world.end(number, doom, "run", self.world.file, never=ALONE)
        return False

    def _cancelling(self) -> tuple[str | Path, ...]:
        """Rather what may be at Runway: the rest is dropped without a word to it."""
        waiting = self.stored.of(JobStatus.PENDING, *AT_RUNWAY)
        jobs = self.stored.of(JobStatus.QUEUED) or waiting
        some = self.world.rng.sample(jobs, min(len(jobs), self.world.rng.choice([1, 2, 5])))
        wanted = [word for job in some for word in ("-s", job.id)] or ["-s", "still-*b"]
        return ("cancel", self.world.file, *wanted, "--yes")

    def _fetch(self) -> bool:
        """Somebody deleted or cut a file; it is fetched again, or the fetch dies."""
        job = self.world.rng.choice(self.stored.of(JobStatus.DONE))
        path = self.world.outputs / self.world.rng.choice(job.outputs).path
        if self.world.rng.choice([True, False]):
            path.unlink(missing_ok=True)
        elif path.is_file():
            path.write_bytes(path.read_bytes()[:100])
        doom = self.world.doom(FETCH_POINTS, CANCEL_S)
        self.world.do(doom, "fetch", self.world.file)
        return False

    # An upgrade

    def _migrate(self) -> bool:
        """The file as the version before left it, and an upgrade that dies half-way."""
        path = self.world.state_file
        self.is_migrated = True
        if not downgrade.can_be_older(path):
            return False
        before = downgrade.money(path)
        downgrade.downgrade(path)
        for _ in range(MIGRATION_KILLS):
            point, nth = choose(MIGRATION_POINTS, self.world.rng)
            self.world.do(Doom(point=point, nth=nth), "run", self.world.file)
            if version_of(path) == SCHEMA_VERSION:
                break
        else:
            self.world.do(Doom(point=AFTER_MIGRATION, nth=1), "run", self.world.file)
        after = downgrade.money(path)
        self.world.expect([f"the {name} changed" for name in before if before[name] != after[name]])
        return False
