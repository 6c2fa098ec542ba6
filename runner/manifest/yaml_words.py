"""PyYAML's complaints in plain words."""

from __future__ import annotations

import re

import yaml

from runner.manifest.places import Place

QUOTE = "if this is text, quote it or use `|`"
TEMPLATE = "an unquoted `${{ }}` inside `{ }` or `[ ]`"

_STARTS = {
    "@": "text cannot begin with `@`",
    "`": "text cannot begin with a back-tick",
    "%": "text cannot begin with `%`",
    "\t": "a tab, where only spaces may indent",
}
#: PyYAML's words to ours, first match wins
_WORDS: tuple[tuple[str, str, str], ...] = (
    (
        r"mapping values are not allowed",
        "a `:` that YAML takes for a key",
        QUOTE,
    ),
    (
        r"unexpected end of stream|'<stream end>'",
        "the file ends too early",
        "close every bracket and quote",
    ),
    (
        r"unknown escape character|escape sequence",
        "an unknown `\\` escape in double quotes",
        "use single quotes, or write `\\\\`",
    ),
    (
        r"expected '<document start>'",
        "text after the end of the document",
        QUOTE,
    ),
    (
        r"undefined tag handle",
        "text that begins with `!`, which YAML takes for a tag",
        QUOTE,
    ),
    (
        r"alphabetic or numeric character",
        "a `*` or `&` that YAML takes for an alias or anchor",
        QUOTE,
    ),
    (
        r"incompatible YAML document",
        "a YAML version other than 1",
        "remove the `%YAML` line",
    ),
    (
        r"duplicate anchor",
        "the same anchor twice",
        "",
    ),
    (
        r"could not find expected ':'",
        "a line without `:`",
        "write `key: value`; longer text goes in quotes or under `|`",
    ),
    (
        r"expected <block end>, but found '<scalar>'",
        "text after a value that has already ended",
        "quote the whole value or use `|`",
    ),
    (
        r"found '<block mapping start>'|expected <block end>",
        "a line that does not fit what stands above it",
        "check the indentation, and quotes around text",
    ),
    (
        r"found '-'|sequence entries are not allowed",
        "a `-` that cannot stand here",
        "put list entries on lines of their own, indented alike",
    ),
    (
        r"expected ',' or",
        "a `,` or a closing bracket is missing",
        QUOTE,
    ),
)


def explain(
    error: yaml.MarkedYAMLError | yaml.reader.ReaderError, text: str
) -> tuple[str, Place, str]:
    """Message, place and hint."""
    if isinstance(error, yaml.reader.ReaderError):
        code = error.character if isinstance(error.character, int) else ord(error.character)
        hint = "remove it, or write it as an escape in double quotes"
        return (
            f"the character U+{code:04X} cannot stand in YAML",
            place_at(text, error.position),
            hint,
        )
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return f"broken YAML: {error.problem}", Place(), ""
    place = Place(mark.line + 1, mark.column + 1)
    if "flow" in (error.context or "") and _is_template(text, mark.index):
        return TEMPLATE, place, "quote it or use `|`"
    message, hint = _words(error.problem or "", text[mark.index : mark.index + 1])
    return message, place, hint


def place_at(text: str, index: int) -> Place:
    """Line and column of a position in `text`."""
    before = text[:index]
    return Place(before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1)


def _is_template(text: str, index: int) -> bool:
    """Whether the parser stumbled over the braces of `${{ … }}`, or over what follows them."""
    opening = text.rfind("${{", 0, index + 3)
    return opening >= 0 and "\n" not in text[opening:index]


def _words(problem: str, character: str) -> tuple[str, str]:
    if "cannot start any token" in problem and character in _STARTS:
        return _STARTS[character], "indent with spaces" if character == "\t" else QUOTE
    for pattern, message, hint in _WORDS:
        if re.search(pattern, problem):
            return message, hint
    return f"broken YAML: {problem}", ""
