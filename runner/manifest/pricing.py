"""What a job may cost, with the measures of its inputs; and whether its caps allow it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from runner.core.catalog import ModelInfo, media_fields
from runner.core.credits import CostBand, format_credits
from runner.core.estimate import estimate, priced_inputs
from runner.core.spec import AssetRef, Body, JobSpec, as_ref

_ADDED_UP = frozenset({"seconds", "frames"})
UNKNOWN = CostBand(low=0, expected=0, worst=None, confidence="none", note="not in the catalogue")


class Inputs(Protocol):
    """Local files, as expansion needs them."""

    def asset(self, value: str, media: str) -> AssetRef: ...

    def measures(self, asset: AssetRef) -> Mapping[str, float]: ...


def price(
    info: ModelInfo | None, body: Body, inputs: Inputs, durations: Mapping[str, float]
) -> CostBand:
    """The estimate; `durations` are the seconds of parents' outputs by job id, where known."""
    if info is None:
        return UNKNOWN
    return estimate(info, body, _measures(info, body, inputs, durations))


def _measures(
    info: ModelInfo, body: Body, inputs: Inputs, durations: Mapping[str, float]
) -> Mapping[str, float]:
    """Of all priced inputs together; a measure that one of them lacks is not known at all."""
    priced = priced_inputs(info)
    each = [
        _of_input(field.value, inputs, durations)
        for field in media_fields(info, body)
        if field.path[0] in priced
    ]
    shared = set.intersection(*(set(one) for one in each)) if each else set()
    return {name: (sum if name in _ADDED_UP else max)(one[name] for one in each) for name in shared}


def _of_input(value: object, inputs: Inputs, durations: Mapping[str, float]) -> Mapping[str, float]:
    ref = as_ref(value)
    if isinstance(ref, AssetRef):
        return inputs.measures(ref)
    if ref is not None and ref.job in durations:
        return {"seconds": durations[ref.job]}
    return {}


def cap_problems(spec: JobSpec, per_job: int | None) -> Iterator[tuple[str, str, str]]:
    """Key of the job (or empty), message and hint for every cap that its price passes."""
    band, bound = spec.estimate, spec.max_credits
    if band.worst is None and bound is None:
        why = f": {band.note}" if band.note else ""
        hint = "set `max_credits` on the job: as much is set aside for it"
        yield "", f"nobody knows what `{spec.template}` may cost{why}", hint
        return
    if bound is not None and band.expected > bound:
        cost, most = format_credits(band.expected), format_credits(bound)
        message = f"`{spec.template}` costs about {cost}, more than its `max_credits` of {most}"
        yield "max_credits", message, "raise `max_credits`, or make the job smaller"
    if (dear := dearer(spec, per_job, "`budget.per_job`")) is not None:
        yield "", dear, "raise `budget.per_job`, or make the job smaller"


def dearer(spec: JobSpec, per_job: int | None, cap: str) -> str | None:
    """What to say of a job that may cost more than the cap for one; None where it may not."""
    worst = spec.max_credits if spec.estimate.worst is None else spec.estimate.worst
    if per_job is None or worst is None or worst <= per_job:
        return None
    cost, most = format_credits(worst), format_credits(per_job)
    return f"`{spec.template}` may cost {cost}, more than {cap} of {most}"


def seconds_of(body: Body) -> float | None:
    """The length of what a body makes, where it says so."""
    duration = body.get("duration")
    if isinstance(duration, bool) or not isinstance(duration, int | float):
        return None
    return float(duration)
