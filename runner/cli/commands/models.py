"""`runway-batch models [NAME]`."""

from __future__ import annotations

import click

from runner.cli.options import BatchCommand, Flags

_HELP = """List models and prices, or show all of one model.

NAME is a model, an endpoint, or a word of what is wanted, such as `lip` or `dub`. The page of a
model shows its fields with what they take, rules, inputs, the price with its source, and an example
to copy.
"""


@click.command("models", cls=BatchCommand, help=_HELP)
@click.argument("name", required=False)
@click.option("--endpoint", metavar="NAME", help="Only this endpoint.")
@click.pass_obj
def command(flags: Flags, name: str | None, endpoint: str | None) -> int:
    from runner.app.catalogue import find_models, price_sources
    from runner.cli.model_page import page_json, show_pages
    from runner.cli.show_models import model_json, show_matches

    out = flags.output()
    matches, is_search = find_models(name, endpoint)
    found = [match.info for match in matches]
    is_page = not is_search and len({info.model for info in found}) == 1
    sources = price_sources()
    if out.json:
        pages = [page_json(info, sources) if is_page else {} for info in found]
        models = [model_json(info) | page for info, page in zip(found, pages, strict=True)]
        out.envelope("models", {"models": models})
    elif is_page:
        show_pages(found, sources, out)
    else:
        show_matches(matches, out)
        out.hint("all of one: runway-batch models NAME")
    return 0
