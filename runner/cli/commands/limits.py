"""`runway-batch limits [FILE|NAME]` and `runway-batch limits set [FILE|NAME]`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import click

from runner.cli.money import lane_bounds, lowest
from runner.cli.options import BatchCommand, Flags, GlobalGroup
from runner.cli.targets import batch_argument, emulator_option


class _Limits(GlobalGroup):
    """`limits` alone is `limits show`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not {"show", "set", "--help"}.intersection(args):
            args = ["show", *args]
        return super().parse_args(ctx, args)


command = _Limits(
    "limits", help="Show limits and what is in use, or set those of a live run.",
    no_args_is_help=False,
)  # fmt: skip


@command.command("show", cls=BatchCommand)
@batch_argument
@emulator_option
@click.pass_obj
def show(flags: Flags, batch: str | None, emulator: bool) -> int:
    """Show limits of the batch and of the account, and what is in use. Needs no key."""
    from runner.cli.show_limits import limits

    return asyncio.run(limits(flags, batch, emulator=emulator))


_SET = """Set limits of a live run.

Models that are not named keep theirs; the manifest's bounds and caps always apply too. Without a
live run give `run` the same flags.
"""


@command.command("set", cls=BatchCommand, help=_SET)
@batch_argument
@click.option(
    "--jobs", "-j", multiple=True, callback=lane_bounds, metavar="N|MODEL=N",
    help="Most tasks at Runway, in total or of a model.",
)  # fmt: skip
@click.option("--max-credits", callback=lowest, metavar="N|$N", help="Cap of the live run.")
@emulator_option
@click.pass_obj
def set_(
    flags: Flags,
    batch: str | None,
    jobs: Mapping[str | None, int],
    max_credits: int | None,
    emulator: bool,
) -> int:
    from runner.cli.show_limits import NewLimits, change_limits

    wanted = NewLimits(jobs=jobs, max_credits=max_credits)
    return asyncio.run(change_limits(flags, batch, wanted, emulator=emulator))
