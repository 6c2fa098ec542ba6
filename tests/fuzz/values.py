"""Damage to what a manifest says: values moved, exchanged, repeated, of other types, hostile."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from runner.errors import ManifestError
from runner.manifest.yaml12 import parse_yaml
from tests.fuzz import hostile

Steps = tuple[Any, ...]
#: what a list is made longer by
_MOST_COPIES = 30


def damaged(manifest: bytes, rng: random.Random) -> bytes | None:
    """The manifest with some of its values changed; None where it is no mapping."""
    try:
        root = copy.deepcopy(parse_yaml(manifest).value)
    except ManifestError:
        return None
    if not isinstance(root, dict):
        return None
    for _ in range(rng.choice([1, 1, 1, 2, 2, 3, 5])):
        places = list(_places(root))
        if places:
            rng.choice(_CHANGES)(root, places, rng)
    return _written(root, rng)


def _places(value: Any, steps: Steps = ()) -> Iterator[Steps]:
    """Paths of all values below the root."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield (*steps, key)
        if isinstance(item, dict | list):
            yield from _places(item, (*steps, key))


def _holder(root: Any, steps: Steps) -> Any:
    for step in steps[:-1]:
        root = root[step]
    return root


def _replace(root: Any, places: list[Steps], rng: random.Random) -> None:
    steps = rng.choice(places)
    _holder(root, steps)[steps[-1]] = hostile.value(rng)


def _edit_text(root: Any, places: list[Steps], rng: random.Random) -> None:
    """A text with something put into it."""
    steps = rng.choice(places)
    holder, last = _holder(root, steps), steps[-1]
    if isinstance(holder[last], str):
        at = rng.randint(0, len(holder[last]))
        holder[last] = holder[last][:at] + hostile.text(rng) + holder[last][at:]
    else:
        holder[last] = hostile.text(rng)


def _delete(root: Any, places: list[Steps], rng: random.Random) -> None:
    steps = rng.choice(places)
    del _holder(root, steps)[steps[-1]]


def _exchange(root: Any, places: list[Steps], rng: random.Random) -> None:
    one, other = rng.choice(places), rng.choice(places)
    if one[: len(other)] == other or other[: len(one)] == one:
        return  # one lies in the other
    first, second = _holder(root, one), _holder(root, other)
    first[one[-1]], second[other[-1]] = second[other[-1]], first[one[-1]]


def _copy(root: Any, places: list[Steps], rng: random.Random) -> None:
    """A value to another place, which may lie inside it."""
    one, other = rng.choice(places), rng.choice(places)
    found = copy.deepcopy(_holder(root, one)[one[-1]])
    _holder(root, other)[other[-1]] = found


def _repeat(root: Any, places: list[Steps], rng: random.Random) -> None:
    """An item of a list, again and again; a mapping's under other keys."""
    steps = rng.choice(places)
    holder, item = _holder(root, steps), _holder(root, steps)[steps[-1]]
    times = rng.choice([1, 1, 2, _MOST_COPIES])
    if isinstance(holder, list):
        holder.extend(copy.deepcopy(item) for _ in range(times))
    else:
        for number in range(times):
            holder[f"{steps[-1]}{rng.choice(['', ' ', number])}"] = copy.deepcopy(item)


def _rename(root: Any, places: list[Steps], rng: random.Random) -> None:
    """Keep the order of the keys."""
    steps = rng.choice(places)
    holder = _holder(root, steps)
    if not isinstance(holder, dict):
        return
    name = rng.choice(hostile.KEYS) if rng.random() < 0.7 else hostile.text(rng)
    items = [(name if key == steps[-1] else key, item) for key, item in holder.items()]
    holder.clear()
    holder.update(items)


def _add(root: Any, places: list[Steps], rng: random.Random) -> None:
    steps = rng.choice(places)
    inner = _holder(root, steps)[steps[-1]]
    holder = inner if isinstance(inner, dict | list) else _holder(root, steps)
    if isinstance(holder, list):
        holder.insert(rng.randint(0, len(holder)), hostile.value(rng))
    else:
        holder[rng.choice(hostile.KEYS)] = hostile.value(rng)


def _retype(root: Any, places: list[Steps], rng: random.Random) -> None:
    """A number as text, text as a number, anything in a list or a mapping."""
    steps = rng.choice(places)
    holder, last = _holder(root, steps), steps[-1]
    item = holder[last]
    match rng.randint(0, 3):
        case 0:
            holder[last] = [item]
        case 1:
            holder[last] = {rng.choice(hostile.KEYS): item}
        case 2:
            holder[last] = str(item)
        case _:
            holder[last] = len(item) if isinstance(item, str | list | dict) else [item, item]


def _shuffle(root: Any, places: list[Steps], rng: random.Random) -> None:
    steps = rng.choice(places)
    holder = _holder(root, steps)
    if isinstance(holder, list):
        rng.shuffle(holder)
    else:
        items = list(holder.items())
        rng.shuffle(items)
        holder.clear()
        holder.update(items)


_CHANGES: list[Callable[[Any, list[Steps], random.Random], None]] = [
    _replace, _replace, _replace, _edit_text, _edit_text, _edit_text, _delete, _exchange,
    _exchange, _copy, _repeat, _rename, _add, _add, _retype, _shuffle,
]  # fmt: skip


def _written(root: Any, rng: random.Random) -> bytes:
    """As JSON, which is YAML, or as a dumper writes it."""
    if rng.random() < 0.5:
        text = json.dumps(root, ensure_ascii=rng.random() < 0.3, indent=rng.choice([None, 1]))
    else:
        text = yaml.dump(root, Dumper=_Dumper, sort_keys=False, allow_unicode=rng.random() < 0.7)
    return text.encode("utf-8", "surrogatepass")


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True
