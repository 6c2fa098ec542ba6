"""Values that know where they were written: what every message about a manifest points at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from runner.core.links import without_signatures
from runner.core.spec import Json
from runner.errors import Problem
from runner.manifest.layout import PLAIN, Layout
from runner.manifest.scalars import shortened

Path: TypeAlias = tuple[str | int, ...]
#: characters of a message's beginning, and of its end
_MOST_TOLD = 400


@dataclass(frozen=True, slots=True)
class Place:
    """A line and a column, 1-based; 0 = unknown."""

    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True)
class Node:
    """One value of a document: a view, made when somebody asks where the value stands."""

    value: Json
    layout: Layout
    index: int  # the slot of the value in the layout

    @property
    def place(self) -> Place:
        return Place(*self.layout.position(self.index))

    @property
    def plain(self) -> bool:
        """Whether it is a scalar without quotes."""
        return self.layout.kind(self.index) == PLAIN

    @property
    def comment(self) -> str:
        """What follows a plain scalar on its line, `#` included."""
        return self.layout.comments.get(self.index, "")

    @property
    def anchor(self) -> str:
        return self.layout.anchors.get(self.index, "")

    def children(self, *, noted: bool = False) -> Iterator[tuple[str | int, Node]]:
        """The values in this list or mapping, each with its step; `noted` as in `walk`."""
        if not isinstance(self.value, dict | list):
            return
        steps = self.value if isinstance(self.value, dict) else range(len(self.value))
        layout = self.layout
        for step, index in zip(steps, layout.children(self.index, self.value), strict=True):
            if not noted or layout.has_notes(index):
                yield step, Node(self.value[step], layout, index)

    def key_place(self, key: str) -> Place | None:
        """Where a key of this mapping stands."""
        if not isinstance(self.value, dict):
            return None
        index = self.layout.keys(self.index, self.value).get(key)
        return None if index is None else Place(*self.layout.position(index))


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A parsed file."""

    root: Node
    file: str = ""
    used_anchors: frozenset[str] = frozenset()

    @property
    def value(self) -> Json:
        return self.root.value

    def node(self, path: Path) -> Node | None:
        """The node at `path`, or None where there is none."""
        return self._nearest(path) if self.depth(path) == len(path) else None

    def depth(self, path: Path) -> int:
        """How many steps of `path` exist."""
        value = self.root.value
        for depth, step in enumerate(path):
            if isinstance(value, dict) and (key := str(step)) in value:
                value = value[key]
            elif isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
                value = value[step]
            else:
                return depth
        return len(path)

    def place(self, path: Path, *, key: bool = False) -> Place:
        """Where the value at `path` is (or its key), else the nearest thing around it."""
        if key and path and (parent := self.node(path[:-1])) is not None:
            where = parent.key_place(str(path[-1]))
            if where is not None:
                return where
        return self._nearest(path).place

    def problem(self, path: Path, message: str, hint: str = "", *, key: bool = False) -> Problem:
        """A problem at `path`, with its place filled in."""
        place = self.place(path, key=key)
        return Problem(
            message=_told(message), hint=_told(hint), file=self.file,
            line=place.line, column=place.column, path=_told(format_path(path)),
        )  # fmt: skip

    def _nearest(self, path: Path) -> Node:
        layout, value, index = self.root.layout, self.root.value, self.root.index
        for step in path[: self.depth(path)]:
            index = layout.child(index, value, step)
            value = value[str(step) if isinstance(value, dict) else step]
        return Node(value, layout, index)


def _told(text: str) -> str:
    """A message that quotes somebody's text, however long that is, and no secret of a link."""
    text = without_signatures(text)
    return text if len(text) <= 2 * _MOST_TOLD else f"{text[:_MOST_TOLD]} … {text[-_MOST_TOLD:]}"


def walk(node: Node, path: Path = (), *, noted: bool = False) -> Iterator[tuple[Path, Node]]:
    """Every node in and under `node`, with its path.

    Args:
        noted: only nodes with a comment, an anchor or an alias, and those around them.
    """
    left = [(path, node)]
    while left:
        path, node = left.pop()
        yield path, node
        inside = [((*path, step), child) for step, child in node.children(noted=noted)]
        left += reversed(inside)


def format_path(path: Path) -> str:
    """`jobs[3].image_to_video.ratio`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{shortened(step)}"
    return text.removeprefix(".")
