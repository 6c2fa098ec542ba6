"""`runway-batch status [FILE|NAME]`."""

from __future__ import annotations

import asyncio
import sys

import click

from runner.cli.options import BatchCommand, Flags
from runner.cli.targets import batch_argument, emulator_option

_HELP = """Show where a batch stands.

Also while a run works on it. Without FILE or NAME: the only batch here.
"""


@click.command("status", cls=BatchCommand, help=_HELP)
@batch_argument
@click.option("--all", "everything", is_flag=True, help="Also the finished ones of a long list.")
@emulator_option
@click.pass_obj
def command(flags: Flags, batch: str | None, everything: bool, emulator: bool) -> int:
    return asyncio.run(_status(flags, batch, everything, emulator))


async def _status(flags: Flags, batch: str | None, everything: bool, emulator: bool) -> int:
    from runner.app.batch import batch_status
    from runner.cli.places import find, suffix
    from runner.cli.show_status import show_status, status_json
    from runner.clock import SystemClock

    out = flags.output()
    ref = await find(flags, batch, emulator=emulator)
    status = await batch_status(ref)
    if out.json:
        out.envelope("status", status_json(status, state=str(ref.state)))
    else:
        fold = sys.stdout.isatty() and not everything
        where = suffix(batch, emulator=emulator)
        show_status(status, out, now=SystemClock().now(), suffix=where, fold=fold)
    return 0
