"""Events of a YAML parser to plain values and their layout."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import yaml

from runner.core.spec import Json
from runner.manifest.anchors import MAX_DEPTH, Anchored, Anchors, too_deep
from runner.manifest.comments import Comments
from runner.manifest.layout import (
    ALIAS,
    CONTAINER,
    KEY,
    MERGE,
    MERGE_KEY,
    PLAIN,
    TEXT,
    Layout,
    slot,
)
from runner.manifest.open_value import OpenValue
from runner.manifest.places import Document, Node, Place
from runner.manifest.scalars import (
    is_collection_tag,
    plain_value,
    shortened,
    tag_name,
    tagged_value,
)
from runner.manifest.source import Refused, Source
from runner.manifest.stand_ins import Shown
from runner.manifest.yaml_words import BLOCK_TEXT, QUOTE


class Composer:
    """A stack instead of recursion, so that the depth is ours to bound.

    Most of the time of a large manifest is spent here.
    """

    def __init__(self, source: Source, shown: Shown | None) -> None:
        self._source = source
        self._shown = shown
        self._comments = Comments(source)
        self._anchors = Anchors()
        self._layout = Layout()
        self._put = self._layout.slots.append
        self._keys: dict[str, str] = {}  # every key once: manifests repeat theirs
        self._count = 0  # values in lists and mappings that are closed
        self._top = self._bottom = OpenValue(value=[], index=0)
        self._stack: list[OpenValue] = []  # what is open around the top

    def compose(self, events: Iterable[Any], file: str) -> Document:
        """The document that a parser tells of.

        Raises:
            Refused: something that a manifest may not contain.
        """
        take: dict[type, Callable[[Any], None]] = {
            yaml.ScalarEvent: self._scalar,
            yaml.AliasEvent: self._alias,
            yaml.SequenceStartEvent: self._open,
            yaml.MappingStartEvent: self._open,
            yaml.SequenceEndEvent: self._close,
            yaml.MappingEndEvent: self._close,
            yaml.DocumentStartEvent: self._begin,
        }
        for event in events:
            act = take.get(event.__class__)
            if act is not None:
                act(event)
        return self._document(file)

    def _document(self, file: str) -> Document:
        if not self._bottom.value:
            self._put(slot(0, 0, TEXT))
            self._bottom.value.append(None)
        root = Node(self._bottom.value[0], self._layout, 0)
        return Document(root=root, file=file, used_anchors=frozenset(self._anchors.used))

    def _begin(self, event: Any) -> None:
        if self._bottom.value:
            hint = "a manifest is one document: remove `---`"
            raise Refused("a second document", _place(event), hint)

    def _open(self, event: Any) -> None:
        is_mapping = event.__class__ is yaml.MappingStartEvent
        if len(self._stack) >= MAX_DEPTH:
            raise too_deep(_place(event))
        if self._awaits_key():
            raise Refused("a key must be text", _place(event), QUOTE)
        if not is_collection_tag(event.tag, "map" if is_mapping else "seq"):
            name = tag_name(event.tag)
            raise Refused(f"the tag `{name}` is not used in manifests", _place(event), QUOTE)
        self._stack.append(self._top)
        self._top = OpenValue(
            value={} if is_mapping else [],
            index=len(self._layout.slots),
            anchor=event.anchor or "",
            before=self._count,
            is_mapping=is_mapping,
            in_braces=event.flow_style,
        )
        self._put_slot(event, CONTAINER)
        self._put(0)  # its end, which is not known yet

    def _close(self, _: Any) -> None:
        done, self._top = self._top, self._stack.pop()
        self._layout.slots[done.index + 1] = len(self._layout.slots)
        self._count += len(done.value) + done.has_merge
        if done.has_merge:
            done.merge(self._layout)
        if done.anchor:
            size = self._count - done.before + 1
            self._layout.anchors[done.index] = done.anchor
            self._anchors.add(
                done.anchor,
                Anchored(value=done.value, index=done.index, size=size, height=done.height),
            )
        self._add(done.value, done.index, done.height)

    def _add(self, value: Json, index: int, height: int = 0) -> None:
        """Put a value into what is open."""
        top = self._top
        if height >= top.height:
            top.height = height + 1
        if top.key is None:
            top.value.append(value)
        elif top.key == MERGE_KEY and self._layout.kind(index - 1) == MERGE:
            top.add_merged(value, index, self._layout)
        else:
            top.value[top.key] = value
        top.key = None

    def _alias(self, event: Any) -> None:
        target = self._anchors.target(event.anchor, len(self._stack), _place(event))
        if self._awaits_key():
            self._add_key(event, target.text, plain=target.plain)
            return
        index = len(self._layout.slots)
        self._put_slot(event, ALIAS)
        self._put(target.index)
        self._layout.note(index)
        self._count += target.size - 1
        self._add(target.value, index, target.height)

    def _awaits_key(self) -> bool:
        return self._top.is_mapping and self._top.key is None

    def _put_slot(self, event: Any, kind: int) -> None:
        mark = event.start_mark
        self._put(slot(mark.line, mark.column, kind))

    def _scalar(self, event: Any) -> None:
        try:
            text = event.value
            if self._shown is not None:
                text = self._shown(text, event.style)
            if self._top.is_mapping and self._top.key is None:
                self._scalar_key(event, text)
            else:
                self._scalar_value(event, text)
        except ValueError as error:
            message = "half of a character" if isinstance(error, UnicodeError) else str(error)
            raise Refused(message, _place(event), QUOTE) from None

    def _scalar_key(self, event: Any, text: str) -> None:
        plain = not event.style
        if event.anchor or event.tag is not None:
            self._anchor(event, _value(event, text, plain=plain), text)
        self._add_key(event, text, plain=plain)
        if self._top.in_braces:
            self._top.key_end = event.end_mark

    def _add_key(self, event: Any, key: str, *, plain: bool) -> None:
        top, mark = self._top, event.start_mark
        if not key:
            raise Refused("a key must be text", _place(event), QUOTE)
        if key in top.value or (key == MERGE_KEY and top.has_merge):
            raise self._twice(key, _place(event))
        merge = plain and key == MERGE_KEY
        top.key = self._keys.setdefault(key, key)
        top.key_end = None
        top.has_merge = top.has_merge or merge
        self._put(slot(mark.line, mark.column, MERGE if merge else KEY))

    def _twice(self, key: str, place: Place) -> Refused:
        first = self._layout.keys(self._top.index, self._top.value)[key]
        line, _ = self._layout.position(first)
        name = shortened(key)
        message = f"`{name}` is here twice: on line {line} and on line {place.line}"
        return Refused(message, place, "keep one of the two")

    def _scalar_value(self, event: Any, text: str) -> None:
        plain = not event.style
        value = _value(event, text, plain=plain)
        start = event.start_mark
        line, column = start.line, start.column
        if plain:
            end = event.end_mark
            end_line, end_column = end.line, end.column
            if not text and (line, column) == (end_line, end_column):
                line, column = end_line, end_column = self._nothing(line, column)
            if end_line >= self._comments.line:
                self._note_comment(end_line, end_column)
        elif line >= self._comments.line:
            self._check_block(event)
        if event.anchor:
            self._anchor(event, value, text)
        self._put(slot(line, column, PLAIN if plain else TEXT))
        self._add(value, len(self._layout.slots) - 1)

    def _anchor(self, event: Any, value: Json, text: str) -> None:
        """Remember the scalar whose slot comes next, where it has a name."""
        if not event.anchor:
            return
        index = len(self._layout.slots)
        self._layout.anchors[index] = event.anchor
        self._layout.note(index)
        plain = not event.style
        self._anchors.add(event.anchor, Anchored(value=value, index=index, text=text, plain=plain))

    def _note_comment(self, line: int, column: int) -> None:
        comment = self._comments.behind(line, column)
        if comment:
            index = len(self._layout.slots)
            self._layout.comments[index] = comment
            self._layout.note(index)

    def _check_block(self, event: Any) -> None:
        mark = event.start_mark
        column = self._comments.touching(mark.line, mark.column) if event.style in "|>" else None
        if column is not None:
            message, hint = BLOCK_TEXT
            raise Refused(message, Place(mark.line + 1, column + 1), hint)

    def _nothing(self, line: int, column: int) -> tuple[int, int]:
        """Where a value is missing: behind its `:`. libyaml may say, before what follows it."""
        key_end = self._top.key_end
        found = self._source.behind_colon(key_end.line, key_end.column) if key_end else None
        return found or self._source.inside(line, column)


def _place(event: Any) -> Place:
    return Place(event.start_mark.line + 1, event.start_mark.column + 1)


def _value(event: Any, text: str, *, plain: bool) -> Json:
    """Raises ValueError."""
    if event.tag is not None:
        return tagged_value(event.tag, text)
    return plain_value(text) if plain else text
