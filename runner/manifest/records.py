"""Jobs that others refer to: by name, by template, and by the coordinates that they share.

Coordinates say which job of a template is meant: the key of its row, the values of its cell, its
take. A job inherits those of the job it is made of. `jobs.voice.output` in a job with the row
`sh010` is the job of `voice` with the row `sh010`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from runner.core.catalog import closest
from runner.core.naming import UnsafeName, check_id
from runner.core.spec import Json
from runner.manifest.known_later import Reference, TemplateProblem

Coordinates = Mapping[str, Json]

#: jobs whose outputs may be named at once; the longest list of media that a model takes has 30
MAX_OUTPUTS = 500
_SHOWN = 4
_SEARCHED = 2000  # names that a suggestion looks through


@dataclass(kw_only=True, slots=True)
class JobRecord:
    """What others may want of a job; the second half is known once its body is rendered."""

    id: str
    template: str
    take: int
    coordinates: Coordinates
    names: Mapping[str, Json]  # row, matrix, file: what a job made of it inherits
    suffix: str  # of the id, after the template's name; empty where there is none
    place: str  # of its row
    folder: str = ""  # what local files in its row are relative to, from the manifest's folder
    key: str = ""
    media: str = ""
    endpoint: str = ""
    model: str | None = None
    seed: Json = None
    seconds: float | None = None  # length of what it makes, where its body says so
    outputs: int = 1  # files of one task; before the body is rendered as the template has it
    format: Json = None  # `outputFormat`, where its body names one


@dataclass(frozen=True, slots=True)
class Output:
    """One output of one job."""

    job: JobRecord
    index: int


class Records:
    """All jobs that anything refers to."""

    def __init__(self) -> None:
        self._of_template: dict[str, list[JobRecord]] = {}
        self._by_id: dict[str, JobRecord] = {}
        self._indices: dict[tuple[str, tuple[str, ...]], dict[Json, list[JobRecord]]] = {}

    def announce(self, templates: Iterable[str]) -> None:
        """The names of all templates, also of those whose jobs are not kept."""
        for name in templates:
            self._of_template.setdefault(name, [])

    def add(self, record: JobRecord) -> None:
        if record.id not in self._by_id:
            self._of_template.setdefault(record.template, []).append(record)
            self._by_id[record.id] = record

    def get(self, job_id: str) -> JobRecord | None:
        return self._by_id.get(job_id)

    def knows(self, name: str) -> bool:
        """Whether a job or a template has the name."""
        return as_id(name) in self._of_template or as_id(name) in self._by_id

    def jobs(self, name: str) -> Sequence[JobRecord]:
        """The jobs that a name stands for; empty where nobody has it."""
        name = as_id(name)
        found = self._of_template.get(name)
        if found is not None:
            return found
        return [self._by_id[name]] if name in self._by_id else []

    def suggest(self, name: str) -> str:
        """A hint for a name that nobody has."""
        if len(self._of_template) + len(self._by_id) > _SEARCHED:
            return ""
        guess = closest(name, [*self._of_template, *sorted(self._by_id)])
        return f"did you mean `{guess}`?" if guess else ""

    def resolve(self, ref: Reference, coordinates: Coordinates) -> list[Output]:
        """The outputs that a reference means, for a job at these coordinates.

        Raises:
            TemplateProblem: `.output` of several jobs or of none, or one that does not exist.
        """
        jobs = [self._by_id[ref.name]] if ref.own else self._at(ref.name, coordinates)
        if ref.every or ref.index is not None:
            return self._several(ref, jobs)
        if len(jobs) > 1:
            raise self._ambiguous(ref, jobs)
        if not jobs:
            raise TemplateProblem(f"`{ref.name}` makes no job")
        return [Output(jobs[0], 0)]

    def _at(self, name: str, coordinates: Coordinates) -> Sequence[JobRecord]:
        """Of the jobs of that name those that agree with the coordinates."""
        jobs = self.jobs(name)
        if as_id(name) not in self._of_template:
            return jobs  # named itself
        shared = tuple(axis for axis in coordinates if jobs and axis in jobs[0].coordinates)
        if not shared:
            return jobs
        index = self._index(name, shared, jobs)
        found = index.get(_values(coordinates, shared))
        if found is None:
            here = ", ".join(f"{axis} `{coordinates[axis]}`" for axis in shared)
            hint = f"to mean one job, name it, as in `jobs['{jobs[0].id}'].output`"
            raise TemplateProblem(f"`{name}` has no job for {here}", hint)
        return found

    def _index(
        self, name: str, axes: tuple[str, ...], jobs: Sequence[JobRecord]
    ) -> Mapping[Json, list[JobRecord]]:
        index = self._indices.get((name, axes))
        if index is None:
            index = self._indices[name, axes] = {}
            for job in jobs:
                index.setdefault(_values(job.coordinates, axes), []).append(job)
        return index

    def _several(self, ref: Reference, jobs: Sequence[JobRecord]) -> list[Output]:
        if ref.index is not None:
            return [self._indexed(ref.name, ref.index, jobs)]
        if len(jobs) > MAX_OUTPUTS:
            raise TemplateProblem(
                f"`{ref.name}` makes {len(jobs):,} jobs: no field takes all their outputs",
                f"name one, as in `jobs['{ref.name}'].outputs[0]`",
            )
        return [Output(job, index) for job in jobs for index in range(job.outputs)]

    def _indexed(self, name: str, index: int, jobs: Sequence[JobRecord]) -> Output:
        """One of all outputs, counted through the jobs."""
        left = index
        for job in jobs if index >= 0 else ():
            if left < job.outputs:
                return Output(job, left)
            left -= job.outputs
        count = sum(job.outputs for job in jobs)
        made = "1 output" if count == 1 else f"{count:,} outputs"
        raise TemplateProblem(f"`{name}` makes {made}: there is no `outputs[{index}]`")

    def _ambiguous(self, ref: Reference, jobs: Sequence[JobRecord]) -> TemplateProblem:
        ids = [job.id for job in jobs[:_SHOWN]]
        shown = ", ".join(ids) + (", …" if len(jobs) > _SHOWN else "")
        return TemplateProblem(
            f"`{ref.name}` makes {len(jobs):,} jobs: {shown}",
            f"name one, as in `jobs['{jobs[-1].id}'].output`, or "
            f"`jobs['{ref.name}'].outputs[0]` for the first; `.outputs` gives all",
        )


def output_count(body: Mapping[str, Json]) -> int:
    """Files of one task, as far as its body says."""
    count = body.get("outputCount", 1)
    return count if type(count) is int and count > 0 else 1


def as_id(name: str) -> str:
    """A name as an id would have it, for ids are not always used as they are written."""
    try:
        return check_id(name)
    except UnsafeName:
        return name


def _values(coordinates: Coordinates, axes: tuple[str, ...]) -> Json:
    """What an index is looked up by; `1`, `1.0` and `true` are different."""
    return tuple((type(value := coordinates.get(axis)).__name__, str(value)) for axis in axes)
