"""A verified result that was made for another job becomes this one's: its files, at no cost.

Within one output folder the files stay where they are. Those of another folder are linked into
ours under the job's own name, or copied where the disk cannot link; nothing is ever replaced.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path, PurePosixPath

from runner import __version__
from runner.core.changes import Result
from runner.core.job import Job, OutputFile
from runner.core.naming import output_path, sidecar_path
from runner.core.sidecar import render_sidecar
from runner.core.spec import JobSpec
from runner.downloads.atomic import disk_errors, make_folder, place, sha256_of, write_sidecar
from runner.errors import UsageError
from runner.store.results import StoredResult

#: names tried before giving up on a folder full of foreign files
NAME_TRIES = 1000


def is_elsewhere(stored: StoredResult, output_dir: Path) -> bool:
    """Whether its files lie in another output folder, and so have to be brought into ours."""
    return Path(stored.output_dir).resolve() != output_dir.resolve()


async def take_over(stored: StoredResult, spec: JobSpec, batch: str, output_dir: Path) -> Result:
    """The result as the job's own.

    Raises:
        UsageError: its files are no longer what they were; nothing is made in their place.
        DiskFull, DownloadError: they cannot be brought into the output folder.
    """
    outputs = await asyncio.to_thread(_files, stored, spec, output_dir)
    source = stored.job if stored.batch == batch else f"{stored.batch}/{stored.job}"
    return Result(task_id=stored.task_id, outputs=outputs, consumed=stored.consumed, source=source)


async def write_sidecar_of(job: Job, output_dir: Path, finished_at: datetime) -> None:
    """The sidecar of a result whose files were brought into the output folder."""
    if not job.spec.sidecar:
        return
    text = render_sidecar(
        job,
        tool=f"runway-batch {__version__}",
        finished_at=finished_at.isoformat(timespec="seconds"),
    )
    first = sidecar_path(PurePosixPath(job.outputs[0].path))
    for version in range(1, NAME_TRIES):
        name = first if version == 1 else first.with_stem(f"{first.stem}_v{version}")
        with suppress(FileExistsError):
            return await asyncio.to_thread(write_sidecar, output_dir / name, text)


def _files(stored: StoredResult, spec: JobSpec, output_dir: Path) -> tuple[OutputFile, ...]:
    folder = Path(stored.output_dir)
    for output in stored.outputs:
        if sha256_of(folder / output.path) != output.sha256:
            raise UsageError(
                f"the result of `{stored.job}` cannot be taken over: `{output.path}` was changed",
                hint=f"`runway-batch verify {stored.batch}` shows what is wrong; move the file"
                " away to have it made again, then run the same command",
            )
    if not is_elsewhere(stored, output_dir):
        return stored.outputs
    types: Counter[str] = Counter()
    found = []
    for output in stored.outputs:
        types[output.media_type.partition("/")[0]] += 1
        part = types[output.media_type.partition("/")[0]]
        found.append(_brought(folder / output.path, output, spec, part, output_dir))
    return tuple(found)


def _brought(
    file: Path, output: OutputFile, spec: JobSpec, part: int, output_dir: Path
) -> OutputFile:
    """The output under the first free name of the job; one that is there already is its own."""
    ext = PurePosixPath(output.path).suffix.removeprefix(".")
    for version in range(1, NAME_TRIES):
        path = output_path(spec.output, ext=ext, part=part, version=version)
        with suppress(FileExistsError):
            _bring(file, output_dir / path, output.sha256)
            return replace(output, path=str(path))
    raise UsageError(
        f"no free name for the result of `{spec.id}` in {output_dir}",
        hint="choose another output folder",
    )


def _bring(file: Path, target: Path, sha256: str) -> None:
    temporary = target.with_name(f".{sha256[:24]}.part")
    with disk_errors(target):
        make_folder(target.parent)
        temporary.unlink(missing_ok=True)
        try:
            os.link(file, temporary)
        except OSError:
            shutil.copyfile(file, temporary)
            with temporary.open("rb+") as copy:
                os.fsync(copy.fileno())
        try:
            place(temporary, target, sha256)
        finally:
            temporary.unlink(missing_ok=True)
