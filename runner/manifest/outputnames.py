"""File names of one template's jobs: a pattern per job, what is known only later left open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.core.naming import Pattern, Placeholder
from runner.manifest.expression import Expression
from runner.manifest.known_later import Late
from runner.manifest.template import as_text, compile_text

#: what a file name may name besides what a body may
FACTS = ("template", "endpoint", "model", "seed", "date")
_LATE = {name: Late(Placeholder(name)) for name in Placeholder.NAMES}


class NamePlan:
    """One name template, read once."""

    def __init__(self, text: str) -> None:
        """
        Raises:
            TemplateProblem: an expression in it cannot be read.
        """
        self._parts: list[str | Expression] = []
        #: names that only file names know, as far as this one uses them
        self.wanted: tuple[str, ...] = ()
        for part in compile_text(text).parts:
            late = _placeholder(part)
            if late is not None:
                self._parts.append(str(late))
            else:
                self._parts.append(_escaped(part) if isinstance(part, str) else part)
        roots = {root for part in self._parts if isinstance(part, Expression)
                 for root in part.roots}  # fmt: skip
        self.wanted = tuple(name for name in FACTS if name in roots)
        self._late = _LATE if roots.intersection(_LATE) else {}

    def pattern(self, names: Mapping[str, Any]) -> str:
        """The pattern of one job's files (`core/naming.py`).

        Raises:
            TemplateProblem: it names something that is not known, or is no text.
        """
        known = {**names, **self._late} if self._late else names
        return "".join(
            [part if isinstance(part, str) else _rendered(part, known) for part in self._parts]
        )


def _placeholder(part: str | Expression) -> Placeholder | None:
    if isinstance(part, str) or len(part.plain) != 1 or part.plain[0] not in _LATE:
        return None
    return Placeholder(str(part.plain[0]))


def _rendered(expression: Expression, names: Mapping[str, Any]) -> str:
    value = expression.evaluate(names)
    if isinstance(value, Late):
        return str(value.placeholder)
    return _escaped(as_text(value, expression.source))


def _escaped(text: str) -> str:
    return Pattern((text,)).text if "{" in text or "}" in text else text
