"""From a finished task to verified files: never generates, only fetches.

Order for each output: part file on disk, `Verified` with its hash committed, then the move to the
final name. So a resume finds either the part or the file, knows its hash, and fetches nothing
twice.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path, PurePosixPath

from runner.core.events import DownloadDelayed, Downloaded, Verified
from runner.core.job import Job, OutputFile
from runner.core.links import expires_at
from runner.core.naming import output_path, sidecar_path
from runner.core.sidecar import Unpacked, render_sidecar
from runner.core.task import Task, TaskStatus
from runner.errors import (
    DiskFull,
    DownloadError,
    LinkRefused,
    PermanentApiError,
    TransientApiError,
)
from runner.ports import Fetched

from .download_queue import DownloadQueue
from .polling import READS_UNTIL_GONE, task_gone
from .tools import Tools

#: a link that dies sooner is not used any more
LINK_MARGIN = timedelta(minutes=2)
#: what a frame sequence comes as
_ARCHIVE = "application/zip"
#: names tried before giving up on a folder full of foreign files
NAME_TRIES = 1000


class Collector:
    """Downloads, verifies and names all outputs of a job's task."""

    def __init__(self, tools: Tools, disk_full: Callable[[str], None]) -> None:
        self._tools = tools
        self._disk_full = disk_full
        self._queue = DownloadQueue(tools.policies.downloads_at_once)

    async def collect(self, job: Job, task: Task | None) -> Job:
        """Fetch until every output is here, or this run's tries are used up.

        Args:
            job: downloading.
            task: its last reading, whose links are fresh; None to read it again.
        """
        collection = _Collection(self._tools, job, task)
        most = self._tools.policies.download_tries
        missing = 0
        for tries in range(1, most + 1):
            try:
                async with self._queue.turn(collection.job.collect_by):
                    return await collection.fetch_all()
            except _TaskUnknown as error:
                missing += 1
                if missing == READS_UNTIL_GONE:
                    gone = task_gone(collection.job, self._tools.clock)
                    return await self._tools.recorder.record(collection.job, gone)
                reason = str(error)
            except DiskFull as error:
                self._disk_full(error.message)
                reason = error.message
            except (DownloadError, TransientApiError, PermanentApiError) as error:
                reason = error.message
            except OSError as error:
                reason = f"cannot write: {error.strerror or type(error).__name__}"
            await collection.put_off(reason, tries, wait=tries < most)
        return collection.job


class _TaskUnknown(Exception):
    """Runway does not know the task."""


