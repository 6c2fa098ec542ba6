"""`run` and `demo`: a project from the manifest to the last line."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import click

from runner.app.batch import BatchRef, batch_status
from runner.app.control import RunControl
from runner.app.project import Project, caps_of, load_project
from runner.app.run import RunOptions, RunResult, run_batch
from runner.clock import SystemClock
from runner.core.plan import Plan
from runner.settings import Settings

from .board import Board
from .consent import Purse, agree
from .emulator_process import SPEED, ensure_emulator
from .options import Flags
from .output import Output
from .places import emulator_home, emulator_settings
from .progress import RunDisplay, Show
from .show_run import Ending, ending_json, reason_errors, show_ending
from .signals import SignalWatch
from .stopping import Stopper


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRequest:
    """What `run` was told."""

    file: Path
    command: str = "run"
    max_credits: int | None = None
    jobs: Mapping[str | None, int] = field(default_factory=dict)
    yes: bool = False
    take_over: bool = False
    emulator: bool = False
    speed: float = SPEED
    display: str | None = None
    stats_s: float = 60.0


async def run_file(flags: Flags, request: RunRequest) -> Ending:
    """Run a manifest and say how it went."""
    out, clock = flags.output(), SystemClock()
    settings = settings_for(flags, request)
    project = load_project(request.file, settings)
    show_warnings(out, project)
    if request.emulator:
        home = emulator_home(request.file.parent)
        card = await ensure_emulator(home, speed=request.speed, clock=clock)
        settings = replace(settings, base_url=card.url)
        out.say(f"emulator at {card.url}, speed {card.speed:g}: nothing is spent")
    result = await _run(flags, request, project, settings)
    ending = Ending(
        result=result,
        status=await batch_status(BatchRef(state=project.state, name=project.batch)),
        file=request.file,
        state=project.state,
        output_dir=project.output_dir,
        now=clock.now(),
        emulator=request.emulator,
    )
    _finish(ending, out, request.command)
    return ending


async def _run(
    flags: Flags, request: RunRequest, project: Project, settings: Settings
) -> RunResult:
    out, clock, board, control = flags.output(), SystemClock(), Board(), RunControl()
    stopper = Stopper(control, board, out)
    watch = SignalWatch(stopper)
    purse = _purse(flags, request, project)
    async with RunDisplay(_show(flags, request), board, out, clock) as display:

        def gate(plan: Plan) -> int | None:
            if plan.starting:
                settings.need_key()  # before anybody is asked to spend
            cap = agree(plan, purse, out, lambda question: _ask(watch, question))
            board.begin(plan, _lowest(project, cap))
            display.begin()
            return cap

        with watch.watching(), stopper.leaving():
            return await run_batch(
                project,
                settings,
                gate,
                options=RunOptions(jobs=request.jobs, take_over=request.take_over),
                listeners=display.listeners,
                control=control,
                clock=clock,
            )


def _purse(flags: Flags, request: RunRequest, project: Project) -> Purse:
    return Purse(
        budget=project.manifest.budget.credits,
        max_credits=request.max_credits,
        confirm_over=project.manifest.confirm_over,
        yes=request.yes,
        interactive=sys.stdin.isatty() and sys.stderr.isatty() and not flags.is_ci,
    )


def settings_for(flags: Flags, request: RunRequest) -> Settings:
    if request.emulator:
        home = emulator_home(request.file.parent)
        return emulator_settings(flags, home, speed=request.speed)
    return flags.settings()


def show_warnings(out: Output, project: Project) -> None:
    if not out.json and not out.quiet:
        out.problems("warning", project.warnings)


def _finish(ending: Ending, out: Output, command: str) -> None:
    if not out.json:
        show_ending(ending, out)
        return
    code = ending.result.exit_code
    errors = reason_errors(ending.result.reasons)
    out.envelope(command, ending_json(ending), ok=code == 0, errors=errors)


def _lowest(project: Project, run_cap: int | None) -> int | None:
    caps = caps_of(project, run_cap=run_cap)
    return caps.batch if caps.batch is not None else caps.run


def _show(flags: Flags, request: RunRequest) -> Show:
    display = request.display
    if display is None:
        is_terminal = sys.stderr.isatty() and not flags.is_ci
        is_terminal = is_terminal and flags.environment.get("TERM") != "dumb"
        display = "full" if is_terminal else "plain"
        if flags.verbose:
            display = "log"
        if flags.json or flags.quiet:
            display = "none"
    return Show(display=display, stats_s=request.stats_s, json_lines=flags.json)


def _ask(watch: SignalWatch, question: str) -> bool:
    with watch.paused():
        return click.confirm(question, default=False, err=True)
