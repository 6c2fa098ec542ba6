"""Problems as they are told: one message where a template causes a thousand, the worst of it cut.

A thousand rows that break one rule at one place of the manifest are one thing to mend, so they are
one message which names the first rows and counts the others. A cell of a matrix is a row here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from heapq import nsmallest
from typing import Any

from runner.errors import Problem

#: messages that are printed at most
MOST_GROUPS = 50
#: problems in `--json`
MOST_IN_JSON = 1_000
#: rows that a message names besides its own
MOST_ROWS = 4
#: so many alike, without a row that tells them apart, are still told one by one
FEW = 3

_YAML = (".yaml", ".yml")
_LAST_NUMBER = re.compile(r"(?<=[:!])\d{1,18}$")
_VALUE = re.compile(r"`[^`]*`|\d[\d.,]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What is printed of a list of problems."""

    problems: Sequence[Problem]  # each stands for `count`
    left_out: int = 0  # problems beyond those


def told(problems: Iterable[Problem], *, most: int = MOST_GROUPS) -> Told:
    """The problems by place, those of one template and one kind as one."""
    alike: dict[tuple[Any, ...], list[Problem]] = {}
    for problem in sorted(problems, key=_place):
        alike.setdefault(_kind(problem), []).append(problem)
    groups = sorted(_groups(alike.values()), key=_place)
    return Told(problems=groups[:most], left_out=sum(each.count for each in groups[most:]))


def rows_words(problem: Problem) -> str:
    """`shots.csv:2, and 999 more: shots.csv:3, …`; empty where it stands for one only."""
    rows = [row for row in problem.rows if row != problem.where][: MOST_ROWS + 1]
    first = rows.pop(0) if len(rows) == len(problem.rows) and rows else ""
    more = problem.count - 1
    if more < 1:
        return first
    listed = ", ".join(rows[:MOST_ROWS]) + (", …" if rows and more > len(rows) else "")
    text = f"and {more:,} more" + (f": {listed}" if rows else "" if problem.rows else " like it")
    return f"{first}, {text}" if first else text


def _groups(alike: Iterable[list[Problem]]) -> Iterator[Problem]:
    for members in alike:
        if len(members) == 1 or (len(members) <= FEW and not any(map(_rows, members))):
            yield from members
        else:
            members.sort(key=lambda member: min(map(_in_order, _rows(member)), default=("", 0)))
            yield replace(members[0], rows=_first_rows(members), count=_count(members))


def _first_rows(members: Sequence[Problem]) -> tuple[str, ...]:
    """In the order of their files."""
    rows = {row for member in members for row in _rows(member)}
    return tuple(nsmallest(MOST_ROWS + 1, rows, key=_in_order))


def _count(members: Sequence[Problem]) -> int:
    """Different rows, as long as all are known; one may be wrong in several ways."""
    rows = [_rows(member) for member in members]
    if all(len(known) == member.count for known, member in zip(rows, members, strict=True)):
        return len({row for known in rows for row in known})
    return sum(member.count for member in members)


def _in_order(row: str) -> tuple[str, int]:
    """`shots.csv:9` before `shots.csv:10`."""
    number = _LAST_NUMBER.search(row)
    return (row, 0) if number is None else (row[: number.start()], int(number[0]))


def _rows(problem: Problem) -> tuple[str, ...]:
    """Where the data stands; of a problem inside a table its own place."""
    return problem.rows or (() if _is_manifest(problem) or not problem.line else (problem.where,))


def _kind(problem: Problem) -> tuple[Any, ...]:
    """What problems of one template and one rule have in common."""
    place = (problem.line, problem.column) if _is_manifest(problem) else ()
    return (problem.file, place, problem.path, _VALUE.sub("`…`", problem.message))


def _is_manifest(problem: Problem) -> bool:
    return problem.file.lower().endswith(_YAML) or not problem.file


def _place(problem: Problem) -> tuple[str, int, int]:
    return problem.file, problem.line, problem.column
