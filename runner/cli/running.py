"""`run` and `demo`: a project from the manifest to the last line."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace

import click

from runner.app.batch import BatchRef, batch_status
from runner.app.control import RunControl
from runner.app.handover import standing
from runner.app.project import Project, caps_of, load_project
from runner.app.run import RunResult, run_batch
from runner.clock import SystemClock
from runner.core.plan import Plan
from runner.settings import Settings

from .board import Board
from .catching_up import keep_up
from .consent import agree, show_warnings
from .emulator_process import ensure_emulator
from .joining import join_run
from .options import Flags
from .output import Output, clean
from .places import emulator_home
from .progress import RunDisplay, Show
from .repeating import run_options, shared_options
from .run_request import RunRequest, options_of, purse_of, settings_for
from .show_run import Ending, ending_json, reason_errors, show_ending
from .signals import SignalWatch
from .stopping import Stopper


async def run_file(flags: Flags, request: RunRequest) -> Ending:
    """Run a manifest and say how it went."""
    out, clock = flags.output(), SystemClock()
    settings = settings_for(flags, request)
    project = load_project(request.file, settings, sets=request.sets)
    before = await standing(project)
    if before.is_paused:
        out.warning(f"batch `{project.batch}` is paused: nothing is sent until `resume`")
    if before.live is not None and not request.take_over:
        result = await join_run(flags, request, project, before.live)
    else:
        settings = await _at_service(request, settings, out)
        result = await _run(flags, request, project, settings)
    ending = Ending(
        result=result,
        status=await batch_status(BatchRef(state=project.state, name=project.batch)),
        file=request.file,
        state=project.state,
        output_dir=project.output_dir,
        now=clock.now(),
        emulator=request.emulator,
        shared=shared_options(flags),
        again=run_options(flags, request),
    )
    _finish(ending, out, request.command)
    return ending


async def _at_service(request: RunRequest, settings: Settings, out: Output) -> Settings:
    """With the address of the emulator, where that is what it runs on."""
    if not request.emulator:
        return settings
    home = emulator_home(request.file.parent)
    card = await ensure_emulator(home, speed=request.speed, clock=SystemClock())
    out.say(f"emulator at {card.url}, speed {card.speed:g}: nothing is spent")
    return replace(settings, base_url=card.url)


async def _run(
    flags: Flags, request: RunRequest, project: Project, settings: Settings
) -> RunResult:
    out, clock, board, control = flags.output(), SystemClock(), Board(), RunControl()
    stopper = Stopper(control, board, out)
    watch = SignalWatch(stopper)
    purse = purse_of(flags, request, project)
    async with RunDisplay(_show(flags, request), board, out, clock) as display:

        def gate(plan: Plan) -> int | None:
            show_warnings(out, plan)
            if plan.starting:
                settings.need_key()  # before anybody is asked to spend
            cap = agree(plan, purse, out, lambda question: _ask(watch, question))
            board.begin(plan, _lowest(project, cap))
            display.begin()
            return cap

        others = asyncio.create_task(keep_up(board, project.state, project.batch, clock=clock))
        try:
            with watch.watching(), stopper.leaving():
                return await run_batch(
                    project,
                    settings,
                    gate,
                    options=options_of(request, clock.now()),
                    listeners=display.listeners,
                    onlookers=[display.on_notice],
                    control=control,
                    clock=clock,
                )
        finally:
            others.cancel()


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
        return click.confirm(clean(question), default=False, err=True)
