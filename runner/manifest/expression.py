"""What stands between `${{` and `}}`: Jinja2 expressions, cut down to values and filters.

What they may do is in `sandbox`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import StrictUndefined, TemplateError, Undefined, nodes
from jinja2.environment import TemplateExpression

from runner.core.catalog import closest
from runner.core.spec import Json
from runner.manifest.known_later import JobHandle, Late, Reference, TemplateProblem
from runner.manifest.rows.table import FileName
from runner.manifest.sandbox import check_finite, check_made, compiled, parsed, unknown

MAX_LENGTH = 1000  # characters of an expression

_PATH = (nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Const)
#: Python's words for `"5" > 3`
_NOT_COMPARED = re.compile(r"'[<>]=?' not supported between instances of '(str|int|float)'")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
#: the sign of an assignment, which no expression has outside of a filter's brackets
_ASSIGNMENT = re.compile(r"(?<![=!<>])=(?!=)")
#: values that are handed on as they are
_PLAIN = frozenset({str, int, bool, type(None)})


#: steps of a path: `row.shot` is ("row", "shot"); None where a step is worked out
Steps = tuple[str | int | None, ...]
_MISSING: Any = object()


@dataclass(frozen=True, slots=True)
class Expression:
    """One expression, compiled; the same for the same source."""

    source: str
    compiled: TemplateExpression
    roots: tuple[str, ...]  # the names it uses
    paths: tuple[Steps, ...]  # what it reads of them
    is_path: bool  # it only passes a value on
    plain: Steps  # of an expression that is one path of fixed steps; else empty

    def evaluate(self, names: Mapping[str, Any]) -> Json:
        """Its value; besides JSON that may be a `Reference` or `Late`.

        Raises:
            TemplateProblem: it names something unknown, or does too much.
        """
        if self.plain:
            value = _looked_up(self.plain, names)
            if value is not _MISSING:
                return value
        for name in self.roots:
            if name not in names:
                hint = functools.partial(_name_hint, self.source, name, names)
                raise TemplateProblem(f"`{name}` is not known here", hint)
        value = self._value(names)
        if not self.is_path:
            check_made(value)
        return _checked(value)

    def _value(self, names: Mapping[str, Any]) -> Any:
        try:
            value = self.compiled(**{name: names[name] for name in self.roots})
            if isinstance(value, StrictUndefined):
                str(value)  # raises what the undefined value has to say
        except TemplateProblem:
            raise
        except (
            TemplateError,
            ArithmeticError,
            LookupError,
            RecursionError,
            TypeError,
            ValueError,
        ) as e:
            message, _, hint = str(e).partition("\n")
            if _NOT_COMPARED.match(message):
                message = "text cannot be compared with a number"
                hint = "cells of a table are text: write `row.x | int`"
            raise TemplateProblem(_sentence(message), hint) from None
        return value


def evaluate(source: str, names: Mapping[str, Any]) -> Json:
    """The value of an expression.

    Raises:
        TemplateProblem: see `compile_expression` and `Expression.evaluate`.
    """
    return compile_expression(source).evaluate(names)


def _looked_up(steps: Steps, names: Mapping[str, Any]) -> Any:
    """The text or number at the end of a path through mappings: what most expressions are."""
    value: Any = names
    for step in steps:
        if type(value) is not dict or step not in value:
            return _MISSING
        value = value[step]
    return value if type(value) in _PLAIN else _MISSING


def absent(why: str) -> Undefined:
    """A name that is known but has no value: an error where it is used, unless `default` is."""
    message, _, hint = why.partition("\n")
    return unknown(message, hint)


@functools.lru_cache(maxsize=4096)
def compile_expression(source: str) -> Expression:
    """Read an expression.

    Raises:
        TemplateProblem: it cannot be read, or has a part that templates do not have.
    """
    if len(source) > MAX_LENGTH:
        raise TemplateProblem(f"an expression has at most {MAX_LENGTH:,} characters")
    try:
        tree = parsed(source)
        found = [tree, *tree.find_all(nodes.Node)]
        paths, only = tuple(_paths(tree)), steps_of(tree)
        ready = compiled(tree)
    except (TemplateError, SyntaxError, RecursionError, ValueError, OverflowError) as error:
        message = getattr(error, "message", None) or "too deeply nested"
        read = f"cannot read `${{{{ {source.strip()} }}}}`: {_sentence(message)}"
        raise TemplateProblem(read, _reading_hint(source)) from None
    return Expression(
        source=source,
        compiled=ready,
        roots=tuple(sorted({node.name for node in found if isinstance(node, nodes.Name)})),
        paths=paths,
        is_path=all(isinstance(node, _PATH) for node in found),
        plain=only if all(isinstance(step, str) for step in only) else (),
    )


def _paths(node: nodes.Node) -> Iterator[Steps]:
    """The longest paths in a tree."""
    steps = steps_of(node)
    if steps:
        yield steps
    elif isinstance(node, nodes.Getitem):
        inner = steps_of(node.node)
        yield from ((*inner, None),) if inner else _paths(node.node)
        yield from _paths(node.arg)
        return
    for child in () if steps else node.iter_child_nodes():
        yield from _paths(child)


def steps_of(node: nodes.Node) -> Steps:
    """The path that a node is, its steps all fixed; empty where it is something else."""
    if isinstance(node, nodes.Name):
        return (node.name,)
    if isinstance(node, nodes.Getattr):
        inner = steps_of(node.node)
        return (*inner, node.attr) if inner else ()
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        inner = steps_of(node.node)
        step = node.arg.value
        return (*inner, step) if inner and isinstance(step, str | int) else ()
    return ()


def _checked(value: Any) -> Json:
    """`value`, if it is one that a body or a text can hold."""
    if isinstance(value, JobHandle):
        raise TemplateProblem(
            f"`jobs.{value.name}` is a job, not a file", f"write `jobs['{value.name}'].output`"
        )
    if isinstance(value, FileName):
        return str(value)
    if isinstance(value, float):
        check_finite(value)
    if isinstance(value, Mapping):
        return {str(key): _checked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_checked(item) for item in value]
    if value is None or isinstance(value, str | int | float | Reference | Late):
        return value
    raise TemplateProblem("the result is no text, number, list or mapping")


def _name_hint(source: str, name: str, names: Mapping[str, Any]) -> str:
    if "jobs." in source and f"-{name}" in source.replace(" ", ""):
        return "an id with `-` is written `jobs['my-shot'].output`"
    in_vars = name in names.get("vars", {})
    guess = f"vars.{name}" if in_vars else closest(name, list(names))
    return f"did you mean `{guess}`?" if guess else f"known here: {', '.join(names)}"


def _reading_hint(source: str) -> str:
    """How what was probably meant is written."""
    if "${{" in source:
        return "write it without `${{ }}`"
    return "write `==` to compare" if _ASSIGNMENT.search(_QUOTED.sub("", source)) else ""


def _sentence(message: str) -> str:
    return message.rstrip(".") or "the expression cannot be evaluated"
