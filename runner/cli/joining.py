"""A second `run` of a live batch: consent as usual, then the live run takes over, and we watch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import click

from runner.app.handover import hand_over, used_by_run, watch_run
from runner.app.planning import plan_project
from runner.app.project import Project
from runner.app.run import RunResult
from runner.clock import SystemClock
from runner.core.plan import Plan
from runner.core.summary import BatchSummary
from runner.store.runs import StoredRun

from .consent import agree, show_warnings
from .event_text import clock_time
from .options import Flags
from .output import Output, clean
from .run_request import RunRequest, purse_of, wish_of
from .show_status import counts_line, money_lines


async def join_run(
    flags: Flags, request: RunRequest, project: Project, run: StoredRun
) -> RunResult:
    """Hand the manifest over and watch; the result is that of the live run.

    Raises:
        UsageError: nobody agreed to spend, or the live run refused the manifest.
        StoreLocked: the live run did not answer.
    """
    out, clock = flags.output(), SystemClock()
    out.say(f"process {run.pid} works on batch `{project.batch}`: it takes the manifest over")
    plan = await plan_project(project, wish_of(request))
    show_warnings(out, plan)
    agreed = agree(plan, purse_of(flags, request, project), out, _ask)
    cap = await _cap(request, plan, project, run, agreed)
    handed = await hand_over(project, run, cap, clock=clock, wish=wish_of(request))
    counts = ", ".join(f"{n:,} {word}" for word, n in handed.actions.items())
    out.say(f"taken over: {counts or 'no jobs'}; Ctrl-C ends the watching only")
    if request.jobs:
        out.hint("-j was not handed over: `runway-batch limits set` changes a live run")
    silent = flags.json or flags.quiet or request.display == "none"
    try:
        return await watch_run(project, run, _teller(out, silent=silent), clock=clock)
    except asyncio.CancelledError:
        out.say("no longer watching; the run goes on")
        raise


async def _cap(
    request: RunRequest, plan: Plan, project: Project, run: StoredRun, agreed: int | None
) -> int | None:
    """The live run's cap from now on; None leaves it.

    What was agreed to is for the jobs to come: what that run has used already comes on top.
    """
    if request.max_credits is not None:
        return request.max_credits
    if agreed is None or not plan.starting:
        return None
    return agreed + await used_by_run(project, run)


def _teller(out: Output, *, silent: bool) -> Callable[[BatchSummary], None]:
    """Says how the batch stands, whenever that changes."""
    said = ""

    def tell(summary: BatchSummary) -> None:
        nonlocal said
        line = f"{counts_line(summary)}; {money_lines(summary, of_run=False)[0]}"
        if line != said and not silent:
            out.say(f"{clock_time(SystemClock().now())} {line}")
        said = line

    return tell


def _ask(question: str) -> bool:
    return click.confirm(clean(question), default=False, err=True)
