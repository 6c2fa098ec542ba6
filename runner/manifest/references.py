"""Names of other jobs: in `needs` and in `${{ jobs.ID.output }}`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from runner.core.catalog import closest
from runner.manifest.known_later import JobHandle, Reference, TemplateProblem

_SHOWN = 4
_SEARCHED = 2000  # ids that a suggestion looks at


class JobNames:
    """All job ids, by template name and by themselves. A name may stand for several jobs."""

    def __init__(self, jobs: Iterable[tuple[str, str]]) -> None:
        """From (template name, job id) in manifest order."""
        self._of_template: dict[str, list[str]] = {}
        self._ids: set[str] = set()
        for template, job_id in jobs:
            self._of_template.setdefault(template, []).append(job_id)
            self._ids.add(job_id)

    def handles(self) -> Mapping[str, JobHandle]:
        """What `jobs` is in an expression."""
        return {name: JobHandle(name) for name in (*self._of_template, *sorted(self._ids))}

    def jobs(self, name: str) -> Sequence[str]:
        """The job ids that a name stands for; empty where nobody has it."""
        return self._of_template.get(name) or ([name] if name in self._ids else [])

    def suggest(self, name: str) -> str:
        """A hint for a name that nobody has."""
        ids = sorted(self._ids) if len(self._ids) <= _SEARCHED else []
        guess = closest(name, [*self._of_template, *ids])
        return f"did you mean `{guess}`?" if guess else ""

    def resolve(self, ref: Reference) -> Sequence[str]:
        """The job ids whose output is meant.

        Raises:
            TemplateProblem: `.output` of several jobs, or a take that does not exist.
        """
        ids = self.jobs(ref.name)
        if ref.every:
            return ids
        if ref.take is not None:
            if not 1 <= ref.take <= len(ids):
                raise TemplateProblem(f"`{ref.name}` makes {len(ids)} jobs, not {ref.take}")
            return [ids[ref.take - 1]]
        if len(ids) > 1:
            shown = ", ".join(ids[:_SHOWN]) + (", …" if len(ids) > _SHOWN else "")
            raise TemplateProblem(
                f"`{ref.name}` makes {len(ids)} jobs: {shown}",
                f"name one, as in `jobs['{ids[-1]}'].output`, or "
                f"`jobs['{ref.name}'].outputs[0]` for the first; `.outputs` gives all",
            )
        return ids


def in_order(needs: Mapping[str, Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    """Job ids with every parent before its children; and the cycles, where there are any."""
    graph = {job: set(parents) for job, parents in needs.items()}
    cycles: list[list[str]] = []
    while True:
        try:
            return list(TopologicalSorter(graph).static_order()), cycles
        except CycleError as error:
            cycle = list(error.args[1])[::-1]  # each needs the next one
            cycles.append(cycle)
            for job in cycle:
                graph[job] -= set(cycle)
