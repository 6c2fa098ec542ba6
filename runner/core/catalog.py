"""The table of endpoints and models: what a body may hold, and what it costs.

Where a field may hold media, its schema says `{"type": "string", "format": "media-uri",
"media": "image"}`. The values themselves are checked in `manifest/bodies.py`.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runner.core.price import Price, price_from_dict
from runner.core.spec import ASSET, OUTPUT, Body, Json
from runner.errors import CatalogError

#: name of the single variant of an endpoint without models
DEFAULT = "default"
WORKFLOWS = "workflows/"

Schema = Mapping[str, Any]
Path = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tolerance:
    """A rule whose breach is a warning: the body is accepted as the original document prints it."""

    rule: str  # a JSON Schema keyword
    message: str
    hint: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ModelInfo:
    """One model at one endpoint. Compared by identity, so that it can be the key of a cache."""

    endpoint: str
    model: str  # `default` where the endpoint has no models
    media: str  # what it makes: image, video or audio; `any` for workflows
    status: str  # current, or retired: no longer served
    required: tuple[str, ...]  # with the discriminator
    fields: Mapping[str, Schema]
    price: Price
    input_rules: Mapping[str, Any]  # what the service asks of input files
    unknown_keys: str  # reject, reject-assumed, not-declared or ignore
    note: str = ""
    replacements: tuple[str, ...] = ()  # of a retired model, the nearest first
    tolerated: Mapping[str, Tolerance] = field(default_factory=dict)  # by field
    rules: tuple[Mapping[str, Any], ...] = ()  # of fields together: see manifest/body_rules.py

    @property
    def lane(self) -> str:
        """What slots are counted by: the model, or the endpoint where there is none."""
        return self.model if self.fields.get("model") else self.endpoint

    @property
    def is_retired(self) -> bool:
        return self.status == "retired"


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """One generation endpoint."""

    name: str
    path: str
    media: str
    discriminator: str | None  # the field that chooses the model: `model`, `mode` or none
    models: Mapping[str, ModelInfo]


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalog:
    """All endpoints, by name: `image_to_video`, `recipes/product_ad`."""

    endpoints: Mapping[str, Endpoint]
    #: the rest of the file: `tiers`, `task_failure_codes`, `input_assets`, `sources` …
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Catalog:
        """Read the catalogue's JSON.

        Raises:
            CatalogError: something is missing or contradicts itself.
        """
        try:
            tiers = raw["ratio_tiers"]
            endpoints = {
                name: _endpoint(name, item, tiers) for name, item in raw["endpoints"].items()
            }
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CatalogError(
                f"the catalogue cannot be read: {error!r}", hint="reinstall runway-batch"
            ) from error
        return cls(endpoints=endpoints, facts={key: raw[key] for key in raw if key != "endpoints"})

    def endpoint(self, name: str) -> Endpoint | None:
        """The endpoint of that name; `workflows/<id>` stands for any workflow."""
        if name not in self.endpoints and name.startswith(WORKFLOWS) and name != WORKFLOWS:
            return self.endpoints.get(WORKFLOWS + "{id}")
        return self.endpoints.get(name)

    def find(self, endpoint: str, model: str | None) -> ModelInfo | None:
        """The model at that endpoint; None as model: the endpoint's single variant."""
        known = self.endpoint(endpoint)
        return None if known is None else known.models.get(model or DEFAULT)

    def endpoints_of(self, model: str) -> tuple[str, ...]:
        """Where a model can be used; empty for a name nobody knows."""
        return tuple(
            name
            for name, endpoint in self.endpoints.items()
            if endpoint.discriminator == "model" and model in endpoint.models
        )


def closest(word: str, choices: Sequence[str]) -> str | None:
    """The choice that looks most like a word, without regard to case; None if none does."""
    return _closest(word, tuple(choices))


