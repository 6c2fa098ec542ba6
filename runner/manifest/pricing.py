"""What a job may cost, with the measures of its inputs; and whether its caps allow it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from runner.core.catalog import ModelInfo, media_fields
from runner.core.credits import CostBand, format_credits
from runner.core.estimate import deciding_inputs, needed_measures, priced_inputs, quick_estimate
from runner.core.price_memory import PriceMemory
from runner.core.price_shape import NOTHING_MEASURED, Measured
from runner.core.spec import AssetRef, Body, JobSpec, Json, as_ref
from runner.manifest.rows.table import RowSource, Table

_ADDED_UP = frozenset({"seconds", "frames"})
#: what stands in for the number of frames
_FRAMES_BY = frozenset({"seconds", "fps"})
UNKNOWN = CostBand(low=0, expected=0, worst=None, confidence="none", note="not in the catalogue")
#: why a length is not known
_LINK, _OUTPUT, _FILE = (
    "a link is not measured",
    "the output of another job is not there yet",
    "the file does not tell",
)


class Inputs(Protocol):
    """Local files, as expansion needs them."""

    def asset(self, value: str, media: str) -> AssetRef: ...

    def rows(self, source: RowSource) -> Table: ...

    def measures(self, asset: AssetRef) -> Mapping[str, float]: ...


def price(
    info: ModelInfo | None, body: Body, inputs: Inputs, durations: Mapping[str, float],
    memory: PriceMemory | None = None, endpoint: str = "",
) -> CostBand:  # fmt: skip
    """The estimate, with what Runway asked before for the same shape.

    Args:
        durations: the seconds of parents' outputs by job id, where known.
        endpoint: as the job names it (`workflows/ID`); empty: as the catalogue does.
    """
    if info is None:
        return UNKNOWN
    measured = _measured(info, body, inputs, durations)
    band = quick_estimate(info, body, measured)
    return band if memory is None else memory.adjusted(endpoint or info.endpoint, band)


def _measured(
    info: ModelInfo, body: Body, inputs: Inputs, durations: Mapping[str, float]
) -> Measured:
    """Of all deciding inputs of the body."""
    deciding = deciding_inputs(info)
    named = {name: body[name] for name in body if name in deciding} if deciding else {}
    if not named:
        return NOTHING_MEASURED
    needed, ours = needed_measures(info), priced_inputs(info)
    priced: list[Mapping[str, float]] = []
    others: list[Mapping[str, float]] = []
    missing: set[str] = set()
    for found in media_fields(info, named):
        name = found.path[0]
        if found.media not in deciding[str(name)]:
            continue
        known = _of_input(found.value, inputs, durations)
        (priced if name in ours else others).append(known)
        if not needed <= known.keys():
            missing.add(_why(found.value))
    return Measured(
        values=_together(priced, needed | _FRAMES_BY),
        others=_together(others, needed),
        missing=tuple(sorted(missing)) if missing else (),
    )


def _together(each: Sequence[Mapping[str, float]], names: frozenset[str]) -> Mapping[str, float]:
    """A measure that one of them lacks is not known at all."""
    if len(each) == 1:
        return {name: amount for name, amount in each[0].items() if name in names}
    return {
        name: (sum if name in _ADDED_UP else max)(one[name] for one in each)
        for name in names
        if each and all(name in one for one in each)
    }


def _of_input(value: Json, inputs: Inputs, durations: Mapping[str, float]) -> Mapping[str, float]:
    ref = as_ref(value)
    if isinstance(ref, AssetRef):
        return inputs.measures(ref)
    if ref is not None and ref.job in durations:
        return {"seconds": durations[ref.job]}
    return {}


def _why(value: Json) -> str:
    ref = as_ref(value)
    if ref is None:
        return _LINK
    return _FILE if isinstance(ref, AssetRef) else _OUTPUT


def cap_problems(spec: JobSpec, per_job: int | None) -> Iterator[tuple[str, str, str]]:
    """Key of the job (or empty), message and hint for every cap that its price passes.

    What Runway asked before is no error here: the job may be done, and is then only listed. See
    `asks_more`.
    """
    band, bound = spec.estimate, spec.max_credits
    if band.worst is None and bound is None:
        why = f": {band.note}" if band.note else ""
        hint = "set `max_credits` on the job: as much is set aside for it"
        yield "", f"nobody knows what `{spec.template}` may cost{why}", hint
        return
    if bound is not None and _at_least(band) > bound:
        cost, most = format_credits(_at_least(band)), format_credits(bound)
        message = f"`{spec.template}` costs about {cost}, more than its `max_credits` of {most}"
        yield "max_credits", message, "raise `max_credits`, or make the job smaller"
    if (dear := dearer(spec, per_job, "`budget.per_job`")) is not None:
        yield "", dear, "raise `budget.per_job`, or make the job smaller"


def _at_least(band: CostBand) -> int:
    """What a table expects, as far as it is left where Runway asked something else."""
    if not band.asked:
        return band.expected
    return band.low if band.confidence in {"high", "user"} else 0


def dearer(spec: JobSpec, per_job: int | None, cap: str) -> str | None:
    """What to say of a job that may cost more than the cap for one; None where it may not.

    Where Runway itself asked more, `asks_more` says so.
    """
    band = spec.estimate
    worst = spec.max_credits if band.worst is None else band.worst
    if per_job is None or worst is None or worst <= per_job or band.asked > per_job:
        return None
    cost, most = format_credits(worst), format_credits(per_job)
    return f"`{spec.template}` may cost {cost}, more than {cap} of {most}"


def asks_more(spec: JobSpec, per_job: int | None) -> str | None:
    """What to say of a job for whose like Runway asked more than its caps; None where it did not.

    As much is set aside for it as Runway asked, so that no other cap is passed.
    """
    caps = {"its `max_credits`": spec.max_credits, "`budget.per_job`": per_job}
    for name, cap in caps.items():
        if cap is not None and spec.estimate.asked > cap:
            asked = format_credits(spec.estimate.asked)
            return (
                f"Runway asked {asked} for a job like `{spec.template}`, more than {name} of"
                f" {format_credits(cap)}"
            )
    return None


def seconds_of(body: Body) -> float | None:
    """The length of what a body makes, where it says so."""
    duration = body.get("duration")
    if isinstance(duration, bool) or not isinstance(duration, int | float):
        return None
    return float(duration)
