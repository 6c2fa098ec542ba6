"""Says in words what does not fit the schema of one model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.core.catalog import ModelInfo, closest
from runner.core.ranges import is_number
from runner.core.spec import Json
from runner.manifest.breaches import Breach, breaches, utf16_length
from runner.manifest.findings import Finding, Path, dotted
from runner.manifest.words import (
    FEW,
    expected,
    hint_for,
    listed,
    name_of,
    page_of,
    plain,
    shown,
    suggestion,
)

#: what belongs beside a body, and is often written into it
_KEYS_OF_JOBS = frozenset({
    "fill", "foreach", "id", "matrix", "max_credits", "needs", "output", "priority", "tags",
    "takes", "unchecked", "unpack",
})  # fmt: skip


def schema_findings(info: ModelInfo, body: Json) -> Iterator[Finding]:
    """What the model's schema does not allow; `body` is free of our markers."""
    for breach in breaches(info, body):
        yield from _findings(info, breach, ())


def _findings(info: ModelInfo, breach: Breach, at: Path) -> Iterator[Finding]:
    """The findings of one breach; a choice that fails speaks for the branch that was meant."""
    path = (*at, *breach.path)
    match breach.rule:
        case "required":
            yield from _missing(info, breach, path)
        case "additionalProperties":
            yield from _unknown(info, breach, path)
        case "anyOf":
            yield from _of_choice(info, breach, path)
        case "minLength" | "maxLength":
            yield _of_length(info, breach, path)
        case "minItems" | "maxItems":
            yield _of_items(info, breach, path)
        case "pattern":
            yield _of_form(breach, path, f"match `{breach.limit}`")
        case "format":
            yield _of_form(breach, path, f"be a {breach.limit}")
        case _:
            yield _not_as_expected(info, breach, path)


def _missing(info: ModelInfo, breach: Breach, path: Path) -> Iterator[Finding]:
    for name in breach.limit:
        if name not in breach.value:
            schema = breach.schema.get("properties", {}).get(name, {})
            yield Finding(
                path=(*path, name),
                message=f"`{dotted((*path, name))}` is missing: {name_of(info)} needs it",
                hint=_all_choices(schema) or f"give {expected(schema)}",
            )


def _all_choices(schema: Mapping[str, Any]) -> str:
    return f"one of {listed(schema['enum'])}" if len(schema.get("enum", ())) > 1 else ""


def _unknown(info: ModelInfo, breach: Breach, path: Path) -> Iterator[Finding]:
    fields = list(breach.schema.get("properties", {}))
    where = f"`{dotted(path)}`" if path else name_of(info)
    for name in breach.value:
        if name not in fields:
            near = closest(str(name), fields)
            yield Finding(
                path=(*path, str(name)),
                message=f"`{name}` is not a field of {where}",
                hint=_of_job(name, path)
                or (f"did you mean `{near}`?" if near else _all_fields(info, fields, path)),
            )


def _of_job(name: str, path: Path) -> str:
    is_key = name in _KEYS_OF_JOBS and not path
    return f"`{name}` is a key of the job: write it beside the body" if is_key else ""


def _all_fields(info: ModelInfo, fields: list[str], path: Path) -> str:
    """The fields of a mapping; of a whole body also where to read about them."""
    takes = f"it takes {listed(fields)}" if fields else "it takes nothing"
    return takes if path else f"{takes}; {page_of(info)}"


# Choices (`anyOf`)


def _of_choice(info: ModelInfo, breach: Breach, path: Path) -> Iterator[Finding]:
    branches = _branches(breach)
    meant = [items for items in branches if not any(_is_wrong_word(item) for item in items)]
    if meant:
        for item in min(meant, key=len):
            yield from _findings(info, item, path)
    elif branches:
        yield _wrong_word(branches, path)
    else:
        yield _not_as_expected(info, breach, path)


def _branches(breach: Breach) -> list[list[Breach]]:
    """The breaches of each branch that takes a list or a mapping like the value."""
    if not isinstance(breach.value, dict | list):
        return []
    branches: dict[str | int, list[Breach]] = {}
    for item in breach.inner:
        branches.setdefault(item.branch, []).append(item)
    return [
        items
        for items in branches.values()
        if not any(not item.path and item.rule in {"type", "enum"} for item in items)
    ]


def _is_wrong_word(breach: Breach) -> bool:
    """Whether the fixed word that tells branches apart (`type: video`) is another one."""
    return breach.rule == "enum" and len(breach.path) == 1 and len(breach.limit) == 1


def _wrong_word(branches: list[list[Breach]], path: Path) -> Finding:
    found = [next(item for item in items if _is_wrong_word(item)) for items in branches]
    place = (*path, *found[0].path)
    words = list(dict.fromkeys(item.limit[0] for item in found))
    return Finding(
        path=place,
        message=f"`{dotted(place)}` must be {listed(words)}, got {plain(found[0].value)}",
        hint=suggestion(found[0].value, words),
    )


# Single values


def _of_length(info: ModelInfo, breach: Breach, path: Path) -> Finding:
    count = utf16_length(breach.value)
    bound = "at least" if breach.rule == "minLength" else "at most"
    length = "is empty" if count == 0 else f"has {_count(count, 'character')}"
    return Finding(
        path=path,
        message=f"`{dotted(path)}` {length}, {name_of(info)} takes {bound} {breach.limit:,}",
        hint="" if count == len(breach.value) else "an emoji counts as two characters",
    )


def _of_items(info: ModelInfo, breach: Breach, path: Path) -> Finding:
    bound = "at least" if breach.rule == "minItems" else "at most"
    has = f"`{dotted(path)}` has {_count(len(breach.value), 'item')}"
    return Finding(path=path, message=f"{has}, {name_of(info)} takes {bound} {breach.limit}")


def _of_form(breach: Breach, path: Path, rule: str) -> Finding:
    got = shown(breach.value)
    return Finding(path=path, message=f"`{dotted(path)}` must {rule}, got {got}")


def _not_as_expected(info: ModelInfo, breach: Breach, path: Path) -> Finding:
    value, what = breach.value, expected(breach.schema)
    hint = hint_for(value, breach.schema.get("enum", ()))
    wants_number = breach.schema.get("type") in {"integer", "number"}
    if wants_number and isinstance(value, str) and value.strip().isdigit():
        hint = f"write {value.strip()} without quotes"
    elif is_number(value) and str(value) in breach.schema.get("enum", ()):
        hint = f'write "{value}" with quotes'
    elif len(breach.schema.get("enum", ())) > FEW:
        hint = f"{hint}; {page_of(info)}"
    elif breach.schema.get("type") == "string" and isinstance(value, bool | int | float):
        hint = hint or "to mean the text, quote it or use `|`"
    return Finding(
        path=path,
        message=f"`{dotted(path)}` must be {what} for {name_of(info)}, got {plain(value)}",
        hint=hint,
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
