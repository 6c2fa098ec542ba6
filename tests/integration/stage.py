"""A folder with manifests, an emulator in the same loop, and a clock that hurries."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import runner
from runner.app.applying import apply_plan
from runner.app.batch import BatchRef
from runner.app.planning import plan_with
from runner.app.project import Project, load_project
from runner.app.run import RunOptions, RunResult, run_batch
from runner.clock import SystemClock
from runner.core.catalog import Catalog
from runner.core.events import Event
from runner.core.job import Job, JobStatus
from runner.core.plan import Plan
from runner.emulator.options import DEFAULT_KEY, EmulatorOptions
from runner.emulator.plain import plain_media
from runner.emulator.scenario import parse_scenario
from runner.emulator.server import Emulator
from runner.ports import Listener
from runner.settings import Settings
from runner.store.reader import StateReader
from runner.store.store import JobStore

CATALOG = Catalog.from_dict(
    json.loads((Path(runner.__file__).parent / "data/catalog.json").read_text())
)
#: seconds of the clock that pass in a real one: a poll interval lasts 17 ms
HURRY = 300.0
PLAIN_BYTES = 40_000


class FastClock:
    """The system's clock, only faster: sockets and threads are real, waits are short."""

    def __init__(self, factor: float = HURRY) -> None:
        self._real = SystemClock()
        self._factor = factor
        self._start, self._start_s = self._real.now(), self._real.monotonic()

    def monotonic(self) -> float:
        return (self._real.monotonic() - self._start_s) * self._factor

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.monotonic())

    async def sleep(self, seconds: float) -> None:
        await self._real.sleep(seconds / self._factor)


def everything(_plan: Plan) -> int | None:
    """A gate that is open, without a cap of the run's own."""
    return None


@dataclass
class Stage:
    """One project folder and the service that it talks to."""

    folder: Path
    emulator: Emulator
    clock: FastClock
    settings: Settings
    events: list[tuple[str, str]] = field(default_factory=list)
    listeners: list[Listener] = field(default_factory=list)

    def write(self, jobs: str, *, name: str = "small", head: str = "budget: 500") -> Path:
        """A manifest of that batch name, in a file of that name."""
        path = self.folder / f"{name}.yaml"
        path.write_text(f"version: 1\nname: {name}\n{head}\njobs:\n{jobs}", encoding="utf-8")
        return path

    def project(self, name: str = "small") -> Project:
        return load_project(self.folder / f"{name}.yaml", self.settings)

    async def plan_into(self, store: JobStore, name: str = "small") -> None:
        """What a run writes before it sends anything."""
        project = self.project(name)
        await apply_plan(project, store, await plan_with(project, store), clock=self.clock)

    async def run(
        self, name: str = "small", *, gate: Any = everything, options: RunOptions | None = None,
        control: Any = None,
    ) -> RunResult:  # fmt: skip
        """One run of the batch, to its end."""
        return await run_batch(
            self.project(name), self.settings, gate, options=options, control=control,
            clock=self.clock, listeners=[self._listen, *self.listeners],
        )  # fmt: skip

    def script(self, *faults: Mapping[str, Any]) -> None:
        """What goes wrong from here on."""
        self.emulator.use(parse_scenario(list(faults), self.emulator.backend.ground.rng("test")))

    def ref(self, name: str = "small") -> BatchRef:
        return BatchRef(state=self.state, name=name)

    @property
    def state(self) -> Path:
        assert self.settings.state is not None
        return self.settings.state

    @property
    def outputs(self) -> Path:
        return self.folder / "outputs"

    async def jobs(self, name: str = "small") -> dict[str, Job]:
        async with await StateReader.read(self.state) as reader:
            return {job.id: job async for job in reader.jobs(name)}

    async def statuses(self, name: str = "small") -> dict[str, JobStatus]:
        return {job_id: job.status for job_id, job in (await self.jobs(name)).items()}

    @property
    def tasks(self) -> list[Any]:
        """What the service was asked to make, in order."""
        return sorted(self.emulator.backend.state.tasks.values(), key=lambda task: task.index)

    @property
    def prompts(self) -> Counter[str]:
        """Tasks by prompt: more than one for a prompt is a double payment."""
        return Counter(task.body["promptText"] for task in self.tasks)

    @property
    def charged(self) -> int:
        self.emulator.backend.settle()
        return sum(task.charged for task in self.tasks)

    async def agrees(self, name: str = "small") -> None:
        """Rows, events and ledger agree, and every file of a done job is what the service made."""
        async with await StateReader.read(self.state) as reader:
            assert list(await reader.check(name)) == []
        made = {task.id: task for task in self.tasks}
        for job in (await self.jobs(name)).values():
            if job.status is JobStatus.DONE:
                assert job.task_id is not None
                self._is_whole(job, made[job.task_id])

    def _is_whole(self, job: Job, task: Any) -> None:
        files = self.emulator.backend.ground.files(task)
        assert len(job.outputs) == len(files)
        for output, file in zip(job.outputs, files, strict=True):
            found = (self.outputs / output.path).read_bytes()
            assert found == plain_media(file, PLAIN_BYTES), f"{output.path} is not what was made"

    def _listen(self, job: Job, event: Event) -> None:
        self.events.append((job.id, type(event).__name__))


@asynccontextmanager
async def stage_in(folder: Path, **options: Any) -> AsyncIterator[Stage]:
    clock = FastClock()
    told = {"media": "plain", "plain_bytes": PLAIN_BYTES, "speed": 20.0, **options}
    async with Emulator(CATALOG, clock, EmulatorOptions(**told)) as emulator:
        yield Stage(
            folder=folder,
            emulator=emulator,
            clock=clock,
            settings=Settings(
                base_url=emulator.url,
                service="emulator",
                state=folder / "state.db",
                key=DEFAULT_KEY,
            ),
        )
