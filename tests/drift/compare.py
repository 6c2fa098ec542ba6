"""The catalogue against one release of the official SDK."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from runner.core.catalog import Catalog, Endpoint, ModelInfo
from runner.manifest.endpoint_schema import model_schema
from tests.drift.facts import Facts, facts_of_schema
from tests.drift.sdk_types import SdkTypes, UnknownTypes


@dataclass(frozen=True, kw_only=True, slots=True)
class Drift:
    """One difference between the two."""

    endpoint: str
    model: str
    place: str
    what: str


def drift(catalog: Catalog, package: Path) -> list[Drift]:
    """Everything in which the catalogue differs from the folder `runwayml` of a release."""
    sdk = SdkTypes(package=package)
    found = [
        Drift(endpoint=name, model="", place="", what="the SDK has it, the catalogue does not")
        for name in sdk.unknown_modules(iter(catalog.endpoints))
    ]
    for endpoint in catalog.endpoints.values():
        try:
            found += _of_endpoint(endpoint, sdk.facts(endpoint.name, endpoint.discriminator))
        except UnknownTypes as error:
            found.append(Drift(endpoint=endpoint.name, model="", place="", what=str(error)))
    return found


def _of_endpoint(endpoint: Endpoint, theirs: dict[str, Facts]) -> Iterator[Drift]:
    for model, info in endpoint.models.items():
        if model not in theirs and not info.is_retired:
            yield Drift(endpoint=endpoint.name, model=model, place="", what="not in the SDK")
        elif model in theirs and info.is_retired:
            yield Drift(endpoint=endpoint.name, model=model, place="", what="retired, yet served")
    for model, facts in theirs.items():
        if model not in endpoint.models:
            yield Drift(endpoint=endpoint.name, model=model, place="", what="new in the SDK")
        else:
            for each in _of_model(endpoint.models[model], facts):
                if each.place != endpoint.discriminator:  # told as models
                    yield each


def _of_model(info: ModelInfo, theirs: Facts) -> Iterator[Drift]:
    ours = facts_of_schema(model_schema(info))
    for place, what in [
        *_fields(ours, theirs),
        *_required(ours, theirs),
        *_choices(ours, theirs),
        *_types(ours, theirs),
    ]:
        if theirs.speaks_of(place):
            yield Drift(endpoint=info.endpoint, model=info.model, place=place, what=what)


def _fields(ours: Facts, theirs: Facts) -> Iterator[tuple[str, str]]:
    for place in sorted(ours.fields.keys() | theirs.fields.keys()):
        mine, other = ours.fields.get(place, set()), theirs.fields.get(place, set())
        for name in sorted(other - mine):
            yield place, f"new field `{name}`"
        for name in sorted(mine - other):
            yield place, f"field `{name}` is gone"


def _required(ours: Facts, theirs: Facts) -> Iterator[tuple[str, str]]:
    for place in sorted(ours.required.keys() & theirs.required.keys()):
        mine, other = ours.required[place], theirs.required[place]
        if mine != other:
            yield place, f"required: {_sets(mine)} here, {_sets(other)} in the SDK"


def _sets(several: set[frozenset[str]]) -> str:
    return " or ".join(sorted(", ".join(sorted(each)) or "nothing" for each in several))


def _choices(ours: Facts, theirs: Facts) -> Iterator[tuple[str, str]]:
    for place in sorted(ours.places & theirs.places):
        mine, other = ours.choices.get(place, set()), theirs.choices.get(place, set())
        if other - mine:
            yield place, f"new choices: {', '.join(sorted(other - mine))}"
        if mine - other:
            yield place, f"choices gone: {', '.join(sorted(mine - other))}"


def _types(ours: Facts, theirs: Facts) -> Iterator[tuple[str, str]]:
    for place in sorted(ours.places & theirs.places):
        mine, other = ours.types.get(place, set()), theirs.types.get(place, set())
        if mine != other:
            yield place, f"type: {_words(mine)} here, {_words(other)} in the SDK"


def _words(types: set[str]) -> str:
    return " or ".join(sorted(types)) or "none"


def table(found: Sequence[Drift]) -> str:
    """The differences in columns, for people."""
    rows = [("endpoint", "model", "place", "what"), *map(astuple, found)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]])
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)
