"""`runway-batch ledger [FILE|NAME]`."""

from __future__ import annotations

import asyncio

import click

from runner.cli.options import BatchCommand, Flags
from runner.cli.targets import batch_argument, emulator_option

_HELP = """Show what was spent, and what is left of every cap.

Of one batch by model; without FILE or NAME, where the state file has several batches, of all of
them. Needs no key.
"""


@click.command("ledger", cls=BatchCommand, help=_HELP)
@batch_argument
@click.option(
    "--by",
    type=click.Choice(["batch", "model", "tag", "day", "job", "run"]),
    help="What the sums are made by; `run` also says who paid. Days are those of UTC.",
)
@click.option("--csv", "as_csv", is_flag=True, help="The sums as CSV with a header.")
@emulator_option
@click.pass_obj
def command(flags: Flags, batch: str | None, by: str | None, as_csv: bool, emulator: bool) -> int:
    from runner.cli.show_ledger import LedgerFlags, ledger

    return asyncio.run(
        ledger(flags, LedgerFlags(batch=batch, by=by, as_csv=as_csv, emulator=emulator))
    )
