"""Is every job of a manifest within the policy? Each thing said once, with the job's place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from runner.core.catalog import Catalog, closest
from runner.core.spec import AssetRef, JobSpec, refs_in
from runner.core.spending_policy import SpendingPolicy
from runner.errors import Problem
from runner.manifest.pricing import dearer


def policy_problems(
    policy: SpendingPolicy, specs: Iterable[JobSpec], file: str
) -> tuple[Problem, ...]:
    """What the policy forbids, in the order of the jobs.

    Args:
        file: the manifest, as messages name it.
    """
    found = (problem for spec in specs for problem in _of_job(policy, spec, file))
    return tuple(dict.fromkeys(found))


def policy_warnings(
    policy: SpendingPolicy, specs: Iterable[JobSpec], catalog: Catalog
) -> tuple[Problem, ...]:
    """Caps for a model that nobody knows: they hold nothing back."""
    known = {model for each in catalog.endpoints.values() for model in each.models}
    known |= {*catalog.endpoints, *(spec.lane for spec in specs)}
    return tuple(
        Problem(
            message=f"the policy caps a model that nobody knows: `{model}`",
            hint=f"did you mean `{near}`?" if (near := closest(model, sorted(known))) else "",
            file=", ".join(policy.sources),
        )
        for model in policy.budget.models
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
    for ref in refs_in(spec.body):
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
