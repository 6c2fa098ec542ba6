"""JSON Schema as Runway means it, over `jsonschema`: which rules of a schema a body breaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, TypeChecker, validators
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator

from runner.core.catalog import ModelInfo
from runner.core.ranges import is_number
from runner.core.spec import Json
from runner.manifest.endpoint_schema import model_schema
from runner.manifest.findings import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Breach:
    """One rule that a value breaks."""

    rule: str  # the schema's keyword: `enum`, `required`, …
    limit: Any  # what the keyword says
    value: Json
    schema: Mapping[str, Any]
    path: Path  # from the breach that holds this one, else from the body
    branch: str | int = 0  # of the choice that this one lies in
    inner: tuple[Breach, ...] = ()  # of all branches of a choice


def breaches(info: ModelInfo, body: Json) -> Iterator[Breach]:
    """What the schema of one model does not allow."""
    return (_breach(error) for error in _validator(info).iter_errors(body))


def utf16_length(text: str) -> int:
    """Length as the API counts it: an emoji is two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _breach(error: ValidationError) -> Breach:
    return Breach(
        rule=str(error.validator),
        limit=error.validator_value,
        value=error.instance,
        schema=error.schema if isinstance(error.schema, Mapping) else {},
        path=tuple(error.path),
        branch=error.schema_path[0],
        inner=tuple(_breach(item) for item in error.context or ()),
    )


@lru_cache(maxsize=256)
def _validator(info: ModelInfo) -> Validator:
    checker: Validator = _Checker(
        model_schema(info), format_checker=FormatChecker(formats=["uuid"])
    )
    return checker


def _length_rule(is_broken: Callable[[int, int], bool]) -> Callable[..., Iterator[ValidationError]]:
    """`minLength` or `maxLength` in UTF-16 units; jsonschema counts code points."""

    def rule(
        validator: Validator, limit: int, value: Json, schema: Mapping[str, Any]
    ) -> Iterator[ValidationError]:
        if isinstance(value, str) and is_broken(utf16_length(value), limit):
            yield ValidationError("wrong length")

    return rule


def _is_integer(checker: TypeChecker, value: Json) -> bool:
    return is_number(value) and value == int(value)


def _is_finite(checker: TypeChecker, value: Json) -> bool:
    return is_number(value)


# the stubs leave `extend` untyped
_Checker: Any = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    validators={
        "minLength": _length_rule(lambda length, limit: length < limit),
        "maxLength": _length_rule(lambda length, limit: length > limit),
    },
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer).redefine(
        "number", _is_finite
    ),
)
