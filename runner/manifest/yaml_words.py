"""Complaints about YAML in plain words: ours, libyaml's and PyYAML's."""

from __future__ import annotations

import re

import yaml

from runner.manifest.places import Place
from runner.manifest.source import Refused, Source

QUOTE = "if this is text, quote it or use `|`"
TEMPLATE = "an unquoted `${{ }}` inside `{ }` or `[ ]`"

_STARTS = {
    "@": "text cannot begin with `@`",
    "`": "text cannot begin with a back-tick",
    "%": "text cannot begin with `%`",
    "\t": "a tab, where only spaces may indent",
}
_ENDS_EARLY = ("the file ends too early", "close every bracket and quote")
_SECOND_VALUE = (
    "text after a value that has already ended", "quote the whole value or use `|`"
)  # fmt: skip
_MISFIT = (
    "a line that does not fit what stands above it", "check the indentation, and quotes around text"
)  # fmt: skip
NO_CHARACTER = (
    "an escape that names no character",
    "write the character itself; the last one is `\\U0010FFFF`",
)
BLOCK_TEXT = (
    "text on the line of a `|` or `>`",
    "put the text on the lines below; a comment needs a space before its `#`",
)
#: their words to ours, first match wins
_WORDS: tuple[tuple[str, str, str], ...] = (
    (
        r"mapping values are not allowed",
        "a `:` that YAML takes for a key",
        QUOTE,
    ),
    (
        r"unexpected end of stream|'<stream end>'",
        *_ENDS_EARLY,
    ),
    (
        r"unknown escape character|escape sequence|hexdecimal number",
        "an unknown `\\` escape in double quotes",
        "use single quotes, or write `\\\\`",
    ),
    (
        r"Unicode character escape",
        *NO_CHARACTER,
    ),
    (
        r"expected '?<document start>",
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
        r"a tab character",
        _STARTS["\t"],
        "indent with spaces",
    ),
    (
        r"comment or (a )?line break|chomping or indentation",
        *BLOCK_TEXT,
    ),
    (
        r"unexpected ':'",
        "a `:` without a space behind it",
        "write `key: value`, or quote the text",
    ),
    (
        r"could not find expected ':'",
        "a line without `:`",
        "write `key: value`; longer text goes in quotes or under `|`",
    ),
    (
        r"expected <block end>, but found '<scalar>'",
        *_SECOND_VALUE,
    ),
    (
        r"found '<block mapping start>'|expected <block end>",
        *_MISFIT,
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
    (
        r"node content",
        "a value is missing here",
        QUOTE,
    ),
)


def explain(error: yaml.YAMLError, source: Source) -> Refused:
    """What a parser complains about, with our place and hint."""
    text = source.text
    if isinstance(error, yaml.reader.ReaderError):
        return _unprintable(error, text)
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem, context = getattr(error, "problem", None) or "", getattr(error, "context", None) or ""
    if mark is None:
        return Refused(f"broken YAML: {problem}", Place(1, 1))
    line, column = source.inside(mark.line, mark.column)
    place = Place(line + 1, column + 1)
    if "flow" in context and _is_template(text, mark.index):
        return Refused(TEMPLATE, place, "quote it or use `|`")
    message, hint = _words(problem, text, mark.index)
    return Refused(message, place, hint)


def place_at(text: str, index: int) -> Place:
    """Line and column of a position in `text`."""
    before = text[:index]
    return Place(before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1)


def _unprintable(error: yaml.reader.ReaderError, text: str) -> Refused:
    code = error.character if isinstance(error.character, int) else ord(error.character)
    hint = (
        "remove it, or write it as an escape in double quotes"
        if code
        else "save the file as UTF-8 text"
    )
    place = place_at(text, error.position)
    return Refused(f"the character U+{code:04X} cannot stand in YAML", place, hint)


def _is_template(text: str, index: int) -> bool:
    """Whether the parser stumbled over the braces of `${{ … }}`, or over what follows them."""
    opening = text.rfind("${{", 0, index + 3)
    return opening >= 0 and "\n" not in text[opening:index]


def _words(problem: str, text: str, index: int) -> tuple[str, str]:
    character = text[index : index + 1]
    if "cannot start any token" in problem and character in _STARTS:
        return _STARTS[character], "indent with spaces" if character == "\t" else QUOTE
    if "expected ',' or" in problem and not character:
        return _ENDS_EARLY
    if re.search("expected (key|'-' indicator)", problem):  # libyaml does not say what it found
        return _MISFIT if _begins_line(text, index) else _SECOND_VALUE
    for pattern, message, hint in _WORDS:
        if re.search(pattern, problem):
            return message, hint
    return f"broken YAML: {problem}", ""


def _begins_line(text: str, index: int) -> bool:
    return not text[text.rfind("\n", 0, index) + 1 : index].strip(" -")
