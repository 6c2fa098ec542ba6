"""The catalogue as a list, its schemas, and what was meant by a name that it does not have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runner.core.catalog import DEFAULT, Catalog, ModelInfo, closest
from runner.core.model_search import Match, search_models
from runner.errors import UsageError
from runner.manifest.catalog_file import load_catalog
from runner.manifest.endpoint_schema import schema_file
from runner.manifest.field_notes import field_notes
from runner.manifest.schema import load_schema, schema_folder

#: schemas that are not those of an endpoint
SCHEMAS = ("manifest", "fragment", "prices", "result", "policy")


def list_models(name: str | None = None, endpoint: str | None = None) -> list[ModelInfo]:
    """Every model at every endpoint, or those of a name, which may be an endpoint's own.

    Raises:
        UsageError: no such endpoint, or no such model there.
    """
    catalog = load_catalog()
    if endpoint is None and name is not None and catalog.endpoint(name) is not None:
        name, endpoint = None, name
    if endpoint is not None and catalog.endpoint(endpoint) is None:
        raise UsageError(
            f"no such endpoint: {endpoint}", hint=_hint(endpoint, list(catalog.endpoints))
        )
    endpoints = catalog.endpoints.values() if endpoint is None else [catalog.endpoint(endpoint)]
    infos = [info for each in endpoints if each is not None for info in each.models.values()]
    found = [info for info in infos if name in {None, info.model}]
    if not found:
        raise _unknown_model(catalog, str(name), endpoint)
    return found


def find_models(
    name: str | None = None, endpoint: str | None = None
) -> tuple[Sequence[Match], bool]:
    """The models of a name; where nobody has it, those that it describes as a word.

    Returns:
        The models, and whether they were searched for.

    Raises:
        UsageError: no such endpoint, or nothing has the name or the word.
    """
    try:
        return [Match(info=info) for info in list_models(name, endpoint)], False
    except UsageError:
        if name is None or load_catalog().endpoints_of(name):
            raise
        found = search_models(list_models(endpoint=endpoint), name, field_notes())
        if not found:
            raise
        return found, True


def _unknown_model(catalog: Catalog, name: str, endpoint: str | None) -> UsageError:
    """What to do about a name: another endpoint has it, or it is a slip of the pen."""
    if endpoint is not None and (others := catalog.endpoints_of(name)):
        return UsageError(f"`{endpoint}` has no model {name}", hint=f"it is at {', '.join(others)}")
    known = {info.model for each in catalog.endpoints.values() for info in each.models.values()}
    names = sorted({*known, *catalog.endpoints} - {DEFAULT})
    return UsageError(f"no such model: {name}", hint=_hint(name, names))


def price_sources() -> Mapping[str, str]:
    """What stands behind the short names of the catalogue's sources."""
    sources: Mapping[str, str] = load_catalog().facts.get("sources", {})
    return sources


def schema_of(name: str) -> tuple[str, str, Mapping[str, Any]]:
    """A schema of ours by its name or by its endpoint: its file, the file's text, what it holds.

    Raises:
        UsageError: no schema has this name.
        RunnerError: the installation is incomplete.
    """
    catalog = load_catalog()
    endpoint = catalog.endpoint(name)
    if name not in SCHEMAS and endpoint is None:
        known = [*SCHEMAS, *catalog.endpoints]
        guess = closest(name, known)
        raise UsageError(
            f"no such schema: {name}",
            hint=f"did you mean `{guess}`?" if guess else f"one of: {', '.join(known)}",
        )
    file = f"endpoints/{schema_file(endpoint.name)}" if endpoint else f"{name}.schema.json"
    schema = load_schema(file)  # says so where it is missing
    return file, (schema_folder() / file).read_text(encoding="utf-8"), schema


def _hint(name: str, known: list[str]) -> str:
    guess = closest(name, known)
    return f"did you mean `{guess}`?" if guess else "`runway-batch models` lists them"
