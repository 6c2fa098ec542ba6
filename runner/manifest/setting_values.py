"""`--set` of a field: `duration=5`, `voice.presetId=Maya`, or a mapping as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.core.catalog import Schema, closest
from runner.core.spec import Json
from runner.errors import UsageError
from runner.manifest.rows.cells import CellProblem, cell_reader


def put_setting(body: dict[str, Json], key: str, text: str, fields: Mapping[str, Schema]) -> None:
    """Put the value of one setting into a body.

    Args:
        body: what earlier settings made.
        key: the field, or the way to a part of it: `voice.presetId`.
        text: what was said.
        fields: of the model; those that are not known take any text.

    Raises:
        UsageError: it cannot have this value, or no such part.
    """
    name, *rest = key.split(".")
    schema: Schema | None = fields.get(name)
    inner = body
    way = name
    for step in rest:
        schema = None if schema is None else _part(schema, step, way, key)
        inner = _mapping(inner, way.rpartition(".")[2], key)
        way = f"{way}.{step}"
    last = rest[-1] if rest else name
    if last in inner:
        raise _twice(key)
    inner[last] = text if schema is None else _typed(key, text, schema)


def _mapping(inner: dict[str, Json], step: str, key: str) -> dict[str, Json]:
    found = inner.setdefault(step, {})
    if not isinstance(found, dict):
        raise _twice(key)
    return found


def _twice(key: str) -> UsageError:
    return UsageError(
        f"`--set {key}=…` says what another setting says",
        hint="say it as a whole or part by part",
    )


def _part(schema: Schema, step: str, way: str, key: str) -> Schema:
    parts = dict(_parts(schema))
    if step in parts:
        return parts[step]
    near = closest(step, list(parts))
    hint = f"did you mean `--set {way}.{near}=…`?" if near else ""
    if not hint:
        hint = f"it has: {', '.join(parts)}" if parts else f"write `--set {way}=…`"
    raise UsageError(f"`--set {key}=…`: `{way}` has no `{step}`", hint=hint)


def _parts(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """The parts of a mapping, of any kind that the field takes."""
    for branch in schema.get("anyOf", (schema,)):
        properties: Mapping[str, Any] = branch.get("properties", {})
        yield from properties.items()


def _typed(key: str, text: str, schema: Schema) -> Json:
    """As a cell of a column of that name would be read; templates stay as they are."""
    if "${{" in text and text.lstrip()[:1] not in {"{", "["}:
        return text
    try:
        return cell_reader(schema)(text)
    except CellProblem as problem:
        message = problem.message.replace("the cell", "the value", 1)
        raise UsageError(f"`--set {key}={text}`: {message}", hint=problem.hint) from None
