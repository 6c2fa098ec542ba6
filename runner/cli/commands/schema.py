"""`runway-batch schema [NAME]`."""

from __future__ import annotations

import click

from runner.cli.options import BatchCommand, Flags

_HELP = """Print a JSON Schema: for editors and for scripts.

NAME is `manifest` (default), `fragment` (a file that a manifest includes), `prices`, `policy`,
`result` (what `--json` prints), or an endpoint such as `image_to_video`.
"""


@click.command("schema", cls=BatchCommand, help=_HELP)
@click.argument("name", default="manifest", metavar="[NAME]")
@click.pass_obj
def command(flags: Flags, name: str) -> int:
    from runner.app.catalogue import schema_of

    out = flags.output()
    file, text, schema = schema_of(name)
    if out.json:
        out.envelope("schema", {"name": name, "file": file, "schema": schema})
    else:
        out.json_text(text)
    return 0
