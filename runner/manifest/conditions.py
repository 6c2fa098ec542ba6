"""What rules of the catalogue are made of: what they ask of one field.

Written in the catalogue as

    "given"  "absent"            is it there, and not empty?
    [4, 6, 8]                    one of these values
    {"not": ["auto"]}            any other value
    {"items": 2}                 a list of at least two
    {"some": {"role": "source"}} a list with such an item; {"some": "role"}: an item with that key
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from runner.core.catalog import ModelInfo
from runner.core.spec import Body, Json
from runner.errors import CatalogError
from runner.manifest.findings import Finding, Path

#: stands for the value of a field that is not there
MISSING: Final = object()


Raw = Mapping[str, Any]  # a rule as the catalogue writes it


@dataclass(frozen=True, kw_only=True, slots=True)
class BodyRule:
    """One rule of a model's body, ready for use."""

    trigger: str  # without this field the rule is silent; empty: it always has to be asked
    findings: Callable[[Body], Iterator[Finding]]


Maker = Callable[[ModelInfo, Raw], BodyRule]


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """One field, and what is asked of it."""

    field: str  # `providerSettings.shotType`
    path: Path
    wanted: Any  # as the catalogue writes it
    default: Json = MISSING  # what the service takes where the field is not there

    def value(self, body: Body) -> Json:
        """The field's value, else its default, else MISSING."""
        found = value_at(body, self.path)
        return self.default if found is MISSING else found

    def holds(self, body: Body, *, unknown: bool = False) -> bool:
        """Whether the body is so; `unknown` answers for a field without value and default."""
        value = value_at(body, self.path)
        match self.wanted:
            case "given":
                return _is_given(value)
            case "absent":
                return not _is_given(value)
            case {"items": least}:
                return isinstance(value, list) and len(value) >= least
            case {"some": item}:
                return any(_is_like(each, item) for each in items_of(value))
        value = self.value(body)
        if value is MISSING:
            return unknown
        if isinstance(self.wanted, Mapping):
            return value not in self.wanted["not"]
        return value in self.wanted


def condition(info: ModelInfo, field: str, wanted: Any) -> Condition:
    """Read one condition.

    Raises:
        CatalogError: the model has no such field, or nobody knows what is asked.
    """
    path = field_path(info, field)
    if not _is_known(wanted):
        raise CatalogError(f"`{info.endpoint}` `{info.model}`: no rule can ask {wanted!r}")
    return Condition(field=field, path=path, wanted=wanted, default=default_of(info, field))


def field_path(info: ModelInfo, field: str) -> Path:
    """The path of a field that the catalogue names.

    Raises:
        CatalogError: the model has no such field.
    """
    _schema_of(info, field)
    return tuple(field.split("."))


def default_of(info: ModelInfo, field: str) -> Json:
    """What the service takes where the field is not there; MISSING where nobody says."""
    return _schema_of(info, field).get("default", MISSING)


def value_at(body: Json, path: Path) -> Json:
    """The value under a path of keys, MISSING where there is none."""
    for step in path:
        if not isinstance(body, Mapping) or step not in body:
            return MISSING
        body = body[step]
    return body


def items_of(value: Json) -> Sequence[Json]:
    """The items of a list; nothing of anything else."""
    return value if isinstance(value, list) else ()


def _schema_of(info: ModelInfo, field: str) -> Mapping[str, Any]:
    first, *rest = field.split(".")
    try:
        schema: Mapping[str, Any] = info.fields[first]
        for step in rest:
            schema = schema["properties"][step]
    except KeyError as error:
        raise CatalogError(
            f"a rule of `{info.endpoint}` `{info.model}` names `{field}`, which it does not have"
        ) from error
    return schema


def _is_known(wanted: Any) -> bool:
    match wanted:
        case "given" | "absent" | {"not": [_, *_]} | {"items": int()} | {"some": _} | [_, *_]:
            return True
    return False


def _is_given(value: Json) -> bool:
    if isinstance(value, str | list | Mapping):
        return bool(value)
    return value is not MISSING and value is not None


def _is_like(item: Json, wanted: str | Mapping[str, Json]) -> bool:
    if not isinstance(item, Mapping):
        return False
    if isinstance(wanted, str):
        return wanted in item
    return all(key in item and item[key] == value for key, value in wanted.items())
