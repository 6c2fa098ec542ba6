"""YAML text to values with their places.

PyYAML reads the text (its events); what a plain word means is decided in `scalars`. Refused:
duplicate keys, tags, several documents, deep nesting, aliases that multiply.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from runner.errors import ManifestError, Problem
from runner.manifest.places import Document, Node, Place
from runner.manifest.scalars import (
    is_collection_tag,
    join_surrogates,
    plain_value,
    tag_name,
    tagged_value,
)
from runner.manifest.yaml_words import QUOTE, explain, place_at

MAX_DEPTH = 64
#: values that aliases may add to those which are written out
MAX_ALIASED = 100_000

_COMMENT = re.compile(r"[ \t]+(#[^\r\n]*)")


class _Refused(Exception):
    def __init__(self, message: str, place: Place, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.place, self.hint = message, place, hint


def parse_yaml(data: bytes, *, file: str = "") -> Document:
    """The document in `data`.

    Raises:
        ManifestError: not UTF-8, broken YAML, or something that a manifest may not contain.
    """
    try:
        text = _decode(data)
        return _Builder(text).build(_events(text), file)
    except _Refused as refused:
        place = refused.place
        problem = Problem(
            message=refused.message, hint=refused.hint, file=file,
            line=place.line, column=place.column,
        )  # fmt: skip
        raise ManifestError([problem]) from None


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _Refused("not UTF-8 text", Place(line), "save the file as UTF-8") from None


def _events(text: str) -> Iterator[Any]:
    """PyYAML's events; typed `Any` because PyYAML's own types leave the marks out."""
    try:
        # not a Loader object by hand: its constructor already reads and may already fail
        yield from yaml.parse(text.translate(_HIDDEN), Loader=yaml.SafeLoader)
    except (yaml.MarkedYAMLError, yaml.reader.ReaderError) as error:
        raise _Refused(*explain(error, text)) from None
    except (ValueError, OverflowError):
        # an escape like "\U00110000": PyYAML lets chr() complain, without a place
        found = re.search(r"\\U(?!000|0010)", text)
        place = place_at(text, found.start() if found else 0)
        raise _Refused(
            "an escape that names no character", place, "a character is at most `\\U0010FFFF`"
        ) from None


#: line ends of YAML 1.1 that YAML 1.2 takes for text, and what stands for them in PyYAML
_HIDDEN = {0x85: 0xF0085, 0x2028: 0xF2028, 0x2029: 0xF2029}
_SHOWN = {stand_in: char for char, stand_in in _HIDDEN.items()}


@dataclass(slots=True, kw_only=True)
class _Open:
    """A list or mapping whose end has not been seen yet."""

    node: Node
    anchor: str
    key: str | None = None  # a key that waits for its value
    merging: bool = False  # that key is `<<`
    merged: list[Node] = field(default_factory=list)  # values of `<<`, nearest first

    @property
    def awaits_key(self) -> bool:
        return isinstance(self.node.children, dict) and self.key is None


class _Builder:
    """Events to nodes. A stack instead of recursion, so that the depth is ours to bound."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._stack: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._used: set[str] = set()
        self._aliased = 0
        self._root: Node | None = None

    def build(self, events: Iterator[Any], file: str) -> Document:
        for event in events:
            self._take(event)
        root = self._root or Node(value=None, place=Place(1, 1))
        return Document(root=root, file=file, used_anchors=frozenset(self._used))

    def _take(self, event: Any) -> None:
        place = Place(event.start_mark.line + 1, event.start_mark.column + 1)
        if isinstance(event, yaml.ScalarEvent):
            self._add(self._scalar(event, place), place, event.anchor or "")
        elif isinstance(event, yaml.AliasEvent):
            self._add(self._alias(event.anchor or "", place), place)
        elif isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
            self._open(event, place)
        elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
            self._close()
        elif isinstance(event, yaml.DocumentStartEvent) and self._root is not None:
            raise _Refused("a second document", place, "a manifest is one document: remove `---`")

    def _open(self, event: Any, place: Place) -> None:
        if len(self._stack) >= MAX_DEPTH:
            raise _Refused(f"nested deeper than {MAX_DEPTH} levels", place)
        if self._stack and self._stack[-1].awaits_key:
            raise _Refused("a key must be text", place, QUOTE)
        mapping = isinstance(event, yaml.MappingStartEvent)
        if not is_collection_tag(event.tag, "map" if mapping else "seq"):
            raise _Refused(
                f"the tag `{tag_name(event.tag)}` is not used in manifests", place, QUOTE
            )
        node = Node(value={} if mapping else [], place=place, children={} if mapping else [])
        self._stack.append(_Open(node=node, anchor=event.anchor or ""))

    def _close(self) -> None:
        done = self._stack.pop()
        for other in done.merged:
            _merge(done.node, other)
        self._add(done.node, done.node.place, done.anchor)

    def _add(self, node: Node, place: Place, anchor: str = "") -> None:
        if anchor:
            node.anchor = anchor
            self._anchors[anchor] = node
        if not self._stack:
            self._root = node
        elif self._stack[-1].awaits_key:
            _add_key(self._stack[-1], node, place)
        else:
            _add_child(self._stack[-1], node, place)

    def _alias(self, name: str, place: Place) -> Node:
        node = self._anchors.get(name)
        if node is None:
            raise _Refused(f"`*{name}` refers to no `&{name}` above it", place, QUOTE)
        self._used.add(name)
        self._aliased += node.size
        if self._aliased > MAX_ALIASED:
            raise _Refused(f"aliases add more than {MAX_ALIASED:,} values", place)
        return node

    def _scalar(self, event: Any, place: Place) -> Node:
        plain = event.style is None
        try:
            text = join_surrogates(event.value.translate(_SHOWN))
            if event.tag is not None:
                value = tagged_value(event.tag, text)
            else:
                value = plain_value(text) if plain else text
        except ValueError as error:
            message = "half of a character" if isinstance(error, UnicodeError) else str(error)
            raise _Refused(message, place, QUOTE) from None
        after = _COMMENT.match(self._text, event.end_mark.index) if plain else None
        comment = after[1] if after else ""
        return Node(value=value, place=place, text=text, plain=plain, comment=comment)


