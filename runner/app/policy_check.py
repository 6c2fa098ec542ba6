"""Is every job of a manifest within the policy? Each thing said once, with the job's place."""

from __future__ import annotations

from collections.abc import Iterator

from runner.core.catalog import Catalog, closest
from runner.core.spec import AssetRef, JobSpec, refs_in
from runner.core.spending_policy import SpendingPolicy
from runner.errors import Problem
from runner.manifest.pricing import dearer

#: problems that are told; a policy that refuses more refuses all
MOST_PROBLEMS = 1000


class PolicyCheck:
    """Looks at jobs one by one."""

    def __init__(self, policy: SpendingPolicy, file: str) -> None:
        """`file` is the manifest, as messages name it."""
        self._policy = policy
        self._file = file
        self._found: dict[Problem, None] = {}
        self._lanes: set[str] = set()

    def look(self, spec: JobSpec) -> None:
        """One job."""
        if not self._policy.sources:
            return
        self._lanes.add(spec.lane)
        if len(self._found) < MOST_PROBLEMS:
            self._found.update(dict.fromkeys(_of_job(self._policy, spec, self._file)))

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What the policy forbids, in the order of the jobs."""
        return tuple(self._found)

    def warnings(self, catalog: Catalog) -> tuple[Problem, ...]:
        """Caps for a model that nobody knows: they hold nothing back."""
        known = {model for each in catalog.endpoints.values() for model in each.models}
        known |= {*catalog.endpoints, *self._lanes}
        return tuple(
            Problem(
                message=f"the policy caps a model that nobody knows: `{model}`",
                hint=f"did you mean `{near}`?" if (near := closest(model, sorted(known))) else "",
                file=", ".join(self._policy.sources),
            )
            for model in self._policy.budget.models
            if model not in known
        )


def _of_job(policy: SpendingPolicy, spec: JobSpec, file: str) -> Iterator[Problem]:
    for message, hint in (*_model(policy, spec), *_inputs(policy, spec), *_price(policy, spec)):
        yield Problem(message=message, hint=hint, file=file, line=spec.line)


def _model(policy: SpendingPolicy, spec: JobSpec) -> Iterator[tuple[str, str]]:
    refusal = policy.refuses_model(spec.lane)
    if refusal is not None:
        message = f"`{spec.template}` uses `{spec.lane}`, which the policy {refusal.source} forbids"
        yield message, f"it allows: {', '.join(refusal.names) or 'none'}"


def _inputs(policy: SpendingPolicy, spec: JobSpec) -> Iterator[tuple[str, str]]:
    for ref in refs_in(spec.body) if policy.folders else ():
        refusal = policy.refuses_input(ref.path) if isinstance(ref, AssetRef) else None
        if isinstance(ref, AssetRef) and refusal is not None:
            why = f"which the policy {refusal.source} does not allow as a place of inputs"
            message = f"`{spec.template}` reads `{ref.path}`, {why}"
            yield message, f"move it to one of: {', '.join(refusal.names) or 'none is allowed'}"


def _price(policy: SpendingPolicy, spec: JobSpec) -> Iterator[tuple[str, str]]:
    cap = f"`budget.per_job` of the policy {' and '.join(policy.sources)}"
    message = dearer(spec, policy.budget.per_job, cap)
    if message is not None:
        yield message, "make the job smaller"
