"""What the expressions of a template read: jobs of others, columns of its rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from runner.core.spec import Json
from runner.manifest.expression import Expression, Steps, compile_expression
from runner.manifest.known_later import TemplateProblem
from runner.manifest.records import as_id
from runner.manifest.template import compile_text, has_expression


@dataclass(frozen=True, kw_only=True, slots=True)
class Reads:
    """What the expressions of a template read."""

    jobs: frozenset[str]  # names under `jobs`, and in `needs` and `foreach`
    any_job: bool  # a name of a job is worked out: it may be any
    columns: frozenset[str]  # of its rows
    any_column: bool


def reads_of(values: Iterable[Json], conditions: Iterable[str], named: Iterable[str]) -> Reads:
    """What values and conditions read.

    Args:
        values: of a template, with expressions in texts.
        conditions: expressions without `${{`.
        named: names of jobs, as written; those with expressions may be any.
    """
    jobs, columns = set(), set()
    any_job = any_column = False
    for found in _all_steps(values, conditions):
        steps = found[1:] if found[:2] == ("source", "row") else found
        if steps[0] == "jobs":
            name = steps[1] if len(steps) > 1 else None
            jobs |= {as_id(str(name))} if name is not None else set()
            any_job = any_job or name is None
        elif steps[0] == "row":
            column = steps[1] if len(steps) > 1 else None
            columns |= {str(column)} if column is not None else set()
            any_column = any_column or column is None
    for name in named:
        jobs |= set() if has_expression(name) else {as_id(name)}
        any_job = any_job or has_expression(name)
    return Reads(
        jobs=frozenset(jobs),
        any_job=any_job,
        columns=frozenset(columns),
        any_column=any_column,
    )


def _all_steps(values: Iterable[Json], conditions: Iterable[str]) -> Iterator[Steps]:
    for value in values:
        for expression in _expressions(value):
            yield from expression.paths
    for condition in conditions:
        try:
            yield from compile_expression(condition).paths
        except TemplateProblem:
            continue  # reported where it is used


def _expressions(value: Json) -> Iterator[Expression]:
    if isinstance(value, str):
        if "${{" in value:
            try:
                yield from compile_text(value).expressions
            except TemplateProblem:
                return  # reported where it is rendered
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _expressions(item)
    elif isinstance(value, list):
        for item in value:
            yield from _expressions(item)


def template_needs(
    names: Sequence[str], reads: Sequence[Reads], *, free: Sequence[int]
) -> list[set[int]]:
    """The templates that each template may refer to, by number; its own where it may.

    Args:
        names: of the templates.
        reads: what each of them reads.
        free: templates whose jobs may have any id; those of others begin with the name.
    """
    numbers: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        numbers.setdefault(name, []).append(number)
    found: list[set[int]] = []
    hub: int | None = None  # the first that may refer to any stands for all to the others
    for number, read in enumerate(reads):
        wanted: set[int] = set()
        if read.any_job:
            wanted.update(range(len(names)) if hub is None else (hub,))
            hub = number if hub is None else hub
        for name in read.jobs:
            wanted.update(numbers.get(name) or (*_prefixes(name, numbers), *free))
        found.append(wanted)
    return found


def _prefixes(job_id: str, numbers: Mapping[str, Sequence[int]]) -> Iterator[int]:
    """The templates that a job of that id may belong to."""
    for end in range(1, len(job_id)):
        yield from numbers.get(job_id[:end], ())
