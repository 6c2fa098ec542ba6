"""`runway-batch run FILE`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from runner.cli.money import lane_bounds, lowest
from runner.cli.options import BatchCommand, Flags, set_option, setting
from runner.cli.times import duration, time_of_day

_HELP = """Start a batch, or go on with it.

Always safe to repeat: finished work costs nothing, and what is under way at Runway is collected.
Failed jobs stay failed until `retry`. Where a run of the batch is live on this machine, that one
takes the manifest over as it is now, and this one watches it. One Ctrl-C stops politely, two leave
at once; neither cancels anything at Runway.
"""


@click.command("run", cls=BatchCommand, help=_HELP)
@click.argument("file", type=click.Path(path_type=Path))
@set_option
@setting(
    "--max-credits",
    callback=lowest,
    metavar="N|$N",
    help="Cap for this run; the lowest cap applies.",
)
@setting(
    "--jobs",
    "-j",
    multiple=True,
    callback=lane_bounds,
    metavar="N|MODEL=N",
    help="Most tasks at Runway, in total or of a model.",
)
@setting(
    "--max-duration",
    "max_duration_s",
    callback=duration,
    metavar="TIME",
    help="End after so long: 8h, 30m, 1h30m.",
)
@setting("--until", callback=time_of_day, metavar="HH:MM", help="End at this time of the day.")
@setting(
    "--max-wait",
    "max_wait_s",
    callback=duration,
    metavar="TIME",
    help="End when nothing can move for longer; for cron.",
)
@setting(
    "--drain", "drain_s", callback=duration, metavar="TIME",
    help="Collect for so long at a stop, 0: leave; else 1m on a signal, 15m when time is up.",
)  # fmt: skip
@setting(
    "--display",
    type=click.Choice(["full", "plain", "log", "none"]),
    help="Default: full on a terminal, plain elsewhere.",
)
@setting(
    "--stats",
    "stats_s",
    type=click.FloatRange(min=0),
    default=60.0,
    metavar="SECONDS",
    help="Between two lines of numbers; 0 = none.  [default: 60]",
)
@click.option("--yes", is_flag=True, help="Do not ask; without a budget the worst case is the cap.")
@click.option("--dry-run", is_flag=True, help="Show the plan and stop.")
@click.option(
    "--refresh",
    type=click.Choice(["stale"]),
    help="Make stale jobs again, and those that consume what is made again.",
)
@click.option("--accept-stale", is_flag=True, help="Let jobs start on a parent that is stale.")
@click.option("--take-over", is_flag=True, help="Take the batch from a run on another host.")
@click.option("--emulator", is_flag=True, help="Run on a pretend Runway: nothing is spent.")
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    default=20.0,
    show_default=True,
    help="Of the emulator.",
)
@click.pass_obj
def command(flags: Flags, /, file: Path, dry_run: bool, **options: Any) -> int:
    from runner.cli.run_request import RunRequest, wish_of
    from runner.cli.running import run_file

    request = RunRequest(file=file, **options)
    if dry_run:
        from runner.cli.planning import PlanRequest, plan_file

        planned = PlanRequest(
            file=file, sets=request.sets, emulator=request.emulator, run_cap=request.max_credits,
            wish=wish_of(request),
        )  # fmt: skip
        return asyncio.run(plan_file(flags, planned))
    return asyncio.run(run_file(flags, request)).result.exit_code
