"""Endpoints, models and prices for people and for scripts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from runner.core.catalog import DEFAULT, ModelInfo
from runner.core.model_search import Match

from .model_page import page_cells, paragraph
from .output import Output
from .price_words import price_words
from .wrapping import longest_word

#: models that are named for one reason
_MOST_NAMED = 3
#: cells of a name that has no room behind another
_LONG = 24


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
    out.table(("!model", "!endpoint", "makes", "credits"), rows, most=page_cells())


def show_matches(matches: Sequence[Match], out: Output) -> None:
    """The lines of the models, and what brought up those whose name does not say it."""
    show_models([match.info for match in matches], out)
    reasons: dict[str, dict[str, None]] = {}
    for match in matches:
        if match.found:
            reasons.setdefault(match.found, {})[match.info.lane] = None
    if reasons:
        out.data()
    for reason, lanes in reasons.items():
        more = f" and {len(lanes) - _MOST_NAMED:,} more" if len(lanes) > _MOST_NAMED else ""
        paragraph(out, f"{', '.join([*lanes][:_MOST_NAMED])}{more}: {reason}", hanging=2)


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
        names = " or ".join(info.replacements) or "no longer served"
        return f"retired: {names if len(longest_word(names)) <= _LONG else 'see its page'}"
    return price_words(info.price)
