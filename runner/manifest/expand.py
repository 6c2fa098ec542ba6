"""A manifest to job specifications. Reads nothing itself: local files come from `inputs`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runner.core.catalog import Catalog
from runner.core.naming import UnsafeName, same_file, same_id
from runner.core.spec import JobSpec, Json
from runner.errors import Problem
from runner.manifest.drafts import Draft, DraftMaker
from runner.manifest.jobkeys import Named, name_template
from runner.manifest.model import Manifest
from runner.manifest.places import Path
from runner.manifest.pricing import Inputs
from runner.manifest.problems import Problems
from runner.manifest.references import JobNames, in_order
from runner.manifest.specs import SpecMaker


@dataclass(frozen=True, kw_only=True, slots=True)
class Expansion:
    """All jobs of a manifest, in its order. With problems there may be fewer."""

    specs: tuple[JobSpec, ...]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def expand(manifest: Manifest, catalog: Catalog, inputs: Inputs, *, date: str = "") -> Expansion:
    """Every job that the manifest describes, checked and priced.

    Args:
        date: what `date` stands for in file names: the day of the plan, `2026-10-23`.
    """
    return _Expander(manifest, catalog, inputs, date).expand()


class _Expander:
    def __init__(self, manifest: Manifest, catalog: Catalog, inputs: Inputs, date: str) -> None:
        self._manifest = manifest
        self._catalog = catalog
        self._problems = Problems(manifest.document)
        self._drafts: dict[str, Draft] = {}
        self._maker = SpecMaker(
            manifest=manifest,
            catalog=catalog,
            inputs=inputs,
            problems=self._problems,
            drafts=self._drafts,
            date=date,
        )

    def expand(self) -> Expansion:
        named = self._named()
        names = JobNames((each.name, job_id) for each in named for job_id in each.job_ids)
        self._draft(named, names)
        needs = self._needs(names)
        specs = {
            job_id: self._maker.spec(self._drafts[job_id], needs[job_id])
            for job_id in self._ordered(needs)
        }
        self._check_files(specs)
        self._check_tags(specs)
        return Expansion(
            specs=tuple(specs[job_id] for job_id in self._drafts),
            problems=self._problems.errors,
            warnings=self._problems.warnings,
        )

    def _context(self) -> dict[str, Json]:
        return {"vars": self._manifest.vars, "batch": self._manifest.name}

    def _named(self) -> list[Named]:
        """Templates with their ids; one whose id is taken is reported and left out."""
        found: list[Named] = []
        first: dict[str, str] = {}
        for template in self._manifest.jobs:
            named = name_template(self._manifest, template, self._context(), self._problems)
            taken = [job_id for job_id in named.job_ids if same_id(job_id) in first]
            for job_id in taken[:1]:
                self._problems.error(
                    (*template.path, "id"),
                    f"the job id `{job_id}` is taken by `{first[same_id(job_id)]}`",
                    "ids are unique, without regard to case",
                )
            if not taken:
                first |= {same_id(job_id): job_id for job_id in named.job_ids}
                found.append(named)
        return found

    def _draft(self, named: Sequence[Named], names: JobNames) -> None:
        context = {**self._context(), "jobs": names.handles()}
        maker = DraftMaker(self._manifest, self._catalog, names, context, self._problems)
        for each in named:
            for take in range(1, each.takes + 1):
                draft = maker.draft(each, take)
                if draft is not None:
                    self._drafts[draft.id] = draft

    def _needs(self, names: JobNames) -> dict[str, Sequence[str]]:
        """The parents of every job: job ids, in manifest order."""
        position = {job_id: index for index, job_id in enumerate(self._drafts)}
        found: dict[str, Sequence[str]] = {}
        for job_id, draft in self._drafts.items():
            wanted = set(draft.parents)
            for name in draft.named.needs:
                jobs = names.jobs(name)
                wanted.update(jobs)
                if not jobs:
                    path, hint = self._needs_path(draft, name), names.suggest(name)
                    self._problems.error(path, f"there is no job `{name}`", hint)
            found[job_id] = sorted(wanted & position.keys(), key=position.__getitem__)
        return found

    def _needs_path(self, draft: Draft, name: str) -> Path:
        path = draft.named.layers.origin(("needs",))
        node = self._manifest.document.node(path)
        written = node.value if node is not None else None
        return (*path, written.index(name)) if written and name in written else path

    def _ordered(self, needs: Mapping[str, Sequence[str]]) -> list[str]:
        order, cycles = in_order(needs)
        for cycle in cycles:
            path = self._drafts[cycle[0]].named.template.path
            names = " → ".join(f"`{job_id}`" for job_id in cycle)
            self._problems.error(path, f"jobs wait for each other: {names}")
        return order

    def _check_files(self, specs: Mapping[str, JobSpec]) -> None:
        """Refuse two jobs that would write one file; said once for each template."""
        first: dict[str, str] = {}
        told: set[int] = set()
        for job_id, draft in self._drafts.items():
            try:
                name = same_file(specs[job_id].output)
            except UnsafeName:
                continue  # reported where it was made
            other = first.setdefault(name, job_id)
            template = draft.named.template
            if other == job_id or template.index in told:
                continue
            told.add(template.index)
            path = draft.named.layers.origin(("output",)) if draft.named.output else template.path
            message = (
                f"`{other}` and `{job_id}` would write the same file: `{specs[job_id].output}`"
            )
            self._problems.error(path, message, "put `${{ job }}` into the name")

    def _check_tags(self, specs: Mapping[str, JobSpec]) -> None:
        """A cap for a tag that no job has is a slip of the pen, or a job left out for now."""
        used = {tag for spec in specs.values() for tag in spec.tags}
        for tag in self._manifest.budget.tags:
            if tag not in used:
                message = f"no job has the tag `{tag}`, its cap has no effect"
                self._problems.warning(("budget", "tags", tag), message)
