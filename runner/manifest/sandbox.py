"""What an expression may do: the parts it may have, what it may look up, how much it may make.

A point or bracket reads a key of a mapping or an item of a list and nothing else. There are no
calls, no methods, no attributes of Python objects, so little is left to guard.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, nodes
from jinja2.environment import TemplateExpression
from jinja2.parser import Parser
from jinja2.sandbox import SandboxedEnvironment
from jinja2.tests import TESTS
from jinja2.visitor import NodeTransformer

from runner.core.catalog import closest
from runner.manifest.filters import FILTERS, check_size, is_number, weight
from runner.manifest.hints import Hint
from runner.manifest.known_later import (
    AllJobs,
    JobHandle,
    Late,
    Reference,
    Source,
    TemplateProblem,
)
from runner.manifest.rows.table import FileName

#: parts of an expression in each other
MAX_DEPTH = 100
_MAX_BITS = 256  # of a whole number that an expression makes

_TESTS = ("boolean", "defined", "mapping", "none", "number", "string", "undefined")
_NUMBER_TESTS = ("divisibleby", "even", "odd")
_ALLOWED = (
    nodes.Name, nodes.Const, nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Keyword,
    nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Filter, nodes.Test, nodes.Compare,
    nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.CondExpr, nodes.Concat, nodes.Add,
    nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg, nodes.Pos,
)  # fmt: skip
#: `1e999` is read as one, and Jinja2 cannot write it
_INFINITE = (math.inf, -math.inf)
_HALF = re.compile("[\ud800-\udfff]")
_FILE_PARTS = frozenset({"name", "stem", "suffix", "folder"})
_TOO_LARGE = "the number is too large"


def parsed(source: str) -> nodes.Expr:
    """The tree of an expression.

    Raises:
        TemplateProblem: it has a part that templates do not have.
        TemplateError, SyntaxError, RecursionError, ValueError, OverflowError: no expression.
    """
    parser = Parser(ENVIRONMENT, source, state="variable")
    tree = parser.parse_expression()
    if not parser.stream.eos:
        raise TemplateSyntaxError("chunk after expression", parser.stream.current.lineno)
    _check(tree)
    return tree


def compiled(tree: nodes.Expr) -> TemplateExpression:
    """A tree that was parsed, ready to be called with the names that it uses."""
    made: nodes.Expr = _Joined().visit(tree)
    made.set_environment(ENVIRONMENT)
    result = nodes.Assign(nodes.Name("result", "store"), made, lineno=1)
    template = ENVIRONMENT.from_string(nodes.Template([result], lineno=1))
    return TemplateExpression(template, undefined_to_none=False)


def check_made(value: Any) -> None:
    """Refuse what an expression has made where it is too large.

    Raises:
        TemplateProblem: it is.
    """
    check_size(weight(value))
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        raise TemplateProblem(_TOO_LARGE)


def check_finite(value: float) -> None:
    """Refuse what JSON cannot hold.

    Raises:
        TemplateProblem: infinite, or no number.
    """
    if not math.isfinite(value):
        raise TemplateProblem(_TOO_LARGE)


def _check(tree: nodes.Expr) -> None:
    waiting: list[tuple[nodes.Node, int]] = [(tree, 1)]
    while waiting:
        node, depth = waiting.pop()
        _check_node(node)
        if depth > MAX_DEPTH:
            raise TemplateProblem("the expression is too deeply nested")
        waiting += [(child, depth + 1) for child in node.iter_child_nodes()]


def _check_node(node: nodes.Node) -> None:
    if isinstance(node, nodes.Call):
        raise TemplateProblem(
            "functions cannot be called in a template", "filters are written `value | filter`"
        )
    if not isinstance(node, _ALLOWED):
        raise TemplateProblem("a template cannot do that")
    if isinstance(node, nodes.Const):
        _check_constant(node.value)
    if isinstance(node, nodes.Filter) and node.name not in FILTERS:
        guess = closest(node.name, list(FILTERS))
        hint = f"did you mean `{guess}`?" if guess else f"known: {', '.join(sorted(FILTERS))}"
        raise TemplateProblem(f"there is no filter `{node.name}`", hint)


def _check_constant(value: Any) -> None:
    if value in _INFINITE:
        raise TemplateProblem(_TOO_LARGE)
    if isinstance(value, str) and not value.isascii() and _HALF.search(value):
        raise TemplateProblem("half of a character (`\\ud800` to `\\udfff`)")


class _Joined(NodeTransformer):
    """`a ~ b` as `[a, b] | join`, which has a bound."""

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:
        parts = nodes.List([self.visit(part) for part in node.nodes], lineno=node.lineno)
        return nodes.Filter(parts, "join", [], [], None, None, lineno=node.lineno)


class _Environment(SandboxedEnvironment):
    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, JobHandle):
            found = obj.attribute(str(argument))
            return found if found is not None else _no_attribute(obj, argument)
        if isinstance(obj, AllJobs):
            known = obj.names.knows(str(argument))
            return JobHandle(str(argument)) if known else _no_job(obj, str(argument))
        if isinstance(obj, Source):
            found = obj.attribute(str(argument))
            return found if found is not None else _not_of_source(obj, argument)
        if isinstance(obj, Reference) and obj.every and isinstance(argument, int):
            return replace(obj, every=False, index=argument)
        if isinstance(obj, FileName) and argument in _FILE_PARTS:
            return getattr(obj, str(argument))
        if isinstance(obj, Mapping):
            return obj[argument] if argument in obj else _no_key(obj, argument)
        if isinstance(obj, list | tuple | str) and isinstance(argument, int):
            if -len(obj) <= argument < len(obj):
                return obj[argument]
            return unknown(f"there is no item {argument}: there are {len(obj)}")
        if isinstance(obj, StrictUndefined):
            return obj
        return unknown(f"`{argument}` cannot be looked up in {type(obj).__name__}")

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        for value in (left, right):
            if isinstance(value, Reference | Late):
                str(value)
        if operator == "%" and isinstance(left, str):
            raise TemplateProblem("text cannot be formatted with `%`", "use `pad`")
        if operator == "*":
            _check_product(left, right)
        if operator == "+" and isinstance(left, str | list | tuple):
            check_size(weight(left) + weight(right))
        return super().call_binop(context, operator, left, right)


def _check_product(left: Any, right: Any) -> None:
    for many, times in ((left, right), (right, left)):
        if isinstance(many, str | list | tuple) and isinstance(times, int):
            check_size(weight(many) * times)
    if isinstance(left, int) and isinstance(right, int) and _bits(left, right) > _MAX_BITS:
        raise TemplateProblem(_TOO_LARGE)


def _bits(left: int, right: int) -> int:
    return left.bit_length() + right.bit_length()


def _of_numbers(name: str) -> Callable[..., bool]:
    """A test that works with `%`, which would format a text."""

    test: Any = TESTS[name]

    def judge(*values: Any) -> bool:
        if not all(map(is_number, values)):
            raise TemplateProblem("only a number is even, odd or divisible")
        return bool(test(*values))

    return judge


def _environment() -> _Environment:
    # not optimized: constants are evaluated under the same bounds as all else
    made = _Environment(undefined=StrictUndefined, autoescape=False, optimized=False, cache_size=0)
    made.globals.clear()
    made.filters = dict(FILTERS)
    made.tests = {name: TESTS[name] for name in _TESTS}
    made.tests |= {name: _of_numbers(name) for name in _NUMBER_TESTS}
    return made


ENVIRONMENT = _environment()


def unknown(message: str, hint: Hint = "") -> Undefined:
    """What has no value: a problem where it is used, unless `default` or `is defined` asks."""
    # Jinja2 calls `exc` with the `hint`, whatever it is, to have something to raise
    return StrictUndefined(hint=(message, hint), exc=_unknown)  # type: ignore[arg-type]


def _unknown(words: tuple[str, Hint]) -> TemplateProblem:
    return TemplateProblem(*words)


def _no_attribute(handle: JobHandle, name: object) -> Undefined:
    known = "it has `output`, `outputs`, `first_frame` and `last_frame`"
    return unknown(f"`jobs.{handle.name}` has no `{name}`", known)


def _no_job(jobs: AllJobs, name: str) -> Undefined:
    return unknown(f"there is no job `{name}`", partial(jobs.names.suggest, name))


def _not_of_source(source: Source, name: object) -> Undefined:
    known = ", ".join(["output", "outputs", "first_frame", "last_frame", *source.known])
    return unknown(f"`source` has no `{name}`", f"it has: {known}")


def _no_key(known: Mapping[str, Any], name: object) -> Undefined:
    return unknown(f"`{name}` is not known here", partial(_near, known, str(name)))


def _near(known: Mapping[str, Any], name: str) -> str:
    guess = closest(name, [str(key) for key in known])
    return f"did you mean `{guess}`?" if guess else f"known: {_some(known)}"


def _some(known: Mapping[str, Any]) -> str:
    names = [str(key) for key in known]
    return ", ".join(names[:10]) + (", …" if len(names) > 10 else "") if names else "nothing"
