"""Endpoints, models and prices for people and for scripts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from runner.core.catalog import DEFAULT, ModelInfo

from .model_page import WIDEST
from .output import Output
from .price_words import price_words


def model_json(info: ModelInfo) -> dict[str, Any]:
    """A line of the list."""
    return {
        "endpoint": info.endpoint,
        "model": None if info.model == DEFAULT else info.model,
        "media": info.media,
        "status": info.status,
        "replacements": list(info.replacements),
        "price": {
            "formula": info.price.formula or None,
            "unit": info.price.unit,
            "confidence": info.price.confidence,
            "as_of": info.price.as_of or None,
            "note": info.price.note,
        },
        "note": info.note,
    }


def show_models(infos: Iterable[ModelInfo], out: Output) -> None:
    """A line for each model and endpoint; what is as in the line above is left out."""
    groups: dict[tuple[str, str, str], list[ModelInfo]] = {}
    for info in infos:
        name = info.model if "model" in info.fields else info.endpoint
        groups.setdefault((name, info.media, _credits(info)), []).append(info)
    rows = [row for line, group in groups.items() for row in _rows(*line, group)]
    out.table(("!model", "!endpoint", "makes", "credits"), rows, most=WIDEST)


def _rows(name: str, media: str, price: str, infos: Sequence[ModelInfo]) -> Iterator[list[str]]:
    first, *others = map(_where, infos)
    yield [name, first, media, price]
    for endpoint in others:
        yield ["", endpoint, "", ""]


def _where(info: ModelInfo) -> str:
    if "model" in info.fields:
        return info.endpoint
    return "" if info.model == DEFAULT else f"mode: {info.model}"


def _credits(info: ModelInfo) -> str:
    if info.is_retired:
        return f"retired: {' or '.join(info.replacements) or 'no longer served'}"
    return price_words(info.price)
