"""All of one model: what its body holds, what it asks of inputs, what it costs, an example."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from runner.core.catalog import DEFAULT, ModelInfo, Schema, takes_media
from runner.core.example_body import example_body
from runner.manifest.endpoint_schema import published_schema
from runner.manifest.field_notes import field_notes
from runner.manifest.words import expected, listed

from .output import Output, page_width
from .price_words import input_words, rule_words
from .wrapping import wrapped

#: a page is not wider, also on a wide terminal
WIDEST = 100
_INDENT = "  "
_NO_PRICE = "not published: set `max_credits`; Runway tells the price when the job is sent"


def page_json(info: ModelInfo, sources: Mapping[str, str]) -> dict[str, Any]:
    """What the page shows, besides what the list has."""
    return {
        "required": list(info.required),
        "fields": {name: published_schema(schema) for name, schema in info.fields.items()},
        "inputs": input_words(info),
        "rules": [rule_words(rule) for rule in info.rules],
        "example": example_body(info),
        "sources": {name: sources.get(name, "") for name in info.price.sources},
    }


def show_pages(infos: Sequence[ModelInfo], sources: Mapping[str, str], out: Output) -> None:
    """A page for each endpoint of the model.

    Args:
        infos: the model at its endpoints.
        sources: what the catalogue calls the origins of its prices.
    """
    for number, info in enumerate(infos):
        if number:
            out.data()
        _show_page(info, sources, out)


def _show_page(info: ModelInfo, sources: Mapping[str, str], out: Output) -> None:
    name = info.endpoint if info.model == DEFAULT else f"{info.model} at {info.endpoint}"
    out.data(f"{name}: makes {'what it is built for' if info.media == 'any' else info.media}")
    for text in _status(info):
        paragraph(out, text, indent=_INDENT)
    out.data()
    out.table(("!field", "takes", "meaning"), _field_rows(info), most=page_cells())
    out.data(f"{_INDENT}* needed")
    for title, texts in _sections(info, sources):
        if texts:
            out.data()
            out.data(title)
        for text in texts:
            paragraph(out, text, indent=_INDENT)
    out.data()
    out.data("example")
    for line in example_lines(info):
        out.data(_INDENT + line)


def _status(info: ModelInfo) -> Iterator[str]:
    if info.is_retired:
        instead = f": use {listed(info.replacements)}" if info.replacements else ""
        yield f"No longer served{instead}."
    if info.note:
        yield info.note


def _field_rows(info: ModelInfo) -> Iterator[tuple[str, str, str]]:
    notes = field_notes()
    for name, schema in info.fields.items():
        about = [notes.get(name, ""), schema.get("note", "")]
        if schema.get("default") not in (None, ""):
            about.append(f"Default: {_plain(schema['default'])}.")
        if schema.get("deprecated"):
            about.append("Has no effect any more.")
        needed = "*" if name in info.required else ""
        yield f"{name}{needed}", takes(schema), " ".join(filter(None, about))


def takes(schema: Schema) -> str:
    """What a field takes, with every choice and the fields inside."""
    if "anyOf" in schema:
        return "; or ".join(dict.fromkeys(takes(branch) for branch in schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(map(_plain, schema["enum"]))
    if media := takes_media(schema):
        return f"{media} file or URL"
    if schema.get("type") == "array":
        return f"{expected(schema)}: {takes(schema['items'])}"
    if properties := schema.get("properties"):
        needed = schema.get("required", ())
        inner = [
            f"{name}{'*' if name in needed else ''}: {takes(each)}"
            for name, each in properties.items()
        ]
        return f"{{{'; '.join(inner)}}}"
    return expected(schema).removeprefix("a ").replace("text of 0 to", "text of at most")


def _sections(info: ModelInfo, sources: Mapping[str, str]) -> Iterator[tuple[str, Sequence[str]]]:
    yield "rules", [rule_words(rule).replace("`", "") for rule in info.rules]
    yield "inputs", input_words(info)
    yield "price in credits", [*_price(info), *_origins(info, sources)]


def _price(info: ModelInfo) -> Iterator[str]:
    price = info.price
    yield price.formula or _NO_PRICE
    if price.note:
        yield price.note
    if price.as_of:
        yield f"confidence {price.confidence}, as of {price.as_of}"


def _origins(info: ModelInfo, sources: Mapping[str, str]) -> Iterator[str]:
    for name in info.price.sources:
        yield f"{name}: {sources[name]}" if name in sources else name


def example_lines(info: ModelInfo) -> list[str]:
    """A job of a manifest, as YAML."""
    body = {info.endpoint: example_body(info)}
    text = yaml.safe_dump(
        [{"id": _job_id(info), **body}],
        sort_keys=False,
        allow_unicode=True,
        width=page_cells() - len(_INDENT),
    )
    return text.splitlines()


def _job_id(info: ModelInfo) -> str:
    name = info.endpoint.rpartition("/")[2] if info.model == DEFAULT else info.model
    return re.sub(r"\W+", "-", name).strip("-")


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def page_cells() -> int:
    """Cells of a line: as many as the terminal has, but not more than can be read well."""
    return min(page_width(), WIDEST)


def paragraph(out: Output, text: str, *, indent: str = "", hanging: int = 0) -> None:
    """Text in lines of the page; `hanging` blanks go before every line but the first."""
    lines = wrapped(text, page_cells() - len(indent), indent=hanging)
    for line in lines:
        out.data(indent + line)
