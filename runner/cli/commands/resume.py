"""`runway-batch resume [FILE|NAME]`."""

from __future__ import annotations

import asyncio

import click

from runner.cli.options import BatchCommand, Flags
from runner.cli.targets import batch_argument, emulator_option

_HELP = """Let a paused batch go on, and release held jobs.

Held are jobs that share what failed too often. A live run goes on by itself; without one the next
run does. Nothing is spent here.
"""


@click.command("resume", cls=BatchCommand, help=_HELP)
@batch_argument
@emulator_option
@click.pass_obj
def command(flags: Flags, batch: str | None, emulator: bool) -> int:
    from runner.cli.pausing import resume_batch

    return asyncio.run(resume_batch(flags, batch, emulator=emulator))
