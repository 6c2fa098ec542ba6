"""`runway-batch plan FILE`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from runner.cli.options import BatchCommand, Flags, set_option

_HELP = """Show what a run would do and cost.

FILE is a manifest, or a table (.csv, .tsv, .jsonl, .xlsx, or `-`) with `--set`. Needs no key and no
network, except for `--account`; changes nothing.
"""


@click.command("plan", cls=BatchCommand, help=_HELP)
@click.argument("file", type=click.Path(path_type=Path))
@set_option
@click.option("--gate", is_flag=True, help="Exit 8 when the worst case exceeds a cap.")
@click.option(
    "--refresh",
    type=click.Choice(["stale"]),
    help="As `run --refresh stale` would: stale jobs are made again.",
)
@click.option("--account", is_flag=True, help="Read balance, slots and daily quotas once; free.")
@click.option("--jobs", is_flag=True, help="List every job, with its reason.")
@click.option("--emulator", is_flag=True, help="Compare with what ran on the emulator.")
@click.pass_obj
def command(flags: Flags, /, file: Path, refresh: str | None, **options: Any) -> int:
    from runner.app.planning import Wish
    from runner.cli.planning import PlanRequest, plan_file

    request = PlanRequest(file=file, wish=Wish(refresh=refresh is not None), **options)
    return asyncio.run(plan_file(flags, request))
