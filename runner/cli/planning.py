"""`plan`, and `run --dry-run`."""

from __future__ import annotations

from pathlib import Path

from runner.app.capcheck import CapCheck, check_caps
from runner.app.forecast import forecast
from runner.app.project import caps_of, caps_used, load_project, plan_project
from runner.core.outcome import Reason
from runner.errors import CapReached

from .caps import cap_words
from .options import Flags
from .places import emulator_home, emulator_settings
from .show_plan import plan_json, show_plan
from .show_run import reason_errors


async def plan_file(
    flags: Flags, file: Path, *, emulator: bool, gate: bool = False, cap: int | None = None
) -> int:
    """Show a plan; 8 where it has to fit the caps and does not."""
    out = flags.output()
    if emulator:
        settings = emulator_settings(flags, emulator_home(file.parent), speed=1)
    else:
        settings = flags.settings()
    project = load_project(file, settings)
    plan = await plan_project(project)
    caps = check_caps(plan, caps_of(project, run_cap=cap), await caps_used(project))
    quotas = await forecast(project, plan, settings)
    reasons = _passed(caps) if gate else []
    if out.json:
        data = {"file": str(file), "batch": project.batch}
        data |= plan_json(plan, caps, project.warnings, quotas)
        out.envelope("plan", data, ok=not reasons, errors=reason_errors(reasons))
    else:
        out.problems("warning", [] if out.quiet else project.warnings)
        show_plan(plan, caps, out, quotas)
        for reason in reasons:
            out.error(reason.message)
            out.hint(reason.hint)
    return CapReached.exit_code if reasons else 0


def _passed(caps: list[CapCheck]) -> list[Reason]:
    return [
        Reason(
            exit_code=CapReached.exit_code,
            message=f"the worst case passes the cap of {cap_words(cap.name)}",
            hint="raise the cap, or make fewer or smaller jobs",
        )
        for cap in caps
        if cap.passes
    ]
