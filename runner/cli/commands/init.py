"""`runway-batch init [DIR]`."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.options import BatchCommand, Flags

_HELP = """Write a manifest to start from.

Also a `.gitignore` for state files and outputs. Refuses to overwrite.
"""


@click.command("init", cls=BatchCommand, help=_HELP)
@click.argument("folder", type=click.Path(path_type=Path), default=Path(), metavar="[DIR]")
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@click.pass_obj
def command(flags: Flags, folder: Path, force: bool) -> int:
    from runner.cli.starter import write_starter

    out = flags.output()
    written = write_starter(folder, force=force)
    if out.json:
        out.envelope("init", {"files": [str(path) for path in written]})
        return 0
    for path in written:
        out.data(str(path))
    out.hint(f"try it at no cost: runway-batch run {written[0]} --emulator")
    return 0
