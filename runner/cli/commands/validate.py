"""`runway-batch validate FILE…`."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.options import BatchCommand, Flags, set_option

_HELP = """Check manifests: every problem, with its place.

Needs no key and no network; changes nothing. Exit 2 where there is a problem.
"""


@click.command("validate", cls=BatchCommand, help=_HELP)
@click.argument(
    "files", type=click.Path(path_type=Path), metavar="FILE...", nargs=-1, required=True
)
@set_option
@click.pass_obj
def command(flags: Flags, files: tuple[Path, ...], sets: dict[str, str]) -> int:
    from runner.cli.validating import validate_files

    return validate_files(flags, files, sets)
