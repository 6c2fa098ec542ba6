"""What a `where` leaves out, so that nobody has to find it out by the bill or by a missing shot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jinja2 import TemplateError, nodes

from runner.core.links import without_signatures
from runner.core.spec import Json
from runner.manifest.expression import Steps, steps_of
from runner.manifest.known_later import TemplateProblem
from runner.manifest.sandbox import parsed
from runner.manifest.scalars import shortened

#: values that are named; different ones that are told apart
_SHOWN, _APART = 5, 1_000
_LONGEST = 40  # characters of a value


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """A condition that is one `==` of one value and a constant."""

    steps: Steps
    source: str  # the value, as it may be written
    wanted: Json


@dataclass(slots=True)
class LeftOut:
    """Counts the rows of one condition, or the jobs."""

    where: str
    total: int = 0
    count: int = 0
    _compared: Compared | None = field(init=False)
    _values: Counter[Any] = field(init=False, default_factory=Counter)

    def __post_init__(self) -> None:
        self._compared = compared(self.where) if self.where else None

    def leave(self, names: Mapping[str, Any]) -> None:
        """One that the condition is not true of.

        Args:
            names: what its expressions may name.
        """
        self.count += 1
        if self._compared is None:
            return
        value = _looked_up(self._compared.steps, names)
        if value in self._values or len(self._values) < _APART:
            self._values[value] += 1

    def message(self, what: str) -> str:
        """`4 of 12 rows left out by `where`: `hold` 2, `GO` 1, nothing 1`; `what` is `rows`."""
        text = f"{self.count:,} of {self.total:,} {what} left out by `where`"
        found = [f"{_word(value)} {count:,}" for value, count in self._values.most_common(_SHOWN)]
        more = ["…"] if len(self._values) > _SHOWN else []
        return f"{text}: {', '.join(found + more)}" if found else text

    @property
    def hint(self) -> str:
        """How to take values that are what is wanted but for their type, case or spaces."""
        if self._compared is None:
            return ""
        wanted = self._compared.wanted
        near = next((value for value in self._values if _same(value, wanted)), None)
        if near is None:
            return ""
        if not isinstance(wanted, str):
            return f"cells of a table are text: compare with `'{wanted}'`"
        plain, filled = wanted.strip().lower(), " | default('')" if None in self._values else ""
        how = f"{self._compared.source}{filled} | trim | lower == {plain!r}"
        return f"to take {_word(near)} as well: `{how}`"


def compared(where: str) -> Compared | None:
    """What a condition compares; None where it is another one, or cannot be read."""
    try:
        tree = parsed(where)
    except (TemplateProblem, TemplateError, SyntaxError, RecursionError, ValueError, OverflowError):
        return None  # reported where it is used
    if not isinstance(tree, nodes.Compare) or [each.op for each in tree.ops] != ["eq"]:
        return None
    left, right = tree.expr, tree.ops[0].expr
    value, constant = (right, left) if isinstance(left, nodes.Const) else (left, right)
    while isinstance(value, nodes.Filter) and value.node is not None:
        value = value.node
    steps = steps_of(value)
    steps = steps[1:] if steps[:1] == ("source",) else steps
    if not isinstance(constant, nodes.Const) or len(steps) < 2:
        return None
    return Compared(steps=steps, source=_written(steps), wanted=constant.value)


def _written(steps: Steps) -> str:
    first, *rest = steps
    plain = (f".{step}" if str(step).isidentifier() else f"[{step!r}]" for step in rest)
    return f"{first}{''.join(plain)}"


def _looked_up(steps: Steps, names: Mapping[str, Any]) -> Any:
    """A text or number; None where there is nothing, or something larger."""
    value: Any = names
    for step in steps:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value if isinstance(value, str | int | float) else None


def _same(value: Any, wanted: Any) -> bool:
    return value is not None and str(value).strip().casefold() == str(wanted).strip().casefold()


def _word(value: Any) -> str:
    """A value in a message: short, on one line, and no link's secret part."""
    if value is None:
        return "nothing"
    text = shortened(without_signatures(str(value)), _LONGEST)
    return f"`{text if text.isprintable() else repr(text)[1:-1]}`"
