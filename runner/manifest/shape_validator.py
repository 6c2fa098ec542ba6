"""The validator that explains what a schema of shapes refuses.

It looks closely only at what a quick test does not pass: one wrong job among fifty thousand is
explained as quickly as one among ten.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from runner.core.spec import Json
from runner.manifest.quick_shape import Passes, quick_tests
from runner.manifest.schema import shape_schema

MANIFEST = "manifest.schema.json"

_Errors: TypeAlias = Iterator[ValidationError]
_FULL = Draft202012Validator.VALIDATORS


@functools.cache
def validator_of(file: str) -> Validator:
    """JSON Schema counts 5.0 among the integers; a number of jobs is never written so."""
    others = [(MANIFEST, DRAFT202012.create_resource(shape_schema(MANIFEST)))]
    checker = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: _is_int(value))
    keywords = _Quick({**quick_tests(MANIFEST), **quick_tests(file)})
    strict: Any = validators.extend(  # type: ignore[no-untyped-call]
        Draft202012Validator,
        {"properties": keywords.properties, "items": keywords.items, "oneOf": keywords.one_of},
        type_checker=checker,
    )
    validator: Validator = strict(shape_schema(file), registry=Registry().with_resources(others))
    return validator


def _never(_: Json) -> bool:
    return False


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


class _Quick:
    """Keywords of a validator, as the full ones have them."""

    def __init__(self, tests: Mapping[int, Passes]) -> None:
        self._tests = tests

    def properties(self, validator: Any, rule: Any, value: Json, _: Any) -> _Errors:
        if isinstance(value, dict):
            for name, schema in rule.items():
                if name in value and not self._pass(schema, value[name]):
                    yield from validator.descend(value[name], schema, path=name, schema_path=name)

    def items(self, validator: Any, rule: Any, value: Json, _: Any) -> _Errors:
        if isinstance(value, list):
            for index, item in enumerate(value):
                if not self._pass(rule, item):
                    yield from validator.descend(item, rule, path=index)

    def one_of(self, validator: Any, rule: Any, value: Json, schema: Any) -> _Errors:
        if not self._pass(rule, value):
            yield from _FULL["oneOf"](validator, rule, value, schema)

    def _pass(self, schema: Any, value: Json) -> bool:
        return self._tests.get(id(schema), _never)(value)
