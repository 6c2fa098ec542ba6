"""Checks a document against a schema of `schemas/`, in plain words."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from jsonschema.exceptions import ValidationError

from runner.core.catalog import closest
from runner.core.spec import Json
from runner.errors import Problem
from runner.manifest.places import Document, Path
from runner.manifest.scalars import shortened
from runner.manifest.schema import shape_schema
from runner.manifest.shape_validator import MANIFEST, validator_of

#: of the manifest language, but not of this version: an error, never silently ignored
NOT_YET = frozenset({"pick"})

#: found in one file; what has more is no manifest
MOST_PROBLEMS = 2_000
EXPECTED = "x-expected"  # our keyword: what a value should be, in words
_WORKFLOW = "workflows/"
_LONGEST_SLIP = 100  # characters of a key that may have been meant for another


def check_shape(document: Document, schema: str = MANIFEST) -> list[Problem]:
    """Everything about the document that is not as the schema of manifests, or another, has it."""
    if document.value is None:
        return [
            document.problem((), "the manifest is empty", "begin with `version: 1` and `jobs:`")
        ]
    found = [*schema_problems(document, schema), *_several_workflows(document)]
    return sorted(set(found), key=_position)


def schema_problems(document: Document, schema: str) -> list[Problem]:
    """Everything that is not as the schema has it, which is named by its file."""
    errors = _flat(validator_of(schema).iter_errors(document.value))
    problems = (problem for error in errors for problem in _problems(document, error))
    return sorted(set(islice(problems, MOST_PROBLEMS)), key=_position)


def _position(problem: Problem) -> tuple[int, int]:
    return problem.line, problem.column


def endpoint_keys(template: Mapping[str, Json]) -> list[str]:
    """The keys of a job that name an endpoint."""
    return [key for key in template if key in _endpoints() or key.startswith(_WORKFLOW)]


def describe(value: Json) -> str:
    """A value in a message: short, and never a wall of text."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    text = str(value)
    return f"`{text if len(text) <= 40 else text[:39] + '…'}`"


@functools.cache
def _endpoints() -> frozenset[str]:
    choices = shape_schema(MANIFEST)["$defs"]["job"]["oneOf"]
    return frozenset(choice["required"][0] for choice in choices if "required" in choice)


def _flat(errors: Iterable[ValidationError]) -> Iterator[ValidationError]:
    """Errors, where a choice (`anyOf`) failed those of the branch that was meant."""
    for error in errors:
        meant = _meant(error) if error.validator == "anyOf" else []
        if meant:
            yield from _flat(meant)
        else:
            yield error


def _meant(error: ValidationError) -> list[ValidationError]:
    """The errors of the one branch that takes mappings or lists, where the value is one."""
    if not isinstance(error.instance, Mapping | list):
        return []
    branches: dict[Any, list[ValidationError]] = {}
    for inner in error.context or ():
        branches.setdefault(inner.relative_schema_path[0], []).append(inner)
    for inside in branches.values():
        # a choice inside the branch that fails at the same value is still the wrong type
        if not any(each.validator in ("type", "anyOf") and not each.path for each in inside):
            return inside
    return []


def _problems(document: Document, error: ValidationError) -> Iterator[Problem]:
    path: Path = tuple(error.absolute_path)
    instance: Any = error.instance
    if error.validator == "additionalProperties":
        yield from _unknown_keys(document, path, error)
    elif error.validator == "required":
        required: Any = error.validator_value
        for name in required:
            if name not in instance:
                yield document.problem(path, f"`{name}` is missing", _missing_hint(name))
    elif error.validator == "oneOf":
        if isinstance(instance, Mapping):
            yield from _endpoint_count(document, path, instance)
    elif "propertyNames" in error.absolute_schema_path:
        hint = f"use {_expected(error)}"
        yield document.problem(
            (*path, instance), f"`{shortened(instance)}` cannot be a name here", hint, key=True
        )
    else:
        found = describe(instance)
        yield document.problem(path, f"expected {_expected(error)}, found {found}", _hint(error))


def _unknown_keys(document: Document, path: Path, error: ValidationError) -> Iterator[Problem]:
    schema: Any = error.schema
    known = list(schema.get("properties", {}))
    patterns = list(schema.get("patternProperties", {}))
    instance: Any = error.instance
    for key in instance:
        if key in known or any(re.search(pattern, key) for pattern in patterns):
            continue
        where = (*path, key)
        if key in NOT_YET:
            yield document.problem(where, f"`{key}` is not supported by this version", key=True)
            continue
        guess = _closest(key, tuple(known))
        hint = f"did you mean `{guess}`?" if guess else _keys_hint(known)
        yield document.problem(where, f"unknown key `{shortened(key)}`", hint, key=True)


def _several_workflows(document: Document) -> Iterator[Problem]:
    """What the schema cannot say: its choice counts all keys of workflows as one."""
    jobs = document.value.get("jobs") if isinstance(document.value, Mapping) else None
    for index, job in enumerate(jobs if isinstance(jobs, list) else ()):
        if isinstance(job, Mapping) and len(endpoint_keys(job)) > 1:
            yield from _endpoint_count(document, ("jobs", index), job)


def _endpoint_count(document: Document, path: Path, template: Json) -> Iterator[Problem]:
    keys = endpoint_keys(template)
    if len(keys) > 1:
        names = " and ".join(f"`{key}`" for key in keys)
        yield document.problem(
            path, f"a job has one endpoint, this one has {names}", "make two jobs of it"
        )
    elif not any(key in NOT_YET or _looks_like_endpoint(key) for key in template):
        hint = "add one, such as `image_to_video:` with the request body under it"
        yield document.problem(path, "the job names no endpoint", hint)


@functools.lru_cache(maxsize=1024)
def _closest(key: str, known: tuple[str, ...]) -> str | None:
    """Remembered: a slip of the pen that was copied a thousand times is compared once."""
    return closest(key, known) if len(key) <= _LONGEST_SLIP else None


def _looks_like_endpoint(key: str) -> bool:
    """Whether the unknown key was reported already, with the endpoint it was meant to be."""
    known = shape_schema(MANIFEST)["$defs"]["job"]["properties"]
    return key not in known and _closest(key, tuple(known)) in _endpoints()


def _expected(error: ValidationError) -> str:
    schema: Any = error.schema
    if EXPECTED in schema:
        return str(schema[EXPECTED])
    if error.validator == "type":
        kind = str(error.validator_value)
        return {"string": "text", "object": "a mapping", "array": "a list"}.get(kind, kind)
    if error.validator == "maxLength":
        return f"at most {error.validator_value} characters"
    if error.validator in ("minLength", "minItems"):
        return "something, not nothing"
    return str(schema.get("title", "another value")).lower()


def _hint(error: ValidationError) -> str:
    value = error.instance
    schema: Any = error.schema
    wants_text = error.validator == "type" and error.validator_value == "string"
    quoted_fits = re.search(schema.get("pattern", ""), str(value)) is not None
    if wants_text and quoted_fits and isinstance(value, int | float):
        kind = "true or false" if isinstance(value, bool) else "a number"
        return f"YAML reads it as {kind}: quote it"
    if wants_text and isinstance(value, Mapping | list):
        return "quote it or use `|`"
    return ""


def _missing_hint(name: str) -> str:
    return {"version": "add `version: 1`", "id": "give the job a name that stays the same"}.get(
        name, ""
    )


def _keys_hint(known: list[str]) -> str:
    return f"known here: {', '.join(known)}" if 0 < len(known) <= 12 else ""