class _Collection:
    """The outputs of one job, as far as they are here."""

    def __init__(self, tools: Tools, job: Job, task: Task | None) -> None:
        self.job = job
        self._tools = tools
        self._task = task
        self._task_is_fresh = False  # read again just now

    async def fetch_all(self) -> Job:
        """All outputs, then what archives hold, then the sidecar, then `Downloaded`."""
        here = {o.index: o for o in self.job.outputs if await self._is_here(o)}
        if self.job.expected is None or len(here) < self.job.expected:
            await self._fetch_others(here)
        unpacked = await self._unpack() if self.job.spec.unpack else {}
        if self.job.spec.sidecar and self.job.outputs:
            await self._write_sidecar(unpacked)
        now = self._tools.clock.now()
        self.job = await self._tools.recorder.record(self.job, Downloaded(at=now))
        return self.job

    async def _fetch_others(self, here: dict[int, OutputFile]) -> None:
        """What is not here yet; needs the task, and so may come too late."""
        task = await self._fresh_task()
        if any(self._is_dying(link) for link in task.output):
            self._task = None
            task = await self._fresh_task()
        if not task.output:
            self._task = None
            raise DownloadError("the task has succeeded, but names no outputs yet")
        types: Counter[str] = Counter()
        for index, link in enumerate(task.output):
            output = here.get(index) or await self._fetch(index, link, types)
            types[_kind(output)] += 1

    async def put_off(self, reason: str, tries: int, *, wait: bool) -> None:
        """Record why the fetch must go on later, and wait."""
        self._task_is_fresh = False
        delay = self._tools.policies.downloading.delay(tries, self._tools.rng)
        now = self._tools.clock.now()
        event = DownloadDelayed(at=now, not_before=now + timedelta(seconds=delay), reason=reason)
        self.job = await self._tools.recorder.record(self.job, event)
        if wait:
            await self._tools.clock.sleep(delay)

    async def _fresh_task(self) -> Task:
        if self._task is not None:
            return self._task
        assert self.job.task_id is not None, "a downloading job has a task id"  # noqa: S101
        try:
            task = await self._tools.api.get_task(self.job.task_id)
        except PermanentApiError as error:
            if error.status == 404:
                raise _TaskUnknown(error.message) from error
            raise
        if task.status is not TaskStatus.SUCCEEDED:
            raise DownloadError(f"the task is {task.status.value} when read again")
        self._task, self._task_is_fresh = task, True
        return task

    def _is_dying(self, link: str) -> bool:
        """Whether an old link would not live until the download begins; a fresh one is tried."""
        dies = expires_at(link)
        if dies is None or self._task_is_fresh:
            return False
        return dies <= self._tools.clock.now() + LINK_MARGIN

    async def _is_here(self, output: OutputFile) -> bool:
        """Whether an output that an earlier try verified is under its final name by now."""
        target, part = self._tools.output_dir / output.path, self._part(output.index)
        is_placed = await self._tools.downloader.sha256_of(target) == output.sha256
        left = await self._tools.downloader.sha256_of(part)
        if is_placed and left is None:
            return True
        if not is_placed and left != output.sha256:
            return False
        return await self._place(part, output)  # also takes away a part that a kill has left

    async def _fetch(self, index: int, link: str, types: Counter[str]) -> OutputFile:
        part = self._part(index)
        try:
            fetched = await self._tools.downloader.fetch(link, part)
        except LinkRefused:
            self._task = None  # the next try reads the task for a fresh link
            raise
        for output in self._names(index, fetched, types):
            if await self._is_foreign(output):
                continue
            event = Verified(at=self._tools.clock.now(), output=output)
            self.job = await self._tools.recorder.record(self.job, event)
            if await self._place(part, output):
                return output
        raise DownloadError(f"no free name for `{output.path}`")

    async def _is_foreign(self, output: OutputFile) -> bool:
        """Whether another file holds the name already."""
        digest = await self._tools.downloader.sha256_of(self._tools.output_dir / output.path)
        return digest is not None and digest != output.sha256

    async def _place(self, part: Path, output: OutputFile) -> bool:
        target = self._tools.output_dir / output.path
        try:
            await self._tools.downloader.place(part, target, output.sha256)
        except FileExistsError:
            return False
        return True

    def _names(self, index: int, fetched: Fetched, types: Counter[str]) -> Iterator[OutputFile]:
        """The name that it had before, if any; then one version after the other."""
        first = self.job.results + 1
        known = next((output for output in self.job.outputs if output.index == index), None)
        if known is not None and PurePosixPath(known.path).suffix == f".{fetched.ext}":
            yield replace(self._named(index, fetched, types, first), path=known.path)
        for version in range(first, first + NAME_TRIES):
            yield self._named(index, fetched, types, version)

    def _named(self, index: int, fetched: Fetched, types: Counter[str], version: int) -> OutputFile:
        kind = fetched.media_type.partition("/")[0]
        path = output_path(
            self.job.spec.output, part=types[kind] + 1, ext=fetched.ext, version=version
        )
        return OutputFile(
            index=index,
            path=str(path),
            bytes=fetched.bytes,
            sha256=fetched.sha256,
            media_type=fetched.media_type,
            warning=fetched.warning,
        )

    def _part(self, index: int) -> Path:
        """Named after job and task: parts of two attempts, or of two jobs, never mix."""
        folder = (self._tools.output_dir / output_path(self.job.spec.output, ext="part")).parent
        return folder / f".{part_name(self.job)}.{index}.part"

    async def _unpack(self) -> Mapping[int, Unpacked]:
        """Archives into folders beside them, by the output's index; repeated after a kill."""
        found = {}
        for output in self.job.outputs:
            if output.media_type == _ARCHIVE:
                archive = self._tools.output_dir / output.path
                found[output.index] = await self._tools.downloader.unpack(archive)
                await self._warn(output, found[output.index].warning)
        return found

    async def _warn(self, output: OutputFile, warning: str) -> None:
        """Record what is odd about an output that is here already."""
        if warning and warning not in output.warning:
            output = replace(output, warning="; ".join(filter(None, (output.warning, warning))))
            event = Verified(at=self._tools.clock.now(), output=output)
            self.job = await self._tools.recorder.record(self.job, event)

    async def _write_sidecar(self, unpacked: Mapping[int, Unpacked]) -> None:
        first = sidecar_path(PurePosixPath(self.job.outputs[0].path))
        finished_at = self._tools.clock.now().isoformat(timespec="seconds")
        text = render_sidecar(
            self.job, tool=self._tools.tool, finished_at=finished_at, unpacked=unpacked
        )
        for version in range(1, NAME_TRIES):
            name = first if version == 1 else first.with_stem(f"{first.stem}_v{version}")
            with suppress(FileExistsError):  # somebody else's file keeps its name
                return await self._tools.downloader.write_sidecar(
                    self._tools.output_dir / name, text
                )
        raise DownloadError(f"no free name for `{first}`")


def part_name(job: Job) -> str:
    """What the unfinished files of a job's present task are called, after a point."""
    return hashlib.sha256(f"{job.id} {job.task_id}".encode()).hexdigest()[:24]


def _kind(output: OutputFile) -> str:
    return output.media_type.partition("/")[0]
