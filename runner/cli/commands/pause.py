"""`runway-batch pause [FILE|NAME]`."""

from __future__ import annotations

import asyncio

import click

from runner.cli.options import BatchCommand, Flags
from runner.cli.targets import batch_argument, emulator_option

_HELP = """Send nothing more of a batch, until `resume`.

With or without a live run. What is at Runway goes on there and is collected; nothing is cancelled.
"""


@click.command("pause", cls=BatchCommand, help=_HELP)
@batch_argument
@emulator_option
@click.pass_obj
def command(flags: Flags, batch: str | None, emulator: bool) -> int:
    from runner.cli.pausing import pause_batch

    return asyncio.run(pause_batch(flags, batch, emulator=emulator))
