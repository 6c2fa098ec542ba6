"""Rules of lists: how many items of a kind, which together, which not.

unique       no two items of `list` have one value of `key`
at_most      `counts`: how many items of `list` may have which value of `key`
needs_item   an item of `list` with `key: value` needs another with `key: needs`
all_or_none  all items of `list` have `key`, or none has
total        the numbers under `key` of `list` add up to `min` … `max`, or to the field `equals`
count        `fields` together hold at most `max` items; a plain text is one
inside       the number under `key` of an item lies in the item's own `range`
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from runner.core.catalog import ModelInfo
from runner.core.ranges import is_number
from runner.core.spec import Body, Json
from runner.manifest.conditions import (
    MISSING,
    BodyRule,
    Maker,
    Raw,
    default_of,
    field_path,
    items_of,
    value_at,
)
from runner.manifest.findings import Finding, Path
from runner.manifest.words import field_words, listed, name_of, plain

Item = Mapping[str, Json]


def _mappings(body: Body, path: Path) -> list[tuple[Path, Item]]:
    """The items of a list that are mappings, with their places."""
    items = enumerate(items_of(value_at(body, path)))
    return [((*path, index), item) for index, item in items if isinstance(item, Mapping)]


def _unique(info: ModelInfo, raw: Raw) -> BodyRule:
    path, key = field_path(info, raw["list"]), raw["key"]

    def findings(body: Body) -> Iterator[Finding]:
        seen: list[Json] = []
        for place, item in _mappings(body, path):
            value = item.get(key)
            if value is not None and value in seen:
                message = f"two items of `{raw['list']}` have the {key} {plain(value)}"
                hint = f"give each a {key} of its own"
                yield Finding(path=(*place, key), message=message, hint=hint)
            seen.append(value)

    return _rule(path, findings)


def _at_most(info: ModelInfo, raw: Raw) -> BodyRule:
    path, key, counts = field_path(info, raw["list"]), raw["key"], raw["counts"]

    def findings(body: Body) -> Iterator[Finding]:
        seen: Counter[str] = Counter()
        for place, item in _mappings(body, path):
            value = item.get(key)
            if not isinstance(value, str) or value not in counts:
                continue
            seen[value] += 1
            if seen[value] == counts[value] + 1:
                most, what = counts[value], f"with {field_words(key, value)}"
                items = "item" if most == 1 else "items"
                message = f"`{raw['list']}` has more than {most} {items} {what}"
                hint = f"{name_of(info)} takes at most {most}"
                yield Finding(path=(*place, key), message=message, hint=hint)

    return _rule(path, findings)


def _needs_item(info: ModelInfo, raw: Raw) -> BodyRule:
    path, key, needs = field_path(info, raw["list"]), raw["key"], raw["needs"]

    def findings(body: Body) -> Iterator[Finding]:
        items = _mappings(body, path)
        if any(item.get(key) == needs for _, item in items):
            return
        for place, item in items:
            if item.get(key) == raw["value"]:
                have, lack = field_words(key, raw["value"]), field_words(key, needs)
                message = f"{have} alone: {name_of(info)} needs an item with {lack} too"
                yield Finding(path=(*place, key), message=message)
                return

    return _rule(path, findings)


def _all_or_none(info: ModelInfo, raw: Raw) -> BodyRule:
    path, key = field_path(info, raw["list"]), raw["key"]

    def findings(body: Body) -> Iterator[Finding]:
        items = _mappings(body, path)
        bare = [place for place, item in items if key not in item]
        if bare and len(bare) < len(items):
            what = f"items of `{raw['list']}` with and without `{key}`"
            yield Finding(
                path=bare[0],
                message=f"{what} cannot be mixed",
                hint=f"give all of them a `{key}`, or none",
            )

    return _rule(path, findings)


def _total(info: ModelInfo, raw: Raw) -> BodyRule:
    path, key = field_path(info, raw["list"]), raw["key"]
    verdict = _same_as(info, raw["equals"]) if "equals" in raw else _within(info, raw)

    def findings(body: Body) -> Iterator[Finding]:
        numbers: list[Any] = [item.get(key) for _, item in _mappings(body, path)]
        if not numbers or not all(is_number(number) for number in numbers):
            return
        wrong = verdict(body, sum(numbers))
        if wrong:
            message = f"the `{key}` of all `{raw['list']}` adds up to {sum(numbers)}, {wrong}"
            yield Finding(path=path, message=message)

    return _rule(path, findings)


def _within(info: ModelInfo, raw: Raw) -> Callable[[Body, float], str]:
    least, most = raw["min"], raw["max"]

    def verdict(body: Body, total: float) -> str:
        return "" if least <= total <= most else f"{name_of(info)} takes {least} to {most}"

    return verdict


def _same_as(info: ModelInfo, field: str) -> Callable[[Body, float], str]:
    path, default = field_path(info, field), default_of(info, field)

    def verdict(body: Body, total: float) -> str:
        given = value_at(body, path)
        wanted = default if given is MISSING else given
        if not is_number(wanted) or total == wanted:
            return ""
        return f"`{field}` is {wanted}" + (" by default" if given is MISSING else "")

    return verdict


def _count(info: ModelInfo, raw: Raw) -> BodyRule:
    fields: Sequence[str] = raw["fields"]
    paths, most = [field_path(info, field) for field in fields], raw["max"]
    what = listed(fields, last="and") + (" together hold" if len(fields) > 1 else " holds")

    def findings(body: Body) -> Iterator[Finding]:
        held = {path: value_at(body, path) for path in paths}
        there = {path: value for path, value in held.items() if value is not MISSING}
        count = sum(len(value) if isinstance(value, list) else 1 for value in there.values())
        if count > most:
            message = f"{what} {count} items, {name_of(info)} takes at most {most}"
            yield Finding(path=list(there)[-1], message=message)

    return BodyRule(trigger=str(paths[0][0]) if len(paths) == 1 else "", findings=findings)


def _inside(info: ModelInfo, raw: Raw) -> BodyRule:
    path, key = field_path(info, raw["list"]), raw["key"]
    inner, low, high = raw["range"], raw["from"], raw["to"]

    def findings(body: Body) -> Iterator[Finding]:
        for place, item in _mappings(body, path):
            window = item.get(inner)
            if not isinstance(window, Mapping):
                continue
            begin: Any = window.get(low)
            end: Any = window.get(high)
            at: Any = item.get(key)
            if not is_number(begin) or not is_number(end):
                continue
            if begin >= end:
                message = f"`{inner}` ends at {end}, before it begins ({begin})"
                yield Finding(path=(*place, inner), message=message)
            elif is_number(at) and not begin <= at < end:
                message = f"{field_words(key, at)} lies outside its `{inner}` of {begin} to {end}"
                yield Finding(path=(*place, key), message=message)

    return _rule(path, findings)


def _rule(path: Path, findings: Callable[[Body], Iterator[Finding]]) -> BodyRule:
    return BodyRule(trigger=str(path[0]), findings=findings)


ITEM_RULES: Mapping[str, Maker] = {
    "unique": _unique,
    "at_most": _at_most,
    "needs_item": _needs_item,
    "all_or_none": _all_or_none,
    "total": _total,
    "count": _count,
    "inside": _inside,
}
