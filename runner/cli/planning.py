"""`plan`, and `run --dry-run`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from runner.app.account import read_limits_and_balance
from runner.app.capcheck import CapCheck
from runner.app.forecast import forecast
from runner.app.planning import NO_WISH, Wish, plan_entries, plan_project
from runner.app.project import load_project
from runner.clock import SystemClock
from runner.core.outcome import Reason
from runner.core.task import Reading
from runner.errors import CapReached
from runner.settings import Settings

from .caps import cap_words
from .emulator_process import SPEED, ensure_emulator
from .options import Flags
from .output import Output
from .places import emulator_home, emulator_settings
from .plan_jobs import list_jobs, stream_json
from .plan_json import plan_json
from .show_notes import show_notes
from .show_plan import show_plan
from .show_run import reason_errors


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanRequest:
    """What to plan and what to show of it."""

    file: Path
    sets: Mapping[str, str] = field(default_factory=dict)
    emulator: bool = False
    account: bool = False  # read the account once
    gate: bool = False
    jobs: bool = False  # list them all
    run_cap: int | None = None  # credits
    wish: Wish = NO_WISH


async def plan_file(flags: Flags, request: PlanRequest) -> int:
    """Show a plan; 8 where it has to fit the caps and does not."""
    out, settings = flags.output(), _settings(flags, request)
    project = load_project(request.file, settings, sets=request.sets)
    if request.account:
        settings.need_key()  # before a long plan
    plan = await plan_project(project, request.wish)
    fresh = await _read_account(request, settings) if request.account else None
    outlook = await forecast(project, plan, run_cap=request.run_cap, fresh=fresh)
    reasons = _passed(outlook.caps) if request.gate else []
    failed = CapReached.exit_code if reasons else 0
    if out.json:
        data = {"file": str(request.file), "batch": project.batch, **plan_json(plan, outlook)}
        errors = reason_errors(reasons)
        if request.jobs:
            return await stream_json(data, plan_entries(project, plan), out, errors) or failed
        out.envelope("plan", data, ok=not reasons, errors=errors)
        return failed
    show_notes(out, plan.warnings)
    if request.jobs:
        await list_jobs(plan_entries(project, plan), out)
        out.data()
    show_plan(plan, outlook, out)
    _say(reasons, out)
    return failed


def _settings(flags: Flags, request: PlanRequest) -> Settings:
    if not request.emulator:
        return flags.settings()
    return emulator_settings(flags, emulator_home(request.file.parent), speed=1)


async def _read_account(request: PlanRequest, settings: Settings) -> Reading:
    """Balance and limits as they are now: one call that costs nothing."""
    if request.emulator:
        home = emulator_home(request.file.parent)
        card = await ensure_emulator(home, speed=SPEED, clock=SystemClock())
        settings = replace(settings, base_url=card.url)
    return await read_limits_and_balance(settings)


def _passed(caps: Sequence[CapCheck]) -> list[Reason]:
    return [
        Reason(
            exit_code=CapReached.exit_code,
            message=f"the worst case exceeds the cap of {cap_words(cap.name)}",
            hint="raise the cap, or make fewer or smaller jobs",
        )
        for cap in caps
        if cap.passes
    ]


def _say(reasons: Sequence[Reason], out: Output) -> None:
    for reason in reasons:
        out.error(reason.message)
        out.hint(reason.hint)
