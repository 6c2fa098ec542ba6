"""Text with `${{ … }}` in it.

A text that is one whole expression keeps the type of its value. Everything else becomes text and
stays text: results are never read as numbers or lists, and never rendered again. `$${{` stands
for `${{` itself; `{%` and `{#` mean nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runner.core.naming import Pattern, Placeholder
from runner.core.spec import Json
from runner.manifest.expression import evaluate
from runner.manifest.known_later import Late, Reference, TemplateProblem

_OPENING = re.compile(r"\$\$\{\{|\$\{\{")
#: what decides where an expression ends: text in quotes, and brackets
_TOKEN = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|[{}]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Expression:
    source: str


def has_expression(text: str) -> bool:
    """Whether there is anything to render."""
    return any(isinstance(part, _Expression) for part in _split(text))


def render(text: str, names: Mapping[str, Any]) -> Json:
    """The value of a text.

    Raises:
        TemplateProblem: see `evaluate`.
    """
    parts = list(_split(text))
    if len(parts) == 1 and isinstance(parts[0], _Expression):
        return evaluate(parts[0].source, names)
    return "".join(
        part if isinstance(part, str) else _as_text(evaluate(part.source, names), part.source)
        for part in parts
    )


def render_text(text: str, names: Mapping[str, Any]) -> str:
    """Like `render`, for what is text in any case: an id, a tag."""
    return _as_text(render(text, names), text)


def render_name(text: str, names: Mapping[str, Any]) -> str:
    """A file name as a pattern: what is not known yet stays as placeholder (`core/naming.py`)."""
    late = {name: Late(Placeholder(name)) for name in Placeholder.NAMES}
    parts: list[str | Placeholder] = []
    for part in _split(text):
        if isinstance(part, str):
            parts.append(part)
            continue
        value = evaluate(part.source, {**names, **late})
        parts.append(value.placeholder if isinstance(value, Late) else _as_text(value, part.source))
    return Pattern(parts=tuple(parts)).text


def render_all(
    value: Json,
    render_one: Callable[[str, tuple[str | int, ...]], Json],
    path: tuple[str | int, ...] = (),
) -> Json:
    """A copy of a value with every text in it replaced by what `render_one(text, path)` returns."""
    if isinstance(value, str):
        return render_one(value, path)
    if isinstance(value, Mapping):
        return {key: render_all(item, render_one, (*path, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [render_all(item, render_one, (*path, n)) for n, item in enumerate(value)]
    return value


def _split(text: str) -> Iterator[str | _Expression]:
    """Literal text and expressions, in order; no empty texts."""
    done = 0
    literal = ""
    while (opening := _OPENING.search(text, done)) is not None:
        literal += text[done : opening.start()]
        done = opening.end()
        if opening[0] == "$${{":
            literal += "${{"
            continue
        if literal:
            yield literal
            literal = ""
        closing = _closing(text, done)
        yield _Expression(text[done:closing])
        done = closing + 2
    literal += text[done:]
    if literal:
        yield literal


def _closing(text: str, start: int) -> int:
    """Where the `}}` of an expression is, brackets and quotes inside it left alone."""
    depth = 0
    for token in _TOKEN.finditer(text, start):
        if token[0] == "{":
            depth += 1
        elif token[0] == "}" and depth:
            depth -= 1
        elif text.startswith("}}", token.start()):
            return token.start()
    raise TemplateProblem("`${{` without `}}`", "close it, or write `$${{` for the text itself")


def _as_text(value: Json, source: str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float | Reference | Late):
        return str(value)
    kind = "nothing" if value is None else "a list" if isinstance(value, list) else "a mapping"
    raise TemplateProblem(f"`{source.strip()}` is {kind}, which cannot be put into text")
