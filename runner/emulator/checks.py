"""A request body against the catalogue's fields. Finds all problems, as issues of the API."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from runner.core.catalog import ModelInfo
from runner.emulator.answers import Issue, issue

Schema = Mapping[str, Any]
Path = tuple[str | int, ...]
#: (value, media kind) -> why it cannot be used, or empty
UriCheck = Callable[[str, str], str]

UUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
STRICT = frozenset({"reject", "reject-assumed"})


def utf16_length(text: str) -> int:
    """Length as the API counts it: code units, so that most emoji are two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def check_body(
    info: ModelInfo, body: Mapping[str, Any], uri_problem: UriCheck, *, strict: bool = False
) -> list[Issue]:
    """Everything wrong with a body.

    Args:
        strict: also refuse what the catalogue tolerates because the original document printed it.
    """
    schema = {
        "type": "object",
        "properties": {name: _field(info, name, strict) for name in info.fields},
        "required": info.required,
        "additionalProperties": info.unknown_keys not in STRICT,
    }
    return list(_Checker(uri_problem).problems(schema, body, ()))


def _field(info: ModelInfo, name: str, strict: bool) -> Schema:
    schema = info.fields[name]
    tolerated = info.tolerated.get(name)
    if strict or tolerated is None:
        return schema
    return {key: value for key, value in schema.items() if key != tolerated.rule}


class _Checker:
    """Walks a schema and a value side by side."""

    def __init__(self, uri_problem: UriCheck) -> None:
        self._uri_problem = uri_problem

    def problems(self, schema: Schema, value: Any, path: Path) -> Iterator[Issue]:
        if "anyOf" in schema:
            yield from self._union(schema["anyOf"], value, path)
            return
        wanted = schema.get("type")
        if wanted is not None and not _is_a(wanted, value):
            message = f"Invalid input: expected {wanted}, received {_type_name(value)}"
            yield issue("invalid_type", path, message)
            return
        yield from _enum(schema, value, path)
        if isinstance(value, str):
            yield from self._text(schema, value, path)
        elif isinstance(value, list):
            yield from self._array(schema, value, path)
        elif isinstance(value, Mapping):
            yield from self._object(schema, value, path)
        elif not isinstance(value, bool) and value is not None:
            yield from _number(schema, value, path)

    def _union(self, branches: Sequence[Schema], value: Any, path: Path) -> Iterator[Issue]:
        """One branch must fit. Problems of the only branch of the right type are told as such."""
        found = [list(self.problems(branch, value, path)) for branch in branches]
        if not all(found):
            return
        near = [
            problems
            for branch, problems in zip(branches, found, strict=True)
            if _is_a(branch.get("type", "object"), value)
        ]
        if len(near) == 1:
            yield from near[0]
        else:
            yield issue("invalid_union", path, "Invalid input")

    def _text(self, schema: Schema, value: str, path: Path) -> Iterator[Issue]:
        if schema.get("format") == "media-uri":
            if problem := self._uri_problem(value, schema.get("media", "")):
                yield issue("custom", path, problem)
            return
        size = utf16_length(value)
        yield from _bounds(schema, "minLength", "maxLength", size, path, "characters")
        if schema.get("format") == "uuid" and not UUID.fullmatch(value):
            yield issue("invalid_format", path, "Invalid UUID")
        pattern = schema.get("pattern")
        if pattern is not None and not re.search(pattern, value):
            yield issue("invalid_format", path, f"Invalid string: must match pattern {pattern}")

    def _array(self, schema: Schema, value: Sequence[Any], path: Path) -> Iterator[Issue]:
        yield from _bounds(schema, "minItems", "maxItems", len(value), path, "items")
        items = schema.get("items")
        if items is not None:
            for index, item in enumerate(value):
                yield from self.problems(items, item, (*path, index))

    def _object(self, schema: Schema, value: Mapping[str, Any], path: Path) -> Iterator[Issue]:
        properties = schema.get("properties", {})
        extra = schema.get("additionalProperties", True)
        for name in schema.get("required", ()):
            if name not in value:
                yield from self._absent(properties[name], (*path, name))
        unknown = [name for name in value if name not in properties]
        if unknown and extra is False:
            names = ", ".join(f'"{name}"' for name in unknown)
            found = issue("unrecognized_keys", path, f"Unrecognized key(s): {names}")
            yield {**found, "keys": unknown}
        for name, item in value.items():
            inner = properties.get(name, extra if isinstance(extra, Mapping) else None)
            if inner is not None:
                yield from self.problems(inner, item, (*path, name))

    @staticmethod
    def _absent(schema: Schema, path: Path) -> Iterator[Issue]:
        wanted = schema.get("type", "one of several types")
        message = f"Invalid input: expected {wanted}, received undefined"
        yield issue("invalid_type", path, message)


def _is_a(wanted: str, value: Any) -> bool:
    if isinstance(value, bool):
        return wanted == "boolean"
    match wanted:
        case "string":
            return isinstance(value, str)
        case "integer":
            return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        case "number":
            return isinstance(value, int | float)
        case "array":
            return isinstance(value, list)
        case "object":
            return isinstance(value, Mapping)
    return False


def _type_name(value: Any) -> str:
    names = {bool: "boolean", int: "number", float: "number", str: "string", list: "array"}
    return "null" if value is None else names.get(type(value), "object")


def _enum(schema: Schema, value: Any, path: Path) -> Iterator[Issue]:
    choices = schema.get("enum")
    if choices is None or (value in choices and not isinstance(value, bool)):
        return
    known = "|".join(f'"{choice}"' for choice in choices)
    yield issue("invalid_value", path, f"Invalid option: expected one of {known}")


def _number(schema: Schema, value: float, path: Path) -> Iterator[Issue]:
    yield from _bounds(schema, "minimum", "maximum", value, path, "")
    above = schema.get("exclusiveMinimum")
    if above is not None and value <= above:
        yield issue("too_small", path, f"Too small: expected more than {above}")


def _bounds(
    schema: Schema, low: str, high: str, size: float, path: Path, unit: str
) -> Iterator[Issue]:
    least, most = schema.get(low), schema.get(high)
    unit = f" {unit}" if unit else ""
    if least is not None and size < least:
        yield issue("too_small", path, f"Too small: expected at least {least}{unit}")
    if most is not None and size > most:
        yield issue("too_big", path, f"Too big: expected at most {most}{unit}")
