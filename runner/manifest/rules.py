"""Budget, schedule and halt limits: from checked values to what they mean."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from runner.core.budget import BudgetSpec
from runner.core.catalog import closest
from runner.core.credits import parse_credits
from runner.core.halting import HaltLimits
from runner.core.schedule import parse_duration, parse_window, zone_named
from runner.core.spec import Json
from runner.errors import Problem, UsageError
from runner.manifest.model import ScheduleSpec
from runner.manifest.places import Document, Path

_AMOUNTS = ("credits", "per_job", "per_day", "per_month", "keep_balance")


def _some_time(text: str) -> None:
    if not parse_duration(text):
        raise ValueError(f"expected a duration longer than nothing, found `{text}`")


#: key of `schedule`, what reads it, and what to do where that fails (empty: name a zone)
_TIMES: tuple[tuple[str, Callable[[str], object], str], ...] = (
    ("window", parse_window, "leave `window` out to submit at any time"),
    ("timezone", zone_named, ""),
    ("max_duration", _some_time, "leave `max_duration` out for no limit"),
)


def budget_of(raw: Json) -> BudgetSpec:
    """A bare amount is one for the life of the batch."""
    if not isinstance(raw, Mapping):
        return BudgetSpec(credits=parse_credits(raw))
    amounts = {key: parse_credits(raw[key]) for key in _AMOUNTS if key in raw}
    return BudgetSpec(
        **amounts, models=_each(raw.get("models", {})), tags=_each(raw.get("tags", {}))
    )


def _each(raw: Mapping[str, Json]) -> dict[str, int]:
    return {key: parse_credits(value) for key, value in raw.items()}


def amount_problems(document: Document) -> Iterator[Problem]:
    """What is written as an amount, and is more than there can be."""
    for path, value in _amounts(document.value):
        try:
            parse_credits(value)
        except UsageError as error:
            yield document.problem(path, error.message, error.hint)


def _amounts(value: Mapping[str, Json]) -> Iterator[tuple[Path, Json]]:
    """Of a manifest, with their places."""
    raw = value.get("budget", {})
    if isinstance(raw, Mapping):
        yield from ((("budget", key), raw[key]) for key in _AMOUNTS if key in raw)
        for part in ("models", "tags"):
            each = raw.get(part, {}).items()
            yield from ((("budget", part, name), amount) for name, amount in each)
    else:
        yield ("budget",), raw
    if "confirm_over" in value:
        yield ("confirm_over",), value["confirm_over"]


def schedule_of(raw: Mapping[str, Json]) -> ScheduleSpec:
    """Without problems in it."""
    zone, longest = raw.get("timezone", ""), raw.get("max_duration")
    return ScheduleSpec(
        window=parse_window(raw["window"], zone) if "window" in raw else None,
        max_duration_s=None if longest is None else parse_duration(longest),
    )


def schedule_problems(document: Document) -> Iterator[Problem]:
    """What the schema cannot say about times, in the order of its keys."""
    raw = document.value.get("schedule", {})
    for key, read, hint in _TIMES:
        try:
            if key in raw:
                read(raw[key])
        except ValueError as error:
            yield document.problem(("schedule", key), str(error), hint or _near_zone(raw[key]))
    if "timezone" in raw and "window" not in raw:
        message = "`timezone` is that of a `window`, and there is none"
        yield document.problem(("schedule", "timezone"), message, key=True)


def _near_zone(name: str) -> str:
    near = closest(name, sorted(zoneinfo.available_timezones()))
    return f"did you mean `{near}`?" if near else "name it as in `Europe/Paris`"


def halt_of(raw: Mapping[str, Json]) -> HaltLimits:
    """`failures` is a number, or a share of those that have ended."""
    limits: dict[str, Any] = {key: raw[key] for key in ("same_error", "refusals") if key in raw}
    failures = raw.get("failures")
    if isinstance(failures, str):
        limits["failures_share"] = float(failures.strip().removesuffix("%")) / 100
    elif failures is not None:
        limits["failures"] = failures
    return HaltLimits(**limits)
