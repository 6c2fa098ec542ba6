"""`runway-batch fetch [FILE|NAME]`."""

from __future__ import annotations

import asyncio

import click

from runner.cli.options import BatchCommand, Flags
from runner.cli.targets import batch_argument, emulator_option, select_option

_HELP = """Download what is paid for and not on the disk.

Collects finished tasks, and the files of finished jobs that are missing or damaged, as long as
Runway has them. Sends nothing and spends nothing.
"""


@click.command("fetch", cls=BatchCommand, help=_HELP)
@batch_argument
@select_option
@emulator_option
@click.pass_obj
def command(flags: Flags, batch: str | None, select: tuple[str, ...], emulator: bool) -> int:
    from runner.cli.files import fetch_files

    return asyncio.run(fetch_files(flags, batch, select, emulator=emulator))
