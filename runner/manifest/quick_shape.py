"""The schemas of shapes as a quick yes or no, without a word about why.

The answers are those of `jsonschema`, with two differences for which it is asked in the first
place: 5.0 is no integer, and a schema that says something unknown here has no quick test.
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from typing import Any, TypeAlias

from runner.core.spec import Json
from runner.manifest.schema import shape_schema

Passes: TypeAlias = Callable[[Json], bool]
Schema: TypeAlias = Mapping[str, Any]

_SILENT = frozenset({
    "$comment", "$defs", "$id", "$schema", "default", "deprecated", "description",
    "enumDescriptions", "examples", "format", "title",
})  # fmt: skip
_MEMBERS = ("properties", "patternProperties", "additionalProperties")
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,),
    "object": (dict,), "array": (list,), "null": (type(None),),
}  # fmt: skip
_NUMBERS = (int, float)


class _Unknown(Exception):
    """A schema says something for which there is no quick test."""


@functools.cache
def quick_tests(file: str) -> Mapping[int, Passes]:
    """The tests of the schemas inside a schema file, by the `id()` of schema or `oneOf`."""
    found: dict[int, Passes] = {}
    for schema in _schemas(shape_schema(file)):
        try:
            found[id(schema)] = _test(schema, file)
            if "oneOf" in schema:
                found[id(schema["oneOf"])] = _one_of(schema["oneOf"], file)
        except _Unknown:
            continue
    return found


def _schemas(schema: Any) -> Iterator[Schema]:
    """Everything that may be a schema; what only looks like one is never asked for."""
    if isinstance(schema, Mapping):
        yield schema
    for inner in schema.values() if isinstance(schema, Mapping) else schema:
        if isinstance(inner, Mapping | list):
            yield from _schemas(inner)


def _test(schema: Any, file: str) -> Passes:
    """Raises _Unknown."""
    if isinstance(schema, bool):
        return lambda _: schema
    tests: list[Passes] = []
    if any(key in schema for key in _MEMBERS):
        tests.append(_members(schema, file))
    for key, rule in schema.items():
        if key in _SILENT or key in _MEMBERS or key.startswith("x-"):
            continue
        if key not in _MAKERS:
            raise _Unknown(key)
        tests.append(_MAKERS[key](rule, file))
    return tests[0] if len(tests) == 1 else _all(tests)


def _all(tests: Sequence[Passes]) -> Passes:
    return lambda value: all(test(value) for test in tests)


def _any_of(rule: Sequence[Schema], file: str) -> Passes:
    tests = [_test(branch, file) for branch in rule]

    return lambda value: any(test(value) for test in tests)


def _one_of(rule: Sequence[Schema], file: str) -> Passes:
    """Most of its branches require one key each: those are counted at once."""
    single = [each for each in rule if each.keys() == {"required"} and len(each["required"]) == 1]
    names = frozenset(each["required"][0] for each in single)
    if len(names) < len(single):
        raise _Unknown("the same branch twice")
    others = [_test(each, file) for each in rule if each not in single]

    def passes(value: Json) -> bool:
        met = len(names & value.keys()) if type(value) is dict else len(names)
        return met + sum(test(value) for test in others) == 1

    return passes


def _not(rule: Schema, file: str) -> Passes:
    test = _test(rule, file)
    return lambda value: not test(value)


def _ref(rule: str, file: str) -> Passes:
    name, _, pointer = rule.partition("#/")
    found: Any = shape_schema(name or file)
    for step in pointer.split("/"):
        found = found[step]
    return _test(found, name or file)


def _type(rule: str | Sequence[str], _: str) -> Passes:
    names = [rule] if isinstance(rule, str) else rule
    kinds = frozenset(kind for name in names for kind in _TYPES[name])
    return lambda value: type(value) in kinds


def _const(rule: Json, _: str) -> Passes:
    if isinstance(rule, dict | list):
        raise _Unknown("a constant with parts")
    is_bool = isinstance(rule, bool)
    return lambda value: isinstance(value, bool) is is_bool and bool(value == rule)


def _enum(rule: Sequence[Json], file: str) -> Passes:
    return _any_of([{"const": each} for each in rule], file)


def _pattern(rule: str, _: str) -> Passes:
    search = re.compile(rule).search
    return lambda value: type(value) is not str or search(value) is not None


def _members(schema: Schema, file: str) -> Passes:
    known = {name: _test(each, file) for name, each in schema.get("properties", {}).items()}
    patterns = [
        (re.compile(pattern).search, _test(each, file))
        for pattern, each in schema.get("patternProperties", {}).items()
    ]
    if len(patterns) > 1 or any(search(name) for search, _ in patterns for name in known):
        raise _Unknown("several rules for one key")
    other = _test(schema.get("additionalProperties", True), file)

    def passes(value: Json) -> bool:
        if type(value) is not dict:
            return True
        for name, inner in value.items():
            test = known.get(name) or next(
                (test for search, test in patterns if search(name)), other
            )
            if not test(inner):
                return False
        return True

    return passes


def _names(rule: Schema, file: str) -> Passes:
    test = _test(rule, file)
    return lambda value: type(value) is not dict or all(map(test, value))


def _items(rule: Schema, file: str) -> Passes:
    test = _test(rule, file)
    return lambda value: type(value) is not list or all(map(test, value))


def _required(rule: Sequence[str], _: str) -> Passes:
    names = frozenset(rule)
    return lambda value: type(value) is not dict or names <= value.keys()


def _size(kind: type[Sized], fits: Callable[[int, int], bool]) -> Callable[[int, str], Passes]:
    return lambda rule, _: lambda value: type(value) is not kind or fits(len(value), rule)


def _number(fits: Callable[[float, float], bool]) -> Callable[[float, str], Passes]:
    return lambda rule, _: lambda value: type(value) not in _NUMBERS or fits(value, rule)


_MAKERS: Mapping[str, Callable[[Any, str], Passes]] = {
    "type": _type,
    "const": _const,
    "enum": _enum,
    "pattern": _pattern,
    "$ref": _ref,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "not": _not,
    "items": _items,
    "propertyNames": _names,
    "required": _required,
    "minLength": _size(str, operator.ge),
    "maxLength": _size(str, operator.le),
    "minItems": _size(list, operator.ge),
    "maxItems": _size(list, operator.le),
    "minProperties": _size(dict, operator.ge),
    "maxProperties": _size(dict, operator.le),
    "minimum": _number(operator.ge),
    "maximum": _number(operator.le),
    "exclusiveMinimum": _number(operator.gt),
}
