"""Text with `${{ … }}` in it.

A text that is one whole expression keeps the type of its value. Everything else becomes text and
stays text: results are never read as numbers or lists, and never rendered again. `$${{` stands
for `${{` itself; `{%` and `{#` mean nothing.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runner.core.spec import Json
from runner.manifest.expression import Expression, compile_expression
from runner.manifest.known_later import Late, Reference, TemplateProblem

_OPENING = re.compile(r"\$\$\{\{|\$\{\{")
#: what decides where an expression ends: text in quotes, and brackets
_TOKEN = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|[{}]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Text:
    """A text taken apart: literal parts and expressions, in order."""

    parts: tuple[str | Expression, ...]
    whole: Expression | None  # the expression, where the text is nothing else

    @property
    def expressions(self) -> tuple[Expression, ...]:
        return tuple(part for part in self.parts if isinstance(part, Expression))

    def render(self, names: Mapping[str, Any]) -> Json:
        """The value of the text.

        Raises:
            TemplateProblem: see `Expression.evaluate`.
        """
        if self.whole is not None:
            return self.whole.evaluate(names)
        return "".join(
            [
                part
                if isinstance(part, str)
                else value
                if type(value := part.evaluate(names)) is str
                else as_text(value, part.source)
                for part in self.parts
            ]
        )


@functools.lru_cache(maxsize=4096)
def compile_text(text: str) -> Text:
    """Take a text apart.

    Raises:
        TemplateProblem: an expression in it cannot be read.
    """
    parts = tuple(
        compile_expression(part.source) if isinstance(part, _Expression) else part
        for part in _split(text)
    )
    only = parts[0] if len(parts) == 1 else None
    return Text(parts, only if isinstance(only, Expression) else None)


@dataclass(frozen=True, slots=True)
class _Expression:
    source: str


def has_expression(text: str) -> bool:
    """Whether there is anything to render, if only an expression that cannot be read."""
    if "${{" not in text:
        return False
    try:
        return any(isinstance(part, _Expression) for part in _split(text))
    except TemplateProblem:
        return True


def render(text: str, names: Mapping[str, Any]) -> Json:
    """The value of a text.

    Raises:
        TemplateProblem: see `compile_text` and `Text.render`.
    """
    return compile_text(text).render(names)


def render_text(text: str, names: Mapping[str, Any]) -> str:
    """Like `render`, for what is text in any case: an id, a tag."""
    return as_text(render(text, names), text)


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


def as_text(value: Json, source: str) -> str:
    """A value as part of a text.

    Raises:
        TemplateProblem: nothing, a list or a mapping.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float | Reference | Late):
        return str(value)
    kind = "nothing" if value is None else "a list" if isinstance(value, list) else "a mapping"
    written = source.strip().removeprefix("${{").removesuffix("}}").strip()
    hint = f"fill the cell in, or write `{written} | default('…')`" if value is None else ""
    raise TemplateProblem(f"`{written}` is {kind}, which cannot be put into text", hint)
