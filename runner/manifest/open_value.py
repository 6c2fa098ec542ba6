"""A list or mapping that is being read, and what `<<` brings into it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from runner.core.spec import Json
from runner.manifest.layout import Layout
from runner.manifest.places import Place
from runner.manifest.source import Refused


@dataclass(slots=True, kw_only=True)
class OpenValue:
    """Its end has not been seen yet."""

    value: Json
    index: int  # its slot
    anchor: str = ""
    before: int = 0  # values in the document before it
    is_mapping: bool = False
    in_braces: bool = False
    height: int = 1  # lists and mappings in each other, itself included
    key: str | None = None  # a key that waits for its value
    key_end: Any = None  # where that key ends, inside braces
    has_merge: bool = False  # whether `<<` is among its keys
    _merged: list[tuple[Json, int]] = field(default_factory=list)  # nearest first

    def add_merged(self, value: Json, index: int, layout: Layout) -> None:
        """Take what stands behind `<<`.

        Raises:
            Refused: it has no keys.
        """
        place = Place(*layout.position(index))
        index = layout.resolved(index)
        found = [(value, index)]
        if isinstance(value, list):
            found = list(zip(value, layout.children(index, value), strict=True))
        if not all(isinstance(each, dict) for each, _ in found):
            raise Refused("`<<` takes a mapping or a list of mappings", place)
        self._merged += found

    def merge(self, layout: Layout) -> None:
        """Add what others have and this one has not; the nearer one wins."""
        found: dict[str, int] = {}
        for other, index in self._merged:
            keys = layout.keys(index, other)
            for key, value in other.items():
                if key not in self.value:
                    self.value[key] = value
                    found[key] = keys[key]
        layout.merged[self.index] = found
