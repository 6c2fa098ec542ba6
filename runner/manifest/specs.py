"""A draft to a `JobSpec`: parents' keys, files' digests, the body's check, price and file name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runner.core.catalog import Catalog, ModelInfo, media_fields
from runner.core.naming import UnsafeName, same_file
from runner.core.price_memory import PriceMemory
from runner.core.spec import AssetRef, Body, JobSpec, Json, OutputRef, job_key, map_refs, refs_in
from runner.manifest.assets import AssetProblem, is_local
from runner.manifest.bodies import check_body
from runner.manifest.body_check import BodyChecker
from runner.manifest.bodyplan import BodyPlan
from runner.manifest.drafts import Draft
from runner.manifest.expression import absent
from runner.manifest.hints import Hint
from runner.manifest.input_check import input_findings
from runner.manifest.jobkeys import KeyMaker
from runner.manifest.known_later import TemplateProblem
from runner.manifest.merging import Origin
from runner.manifest.model import DEFAULT_NAME, SHARDED_NAME, Manifest
from runner.manifest.outputnames import NamePlan
from runner.manifest.places import Path
from runner.manifest.pricing import Inputs, cap_problems, price
from runner.manifest.problems import Problems
from runner.manifest.records import JobRecord, Records
from runner.manifest.takes import with_seed
from runner.manifest.words import some

#: media that has frames, or may have
_WITH_FRAMES = frozenset({"video", "any", ""})
#: formats of one file with 8 bits, or 10 of the same range; others are sequences or HDR
_FRAMED = frozenset({None, "mp4", "mov", "prores", "sdr_rec709_10bit"})
_BARE_TEMPLATE = re.compile(r"(?<!\$)\{\{[^{}]*\}\}")


@dataclass(frozen=True, kw_only=True, slots=True)
class SpecFacts:
    """What jobs depend on besides their manifest."""

    date: str = ""  # of the plan, `2026-10-23`
    memory: PriceMemory | None = None  # prices that Runway asked before
    sharded: bool = False  # default file names are spread over folders


@dataclass(kw_only=True, slots=True)
class SpecMaker:
    """Makes the jobs of one manifest, parents before their children."""

    manifest: Manifest
    catalog: Catalog
    inputs: Inputs
    problems: Problems
    records: Records
    facts: SpecFacts
    is_checking: bool = True  # bodies, files and caps; not on a second reading
    _names: dict[str, NamePlan] = field(init=False, default_factory=dict)
    _checkers: dict[ModelInfo, BodyChecker] = field(init=False, default_factory=dict)

    def spec(self, draft: Draft, needs: Sequence[str]) -> JobSpec:
        """The job; what is wrong with it is reported."""
        named, plan = draft.named, draft.plan
        body: Body = draft.body
        if draft.parents:
            body = map_refs(body, self._keyed)
            self._check_frames(draft, body)
        written, body = body, self._with_files(draft, body)
        if self.is_checking:
            self._check_body(draft, body)
            if body is not written:
                self._check_files(draft, body)
        body = with_seed(body, draft.take, plan.name, plan.info)
        keys = named.keys
        spec = JobSpec(
            id=draft.id,
            key=job_key(plan.name, body, draft.take),
            template=named.name,
            take=draft.take,
            endpoint=plan.name,
            model=plan.model,
            media=draft.media,
            body=body,
            estimate=price(
                plan.info, body, self.inputs, self._durations(draft), self.facts.memory, plan.name
            ),
            output=self._output(draft, body),
            needs=tuple(needs),
            tags=keys.tags,
            priority=keys.priority,
            max_credits=keys.max_credits,
            line=plan.keys.line,
            row=named.instance.place,
            sidecar=self.manifest.output.sidecar,
            unpack=plan.keys.unpack,
        )
        if self.is_checking:
            self._check_caps(draft, spec)
        return spec

    def _keyed(self, ref: OutputRef | AssetRef) -> Json:
        """A parent's output, named by the parent's key."""
        if isinstance(ref, AssetRef):
            return ref.to_json()
        parent = self.records.get(ref.job)
        key, media = ("", "") if parent is None else (parent.key, parent.media)
        media = "image" if ref.frame else media
        return OutputRef(
            job=ref.job, key=key, index=ref.index, media=media, frame=ref.frame
        ).to_json()

    def _check_frames(self, draft: Draft, body: Body) -> None:
        """Only a video has frames."""
        for ref in refs_in(body):
            record = self.records.get(ref.job) if isinstance(ref, OutputRef) and ref.frame else None
            if record is not None and (why := _without_frames(record)):
                self._report(draft, (), f"`{record.id}` makes {why}", "take its `output`")

    def _with_files(self, draft: Draft, body: Body) -> Body:
        """The body with every local path replaced by the file it names."""
        info = draft.plan.info
        if info is None or not any(_may_be_local(body.get(name)) for name in draft.plan.media):
            return body
        files: dict[Path, Json] = {}
        for found in media_fields(info, body):
            if not isinstance(found.value, str) or not is_local(found.value):
                continue
            folder = draft.plan.folder(str(found.path[0]))
            path = f"{folder}/{found.value}" if folder else found.value
            try:
                files[found.path] = self.inputs.asset(path, found.media).to_json()
            except AssetProblem as problem:
                hint = _without_dollar(found.value) or problem.later_hint
                self._report(draft, found.path, problem.message, hint)
        replaced: Body = _replaced(body, files) if files else body
        return replaced

    def _check_body(self, draft: Draft, body: Body) -> None:
        plan = draft.plan
        if not draft.failed and plan.info is not None and self._checker(plan).fits(body):
            return
        unchecked = plan.keys.unchecked
        for finding in check_body(self.catalog, plan.name, body, unchecked=unchecked):
            if finding.path and finding.path[0] in draft.failed:
                continue
            self._report(draft, finding.path, finding.message, finding.hint, finding.severity)

    def _check_files(self, draft: Draft, body: Body) -> None:
        """What the service asks of pictures and videos, as far as the files tell."""
        info = draft.plan.info
        if info is None:
            return
        for finding in input_findings(info, body, self.inputs.measures):
            self._report(draft, finding.path, finding.message, finding.hint, finding.severity)

    def _checker(self, plan: BodyPlan) -> BodyChecker:
        assert plan.info is not None, "asked for known models only"  # noqa: S101 - our bug
        checker = self._checkers.get(plan.info)
        if checker is None:
            checker = BodyChecker(self.catalog, plan.info.endpoint, plan.info)
            self._checkers[plan.info] = checker
        return checker

    def _check_caps(self, draft: Draft, spec: JobSpec) -> None:
        keys = draft.plan.keys
        if draft.plan.info is None and not keys.unchecked:
            return  # the model is unknown, which is reported
        for key, message, hint in cap_problems(spec, self.manifest.budget.per_job):
            origin = _of_job(keys)
            if key:
                origin = keys.layers.origin((key,))
            self.problems.error(origin, message, hint, row=spec.row)

    def _durations(self, draft: Draft) -> Mapping[str, float]:
        found = {}
        for parent in draft.parents:
            record = self.records.get(parent)
            if record is not None and record.seconds is not None:
                found[parent] = record.seconds
        return found

    def _output(self, draft: Draft, body: Body) -> str:
        """The pattern of the file name."""
        text = draft.plan.keys.output or self.manifest.output.name
        if self.facts.sharded and text == DEFAULT_NAME:
            text = SHARDED_NAME
        try:
            plan = self._name_plan(text)
            pattern = plan.pattern(self._name_context(draft, body, plan))
            same_file(pattern)
        except TemplateProblem as problem:
            self._refuse_name(draft, problem.message, problem.later_hint)
        except UnsafeName as unsafe:
            self._refuse_name(draft, f"{unsafe} (job `{draft.named.name}`)")
        else:
            return pattern
        return draft.id

    def _name_plan(self, text: str) -> NamePlan:
        plan = self._names.get(text)
        if plan is None:
            plan = self._names[text] = NamePlan(text)
        return plan

    def _refuse_name(self, draft: Draft, message: str, hint: Hint = "") -> None:
        keys = draft.plan.keys
        origin: Origin = (self.manifest.document, ("output", "name"))
        if keys.output:
            origin = keys.layers.origin(("output",))
        self.problems.error(origin, message, hint, row=draft.named.instance.place)

    def _name_context(self, draft: Draft, body: Body, plan: NamePlan) -> Mapping[str, Any]:
        known = dict(draft.names)
        for name in plan.wanted:
            value = self._fact(name, draft, body)
            known[name] = absent(_why(draft.named.name, name)) if value is None else value
        return known

    def _fact(self, name: str, draft: Draft, body: Body) -> Json:
        """What only file names may name."""
        match name:
            case "template":
                return draft.named.name
            case "endpoint":
                return draft.plan.name
            case "model":
                return draft.plan.model
            case "seed":
                return body.get("seed")
        return self.facts.date or None

    def _report(
        self, draft: Draft, path: Path, message: str, hint: Hint, severity: str = "error"
    ) -> None:
        self.problems.in_layers(
            draft.plan.layers, path, draft.named.name, message, hint,
            severity=severity, row=draft.named.instance.place,
        )  # fmt: skip


def _why(job: str, name: str) -> str:
    return f"job `{job}` has no `{name}`\nleave it out, or write `{name} | default('x')`"


def _of_job(keys: KeyMaker) -> Origin:
    return keys.template.document, keys.template.path


def _without_frames(record: JobRecord) -> str:
    """What a job makes that no frame can be taken of; empty where one can."""
    if record.media not in _WITH_FRAMES:
        return f"{some(record.media)}, which has no frames"
    if record.format not in _FRAMED:
        return f"`{record.format}`, of which no frame can be taken as it looks"
    return ""


def _without_dollar(value: str) -> str:
    """A hint where a template was meant: `{{ file }}`."""
    template = _BARE_TEMPLATE.search(value)
    return f"a template begins with `$`: write `${template[0]}`" if template else ""


def _may_be_local(value: Json) -> bool:
    return is_local(value) if isinstance(value, str) else value is not None


def _replaced(value: Json, files: Mapping[Path, Json], path: Path = ()) -> Json:
    if path in files:
        return files[path]
    if isinstance(value, Mapping):
        return {key: _replaced(item, files, (*path, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, files, (*path, index)) for index, item in enumerate(value)]
    return value
