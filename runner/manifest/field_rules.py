"""Rules of fields that depend on each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from runner.core.catalog import ModelInfo
from runner.core.spec import Body, Json
from runner.manifest.conditions import (
    MISSING,
    BodyRule,
    Condition,
    Maker,
    Raw,
    condition,
    field_path,
    value_at,
)
from runner.manifest.findings import Finding
from runner.manifest.words import field_words, listed, name_of, plain


def _when(info: ModelInfo, raw: Raw) -> BodyRule:
    given = [condition(info, field, wanted) for field, wanted in raw.get("if", {}).items()]
    then = [condition(info, field, wanted) for field, wanted in raw["then"].items()]
    is_any = raw.get("any", False)

    def findings(body: Body) -> Iterator[Finding]:
        if not all(one.holds(body) for one in given):
            return
        broken = [one for one in then if not one.holds(body, unknown=True)]
        if is_any and len(broken) == len(then):
            yield _none_of(info, given, then, body)
        elif not is_any:
            for one in broken:
                yield _broken(info, given, one, body)

    return BodyRule(trigger=_trigger(given, then, is_any), findings=findings)


def _trigger(given: list[Condition], then: list[Condition], is_any: bool) -> str:
    """A field whose absence alone keeps the rule silent."""
    silent = [one for one in given if not one.holds({})]
    if not silent and not is_any and len(then) == 1:
        silent = [one for one in then if one.holds({}, unknown=True)]
    return str(silent[0].path[0]) if silent else ""


def _none_of(info: ModelInfo, given: list[Condition], then: list[Condition], body: Body) -> Finding:
    fields = listed([one.field for one in then])
    return Finding(
        path=(given or then)[0].path,
        message=f"{name_of(info)} needs {fields}{_circumstances(given, body)}",
    )


def _broken(info: ModelInfo, given: list[Condition], one: Condition, body: Body) -> Finding:
    """What is wrong with one field, said of the field where it is there."""
    name, here = f"`{one.field}`", _circumstances(given, body)
    is_there = value_at(body, one.path) is not MISSING
    anchor = one.path if is_there or not given else given[0].path
    match one.wanted:
        case "given":
            message = f"{name} is missing: {name_of(info)} needs it{here}"
            return Finding(path=one.path, message=message)
        case "absent":
            return Finding(
                path=one.path, message=f"{name} cannot be given{here}", hint="leave it out"
            )
        case {"items": least}:
            message = f"{name} needs at least {least} items{here}"
            return Finding(path=anchor, message=message)
        case {"some": item}:
            message = f"{name} needs an item with {_item_words(item)}{here}"
            return Finding(path=anchor, message=message)
        case {"not": _}:
            message = f"{name} cannot be {plain(one.value(body))}{here}"
            return Finding(path=anchor, message=message)
    got = "got" if is_there else "by default it is"
    message = f"{name} must be {listed(one.wanted)}{here}, {got} {plain(one.value(body))}"
    hint = "" if is_there else f"write `{one.field}: {one.wanted[0]}`"
    return Finding(path=anchor, message=message, hint=hint)


def _circumstances(given: list[Condition], body: Body) -> str:
    """` with `mode: edit` and without `references``: as the body is."""
    return " and".join(_circumstance(one, body) for one in given)


def _circumstance(one: Condition, body: Body) -> str:
    match one.wanted:
        case "absent":
            return f" without `{one.field}`"
        case "given" | {"items": _} | {"some": _}:
            item = one.wanted.get("some") if isinstance(one.wanted, Mapping) else None
            return f" with {_item_words(item)} in `{one.field}`" if item else f" with `{one.field}`"
    return f" with {field_words(one.field, one.value(body))}"


def _item_words(item: str | Mapping[str, Json]) -> str:
    if isinstance(item, str):
        return f"`{item}`"
    return listed([f"{key}: {value}" for key, value in item.items()], last="and")


def _alone(info: ModelInfo, raw: Raw) -> BodyRule:
    field = raw["field"]
    path = field_path(info, field)
    allowed = {field, "model"}

    def findings(body: Body) -> Iterator[Finding]:
        others = [str(name) for name in body if name not in allowed]
        if field in body and others:
            yield Finding(
                path=path,
                message=f"nothing can be given beside `{field}`",
                hint=f"leave out {listed(others, last='and')}",
            )

    return BodyRule(trigger=field, findings=findings)


FIELD_RULES: Mapping[str, Maker] = {"when": _when, "alone": _alone}
