"""`runway-batch retry [FILE|NAME]`."""

from __future__ import annotations

import asyncio

import click

from runner.cli.options import BatchCommand, Flags

_HELP = """Queue failed jobs again.

With them go the jobs that were skipped because of them. The next run sends them; nothing is spent
here.
"""


@click.command("retry", cls=BatchCommand, help=_HELP)
@click.argument("batch", required=False, metavar="[FILE|NAME]")
@click.option(
    "-s", "--select", multiple=True, metavar="ID|GLOB", help="Only these; may be repeated."
)
@click.option("--emulator", is_flag=True, help="What ran on the emulator.")
@click.pass_obj
def command(flags: Flags, batch: str | None, select: tuple[str, ...], emulator: bool) -> int:
    return asyncio.run(_retry(flags, batch, select, emulator))


async def _retry(flags: Flags, batch: str | None, select: tuple[str, ...], emulator: bool) -> int:
    from runner.app.batch import retry
    from runner.cli.places import find, run_command
    from runner.core.credits import format_credits

    out = flags.output()
    ref = await find(flags, batch, emulator=emulator)
    jobs = await retry(ref, select)
    if out.json:
        queued = [{"id": job.id, "credits": job.spec.reserve} for job in jobs]
        out.envelope("retry", {"batch": ref.name, "queued": queued})
        return 0
    for job in jobs:
        out.data(f"queued {job.id}: {format_credits(job.spec.reserve)} at worst")
    if jobs:
        out.hint(f"go on: {run_command(batch, emulator=emulator)}")
    else:
        out.data("no failed jobs")
    return 0
