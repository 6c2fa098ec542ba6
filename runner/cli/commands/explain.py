"""`runway-batch explain JOB`."""

from __future__ import annotations

import asyncio

import click

from runner.cli.options import BatchCommand, Flags
from runner.cli.targets import emulator_option

_HELP = """Say of one job why it waits or failed, and what to do.

Also what it cost, its attempts, and everything that happened to it. Needs no key.
"""


@click.command("explain", cls=BatchCommand, help=_HELP)
@click.argument("job")
@click.option("--batch", metavar="FILE|NAME", help="Of which batch; default: the only one here.")
@emulator_option
@click.pass_obj
def command(flags: Flags, job: str, batch: str | None, emulator: bool) -> int:
    from runner.cli.show_explain import explain_job

    return asyncio.run(explain_job(flags, job, batch, emulator=emulator))
