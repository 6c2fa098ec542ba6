"""`runway-batch cancel [FILE|NAME]`."""

from __future__ import annotations

import asyncio

import click

from runner.cli.options import BatchCommand, Flags
from runner.cli.targets import batch_argument, emulator_option, select_option

_HELP = """Drop jobs not sent, and tasks that have not begun.

What runs is paid, so it is let end and collected, unless --abandon-running. Finished jobs are
never touched, and jobs in doubt need `resolve`. Without -s every job of the batch is meant.
"""


@click.command("cancel", cls=BatchCommand, help=_HELP)
@batch_argument
@select_option
@click.option("--abandon-running", is_flag=True, help="Also what runs; its credits are lost.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@emulator_option
@click.pass_obj
def command(
    flags: Flags,
    batch: str | None,
    select: tuple[str, ...],
    abandon_running: bool,
    yes: bool,
    emulator: bool,
) -> int:
    from runner.cli.cancelling import CancelFlags, cancel_jobs

    asked = CancelFlags(
        batch=batch, select=select, abandon_running=abandon_running, yes=yes, emulator=emulator
    )
    return asyncio.run(cancel_jobs(flags, asked))
