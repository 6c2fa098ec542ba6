"""`verify` and `fetch`: files of finished jobs, for people and for scripts."""

from __future__ import annotations

from typing import Any

from runner.app.fetching import FetchRequest, FetchResult, fetch
from runner.app.mending import Fate, FetchedJob
from runner.app.output_folder import output_folder
from runner.app.verifying import JobFlaws, Verification, verify
from runner.core.outcome import Reason

from .options import Flags
from .output import Output
from .places import emulator_home, emulator_settings, find, folder_of
from .service import service_settings
from .show_run import reason_errors


async def verify_files(flags: Flags, batch: str | None, *, emulator: bool) -> int:
    """0 where every file is as it was, else 3."""
    out = flags.output()
    ref = await find(flags, batch, emulator=emulator)
    settings = flags.settings()
    if emulator:
        settings = emulator_settings(flags, emulator_home(folder_of(batch)), speed=1)
    folder = await output_folder(ref, batch, settings)
    found = await verify(ref, folder)
    reasons = _reasons(found, batch, emulator=emulator)
    if out.json:
        data = {"batch": ref.name, "output_dir": str(folder), **_verification_json(found)}
        out.envelope("verify", data, ok=not reasons, errors=reason_errors(reasons))
        return found.exit_code
    for item in found.flawed:
        for flaw in item.flaws:
            out.data(f"{flaw.flaw.value}: {flaw.path} ({item.job.id})")
    out.data(f"{found.files:,} files of {found.jobs:,} finished jobs, {_size(found.bytes)}")
    _say_why(reasons, out)
    return found.exit_code


async def fetch_files(
    flags: Flags, batch: str | None, selected: tuple[str, ...], *, emulator: bool
) -> int:
    """0 where everything is on the disk, else why not."""
    out = flags.output()
    ref = await find(flags, batch, emulator=emulator)
    settings = await service_settings(flags, batch, emulator=emulator)
    folder = await output_folder(ref, batch, settings)
    result = await fetch(
        FetchRequest(ref=ref, output_dir=folder, settings=settings, selected=selected)
    )
    if out.json:
        errors = reason_errors(result.reasons)
        data = {"batch": result.batch, "jobs": [_fetched_json(item) for item in result.jobs]}
        out.envelope("fetch", data, ok=not errors, errors=errors)
        return result.exit_code
    _show_fetched(result, out)
    return result.exit_code


def _show_fetched(result: FetchResult, out: Output) -> None:
    for item in result.jobs:
        for moved in item.moved:
            out.say(f"damaged file kept as {moved.name}")
        names = ", ".join(output.path for output in item.job.outputs)
        out.data(f"{item.fate.value} {item.job.id} ({item.reason or names})")
    if not result.jobs:
        out.data("nothing to fetch")
    _say_why(result.reasons, out)


def _say_why(reasons: list[Reason], out: Output) -> None:
    for reason in reasons:
        out.warning(reason.message)
        out.hint(reason.hint)


def _verification_json(found: Verification) -> dict[str, Any]:
    return {
        "jobs": found.jobs,
        "files": found.files,
        "bytes": found.bytes,
        "flaws": [flaw for item in found.flawed for flaw in _flaws_json(item)],
    }


def _flaws_json(item: JobFlaws) -> list[dict[str, str]]:
    return [
        {"job": item.job.id, "path": flaw.path, "flaw": flaw.flaw.name.lower()}
        for flaw in item.flaws
    ]


def _reasons(found: Verification, batch: str | None, *, emulator: bool) -> list[Reason]:
    if not found.flawed:
        return []
    name, flag = f" {batch}" if batch else "", " --emulator" if emulator else ""
    jobs = "1 finished job" if len(found.flawed) == 1 else f"{len(found.flawed):,} finished jobs"
    return [
        Reason(
            exit_code=found.exit_code,
            message=f"files of {jobs} are missing or damaged",
            hint=f"runway-batch fetch{name}{flag} downloads them again, as long as Runway has them",
        )
    ]


def _fetched_json(item: FetchedJob) -> dict[str, Any]:
    return {
        "id": item.job.id,
        "fate": item.fate.value,
        "status": item.job.status.value,
        "reason": item.reason,
        "outputs": [output.path for output in item.job.outputs],
        "moved": [path.name for path in item.moved],
        "credits_to_make_again": item.job.spec.reserve if item.fate is Fate.GONE else None,
    }


def _size(count: int) -> str:
    """`3.1 GB`, as disks are sold."""
    if count < 1000:
        return f"{count} B"
    value = float(count)
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 1000:
            return f"{value:.1f} {unit}"
    return f"{value / 1000:,.1f} TB"
