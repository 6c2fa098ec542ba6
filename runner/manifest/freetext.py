"""Text that YAML took away in silence: it would be paid for without anybody noticing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from runner.errors import Problem
from runner.manifest.places import Document, Node, Path, walk
from runner.manifest.scalars import shortened

#: fields that hold sentences: promptText, negativePrompt, userConcept, productInfo, text …
_SENTENCE = re.compile(r"(text|prompt|concept|info)$", re.IGNORECASE)
_NOT_BODIES = frozenset({
    "id", "takes", "needs", "tags", "priority", "max_credits", "unchecked", "output", "defaults"
})  # fmt: skip
_HINT = "quote it or use `|`"


def check_lost_text(document: Document) -> list[Problem]:
    """Comments and anchors that were meant as text.

    After a sentence every comment counts; after other values only one glued to its `#`, as in
    `shot #3`, because nobody writes a comment like that.
    """
    return [
        problem
        for path, node in _values(document)
        if (problem := _lost(document, path, node)) is not None
    ]


def _values(document: Document) -> Iterator[tuple[Path, Node]]:
    """The unquoted scalars of bodies and of `vars` that have a comment or an anchor."""
    for path, node in walk(document.root, noted=True):
        if not node.plain:
            continue
        match path:
            case ("vars", _, *_):
                yield path, node
            case ("jobs", int(), str(key), _, *_) if key not in _NOT_BODIES:
                yield path, node
            case ("defaults", str(key), _, *_) if key != "job":
                yield path, node


def _lost(document: Document, path: Path, node: Node) -> Problem | None:
    if node.comment and (_is_sentence(path) or node.comment[1:2].strip(" \t#")):
        message = f"`{shortened(node.comment, 30)}` is cut off: YAML reads it as a comment"
        return document.problem(path, message, _HINT)
    if node.anchor and node.anchor not in document.used_anchors:
        message = f"`&{shortened(node.anchor)}` is cut off: YAML reads it as an anchor"
        return document.problem(path, message, _HINT)
    return None


def _is_sentence(path: Path) -> bool:
    names = [step for step in path if isinstance(step, str)]
    return path[0] != "vars" and bool(_SENTENCE.search(names[-1]))
