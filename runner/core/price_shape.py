"""The shape of a body: the values that may decide its price, and nothing else.

Where the price is sure these are the fields of its formula. Where it is a guess, any size, length
or switch may decide; a text does by its length, where it is spoken. Inputs enter by what was
measured of them. No shape holds a text, a link or the name of a file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import TypeAlias

from runner.core.catalog import ModelInfo, Schema, is_marker, takes_media
from runner.core.price import RateTable, Source, Threshold
from runner.core.spec import Body, Json
from runner.core.units import utf16_length

Part: TypeAlias = Hashable
Key: TypeAlias = tuple[Part, ...]

#: confidence of prices whose formula names all that decides
SURE = frozenset({"medium", "high"})
#: characters of a digest: there are thousands of shapes, not millions
DIGEST_CHARS = 16
#: fields that decide nothing, whatever the price
_NEVER = frozenset({"seed"})
#: texts without a list of choices that are names of something priced: a router
_NAMES = frozenset({"configId"})
#: where speech is made of a text
_SPOKEN = "text"
#: kinds of strings
_MEDIA, _TEXT, _CHOICE = "media", "text", "choice"
#: what stands for a value of which only the kind counts
_SOME_MEDIA: Part = (_MEDIA,)
_SOME_TEXT: Part = (_TEXT,)
_LINKS = ("https://", "runway://", "data:")
_MODELS = 1024  # whose rules are kept


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What is known of the inputs that decide a price."""

    values: Mapping[str, float] = field(default_factory=dict)  # as `estimate` takes them
    others: Mapping[str, float] = field(default_factory=dict)  # of which no formula speaks
    missing: tuple[str, ...] = ()  # why something is not known, for people

    @property
    def key(self) -> Key:
        if not self.values and not self.others:
            return self.missing
        return (
            tuple(sorted(self.values.items())),
            tuple(sorted(self.others.items())),
            *self.missing,
        )


#: where no input decides
NOTHING_MEASURED = Measured()


def shape_key(info: ModelInfo, body: Body) -> Key:
    """The deciding values of a body: equal keys cost the same, with the same measures."""
    rules = _rules(info)
    found: list[Part] = []
    for name, value in body.items():
        read = rules.get(name)
        if read is not None and value is not None:
            found.append(name)
            found.append(read(value))
    return tuple(found)


def shape_digest(info: ModelInfo, key: Key, measured: Measured) -> str:
    """The name of a shape at an endpoint; empty where something that decides is not known."""
    if measured.missing:
        return ""
    pairs = sorted(zip(key[::2], key[1::2], strict=True), key=lambda pair: str(pair[0]))
    text = repr((info.model, pairs, measured.key))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST_CHARS]


def is_sure(info: ModelInfo) -> bool:
    """Whether the fields of the formula are all that decides the price."""
    price = info.price
    is_told = price.quantity.source is not Source.OUTPUT  # what decides the output's length?
    return price.is_known and is_told and price.confidence in SURE


def media_in(schema: Schema) -> frozenset[str]:
    """The kinds of media that a field may hold, at any depth."""
    found = {takes_media(schema)} - {""}
    return frozenset(found).union(*(media_in(inner) for _, inner in _inside(schema)))


@lru_cache(maxsize=_MODELS)
def _rules(info: ModelInfo) -> Mapping[str, Callable[[Json], Part]]:
    """How each field enters; those that are not here do not."""
    words = _Words.of(info)
    others = () if is_sure(info) else info.fields
    names = [*_exact_fields(info), *_counted_fields(info), *others]
    rules: dict[str, Callable[[Json], Part]] = {
        name: partial(words.part, name) for name in names if name not in _NEVER
    }
    rules |= dict.fromkeys(_exact_fields(info), words.exact)
    if info.price.quantity.source is Source.LENGTH:
        rules[info.price.quantity.field] = _length
    return rules


def _exact_fields(info: ModelInfo) -> Iterator[str]:
    """Fields whose very value the formula looks at."""
    price = info.price
    if price.quantity.source is Source.FIELD:
        yield price.quantity.field
    if isinstance(price.by, RateTable):
        yield from price.by.fields
    if isinstance(price.by, Threshold) and price.by.times_field:
        yield price.by.times_field
    yield from (add.times_field for add in price.add if add.times_field)
    yield from (item.field for item in price.surcharges)
    yield from (doubt.field for doubt in price.unsure if doubt.values is not None)


def _counted_fields(info: ModelInfo) -> Iterator[str]:
    """Fields of which the formula counts items, or asks whether they are there."""
    for add in info.price.add:
        yield from (*add.items_of, *add.seconds_of)
    yield from (doubt.field for doubt in info.price.unsure if doubt.values is None)


@dataclass(frozen=True, slots=True)
class _Words:
    """Which properties of a model's bodies hold media, and which free text."""

    media: frozenset[str]
    texts: frozenset[str]
    are_spoken: bool  # the model makes sound: texts count by their length

    @classmethod
    def of(cls, info: ModelInfo) -> _Words:
        named = set(_strings({"properties": info.fields}))
        chosen = {name for name, kind in named if kind == _CHOICE}
        by_length = info.price.quantity.source is Source.LENGTH
        return cls(
            media=frozenset(name for name, kind in named if kind == _MEDIA),
            texts=frozenset(name for name, kind in named if kind == _TEXT) - chosen - _NAMES,
            are_spoken=info.media == "audio" and not by_length,
        )

    def exact(self, value: Json) -> Part:
        kind = type(value)
        if kind is str or kind is int:
            return value  # type: ignore[no-any-return]  # both are hashable
        return self.part("", value)

    def part(self, name: str, value: Json) -> Part:
        """A value without what cannot decide; what is empty stays apart from what is not."""
        if isinstance(value, str):
            return self._string(name, value)
        if isinstance(value, Mapping):
            if is_marker(value):
                return _SOME_MEDIA
            items = ((key, self.part(key, value[key])) for key in sorted(value.keys() - _NEVER))
            return ("{", *items)
        if isinstance(value, list | tuple):
            return ("[", *(self.part(name, item) for item in value))
        return value if type(value) is int else (type(value).__name__, repr(value))

    def _string(self, name: str, value: str) -> Part:
        if not value:
            return ""
        if name in self.media or value.startswith(_LINKS):
            return _SOME_MEDIA
        if name not in self.texts:
            return value
        return _length(value) if self.are_spoken or name == _SPOKEN else _SOME_TEXT


def _length(value: Json) -> Part:
    text = str(value or "")
    return ("length", len(text), utf16_length(text))


def _strings(schema: Schema, name: str = "") -> Iterator[tuple[str, str]]:
    """Every property that may be a string, anywhere in a schema, and what it holds."""
    if takes_media(schema):
        yield name, _MEDIA
    elif any(isinstance(choice, str) for choice in schema.get("enum", ())):
        yield name, _CHOICE
    elif schema.get("type") == "string":
        yield name, _TEXT
    for key, inner in _inside(schema):
        yield from _strings(inner, key or name)


def _inside(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """The schemas one level below, with the name of the property where there is one."""
    yield from schema.get("properties", {}).items()
    yield from (("", branch) for branch in schema.get("anyOf", ()))
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), Mapping):
            yield "", schema[key]
