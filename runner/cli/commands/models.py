"""`runway-batch models [MODEL]`."""

from __future__ import annotations

import click

from runner.cli.options import BatchCommand, Flags


@click.command("models", cls=BatchCommand)
@click.argument("model", required=False)
@click.option("--endpoint", metavar="NAME", help="Only models of this endpoint.")
@click.pass_obj
def command(flags: Flags, model: str | None, endpoint: str | None) -> int:
    """List endpoints, models and prices."""
    from runner.app.catalogue import list_models
    from runner.cli.show_models import models_json, show_models

    out = flags.output()
    found = list_models(model, endpoint)
    if out.json:
        out.envelope("models", models_json(found))
    else:
        show_models(found, out)
    return 0
