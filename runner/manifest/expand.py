"""A manifest to job specifications, one by one. Reads nothing itself: files come from `inputs`.

Jobs come parents first: template by template, each after those it refers to. Only templates that
refer to each other in a circle are made all at once, to be put in order job by job.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from runner.core.catalog import Catalog
from runner.core.naming import UnsafeName, same_file, same_id
from runner.core.price_memory import PriceMemory
from runner.core.price_override import overridden
from runner.core.spec import JobSpec, Json
from runner.errors import Problem
from runner.manifest.drafts import Draft
from runner.manifest.jobkeys import Named
from runner.manifest.makers import TemplateMaker
from runner.manifest.merging import Origin
from runner.manifest.model import Manifest
from runner.manifest.ordering import in_groups, in_order
from runner.manifest.pricing import Inputs, seconds_of
from runner.manifest.problems import Problems
from runner.manifest.records import JobRecord, Records, output_count
from runner.manifest.references import template_needs
from runner.manifest.specs import SpecFacts, SpecMaker
from runner.manifest.uniqueness import Taken


@dataclass(frozen=True, kw_only=True, slots=True)
class Expansion:
    """All jobs of a manifest at once, parents first. With problems there may be fewer."""

    specs: tuple[JobSpec, ...]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def expand(manifest: Manifest, catalog: Catalog, inputs: Inputs, *, date: str = "") -> Expansion:
    """Every job that the manifest describes, checked and priced.

    Args:
        date: what `date` stands for in file names: the day of the plan, `2026-10-23`.
    """
    expander = Expander(manifest, catalog, inputs, date=date)
    specs = tuple(expander.specs())
    return Expansion(specs=specs, problems=expander.problems, warnings=expander.warnings)


class Expander:
    """The jobs of a manifest, made anew each time they are asked for, and never all kept."""

    def __init__(
        self, manifest: Manifest, catalog: Catalog, inputs: Inputs, *, date: str = "",
        memory: PriceMemory | None = None, sharded: bool = False,
    ) -> None:  # fmt: skip
        """
        Args:
            date: what `date` stands for in file names: the day of the plan, `2026-10-23`.
            memory: prices that Runway asked before.
            sharded: default file names are spread over folders.
        """
        self._facts = SpecFacts(date=date, memory=memory, sharded=sharded)
        self._manifest = manifest
        self._catalog = overridden(catalog, manifest.prices)
        self._inputs = inputs
        self._problems = Problems()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with the jobs; complete when the last of them has been asked for."""
        return self._problems.errors

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return self._problems.warnings

    def template_parents(self) -> Mapping[str, frozenset[str]]:
        """Of each template those that it may refer to, by name; reads no rows."""
        return _Pass(
            self._manifest, self._catalog, self._inputs, Problems(), self._facts, check=False
        ).parents()

    def specs(self, *, check: bool = True) -> Iterator[JobSpec]:
        """Every job, checked and priced. What is wrong is reported, not raised.

        Args:
            check: False on a second reading: bodies and caps are known to be right.
        """
        self._problems = Problems()
        return _Pass(
            self._manifest, self._catalog, self._inputs, self._problems, self._facts, check=check
        ).specs()


