"""Anchors and aliases of a document, and what bounds them."""

from __future__ import annotations

from dataclasses import dataclass

from runner.core.spec import Json
from runner.manifest.places import Place
from runner.manifest.scalars import shortened
from runner.manifest.source import Refused
from runner.manifest.yaml_words import QUOTE

#: lists and mappings in each other, those behind aliases included
MAX_DEPTH = 64
#: values that aliases may add to those which are written out
MAX_ALIASED = 100_000


@dataclass(slots=True, kw_only=True)
class Anchored:
    """What an alias may stand for."""

    value: Json
    index: int  # its slot
    size: int = 1  # values in it, itself included
    height: int = 0  # lists and mappings in each other, itself included
    text: str = ""  # of a scalar, as written
    plain: bool = False


class Anchors:
    """Those of one document; a name may be given again."""

    def __init__(self) -> None:
        self.used: set[str] = set()
        self._known: dict[str, Anchored] = {}
        self._aliased = 0

    def add(self, name: str, anchored: Anchored) -> None:
        self._known[name] = anchored

    def target(self, name: str, depth: int, place: Place) -> Anchored:
        """What an alias stands for that is as deep in the document.

        Raises:
            Refused: nothing, or more than aliases may add.
        """
        found = self._known.get(name)
        if found is None:
            name = shortened(name)
            raise Refused(f"`*{name}` refers to no `&{name}` above it", place, QUOTE)
        self.used.add(name)
        self._aliased += found.size
        if self._aliased > MAX_ALIASED:
            raise Refused(f"aliases add more than {MAX_ALIASED:,} values", place)
        if depth + found.height > MAX_DEPTH:
            raise too_deep(place)
        return found


def too_deep(place: Place) -> Refused:
    return Refused(f"nested deeper than {MAX_DEPTH} levels", place)
