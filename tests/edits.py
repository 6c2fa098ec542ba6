"""Manifests that are edited again and again, on the real store and planner, without YAML.

Outputs are real files, so that what was paid for can be looked for on the disk.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from runner.app.applying import apply_plan
from runner.app.planning import NO_WISH, Wish, plan_with
from runner.core.budget import BudgetSpec
from runner.core.job import Job
from runner.core.ledger import Caps
from runner.core.outcome import Reason
from runner.core.plan import Plan
from runner.core.spec import JobSpec, OutputRef, job_key
from runner.core.spending_policy import NO_POLICY
from runner.ports import Fetched
from runner.testing import FakeDownloader, make_spec
from tests.emulated_api import catalog
from tests.engine_rig import Rig

SERVICE = "https://emulated.example"


@dataclass
class Written:
    """A manifest as the planner needs it; its jobs are a list."""

    specs: list[JobSpec]
    output_dir: Path
    batch: str = "b"
    path: Path = Path("/nowhere/b.yaml")
    service: str = SERVICE
    policy: Any = NO_POLICY
    manifest: Any = field(default_factory=lambda: Head("b.yaml"))
    #: how file names were asked for, reading by reading
    sharded: list[bool] = field(default_factory=list)

    @property
    def catalog(self) -> Any:
        return catalog()

    def expander(self, *, sharded: bool = False, **_: Any) -> Any:
        self.sharded.append(sharded)
        return Jobs(self)


@dataclass
class Head:
    """A manifest without its jobs."""

    file: str
    budget: BudgetSpec = field(default_factory=BudgetSpec)


@dataclass
class Jobs:
    """What makes jobs of a manifest."""

    written: Written
    problems: tuple[Any, ...] = ()
    warnings: tuple[Any, ...] = ()

    def specs(self, *, check: bool = True) -> Iterator[JobSpec]:
        yield from self.written.specs


class DiskDownloader(FakeDownloader):
    """Writes what it fetches."""

    async def fetch(self, url: str, part: Path) -> Fetched:
        found = await super().fetch(url, part)
        _write(part, url.partition("?")[0].encode())
        return found

    async def place(self, part: Path, target: Path, sha256: str) -> None:
        if digest_of(target) not in {None, sha256}:
            raise FileExistsError(str(target))
        if digest_of(part) is not None:
            _move(part, target)

    async def sha256_of(self, path: Path) -> str | None:
        return digest_of(path)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _move(part: Path, target: Path) -> None:
    part.replace(target)


def digest_of(path: Path) -> str | None:
    """Of a file; None where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def job(job_id: str, prompt: str, parent: JobSpec | None = None, **fields: Any) -> JobSpec:
    """A job whose content is its prompt, and the output of its parent."""
    body: dict[str, Any] = {"model": "gen4_turbo", "promptText": prompt}
    if parent is not None:
        ref = OutputRef(job=parent.id, key=parent.key, media="video")
        body["promptImage"] = ref.to_json()
        fields["needs"] = (parent.id,)
    key = job_key("image_to_video", body, 1)
    return replace(make_spec(job_id), body=body, key=key, **fields)


@dataclass
class Desk:
    """Somebody who edits a manifest and runs it."""

    rig: Rig
    folder: Path

    @classmethod
    async def opened(cls, rig: Rig, folder: Path) -> Desk:
        """On a rig whose outputs lie in the folder."""
        rig.output_dir = folder / "out"
        rig.downloader = DiskDownloader(rig.clock)
        desk = cls(rig, folder)
        await desk.note("b")
        return desk

    async def note(self, batch: str, manifest: str = "", output_dir: Path | None = None) -> None:
        """Make a batch, or say where its manifest and outputs are."""
        await self.rig.store.upsert_batch(
            batch, manifest=manifest, base_url=SERVICE,
            output_dir=str(output_dir or self.rig.output_dir),
        )  # fmt: skip

    def project(self, specs: Sequence[JobSpec]) -> Any:
        return Written(list(specs), self.rig.output_dir)

    async def plan(self, *specs: JobSpec, wish: Wish = NO_WISH) -> Plan:
        """What a run would do."""
        return await plan_with(self.project(specs), self.rig.store, wish)

    async def write(self, *specs: JobSpec, wish: Wish = NO_WISH) -> Plan:
        """Plan and apply."""
        planned = await self.plan(*specs, wish=wish)
        await apply_plan(self.project(specs), self.rig.store, planned, clock=self.rig.clock)
        await self.rig.store.set_caps("b", Caps())
        return planned

    async def run(self, *specs: JobSpec, wish: Wish = NO_WISH) -> list[Reason]:
        """To the end of all that can be done; the state file agrees with itself then."""
        await self.write(*specs, wish=wish)
        reasons = await self.rig.run()
        await self.rig.check()
        return reasons

    @property
    def prompts(self) -> Counter[str]:
        """Creates by prompt, as the server counts them."""
        found: Counter[str] = self.rig.api.prompts
        return found

    @property
    def creates(self) -> int:
        return self.prompts.total()

    def prompt_of(self, job: Job) -> str:
        """What the task of a job was asked to make."""
        text: str = self.rig.api.tasks[job.task_id].body["promptText"]
        return text

    def files(self) -> dict[str, str | None]:
        """All outputs on the disk, by path, with their digest."""
        out = self.rig.output_dir
        return {
            str(path.relative_to(out)): digest_of(path)
            for path in out.rglob("*.mp4")
            if not path.name.startswith(".")
        }