class _Pass:
    """One reading of all rows."""

    def __init__(
        self, manifest: Manifest, catalog: Catalog, inputs: Inputs, problems: Problems,
        facts: SpecFacts, *, check: bool,
    ) -> None:  # fmt: skip
        self._manifest = manifest
        self._problems = problems
        self._records = Records()
        self._ids, self._files = Taken(), Taken()
        self._tags: set[str] = set()
        self._told: set[int] = set()  # templates whose jobs name one file
        names: Mapping[str, Json] = {"vars": manifest.vars, "batch": manifest.name}
        self._makers = [
            TemplateMaker(manifest, template, catalog, inputs, names, self._records, problems)
            for template in manifest.jobs
        ]
        self._records.announce(maker.name for maker in self._makers)
        self._specs = SpecMaker(
            manifest=manifest,
            catalog=catalog,
            inputs=inputs,
            problems=problems,
            records=self._records,
            facts=facts,
            is_checking=check,
        )

    def parents(self) -> Mapping[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        for maker, needs in zip(self._makers, self._links(), strict=True):
            names = frozenset(self._makers[number].name for number in needs)
            found[maker.name] = found.get(maker.name, frozenset()) | names
        return found

    def _links(self) -> list[set[int]]:
        return template_needs(
            [maker.name for maker in self._makers],
            [maker.reads for maker in self._makers],
            free=[n for n, maker in enumerate(self._makers) if not maker.keys.begins_with_name],
        )

    def specs(self) -> Iterator[JobSpec]:
        needs = self._links()
        wanted = {parent for parents in needs for parent in parents}
        for number in wanted:
            self._makers[number].is_referred_to = True
        for group in in_groups(needs):
            makers = [self._makers[number] for number in group]
            if len(group) == 1 and group[0] not in needs[group[0]]:
                yield from self._streamed(makers[0])
            else:
                yield from self._tangled(makers)
        self._check_tags()
        self._check_columns()

    def _streamed(self, maker: TemplateMaker) -> Iterator[JobSpec]:
        """The jobs of a template, all that they refer to being made."""
        for named in maker.named():
            if self._takes_ids(maker, named):
                for take in range(1, named.keys.takes + 1):
                    record = maker.record(named, take) if maker.is_referred_to else None
                    draft = maker.draft(named, take)
                    if draft is not None:
                        yield self._finished(maker, draft, self._needs(maker, draft), record)
        maker.finish()

    def _tangled(self, makers: Sequence[TemplateMaker]) -> Iterator[JobSpec]:
        """The jobs of templates that refer to each other, or to themselves."""
        makers = [maker for maker in makers if not self._goes_in_circles(maker, makers)]
        records: dict[str, JobRecord] = {}
        named_by = [
            (maker, named) for maker in makers for named in maker.named()
            if self._takes_ids(maker, named)
        ]  # fmt: skip
        for maker, named in named_by:
            for take in range(1, named.keys.takes + 1):
                record = records[named.job_id(take)] = maker.record(named, take)
                self._records.add(record)
        drafts: dict[str, tuple[TemplateMaker, Draft]] = {}
        for maker, named in named_by:
            for take in range(1, named.keys.takes + 1):
                draft = maker.draft(named, take)
                if draft is not None:
                    drafts[draft.id] = maker, draft
        needs = {job_id: self._needs(*drafts[job_id]) for job_id in drafts}
        for job_id in self._ordered(drafts, needs):
            maker, draft = drafts[job_id]
            yield self._finished(maker, draft, needs[job_id], records[job_id])
        for maker in makers:
            maker.finish()

    def _goes_in_circles(self, maker: TemplateMaker, makers: Sequence[TemplateMaker]) -> bool:
        """Whether a template goes through jobs that are made of its own; reported."""
        foreach = maker.template.foreach
        names = {other.name for other in makers}
        if foreach is None or foreach.jobs not in names:
            return False
        message = f"`{maker.name}` goes through its own jobs"
        if foreach.jobs != maker.name:
            message = f"`{maker.name}` and `{foreach.jobs}` go through each other"
        self._problems.error((maker.template.document, (*foreach.path, "jobs")), message)
        return True

    def _ordered(
        self,
        drafts: Mapping[str, tuple[TemplateMaker, Draft]],
        needs: Mapping[str, Sequence[str]],
    ) -> Sequence[str]:
        inside = {job: [each for each in wanted if each in drafts] for job, wanted in needs.items()}
        order, cycles = in_order(inside)
        for cycle in cycles:
            maker, draft = drafts[cycle[0]]
            names = " → ".join(f"`{job_id}`" for job_id in cycle)
            self._problems.error(
                maker.origin, f"jobs wait for each other: {names}", row=draft.named.instance.place
            )
        return order

    def _finished(
        self,
        maker: TemplateMaker,
        draft: Draft,
        needs: Sequence[str],
        record: JobRecord | None,
    ) -> JobSpec:
        spec = self._specs.spec(draft, needs)
        self._check_file(maker, draft, spec)
        self._tags.update(spec.tags)
        if record is not None:
            _complete(record, spec)
            self._records.add(record)
        return spec

    def _takes_ids(self, maker: TemplateMaker, named: Named) -> bool:
        """Whether all ids of a job were free; else it is reported, and left out."""
        for take in range(1, named.keys.takes + 1):
            job_id = named.job_id(take)
            owner = self._ids.take(same_id(job_id), job_id, named.instance.place)
            if owner is not None:
                origin: Origin = (maker.template.document, (*maker.template.path, "id"))
                message = f"the job id `{job_id}` is taken by {owner}"
                hint = "ids are unique, without regard to case and Unicode form"
                self._problems.error(origin, message, hint, row=named.instance.place)
                return False
        return True

    def _needs(self, maker: TemplateMaker, draft: Draft) -> Sequence[str]:
        """The parents of a job: ids, each once."""
        found = dict.fromkeys(draft.parents)
        for name in draft.named.keys.needs:
            jobs = self._records.jobs(name)
            found |= dict.fromkeys(job.id for job in jobs)
            if not jobs and not self._records.knows(name):
                message, hint = f"there is no job `{name}`", partial(self._records.suggest, name)
                self._problems.error(maker.needs_origin(name), message, hint,
                                     row=draft.named.instance.place)  # fmt: skip
        return list(found)

    def _check_file(self, maker: TemplateMaker, draft: Draft, spec: JobSpec) -> None:
        """Refuse two jobs that would write one file."""
        try:
            name = same_file(spec.output)
        except UnsafeName:
            return  # reported where it was made
        owner = self._files.take(name, spec.id, spec.row)
        if owner is None or maker.template.index in self._told:
            return
        self._told.add(maker.template.index)
        keys = maker.keys
        origin = keys.layers.origin(("output",)) if keys.output else maker.origin
        message = f"{owner} and `{spec.id}` would write the same file: `{spec.output}`"
        self._problems.error(
            origin, message, "put `${{ job }}` into the name", row=draft.named.instance.place
        )

    def _check_columns(self) -> None:
        """Columns that nothing reads are slips of the pen, or notes of people: said once a table.

        A job of a job inherits the row: any template may read the columns of any table.
        """
        if any(maker.reads.any_column for maker in self._makers):
            return
        read = {column for maker in self._makers for column in maker.reads.columns}
        of_tables: dict[str, list[TemplateMaker]] = {}
        for maker in self._makers:
            of_tables.setdefault(maker.table_name, []).append(maker)
        for makers in of_tables.values():
            used = read.union(*(maker.used_columns for maker in makers))
            makers[0].say_unused_columns(used)

    def _check_tags(self) -> None:
        """A cap for a tag that no job has is a slip of the pen, or a job left out for now."""
        for tag in self._manifest.budget.tags:
            if tag not in self._tags:
                message = f"no job has the tag `{tag}`, its cap has no effect"
                origin: Origin = (self._manifest.document, ("budget", "tags", tag))
                self._problems.warning(origin, message)


def _complete(record: JobRecord, spec: JobSpec) -> None:
    """What others may want of a job, now that its body is known."""
    record.key = spec.key
    record.media = spec.media
    record.endpoint, record.model = spec.endpoint, spec.model
    record.seed = spec.body.get("seed")
    record.seconds = seconds_of(spec.body)
    record.format = spec.body.get("outputFormat")
    record.outputs = output_count(spec.body)
