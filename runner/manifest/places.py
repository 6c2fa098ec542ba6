"""Values that know where they were written: what every message about a manifest points at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from runner.core.spec import Json
from runner.errors import Problem

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A line and a column, 1-based; 0 = unknown."""

    line: int = 0
    column: int = 0


@dataclass(kw_only=True, slots=True)
class Node:
    """One value of a document. Grows while it is parsed, is only read afterwards."""

    value: Json
    place: Place
    children: dict[str, Node] | list[Node] | None = None  # None: a scalar
    keys: dict[str, Place] = field(default_factory=dict)  # of a mapping
    text: str = ""  # of a scalar, as written
    plain: bool = False  # a scalar without quotes
    comment: str = ""  # what follows a plain scalar on its line, `#` included
    anchor: str = ""
    size: int = 1  # values in it, itself included


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
        found, rest = self._nearest(path)
        return None if rest else found

    def depth(self, path: Path) -> int:
        """How many steps of `path` exist."""
        return len(path) - len(self._nearest(path)[1])

    def place(self, path: Path, *, key: bool = False) -> Place:
        """Where the value at `path` is (or its key), else the nearest thing around it."""
        if key and path and (parent := self.node(path[:-1])) is not None:
            where = parent.keys.get(str(path[-1]))
            if where is not None:
                return where
        return self._nearest(path)[0].place

    def problem(self, path: Path, message: str, hint: str = "", *, key: bool = False) -> Problem:
        """A problem at `path`, with its place filled in."""
        place = self.place(path, key=key)
        return Problem(
            message=message, hint=hint, file=self.file,
            line=place.line, column=place.column, path=format_path(path),
        )  # fmt: skip

    def _nearest(self, path: Path) -> tuple[Node, Path]:
        node = self.root
        for depth, step in enumerate(path):
            below = _child(node, step)
            if below is None:
                return node, path[depth:]
            node = below
        return node, ()


def walk(node: Node, path: Path = ()) -> Iterator[tuple[Path, Node]]:
    """Every node in and under `node`, with its path."""
    yield path, node
    if isinstance(node.children, dict):
        for key, child in node.children.items():
            yield from walk(child, (*path, key))
    elif node.children is not None:
        for index, child in enumerate(node.children):
            yield from walk(child, (*path, index))


def format_path(path: Path) -> str:
    """`jobs[3].image_to_video.ratio`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")


def _child(node: Node, step: str | int) -> Node | None:
    if isinstance(node.children, dict):
        return node.children.get(str(step))
    if node.children is None or not isinstance(step, int) or step >= len(node.children):
        return None
    return node.children[step]