def _add_key(top: _Open, node: Node, place: Place) -> None:
    if node.children is not None or not node.text:
        raise _Refused("a key must be text", place, QUOTE)
    key = node.text
    first = top.node.keys.get(key)
    if first is not None:
        message = f"`{key}` is here twice: on line {first.line} and on line {place.line}"
        raise _Refused(message, place, "keep one of the two")
    top.key = key
    top.merging = node.plain and key == "<<"
    top.node.keys[key] = place


def _add_child(top: _Open, node: Node, place: Place) -> None:
    parent, key = top.node, top.key
    parent.size += node.size
    top.key = None
    if isinstance(parent.children, list):
        parent.children.append(node)
        parent.value.append(node.value)
    elif top.merging:
        top.merged.extend(_mergeable(node, place))
    elif parent.children is not None and key is not None:
        parent.children[key] = node
        parent.value[key] = node.value


def _mergeable(node: Node, place: Place) -> list[Node]:
    nodes = node.children if isinstance(node.children, list) else [node]
    if not all(isinstance(each.children, dict) for each in nodes):
        raise _Refused("`<<` takes a mapping or a list of mappings", place)
    return nodes


def _merge(node: Node, other: Node) -> None:
    """Add what `other` has and `node` has not; the nearer one wins."""
    if not isinstance(node.children, dict) or not isinstance(other.children, dict):
        return
    for key, child in other.children.items():
        if key not in node.children:
            node.children[key] = child
            node.value[key] = child.value
            node.keys[key] = other.keys[key]
