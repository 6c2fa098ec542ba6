"""`runway-batch verify [FILE|NAME]`."""

from __future__ import annotations

import asyncio

import click

from runner.cli.options import BatchCommand, Flags

_HELP = """Check the files of finished jobs.

Reads every output again and compares it with what was downloaded. Changes nothing.
"""


@click.command("verify", cls=BatchCommand, help=_HELP)
@click.argument("batch", required=False, metavar="[FILE|NAME]")
@click.option("--emulator", is_flag=True, help="What ran on the emulator.")
@click.pass_obj
def command(flags: Flags, batch: str | None, emulator: bool) -> int:
    from runner.cli.files import verify_files

    return asyncio.run(verify_files(flags, batch, emulator=emulator))
