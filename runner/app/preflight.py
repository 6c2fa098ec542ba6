"""What is found out before anything is paid."""

from __future__ import annotations

import uuid
from pathlib import Path

from runner.errors import AccountError, PermanentApiError, UsageError
from runner.manifest.direct import is_table
from runner.ports import TaskApi
from runner.settings import Settings, key_mark, key_matches
from runner.store.store import JobStore


def check_manifest(batch: str, known: Path, ours: Path) -> None:
    """Two manifests of one name would take each other's jobs for orphans."""
    if known != ours and known.is_file():
        raise UsageError(
            f"batch `{batch}` of this state file belongs to {known}",
            hint=_keeps(known, ours),
        )


def _keeps(known: Path, ours: Path) -> str:
    """How what was made is kept; the other ways make and pay everything anew."""
    anew = "another `name:` or `--state` makes and pays everything anew"
    if is_table(known) and not is_table(ours):
        return (
            f"to keep what was made, move `{known.name}` into a folder and name it there in"
            f" `foreach`; {anew}"
        )
    return f"to keep what was made, run that file, or put this one in its place; {anew}"


def check_writable(folder: Path) -> None:
    """A folder that cannot take outputs is found out before anything is paid."""
    probe = folder / f".runway-batch-{uuid.uuid4().hex[:8]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UsageError(
            f"cannot write to the output folder: {folder}: {error.strerror}",
            hint="choose another one with `--output-dir`",
        ) from error


async def check_key(store: JobStore, batch: str, key: str, api: TaskApi) -> str:
    """Another key of the same account may go on; another account's would lose every task.

    Returns the mark of the key, a salted digest.
    """
    known = await store.batch(batch)
    mark = known.key_mark if known is not None else ""
    if mark and key_matches(key, mark):
        return mark
    tasks = [job.task_id for job in await store.active(batch) if job.task_id is not None]
    if mark and tasks:
        try:
            await api.get_task(tasks[0])
        except PermanentApiError as error:
            raise AccountError(
                f"this key's account does not know the {len(tasks)} tasks under way",
                status=error.status,
                hint="use the key that sent them; nothing was sent or given up",
            ) from error
    mark = key_mark(key, uuid.uuid4().hex)
    await store.set_key_mark(batch, mark)
    return mark


async def check_service(store: JobStore, batch: str, settings: Settings) -> None:
    """Another service would answer that no task exists."""
    stored = await store.batch(batch)
    if stored is not None and stored.base_url not in {"", settings.service}:
        raise UsageError(
            f"batch `{batch}` has its tasks at another service: {stored.base_url}",
            hint="use `--emulator`"
            if stored.base_url == "emulator"
            else f"use `--base-url {stored.base_url}`",
        )
