"""Endpoints, models and prices for people and for scripts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from runner.core.catalog import DEFAULT, ModelInfo

from .output import Output


def models_json(infos: Iterable[ModelInfo]) -> dict[str, Any]:
    return {
        "models": [
            {
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
            for info in infos
        ]
    }


def show_models(infos: Iterable[ModelInfo], out: Output) -> None:
    rows = [
        (
            info.endpoint,
            "-" if info.model == DEFAULT else info.model,
            info.price.formula or "not published",
            info.price.confidence,
            info.price.as_of,
            _status(info),
        )
        for info in infos
    ]
    headers = ("endpoint", "model", "price in credits", "confidence", "as of", "status")
    out.table(headers, rows)


def _status(info: ModelInfo) -> str:
    if info.is_retired and info.replacements:
        return f"{info.status}, see {info.replacements[0]}"
    return info.status
