"""Are the files of finished jobs still what they were? Hashes them again, and changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

from runner.core.job import Job, JobStatus
from runner.core.naming import sidecar_path
from runner.core.sidecar import parse_sidecar
from runner.downloads.atomic import sha256_of
from runner.store.reader import StateReader

from .batch import BatchRef

#: jobs whose files are hashed at the same time, each in a thread
AT_ONCE = 4


class Flaw(StrEnum):
    """What is wrong with a file of a finished job."""

    MISSING = "missing"
    DAMAGED = "damaged"  # another content than the one that was verified
    NO_SIDECAR = "no sidecar"


@dataclass(frozen=True, kw_only=True, slots=True)
class FileFlaw:
    """One file, below the output folder."""

    path: str
    flaw: Flaw


@dataclass(frozen=True, kw_only=True, slots=True)
class JobFlaws:
    """A finished job whose files are not all as they should be."""

    job: Job
    flaws: tuple[FileFlaw, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """What was looked at, and what is wrong."""

    jobs: int
    files: int
    bytes: int
    flawed: tuple[JobFlaws, ...]

    @property
    def exit_code(self) -> int:
        return 3 if self.flawed else 0


async def verify(ref: BatchRef, output_dir: Path) -> Verification:
    """Hash every output of every finished job, stale and orphaned ones included."""
    async with await StateReader.read(ref.state) as reader:
        done = [job async for job in reader.jobs(ref.name) if job.status is JobStatus.DONE]
    outputs = [output for job in done for output in job.outputs]
    return Verification(
        jobs=len(done),
        files=len(outputs),
        bytes=sum(output.bytes for output in outputs),
        flawed=tuple(await flaws_of(done, output_dir)),
    )


async def flaws_of(jobs: Sequence[Job], output_dir: Path) -> list[JobFlaws]:
    """The jobs with flaws, in the order given. Threads do the work."""
    at_once = asyncio.Semaphore(AT_ONCE)

    async def look(job: Job) -> JobFlaws:
        async with at_once:
            return JobFlaws(job=job, flaws=await asyncio.to_thread(_flaws, job, output_dir))

    found = await asyncio.gather(*(look(job) for job in jobs))
    return [item for item in found if item.flaws]


def _flaws(job: Job, output_dir: Path) -> tuple[FileFlaw, ...]:
    found = []
    for output in job.outputs:
        digest = sha256_of(output_dir / output.path)
        if digest != output.sha256:
            flaw = Flaw.MISSING if digest is None else Flaw.DAMAGED
            found.append(FileFlaw(path=output.path, flaw=flaw))
    if job.spec.sidecar and job.outputs and not _has_sidecar(job, output_dir):
        path = sidecar_path(PurePosixPath(job.outputs[0].path))
        found.append(FileFlaw(path=str(path), flaw=Flaw.NO_SIDECAR))
    return tuple(found)


def _has_sidecar(job: Job, output_dir: Path) -> bool:
    """Whether one lies beside the first output; somebody else's file may have had its name."""
    first = output_dir / sidecar_path(PurePosixPath(job.outputs[0].path))
    version, path = 1, first
    while path.is_file():
        sidecar = parse_sidecar(path.read_bytes())
        if sidecar and sidecar.task_id == job.task_id:  # a job may have another name since
            return True
        version += 1
        path = first.with_stem(f"{first.stem}_v{version}")
    return False
