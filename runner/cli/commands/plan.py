"""`runway-batch plan FILE`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from runner.cli.options import BatchCommand, Flags

_HELP = """Show what a run would do and cost.

Needs no key and no network; changes nothing.
"""


@click.command("plan", cls=BatchCommand, help=_HELP)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--gate", is_flag=True, help="Exit 8 when the worst case passes a cap.")
@click.option("--emulator", is_flag=True, help="Compare with what ran on the emulator.")
@click.pass_obj
def command(flags: Flags, file: Path, gate: bool, emulator: bool) -> int:
    from runner.cli.planning import plan_file

    return asyncio.run(plan_file(flags, file, emulator=emulator, gate=gate))
