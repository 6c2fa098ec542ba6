"""How many of a plan's jobs fit what the money and the account allow, now or in the next 24 hours.

An estimate from the plan's sums: templates in the order of the manifest, the jobs of each at their
average price, priorities aside. A job that waits for one which does not start does not start
either. How long tasks take is left out: nobody knows it before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from runner.core.plan import Plan, PlanRow

#: templates that each template refers to, by name
Parents: TypeAlias = Mapping[str, Collection[str]]
#: credits of the jobs of a row that start
Price: TypeAlias = Callable[[PlanRow], int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """Something that may not let all jobs start."""

    name: str  # of a cap (batch, run, model:M, tag:T, day, month), `balance`, or `quota:M`
    room: int  # credits that may be spent in the time that is looked at; of a quota creates
    is_quota: bool = False
    lane: str | None = None  # only jobs of this lane
    tag: str | None = None  # only jobs that have this tag

    def covers(self, row: PlanRow) -> int:
        """How many of a row's starting jobs it is about."""
        if self.tag is not None:
            return row.tags.get(self.tag, 0)
        return row.starting if self.lane is None or self.lane == _lane(row) else 0

    def cost(self, row: PlanRow, jobs: int, credits: int) -> int:
        """What so many jobs of a row take of the room, at their average price, rounded up."""
        return jobs if self.is_quota else -(-jobs * credits // row.starting)

    def fitting(self, row: PlanRow, covered: int, credits: int, room: int) -> int:
        """How many of a row's jobs there is room for.

        Args:
            row: the jobs.
            covered: those that this limit is about.
            credits: of all of the row that start.
            room: what is left.
        """
        each = row.starting if self.is_quota else credits
        return covered if each * covered <= room * row.starting else room * row.starting // each


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowance:
    """How many jobs one limit lets start, at their worst case, if there were no other."""

    name: str
    jobs: int
    of: int  # starting jobs that it is about


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """What can start in the time that its limits are about."""

    starting: int  # jobs of the plan that a run would send
    jobs: int  # of these, at their worst case
    expected: int  # of these, where each costs what is expected
    allowances: tuple[Allowance, ...] = ()  # of the limits that were given, in their order
    #: names of those that do not let all start, the tightest first
    tight: tuple[str, ...] = ()

    def allowance(self, name: str) -> Allowance | None:
        return next((each for each in self.allowances if each.name == name), None)


def outlook(plan: Plan, limits: Sequence[Limit], parents: Callable[[], Parents]) -> Outlook:
    """How many jobs may start.

    Args:
        plan: what would start.
        limits: all that may hold jobs back.
        parents: asked only where something does.
    """
    rows = [row for row in plan.rows if row.starting]
    allowances = tuple(_allowance(rows, limit) for limit in limits)
    pairs = zip(limits, allowances, strict=True)
    tight = [(limit, each) for limit, each in pairs if each.jobs < each.of]
    if not tight:
        return Outlook(
            starting=plan.starting,
            jobs=plan.starting,
            expected=plan.starting,
            allowances=allowances,
        )
    fill = _Fill(plan.rows, parents())
    alone = {each.name: fill.alone(limit, each) for limit, each in tight}
    return Outlook(
        starting=plan.starting,
        jobs=fill.jobs([limit for limit, _ in tight], _worst),
        expected=fill.jobs([limit for limit, _ in tight], _expected),
        allowances=allowances,
        tight=tuple(sorted(alone, key=lambda name: alone[name])),
    )


def _lane(row: PlanRow) -> str:
    return row.model or row.endpoint


def _worst(row: PlanRow) -> int:
    return row.worst


def _expected(row: PlanRow) -> int:
    return row.expected


def _allowance(rows: Sequence[PlanRow], limit: Limit) -> Allowance:
    jobs = of = 0
    room = limit.room
    for row in rows:
        covered = limit.covers(row)
        if covered:
            fitting = limit.fitting(row, covered, row.worst, room)
            room = max(0, room - limit.cost(row, fitting, row.worst))
            jobs, of = jobs + fitting, of + covered
    return Allowance(name=limit.name, jobs=jobs, of=of)


class _Fill:
    """Lets jobs start, template by template, while there is room."""

    def __init__(self, rows: Sequence[PlanRow], parents: Parents) -> None:
        self._rows = [row for row in rows if row.starting]
        self._parents = parents
        self._sizes: Counter[str] = Counter()
        for row in rows:
            self._sizes[row.template] += row.jobs

    def alone(self, limit: Limit, allowance: Allowance) -> int:
        """How many start where there is no other limit; without parents that is known."""
        if any(self._parents.values()):
            return self.jobs([limit], _worst)
        return sum(row.starting for row in self._rows) - (allowance.of - allowance.jobs)

    def jobs(self, limits: Sequence[Limit], price: Price) -> int:
        """How many start under these limits together."""
        room = [limit.room for limit in limits]
        left_out: Counter[str] = Counter()
        total = 0
        for row in self._rows:
            count, credits = row.starting - self._waiting(row, left_out), price(row)
            covering = [
                (number, limit, covered)
                for number, limit in enumerate(limits)
                if (covered := limit.covers(row))
            ]
            for number, limit, covered in covering:
                fitting = limit.fitting(row, covered, credits, room[number])
                count = min(count, row.starting - covered + fitting)
            for number, limit, covered in covering:
                used = limit.cost(row, -(-count * covered // row.starting), credits)
                room[number] = max(0, room[number] - used)
            if count < row.starting:
                left_out[row.template] += row.starting - count
            total += count
        return total

    def _waiting(self, row: PlanRow, left_out: Mapping[str, int]) -> int:
        """Jobs whose parents do not start: for each parent as many as there are of these."""
        waiting = 0
        for parent in self._parents.get(row.template, ()):
            if parent != row.template and parent in left_out:
                share = -(-left_out[parent] * row.jobs // self._sizes[parent])
                waiting = max(waiting, share)
        return min(row.starting, waiting)
