"""What a body of one model may hold, in a form in which two sources can be compared.

A place is written `promptImage[].uri`; `{}` stands for any key of a mapping, an empty text for the
body itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: what JSON Schema calls the types of Python
_TYPES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}


@dataclass(kw_only=True, slots=True)
class Facts:
    """By place. Branches of a choice are merged; what they require is kept apart."""

    fields: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    required: defaultdict[str, set[frozenset[str]]] = field(
        default_factory=lambda: defaultdict(set)
    )
    choices: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    types: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    untyped: set[str] = field(default_factory=set)  # places that the source says nothing of

    @property
    def places(self) -> set[str]:
        """All that something is said of; a field that only one source has is told as a field."""
        return {*self.fields, *self.choices, *self.types}

    def speaks_of(self, place: str) -> bool:
        return not any(place.startswith(each) for each in self.untyped)


def inner(place: str, name: str) -> str:
    """The place of a field."""
    return f"{place}.{name}" if place else name


def facts_of_schema(schema: Mapping[str, Any]) -> Facts:
    """Of a body, from the schema that we publish."""
    facts = Facts()
    _read(schema, "", facts)
    return facts


def _read(schema: Mapping[str, Any], place: str, facts: Facts) -> None:
    for branch in schema.get("anyOf", ()):
        _read(branch, place, facts)
    if "enum" in schema:
        facts.choices[place] |= {str(choice) for choice in schema["enum"]}
    elif schema.get("type") in _TYPES:
        facts.types[place].add(_TYPES[schema["type"]])
    if "items" in schema:
        _read(schema["items"], place + "[]", facts)
    if "properties" in schema:
        facts.fields[place] |= set(schema["properties"])
        facts.required[place].add(frozenset(schema.get("required", ())))
        for name, item in schema["properties"].items():
            _read(item, inner(place, name), facts)
    if isinstance(schema.get("additionalProperties"), Mapping):
        _read(schema["additionalProperties"], place + "{}", facts)
