"""`runway-batch credits`."""

from __future__ import annotations

import asyncio

import click

from runner.cli.options import BatchCommand, Flags


@click.command("credits", cls=BatchCommand)
@click.pass_obj
def command(flags: Flags) -> int:
    """Show the account: balance, limits, use of today."""
    from runner.app.account import read_account
    from runner.cli.show_account import account_json, show_account

    out = flags.output()
    account = asyncio.run(read_account(flags.settings()))
    if out.json:
        out.envelope("credits", account_json(account))
    else:
        show_account(account, out)
    return 0
