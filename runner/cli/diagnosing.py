"""`doctor`: what was found, for people and for scripts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from runner.app.adopting_files import AdoptedFile
from runner.app.checks import Check
from runner.app.doctor import Diagnosis, DoctorRequest, diagnose
from runner.settings import Settings

from .options import Flags
from .output import Output
from .places import emulator_home, emulator_settings, folder_of
from .show_run import reason_errors


async def run_doctor(
    flags: Flags, batch: str | None, *, adopt: bool, repair: bool, emulator: bool
) -> int:
    """0 where a run may go on, else why it would not."""
    out = flags.output()
    found = await diagnose(
        DoctorRequest(
            settings=_settings(flags, batch, emulator=emulator),
            target=batch,
            adopt=adopt,
            repair=repair,
        )
    )
    if out.json:
        errors = reason_errors(found.reasons)
        out.envelope("doctor", diagnosis_json(found), ok=not errors, errors=errors)
    else:
        show_diagnosis(found, out)
    return found.exit_code


def _settings(flags: Flags, batch: str | None, *, emulator: bool) -> Settings:
    """The emulator need not run to look at its files."""
    if not emulator:
        return flags.settings()
    settings = emulator_settings(flags, emulator_home(folder_of(batch)), speed=1)
    return replace(settings, key=None)


def diagnosis_json(found: Diagnosis) -> dict[str, Any]:
    return {
        "state": str(found.state),
        "checks": [_check_json(check) for check in found.checks],
        "repaired": list(found.repaired),
        "adopted": [_adopted_json(item) for item in found.adopted],
    }


def _check_json(check: Check) -> dict[str, str]:
    return {
        "name": check.name,
        "result": check.result.value,
        "message": check.message,
        "hint": check.hint,
    }


def _adopted_json(item: AdoptedFile) -> dict[str, Any]:
    return {
        "job": item.job.id if item.job else item.sidecar.job,
        "task_id": item.sidecar.task_id,
        "finding": item.finding.name.lower(),
        "credits": item.sidecar.credits,
        "sidecar": str(item.path),
    }


def show_diagnosis(found: Diagnosis, out: Output) -> None:
    for text in found.repaired:
        out.data(f"repaired: {text}")
    for item in found.adopted:
        name = item.job.id if item.job else item.sidecar.job
        out.data(f"{item.finding.value}: {name} ({item.path.name}, task {item.sidecar.task_id})")
    if found.has_adopted:
        out.data(f"this is the home of {found.state} from now on")
    for check in found.checks:
        out.data(f"{check.result.value:<4}  {check.name}: {check.message}")
        if check.hint:
            out.data(f"      {check.hint}")
