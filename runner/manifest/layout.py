"""Where every value of a document was written, in one array: eight bytes a value.

A slot holds line, column and kind. Slots stand in the order of the text:

    scalar      one slot
    container   one slot, then where its last slot ends, then its members
    alias       one slot, then the slot of what it stands for
    member      of a list: a value; of a mapping: a slot for the key, then a value

What few values have (comments, anchors, merged keys) is kept beside it.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

from runner.core.spec import Json

TEXT, PLAIN, CONTAINER, ALIAS, KEY, MERGE = range(6)
MERGE_KEY = "<<"

_COLUMN_AT, _LINE_AT = 4, 36
_KIND_MASK, _COLUMN_MASK = 0xF, 0xFFFFFFFF
#: longer lists and mappings remember the slots of their members once somebody asked
_LONG = 64


def slot(line: int, column: int, kind: int) -> int:
    """Line and column count from 0 here, as parsers count."""
    return line << _LINE_AT | column << _COLUMN_AT | kind


class Layout:
    """Grows while a document is parsed, is only read afterwards."""

    def __init__(self) -> None:
        self.slots = array("Q")
        self.comments: dict[int, str] = {}
        self.anchors: dict[int, str] = {}
        self.merged: dict[int, dict[str, int]] = {}  # by mapping: what `<<` brought
        self._noted = array("Q")
        self._keys: dict[int, Mapping[str, int]] = {}
        self._items: dict[int, Sequence[int]] = {}

    def note(self, index: int) -> None:
        """Remember a value with a comment, an anchor or an alias; called in their order."""
        if not self._noted or self._noted[-1] != index:
            self._noted.append(index)

    def has_notes(self, index: int) -> bool:
        """Whether something in the value at `index`, itself included, was noted."""
        found = bisect_left(self._noted, index)
        return found < len(self._noted) and self._noted[found] < self._after(index)

    def position(self, index: int) -> tuple[int, int]:
        """Line and column, counted from 1."""
        packed = self.slots[index]
        return (packed >> _LINE_AT) + 1, (packed >> _COLUMN_AT & _COLUMN_MASK) + 1

    def kind(self, index: int) -> int:
        return self.slots[index] & _KIND_MASK

    def child(self, index: int, value: Json, step: str | int) -> int:
        """The slot of a member of `value`, which stands at `index` and has that member."""
        if isinstance(value, dict):
            return self.resolved(self.keys(index, value)[str(step)] + 1)
        return self.resolved(self.items(index)[int(step)])

    def children(self, index: int, value: Json) -> Iterator[int]:
        """The slots of all members of the list or mapping at `index`, in its order."""
        if isinstance(value, dict):
            keys = self.keys(index, value)
            return (self.resolved(keys[key] + 1) for key in value)
        return map(self.resolved, self.items(index))

    def keys(self, index: int, mapping: Mapping[str, Json]) -> Mapping[str, int]:
        """The slots of the keys of the mapping at `index`; `<<` is among them."""
        return self._keys.get(index) or self._found_keys(index, mapping)

    def items(self, index: int) -> Sequence[int]:
        """The slots of what is in the list at `index`."""
        return self._items.get(index) or self._found_items(index)

    def _found_keys(self, index: int, mapping: Mapping[str, Json]) -> Mapping[str, int]:
        found: dict[str, int] = {}
        names = iter(mapping)
        at, end = index + 2, self._after(index)
        while at < end:
            found[MERGE_KEY if self.kind(at) == MERGE else next(names)] = at
            at = self._after(at + 1)
        found |= self.merged.get(index, {})
        if len(found) > _LONG and self._is_closed(index):
            self._keys[index] = found
        return found

    def _found_items(self, index: int) -> Sequence[int]:
        found = array("Q")
        at, end = index + 2, self._after(index)
        while at < end:
            found.append(at)
            at = self._after(at)
        if len(found) > _LONG and self._is_closed(index):
            self._items[index] = found
        return found

    def resolved(self, index: int) -> int:
        """What an alias stands for; anything else stands for itself."""
        return self.slots[index + 1] if self.kind(index) == ALIAS else index

    def _is_closed(self, index: int) -> bool:
        return self.slots[index + 1] > 0

    def _after(self, index: int) -> int:
        """The slot behind a value; behind a container still open, the end so far."""
        kind = self.kind(index)
        if kind == CONTAINER:
            return self.slots[index + 1] or len(self.slots)
        return index + (2 if kind == ALIAS else 1)
