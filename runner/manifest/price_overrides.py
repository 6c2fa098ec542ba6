"""`prices`: what a manifest, or a file beside it, says that models cost."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path as FilePath

from runner.core.catalog import WORKFLOWS, Catalog, ModelInfo, closest
from runner.core.credits import CREDITS_PER_DOLLAR
from runner.core.price_override import (
    Per,
    PriceOverride,
    PriceOverrides,
    Target,
    overridden_price,
)
from runner.core.spec import Json
from runner.errors import ManifestError, Problem
from runner.manifest.places import Document, Path
from runner.manifest.reading import read_file
from runner.manifest.scalars import shortened
from runner.manifest.shape import schema_problems
from runner.manifest.words import listed
from runner.manifest.yaml12 import parse_yaml

SCHEMA = "prices.schema.json"
_KEY = "prices"
_PRICE_KEYS = frozenset({*Per, "minimum", "note"})
_SHORT = re.compile(r"(?P<amount>[$0-9.]+)(?:/(?P<per>.+))?")
_UNITS: Mapping[str | None, Per] = {
    None: Per.TASK,
    "task": Per.TASK,
    "s": Per.SECOND,
    "image": Per.IMAGE,
    "1000 characters": Per.CHARACTERS,
}


def prices_of(
    document: Document, catalog: Catalog, base: FilePath
) -> tuple[PriceOverrides, list[Problem]]:
    """The prices of a manifest whose shape is sound, and what is wrong with them.

    Args:
        base: the manifest's folder, in which a file of prices has to lie.
    """
    raw = document.value.get(_KEY)
    if isinstance(raw, str):
        try:
            reader = _Reader(_file(document, raw, base), (), catalog)
        except ManifestError as error:
            return {}, list(error.problems)
    else:
        reader = _Reader(document, (_KEY,), catalog)
    reader.read()
    return reader.found, reader.problems


def _file(document: Document, written: str, base: FilePath) -> Document:
    """A file of prices.

    Raises:
        ManifestError: outside of the folder, not readable, or not as the schema has it.
    """
    path = base / written
    try:
        is_inside = path.resolve().is_relative_to(base.resolve())
    except (OSError, RuntimeError, ValueError):  # a loop of links, a null character
        is_inside = False
    if not is_inside:
        message = f"`{written}` is no file inside the manifest's folder"
        raise ManifestError([document.problem((_KEY,), message, "move it there")])
    try:
        data = read_file(path)
    except ManifestError as error:
        raise ManifestError(
            [document.problem((_KEY,), each.message, each.hint) for each in error.problems]
        ) from None
    prices = parse_yaml(data, file=str(path))
    if problems := schema_problems(prices, SCHEMA):
        raise ManifestError(problems)
    return prices


@dataclass(slots=True)
class _Reader:
    """Reads one mapping of prices; what it cannot use is a problem."""

    document: Document
    path: Path  # of the mapping
    catalog: Catalog
    found: dict[Target, PriceOverride] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def read(self) -> None:
        node = self.document.node(self.path)
        for name, value in (node.value or {}).items() if node is not None else ():
            path = (*self.path, name)
            if (endpoint := self._endpoint(name)) is None:
                self._model(path, name, value)
            elif isinstance(value, Mapping) and _PRICE_KEYS.isdisjoint(value):
                self._models(path, name, value)
            else:
                self._price(path, Target(endpoint=name), value, endpoint)

    def _endpoint(self, name: str) -> list[ModelInfo] | None:
        """The models of an endpoint; None where there is none of that name."""
        known = self.catalog.endpoint(name)
        is_pattern = name.startswith(WORKFLOWS) and "{" in name
        return None if known is None or is_pattern else list(known.models.values())

    def _model(self, path: Path, name: str, value: Json) -> None:
        infos = [
            endpoint.models[name]
            for endpoint in self.catalog.endpoints.values()
            if endpoint.discriminator == "model" and name in endpoint.models
        ]
        if infos:
            self._price(path, Target(model=name), value, infos)
            return
        every = {model for each in self.catalog.endpoints.values() for model in each.models}
        every |= {endpoint for endpoint in self.catalog.endpoints if "{" not in endpoint}
        guess = closest(name, sorted(every))
        hint = f"did you mean `{guess}`?" if guess else "`runway-batch models` lists them"
        self._problem(path, f"unknown model or endpoint `{name}`", hint, key=True)

    def _models(self, path: Path, endpoint: str, value: Mapping[str, Json]) -> None:
        known = self.catalog.endpoint(endpoint)
        models = known.models if known is not None and known.discriminator is not None else {}
        if not value:
            self._problem(path, f"the price of `{endpoint}` is missing")
        for name, price in value.items():
            if name in models:
                target = Target(endpoint=endpoint, model=name)
                self._price((*path, name), target, price, [models[name]])
                continue
            guess = closest(name, [*models, *sorted(_PRICE_KEYS)])
            where = f"`runway-batch models --endpoint {endpoint}` lists them"
            hint = f"did you mean `{guess}`?" if guess else where
            message = f"`{endpoint}` has no model `{shortened(name)}`"
            self._problem((*path, name), message, hint, key=True)

    def _price(self, path: Path, target: Target, value: Json, infos: list[ModelInfo]) -> None:
        problems = len(self.problems)
        for message, key, hint in _misuses(value):
            is_unknown = bool(key) and key not in _PRICE_KEYS
            self._problem((*path, key) if key else path, message, hint, key=is_unknown)
        if len(self.problems) > problems:
            return
        override = _override(value)
        if any(overridden_price(info, override) is not None for info in infos):
            self.found[target] = override
            return
        name, per = target.model or target.endpoint, override.per
        hint = f"use {listed([each for each in Per if _fits(infos, each)])}"
        self._problem(path, f"`{name}` cannot be priced `{per}`", hint)

    def _problem(self, path: Path, message: str, hint: str = "", *, key: bool = False) -> None:
        self.problems.append(self.document.problem(path, message, hint, key=key))


def _fits(infos: list[ModelInfo], per: Per) -> bool:
    trial = PriceOverride(per=per, credits=1)
    return any(overridden_price(info, trial) is not None for info in infos)


def _misuses(value: Json) -> Iterator[tuple[str, str, str]]:
    """What the schema cannot say of one price: message, key and hint."""
    if not isinstance(value, Mapping):
        if not _amount(_SHORT.match(str(value))["amount"]):  # type: ignore[index]  # schema
            yield "a price is above 0", "", "leave it out to use the catalogue's"
        return
    unknown = [key for key in value if key not in _PRICE_KEYS]
    for key in unknown:
        guess = closest(key, sorted(_PRICE_KEYS))
        hint = f"did you mean `{guess}`?" if guess else f"known here: {listed(list(Per))}"
        yield f"unknown key `{key}`", key, hint
    rates = [per for per in Per if per in value]
    if len(rates) != 1 and not unknown:
        found = " and ".join(f"`{per}`" for per in rates) or "none"
        yield f"a price has one rate, this one has {found}", "", f"keep one of {listed(list(Per))}"
    for key in (*rates, "minimum"):
        if key in value and not _amount(value[key]):
            yield f"`{key}` is above 0", key, "leave it out to use the catalogue's"


def _override(value: Json) -> PriceOverride:
    if isinstance(value, Mapping):
        (per,) = (per for per in Per if per in value)
        return PriceOverride(
            per=per,
            credits=_amount(value[per]),
            minimum=_amount(value.get("minimum", 0)),
            note=value.get("note", ""),
        )
    if not isinstance(value, str):
        return PriceOverride(per=Per.TASK, credits=_amount(value))
    match = _SHORT.fullmatch(value)
    assert match is not None, "the schema lets nothing else pass"  # noqa: S101 - our bug
    return PriceOverride(per=_UNITS[match["per"]], credits=_amount(match["amount"]))


def _amount(written: Json) -> float:
    """Credits, which may be a fraction of one; dollars are a hundred each."""
    if isinstance(written, str) and written.startswith("$"):
        return float(Fraction(written[1:]) * CREDITS_PER_DOLLAR)
    return float(written)
