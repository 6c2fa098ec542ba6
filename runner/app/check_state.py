"""The state file as `doctor` sees it: the machine, the file, what is in it, each batch."""

from __future__ import annotations

import asyncio
import platform
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from runner.core.job import JobStatus
from runner.engine.collecting import part_name
from runner.errors import RunnerError, StoreError
from runner.settings import Settings
from runner.store.connection import version_of
from runner.store.filesystem import check_place, kind_of
from runner.store.identity import home_of, is_home, why_not_home
from runner.store.lease import LiveRun
from runner.store.privacy import loose
from runner.store.process import this_process
from runner.store.reader import StateReader
from runner.store.version import OLDEST_SQLITE, SCHEMA_VERSION

from .checks import Check, fail, ok, warn
from .sidecars import unknown_sidecars

#: less than this is soon full of videos
LITTLE_ROOM_BYTES = 1 << 30
#: a state file that cannot be used, and one that a person has to look at
UNUSABLE, NEEDS_A_PERSON = 2, 11
#: as many differences of one batch are enough to say
MOST_SAID = 5


def machine_checks(settings: Settings) -> list[Check]:
    """Python, SQLite, where the key would go, and the policy in force."""
    oldest = ".".join(map(str, OLDEST_SQLITE))
    sqlite = f"SQLite {sqlite3.sqlite_version}"
    found = [ok("python", f"Python {platform.python_version()} on {platform.system()}")]
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        hint = "use a newer Python, which brings a newer SQLite"
        found.append(fail("sqlite", f"{sqlite}: {oldest} is needed", hint, exit_code=UNUSABLE))
    else:
        found.append(ok("sqlite", sqlite))
    found.append(ok("service", settings.service))
    sources = ", ".join(settings.policy.sources)
    found.append(ok("policy", sources or "no policy file applies"))
    return found


def file_checks(state: Path, settings: Settings) -> list[Check]:
    """Place, disk, permissions and version; nothing is changed."""
    found = [_place(state, settings), *_room(state)]
    if not state.exists():
        return [*found, ok("state file", f"none yet: {state}")]
    if others := loose(state):
        names = ", ".join(file.name for file in others)
        hint = "`runway-batch doctor --repair`, or the next run, takes their permissions away"
        found.append(warn("permissions", f"others may read {names}", hint))
    return [*found, _version(state)]


async def state_checks(reader: StateReader, state: Path) -> list[Check]:
    """Soundness, home and leases."""
    facts = reader.facts()
    damages = await facts.damages()
    if damages:
        return [_damaged(state, damages[0])]
    found = [ok("integrity", "SQLite finds nothing wrong")]
    known, present = await facts.home(), home_of(state)
    if known is None:
        found.append(ok("home", "none yet: the next run makes it"))
    elif is_home(known, present):
        found.append(ok("home", "the file is where its last run left it"))
    else:
        hint = "where no other copy is in use, `runway-batch doctor --adopt` makes this its home"
        why = f"it may be a copy: {why_not_home(known, present)}"
        found.append(fail("home", why, hint, exit_code=NEEDS_A_PERSON))
    return found + [_run(run) for run in await facts.live_runs()]


async def batch_checks(reader: StateReader, batch: str, folder: Path | None) -> list[Check]:
    """Does it agree with itself, and with what lies on disk? `folder` is that of its outputs."""
    name = f"batch {batch}"
    wrong = list(await reader.check(batch))
    found = [
        fail(name, text, "`runway-batch doctor --repair`", exit_code=NEEDS_A_PERSON)
        for text in wrong[:MOST_SAID]
    ] or [ok(name, "jobs, events and ledger agree")]
    if folder is None:
        hint = "name its manifest to have it looked for: `runway-batch doctor FILE`"
        return [*found, warn(name, "its output folder is not known", hint)]
    if not await asyncio.to_thread(folder.is_dir):
        return [*found, warn(name, f"no output folder: {folder}")]
    unknown = await unknown_sidecars(reader, batch, folder, most=MOST_SAID)
    if unknown:
        jobs = ", ".join(item.sidecar.job for item in unknown)
        hint = "`runway-batch doctor FILE --adopt` imports them: they are not paid for again"
        text = f"results on disk that the state file does not know: {jobs}"
        found.append(fail(name, text, hint, exit_code=NEEDS_A_PERSON))
    parts = await _parts_left(reader, batch, folder)
    if parts:
        hint = "no job needs them any more: they may be deleted"
        text = f"{len(parts):,} unfinished downloads are left, as {parts[0]}"
        found.append(warn(name, text, hint))
    return found


def _place(state: Path, settings: Settings) -> Check:
    kind = kind_of(state) or "unknown"
    try:
        check_place(state, allowed=settings.state_on_network)
    except StoreError as error:
        return fail("file system", error.message, error.hint, exit_code=error.exit_code)
    return ok("file system", kind)


def _room(state: Path) -> Iterator[Check]:
    folder = next(folder for folder in (state.parent, *state.resolve().parents) if folder.exists())
    free = shutil.disk_usage(folder).free
    text = f"{free / (1 << 30):,.1f} GB free"
    yield ok("disk", text) if free >= LITTLE_ROOM_BYTES else warn("disk", f"only {text}")


def _version(state: Path) -> Check:
    try:
        version = version_of(state)
    except RunnerError as error:
        if error.exit_code != UNUSABLE:
            return warn("state file", error.message, error.hint)
        return fail("state file", error.message, _restore(state) or error.hint, exit_code=UNUSABLE)
    if version == SCHEMA_VERSION:
        return ok("state file", str(state))
    return warn(
        "state file",
        f"of version {version}: {state}",
        f"the next run brings it to version {SCHEMA_VERSION}, and keeps a copy",
    )


def _damaged(state: Path, what: str) -> Check:
    hint = _restore(state) or "put a copy of it back, then `runway-batch doctor --adopt`"
    return fail("integrity", f"the state file is damaged: {what}", hint, exit_code=UNUSABLE)


def _restore(state: Path) -> str:
    """What can be put back, where something is there."""
    backups = sorted(state.parent.glob(f"{state.name}.v*.bak"))
    if not backups:
        return ""
    return f"put a copy back ({backups[-1].name} is there), then `runway-batch doctor FILE --adopt`"


def _run(run: LiveRun) -> Check:
    owner, name = run.owner, f"run of {run.batch}"
    who = f"process {owner.pid} on `{owner.host}`, since {run.started_at:%Y-%m-%d %H:%M} UTC"
    if run.is_dead:
        return warn(name, f"{who}, has died", "the next run goes on where it stopped")
    if owner.host != this_process().host:
        hint = "if it is certain that it no longer runs, use `runway-batch run --take-over`"
        return warn(name, f"{who}: nobody here can tell whether it lives", hint)
    return ok(name, f"{who}, works on it")


async def _parts_left(reader: StateReader, batch: str, folder: Path) -> Sequence[str]:
    """Unfinished files of jobs that are not being downloaded."""
    active = await reader.active(batch)
    wanted = {part_name(job) for job in active if job.status is JobStatus.DOWNLOADING}

    def look() -> list[str]:
        names = (path.name for path in folder.rglob(".*.part"))
        return [name for name in names if name[1:].partition(".")[0] not in wanted]

    return await asyncio.to_thread(look)
