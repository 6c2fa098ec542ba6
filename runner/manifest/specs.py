"""A draft to a `JobSpec`: parents' keys, files' digests, the body's check, price and file name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runner.core.catalog import Catalog, media_fields
from runner.core.naming import UnsafeName, check_pattern
from runner.core.spec import AssetRef, Body, JobSpec, Json, OutputRef, job_key, map_refs
from runner.manifest.assets import AssetProblem, is_local
from runner.manifest.bodies import check_body
from runner.manifest.drafts import Draft
from runner.manifest.expression import absent
from runner.manifest.known_later import TemplateProblem
from runner.manifest.model import Manifest
from runner.manifest.places import Path
from runner.manifest.pricing import Inputs, cap_problems, price, seconds_of
from runner.manifest.problems import Problems
from runner.manifest.takes import with_seed
from runner.manifest.template import render_name


@dataclass(frozen=True, kw_only=True, slots=True)
class SpecMaker:
    """Makes the jobs of one manifest, parents before their children."""

    manifest: Manifest
    catalog: Catalog
    inputs: Inputs
    problems: Problems
    drafts: Mapping[str, Draft]
    date: str
    made: dict[str, JobSpec] = field(default_factory=dict)

    def spec(self, draft: Draft, needs: Sequence[str]) -> JobSpec:
        """The job; what is wrong with it is reported."""
        named, endpoint = draft.named, draft.named.template.endpoint
        body = self._with_files(draft, map_refs(draft.body, self._keyed))
        self._check_body(draft, body)
        body = with_seed(body, draft.take, endpoint, draft.info)
        spec = JobSpec(
            id=draft.id,
            key=job_key(endpoint, body, draft.take),
            template=named.name,
            take=draft.take,
            endpoint=endpoint,
            model=draft.model,
            media=draft.media,
            body=body,
            estimate=price(draft.info, body, self.inputs, self._durations(draft)),
            output=self._output(draft, body),
            needs=tuple(needs),
            tags=named.tags,
            priority=named.priority,
            max_credits=named.max_credits,
            line=self.manifest.document.place(named.template.path).line,
            sidecar=self.manifest.output.sidecar,
        )
        self._check_caps(draft, spec)
        self.made[spec.id] = spec
        return spec

    def _keyed(self, ref: OutputRef | AssetRef) -> Json:
        """A parent's output, named by the parent's key."""
        if isinstance(ref, AssetRef):
            return ref.to_json()
        parent = self.made.get(ref.job)  # None in a cycle, which is reported
        media = self.drafts[ref.job].media if ref.job in self.drafts else ""
        key = "" if parent is None else parent.key
        return OutputRef(job=ref.job, key=key, index=ref.index, media=media).to_json()

    def _with_files(self, draft: Draft, body: Body) -> Body:
        """The body with every local path replaced by the file it names."""
        if draft.info is None:
            return body
        files: dict[Path, Json] = {}
        for found in media_fields(draft.info, body):
            if not isinstance(found.value, str) or not is_local(found.value):
                continue
            try:
                files[found.path] = self.inputs.asset(found.value, found.media).to_json()
            except AssetProblem as problem:
                self._report(draft, found.path, problem.message, problem.hint)
        replaced: Body = _replaced(body, files) if files else body
        return replaced

    def _check_body(self, draft: Draft, body: Body) -> None:
        endpoint = draft.named.template.endpoint
        for finding in check_body(self.catalog, endpoint, body, unchecked=draft.named.unchecked):
            if finding.path and finding.path[0] in draft.failed:
                continue
            self._report(draft, finding.path, finding.message, finding.hint, finding.severity)

    def _check_caps(self, draft: Draft, spec: JobSpec) -> None:
        if draft.info is None and not draft.named.unchecked:
            return  # the model is unknown, which is reported
        per_job = self.manifest.budget.per_job
        for key, message, hint in cap_problems(spec, per_job):
            template = draft.named.template
            path = draft.named.layers.origin((key,)) if key else template.path
            self.problems.error(path, message, hint)

    def _durations(self, draft: Draft) -> Mapping[str, float]:
        found = {
            parent: seconds_of(self.made[parent].body)
            for parent in draft.parents
            if parent in self.made
        }
        return {parent: seconds for parent, seconds in found.items() if seconds is not None}

    def _output(self, draft: Draft, body: Body) -> str:
        """The pattern of the file name."""
        text = draft.named.output or self.manifest.output.name
        try:
            pattern = render_name(text, self._name_context(draft, body))
            check_pattern(pattern)
        except TemplateProblem as problem:
            self.problems.error(self._output_path(draft), problem.message, problem.hint)
        except UnsafeName as unsafe:
            self.problems.error(self._output_path(draft), f"{unsafe} (job `{draft.named.name}`)")
        else:
            return pattern
        return draft.id

    def _output_path(self, draft: Draft) -> Path:
        return draft.named.layers.origin(("output",)) if draft.named.output else ("output", "name")

    def _name_context(self, draft: Draft, body: Body) -> Mapping[str, Any]:
        known = {
            "vars": self.manifest.vars,
            "batch": self.manifest.name,
            "job": draft.id,
            "template": draft.named.name,
            "take": draft.take,
            "endpoint": draft.named.template.endpoint,
            "model": draft.model,
            "seed": body.get("seed"),
            "date": self.date or None,
        }
        why = f"job `{draft.named.name}` has no"
        return {
            name: absent(f"{why} `{name}`\nleave it out, or write `{name} | default('x')`")
            if value is None
            else value
            for name, value in known.items()
        }

    def _report(
        self, draft: Draft, path: Path, message: str, hint: str, severity: str = "error"
    ) -> None:
        self.problems.in_layers(
            draft.layers, path, draft.named.name, message, hint, severity=severity
        )


def _replaced(value: Json, files: Mapping[Path, Json], path: Path = ()) -> Json:
    if path in files:
        return files[path]
    if isinstance(value, Mapping):
        return {key: _replaced(item, files, (*path, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, files, (*path, index)) for index, item in enumerate(value)]
    return value
