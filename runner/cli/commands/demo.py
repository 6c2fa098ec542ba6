"""`runway-batch demo`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from runner.cli.options import BatchCommand, Flags

_HELP = """Run an example on the emulator: nothing is spent.

Prints every file made. May be repeated: what is there already is not made again.
"""


@click.command("demo", cls=BatchCommand, help=_HELP)
@click.option(
    "--dir", "folder", type=click.Path(path_type=Path), default=Path("runway-batch-demo"),
    show_default=True, help="Where the example and its files go.",
)  # fmt: skip
@click.option(
    "--speed", type=click.FloatRange(min=0, min_open=True), default=120.0, show_default=True,
    help="Of the emulator.",
)  # fmt: skip
@click.pass_obj
def command(flags: Flags, folder: Path, speed: float) -> int:
    from runner.cli.examples import copy_example
    from runner.cli.run_request import RunRequest
    from runner.cli.running import run_file
    from runner.cli.show_run import files_made

    out = flags.output()
    file = copy_example("quickstart.yaml", folder)
    out.say(f"running {file} on the emulator")
    request = RunRequest(file=file, command="demo", emulator=True, speed=speed, yes=True)
    ending = asyncio.run(run_file(flags, request))
    if not out.json:
        for path in files_made(ending):
            out.data(str(path))
        out.hint(f"see more: runway-batch status {file} --emulator")
    return ending.result.exit_code
