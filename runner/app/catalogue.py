"""The catalogue as a list, and what was probably meant by a name it does not have."""

from __future__ import annotations

from runner.core.catalog import ModelInfo, closest
from runner.errors import UsageError
from runner.manifest.catalog_file import load_catalog


def list_models(model: str | None = None, endpoint: str | None = None) -> list[ModelInfo]:
    """Every model at every endpoint, or those of one name or one endpoint.

    Raises:
        UsageError: no such endpoint, or no such model there.
    """
    catalog = load_catalog()
    if endpoint is not None and catalog.endpoint(endpoint) is None:
        raise UsageError(
            f"no such endpoint: {endpoint}", hint=_hint(endpoint, list(catalog.endpoints))
        )
    endpoints = catalog.endpoints.values() if endpoint is None else [catalog.endpoint(endpoint)]
    infos = [info for each in endpoints if each is not None for info in each.models.values()]
    found = [info for info in infos if model in {None, info.model}]
    if not found:
        raise UsageError(
            f"no such model: {model}", hint=_hint(str(model), sorted({i.model for i in infos}))
        )
    return found


def _hint(name: str, known: list[str]) -> str:
    guess = closest(name, known)
    return f"did you mean `{guess}`?" if guess else "`runway-batch models` lists them"
