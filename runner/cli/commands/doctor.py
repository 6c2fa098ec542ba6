"""`runway-batch doctor [FILE|NAME]`."""

from __future__ import annotations

import asyncio

import click

from runner.cli.options import BatchCommand, Flags

_HELP = """Check the state file and all that a run rests on.

Changes nothing unless it is told to. Needs no key; where there is one, Runway is asked too.
"""


@click.command("doctor", cls=BatchCommand, help=_HELP)
@click.argument("batch", required=False, metavar="[FILE|NAME]")
@click.option(
    "--adopt", is_flag=True,
    help="No other copy is in use: import results on disk, and make this the state file's home.",
)  # fmt: skip
@click.option(
    "--repair", is_flag=True, help="Compute counts again, end dead runs, tighten permissions."
)
@click.option("--emulator", is_flag=True, help="What ran on the emulator.")
@click.pass_obj
def command(flags: Flags, batch: str | None, adopt: bool, repair: bool, emulator: bool) -> int:
    from runner.cli.diagnosing import run_doctor

    return asyncio.run(run_doctor(flags, batch, adopt=adopt, repair=repair, emulator=emulator))
