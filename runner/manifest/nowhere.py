"""A document that nobody wrote: its values stand nowhere, and messages say so in other words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from runner.core.links import without_signatures
from runner.core.spec import Json
from runner.errors import Problem
from runner.manifest.layout import TEXT, Layout
from runner.manifest.places import Document, Node, Path

#: a key and its value, as hints print them for people who write YAML
_KEY = re.compile(r"(?<=\badd )`(\w+): ([^`]+)`")


class Nowhere(Layout):
    """The layout of values without a text: every slot is the same, and has no line."""

    def has_notes(self, index: int) -> bool:
        return False

    def position(self, index: int) -> tuple[int, int]:
        return 0, 0

    def kind(self, index: int) -> int:
        return TEXT

    def child(self, index: int, value: Json, step: str | int) -> int:
        return 0

    def children(self, index: int, value: Json) -> Iterator[int]:
        return iter([0] * len(value))

    def keys(self, index: int, mapping: Mapping[str, Json]) -> Mapping[str, int]:
        return dict.fromkeys(mapping, 0)

    def items(self, index: int) -> Sequence[int]:
        return ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ToldDocument(Document):
    """A document whose paths mean nothing to the person: `say` puts them in other words."""

    say: Callable[[Path], str]

    def problem(self, path: Path, message: str, hint: str = "", *, key: bool = False) -> Problem:
        told = _KEY.sub(r"`--set \1=\2`", without_signatures(hint))
        message = without_signatures(message)
        return Problem(message=message, hint=told, file=self.file, path=self.say(path))


def told_document(value: Json, *, file: str, say: Callable[[Path], str]) -> Document:
    """A value as a document.

    Args:
        value: as a manifest would write it.
        file: what messages name.
        say: a path in the person's words; empty where there are none.
    """
    return ToldDocument(root=Node(value, Nowhere(), 0), file=file, say=say)
