"""`runway-batch retry [FILE|NAME]`."""

from __future__ import annotations

import asyncio

import click

from runner.cli.options import BatchCommand, Flags
from runner.cli.targets import batch_argument, emulator_option, select_option

_HELP = """Queue failed and held jobs again.

With them go the jobs that were skipped because of them. A cancelled job is queued again only where
`-s` means it. The next run sends them; nothing is spent here.
"""


@click.command("retry", cls=BatchCommand, help=_HELP)
@batch_argument
@select_option
@emulator_option
@click.pass_obj
def command(flags: Flags, batch: str | None, select: tuple[str, ...], emulator: bool) -> int:
    from runner.cli.pausing import retry_jobs

    return asyncio.run(retry_jobs(flags, batch, select, emulator=emulator))
