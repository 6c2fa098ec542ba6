"""`runway-batch models [NAME]`."""

from __future__ import annotations

import click

from runner.cli.options import BatchCommand, Flags

_HELP = """List models and prices, or show all of one model.

NAME is a model, or an endpoint that has no models. The page of a model shows its fields with what
they take, rules, inputs, the price with its source, and an example to copy.
"""


@click.command("models", cls=BatchCommand, help=_HELP)
@click.argument("name", required=False)
@click.option("--endpoint", metavar="NAME", help="Only this endpoint.")
@click.pass_obj
def command(flags: Flags, name: str | None, endpoint: str | None) -> int:
    from runner.app.catalogue import list_models, price_sources
    from runner.cli.model_page import page_json, show_pages
    from runner.cli.show_models import model_json, show_models

    out = flags.output()
    found = list_models(name, endpoint)
    is_page = len({info.model for info in found}) == 1
    sources = price_sources()
    if out.json:
        pages = [page_json(info, sources) if is_page else {} for info in found]
        models = [model_json(info) | page for info, page in zip(found, pages, strict=True)]
        out.envelope("models", {"models": models})
    elif is_page:
        show_pages(found, sources, out)
    else:
        show_models(found, out)
        out.hint("all of one: runway-batch models NAME")
    return 0
