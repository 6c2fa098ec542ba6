"""`runway-batch init [DIR]`."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.options import BatchCommand, Flags

_HELP = """Write a manifest to start from.

With `--from` one that goes through a table or through files: columns that look like fields of a
request are used, what else the request needs is an example to change. Also a `.gitignore` for
state files and outputs. Refuses to overwrite.
"""


@click.command("init", cls=BatchCommand, help=_HELP)
@click.argument("folder", type=click.Path(path_type=Path), default=Path(), metavar="[DIR]")
@click.option("--from", "source", metavar="FILE|GLOB", help="A table, or a pattern of files.")
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@click.pass_obj
def command(flags: Flags, folder: Path, source: str | None, force: bool) -> int:
    from runner.cli.starter import write_from, write_starter

    out = flags.output()
    if source is None:
        written = write_starter(folder, force=force)
    else:
        written = write_from(source, folder, force=force)
    if out.json:
        out.envelope("init", {"files": [str(path) for path in written]})
        return 0
    for path in written:
        out.data(str(path))
    if source is not None:
        out.hint(f"look it through, then: runway-batch plan {written[0]}")
    else:
        out.hint(f"try it at no cost: runway-batch run {written[0]} --emulator")
    return 0
