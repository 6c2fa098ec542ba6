"""What stands between `${{` and `}}`: Jinja2 expressions, cut down to values and filters.

No calls, no methods, no attributes of Python objects: a point or bracket reads a key of a mapping
or an item of a list and nothing else. So the sandbox has little left to guard.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

from jinja2 import StrictUndefined, TemplateError, Undefined, nodes
from jinja2.environment import TemplateExpression
from jinja2.parser import Parser
from jinja2.sandbox import SandboxedEnvironment
from jinja2.tests import TESTS

from runner.core.catalog import closest
from runner.core.spec import Json
from runner.manifest.filters import FILTERS, check_size
from runner.manifest.known_later import JobHandle, Late, Reference, TemplateProblem

MAX_LENGTH = 1000  # characters of an expression
_MAX_BITS = 256  # of a whole number that an expression makes

_TESTS = ("boolean", "defined", "divisibleby", "even", "mapping", "none", "number", "odd",
          "string", "undefined")  # fmt: skip
_ALLOWED = (
    nodes.Name, nodes.Const, nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Keyword,
    nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Filter, nodes.Test, nodes.Compare,
    nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.CondExpr, nodes.Concat, nodes.Add,
    nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg, nodes.Pos,
)  # fmt: skip
_PATH = (nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Const)


def evaluate(source: str, names: Mapping[str, Any]) -> Json:
    """The value of an expression; besides JSON it may be a `Reference` or `Late`.

    Raises:
        TemplateProblem: it cannot be read, names something unknown, or does too much.
    """
    compiled, used, is_path = _compiled(source)
    for name in used:
        if name not in names:
            raise TemplateProblem(f"`{name}` is not known here", _name_hint(source, name, names))
    try:
        value = compiled(**{name: names[name] for name in used})
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
        raise TemplateProblem(_sentence(message), hint) from None
    return _checked(value, is_path)


def absent(why: str) -> Undefined:
    """A name that is known but has no value: an error where it is used, unless `default` is."""
    return _ENVIRONMENT.undefined(why)


@functools.lru_cache(maxsize=4096)
def _compiled(source: str) -> tuple[TemplateExpression, tuple[str, ...], bool]:
    """The compiled expression, the names it uses, and whether it only passes a value on."""
    if len(source) > MAX_LENGTH:
        raise TemplateProblem(f"an expression has at most {MAX_LENGTH:,} characters")
    try:
        tree = Parser(_ENVIRONMENT, source, state="variable").parse_expression()
        found = list(tree.find_all(nodes.Node))
        for node in (tree, *found):
            _check_node(node)
        compiled = _ENVIRONMENT.compile_expression(source, undefined_to_none=False)
    except (TemplateError, SyntaxError, RecursionError, ValueError, OverflowError) as error:
        message = getattr(error, "message", None) or "too deeply nested"
        read = f"cannot read `${{{{ {source.strip()} }}}}`: {_sentence(message)}"
        raise TemplateProblem(read) from None
    used = {node.name for node in (tree, *found) if isinstance(node, nodes.Name)}
    is_path = all(isinstance(node, _PATH) for node in (tree, *found))
    return compiled, tuple(sorted(used)), is_path


def _check_node(node: nodes.Node) -> None:
    if isinstance(node, nodes.Call):
        raise TemplateProblem(
            "functions cannot be called in a template", "filters are written `value | filter`"
        )
    if not isinstance(node, _ALLOWED):
        raise TemplateProblem("a template cannot do that")
    if isinstance(node, nodes.Filter) and node.name not in FILTERS:
        guess = closest(node.name, list(FILTERS))
        hint = f"did you mean `{guess}`?" if guess else f"known: {', '.join(sorted(FILTERS))}"
        raise TemplateProblem(f"there is no filter `{node.name}`", hint)


class _Environment(SandboxedEnvironment):
    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, JobHandle):
            found = obj.attribute(str(argument))
            return found if found is not None else self.undefined(_no_attribute(obj, argument))
        if isinstance(obj, Reference) and obj.every and isinstance(argument, int):
            return Reference(obj.name, take=argument + 1)
        if isinstance(obj, Mapping):
            return obj[argument] if argument in obj else self.undefined(_no_key(obj, argument))
        if isinstance(obj, list | tuple | str) and isinstance(argument, int):
            if -len(obj) <= argument < len(obj):
                return obj[argument]
            return self.undefined(f"there is no item {argument}: there are {len(obj)}")
        if isinstance(obj, StrictUndefined):
            return obj
        return self.undefined(f"`{argument}` cannot be looked up in {type(obj).__name__}")

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        for value in (left, right):
            if isinstance(value, Reference | Late):
                str(value)
        if operator == "%" and isinstance(left, str):
            raise TemplateProblem("text cannot be formatted with `%`", "use `pad`")
        if operator == "*":
            _check_product(left, right)
        return super().call_binop(context, operator, left, right)


def _check_product(left: Any, right: Any) -> None:
    if isinstance(left, str | list) or isinstance(right, str | list):
        size, times = (left, right) if isinstance(left, str | list) else (right, left)
        if isinstance(times, int):
            check_size(len(size) * times)
    elif isinstance(left, int) and isinstance(right, int) and _bits(left, right) > _MAX_BITS:
        raise TemplateProblem("the number is too large")


def _bits(left: int, right: int) -> int:
    return left.bit_length() + right.bit_length()


def _environment() -> _Environment:
    # not optimized: constants are evaluated under the same bounds as all else
    made = _Environment(undefined=StrictUndefined, autoescape=False, optimized=False, cache_size=0)
    made.globals.clear()
    made.filters = dict(FILTERS)
    made.tests = {name: TESTS[name] for name in _TESTS}
    return made


_ENVIRONMENT = _environment()


def _checked(value: Any, is_path: bool) -> Json:
    """`value`, if it is one that a body or a text can hold."""
    if isinstance(value, JobHandle):
        raise TemplateProblem(
            f"`jobs.{value.name}` is a job, not a file", f"write `jobs['{value.name}'].output`"
        )
    if isinstance(value, str) and not is_path:
        check_size(len(value))
    if isinstance(value, float) and not math.isfinite(value):
        raise TemplateProblem("the number is too large")
    if isinstance(value, Mapping):
        return {str(key): _checked(item, is_path) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_checked(item, is_path) for item in value]
    if value is None or isinstance(value, str | int | float | Reference | Late):
        return value
    raise TemplateProblem("the result is no text, number, list or mapping")


def _no_attribute(handle: JobHandle, name: object) -> str:
    return f"`jobs.{handle.name}` has no `{name}`\nit has `output` and `outputs`"


def _no_key(known: Mapping[str, Any], name: object) -> str:
    guess = closest(str(name), [str(key) for key in known])
    hint = f"did you mean `{guess}`?" if guess else f"known: {_some(known)}"
    return f"`{name}` is not known here\n{hint}"


def _some(known: Mapping[str, Any]) -> str:
    names = [str(key) for key in known]
    return ", ".join(names[:10]) + (", …" if len(names) > 10 else "") if names else "nothing"


def _name_hint(source: str, name: str, names: Mapping[str, Any]) -> str:
    if "jobs." in source and f"-{name}" in source.replace(" ", ""):
        return "an id with `-` is written `jobs['my-shot'].output`"
    in_vars = name in names.get("vars", {})
    guess = f"vars.{name}" if in_vars else closest(name, list(names))
    return f"did you mean `{guess}`?" if guess else f"known here: {', '.join(names)}"


def _sentence(message: str) -> str:
    return message.rstrip(".") or "the expression cannot be evaluated"
