"""An order in which all that is needed comes first, and what cannot be put into one."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Mapping, Sequence
from graphlib import TopologicalSorter


def in_groups(needs: Sequence[Collection[int]]) -> list[list[int]]:
    """Numbers with all that each needs before it; those that need each other are one group.

    Without any needs the order is that of the numbers.
    """
    if not any(needs):
        return [[number] for number in range(len(needs))]
    members = {min(group): sorted(group) for group in _knots(needs)}
    group_of = {number: first for first, group in members.items() for number in group}
    graph: dict[int, set[int]] = {first: set() for first in members}
    for number, wanted in enumerate(needs):
        graph[group_of[number]] |= {group_of[other] for other in wanted}
    for first, wanted in graph.items():
        wanted.discard(first)
    return [members[first] for first in _stable_order(graph)]


def _stable_order(graph: Mapping[int, set[int]]) -> list[int]:
    """A topological order that keeps to the numbers' own where it can."""
    sorter = TopologicalSorter(graph)
    sorter.prepare()
    order: list[int] = []
    ready: list[int] = []
    while sorter.is_active():
        for group in sorter.get_ready():
            heapq.heappush(ready, group)
        first = heapq.heappop(ready)
        order.append(first)
        sorter.done(first)
    return order


def in_order(needs: Mapping[str, Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    """Job ids with every parent before its children; and of jobs that need each other a cycle."""
    jobs = list(needs)
    numbers = {job: number for number, job in enumerate(jobs)}
    links = [[numbers[parent] for parent in needs[job]] for job in jobs]
    order: list[str] = []
    cycles: list[list[str]] = []
    for knot in _knots(links):
        order += [jobs[number] for number in knot]
        if len(knot) > 1 or knot[0] in links[knot[0]]:
            cycles.append([jobs[number] for number in _cycle(links, set(knot), min(knot))])
    return order, cycles


def _cycle(needs: Sequence[Collection[int]], knot: set[int], first: int) -> list[int]:
    """A way through numbers that need each other, until one is met again."""
    steps: dict[int, int] = {}
    number = first
    while number not in steps:
        steps[number] = len(steps)
        number = next(other for other in needs[number] if other in knot)
    way = list(steps)[steps[number] :]
    return [*way, number]


def _knots(needs: Sequence[Collection[int]]) -> Iterator[list[int]]:
    """Numbers that need each other, after all that they need: Gabow's algorithm.

    Takes time with the number of needs, however many circles there are.
    """
    place = [-1] * len(needs)  # of a number in `met`
    is_done = [False] * len(needs)
    met: list[int] = []  # not in a knot yet
    heads: list[int] = []  # those of `met` that may begin one
    for root in range(len(needs)):
        ways = [(root, iter(needs[root]))] if place[root] < 0 else []
        while ways:
            number, rest = ways[-1]
            if place[number] < 0:
                place[number] = len(met)
                met.append(number)
                heads.append(number)
            further = next((other for other in rest if not is_done[other]), None)
            if further is not None and place[further] < 0:
                ways.append((further, iter(needs[further])))
            elif further is not None:
                while place[heads[-1]] > place[further]:
                    heads.pop()
            else:
                ways.pop()
                if heads[-1] == number:
                    heads.pop()
                    knot = met[place[number] :]
                    del met[place[number] :]
                    for each in knot:
                        is_done[each] = True
                    yield knot