@functools.lru_cache(maxsize=256)  # what is wrong in a row is wrong in the next, too
def _closest(word: str, choices: tuple[str, ...]) -> str | None:
    lower = {choice.lower(): choice for choice in reversed(choices)}
    found = difflib.get_close_matches(word.lower(), list(lower), n=1)
    return lower[found[0]] if found else None


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaField:
    """A value of a body that names media: a URI, a local path, or a `$output`/`$asset` marker."""

    path: Path
    media: str
    value: Json


def media_fields(info: ModelInfo, body: Body) -> Iterator[MediaField]:
    """Every media value of a body, in the order of the body, with its path."""
    for name, value in body.items():
        if name in info.fields:
            found = {item.path: item for item in _walk(info.fields[name], value, (name,))}
            yield from found.values()


def is_marker(value: Json) -> bool:
    """Whether a value is one of ours: an output of another job, or a local file."""
    return isinstance(value, Mapping) and len(value) == 1 and (OUTPUT in value or ASSET in value)


def takes_media(schema: Schema) -> str:
    """The media of a media string's schema, else empty."""
    return str(schema["media"]) if schema.get("format") == "media-uri" else ""


def _walk(schema: Schema, value: Json, path: Path) -> Iterator[MediaField]:
    if media := takes_media(schema):
        if isinstance(value, str) or is_marker(value):
            yield MediaField(path=path, media=media, value=value)
    elif "anyOf" in schema:
        branches = [branch for branch in schema["anyOf"] if _fits(branch, value)]
        for branch in reversed(branches or schema["anyOf"]):  # the first one wins in the end
            yield from _walk(branch, value, path)
    elif isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        for index, item in enumerate(value):
            yield from _walk(schema["items"], item, (*path, index))
    elif isinstance(value, Mapping) and not is_marker(value):
        for key, item in value.items():
            inner = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
            if isinstance(inner, Mapping):
                yield from _walk(inner, item, (*path, key))


def _fits(branch: Schema, value: Json) -> bool:
    """Whether a value was meant for this branch of a choice, as its fixed words tell."""
    if not isinstance(value, Mapping) or is_marker(value):
        return True
    return all(
        value.get(key) in schema["enum"]
        for key, schema in branch.get("properties", {}).items()
        if "enum" in schema and key in branch.get("required", ())
    )


def _endpoint(
    name: str, raw: Mapping[str, Any], tiers: Mapping[str, Mapping[str, str]]
) -> Endpoint:
    models = {
        model: _model(name, model, raw["media"], item, tiers)
        for model, item in raw["models"].items()
    }
    if raw["discriminator"] is None and set(models) != {DEFAULT}:
        raise CatalogError(f"`{name}` has several models and no field to choose one")
    return Endpoint(
        name=name,
        path=raw["path"],
        media=raw["media"],
        discriminator=raw["discriminator"],
        models=models,
    )


def _model(
    endpoint: str,
    model: str,
    media: str,
    raw: Mapping[str, Any],
    tiers: Mapping[str, Mapping[str, str]],
) -> ModelInfo:
    missing = [name for name in raw["required"] if name not in raw["fields"]]
    if missing:
        raise CatalogError(f"`{endpoint}` `{model}` requires fields it does not have: {missing}")
    if raw["status"] not in {"current", "retired"}:
        raise CatalogError(f"`{endpoint}` `{model}` has an unknown status: `{raw['status']}`")
    return ModelInfo(
        endpoint=endpoint,
        model=model,
        media=raw.get("media", media),
        status=raw["status"],
        required=tuple(raw["required"]),
        fields=raw["fields"],
        price=price_from_dict(raw["price"], tiers),
        input_rules=raw.get("input_rules", {}),
        unknown_keys=raw["unknown_keys"],
        note=raw.get("note", ""),
        replacements=tuple(raw.get("replacements", ())),
        tolerated={key: Tolerance(**item) for key, item in raw.get("tolerated", {}).items()},
        rules=tuple(raw.get("rules", ())),
    )
