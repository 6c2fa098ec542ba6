"""Limits of a batch and of its account, and new ones for a live run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runner.app.limits_view import LimitsView, read_limits, set_limits
from runner.core.credits import format_credits
from runner.errors import UsageError

from .caps import cap_words, in_order, is_of_run
from .options import Flags
from .output import Output
from .places import find
from .quotas import quota_json


@dataclass(frozen=True, kw_only=True, slots=True)
class NewLimits:
    """What `limits set` was told."""

    jobs: Mapping[str | None, int]  # None = in total
    max_credits: int | None


async def limits(flags: Flags, batch: str | None, *, emulator: bool) -> int:
    """Show them; reads only."""
    out = flags.output()
    view = await read_limits(await find(flags, batch, emulator=emulator))
    if out.json:
        out.envelope("limits", limits_json(view))
    else:
        show_limits(view, out)
    return 0


async def change_limits(
    flags: Flags, batch: str | None, wanted: NewLimits, *, emulator: bool
) -> int:
    """Tell the live run."""
    if not wanted.jobs and wanted.max_credits is None:
        raise UsageError("which limits?", hint="`-j N`, `-j MODEL=N` or `--max-credits N`")
    out = flags.output()
    ref = await find(flags, batch, emulator=emulator)
    lanes = {lane: most for lane, most in wanted.jobs.items() if lane is not None}
    data: dict[str, Any] = {"lanes": lanes}
    if None in wanted.jobs:
        data["total"] = wanted.jobs[None]
    if wanted.max_credits is not None:
        data["max_credits"] = wanted.max_credits
    answer = await set_limits(ref, data)
    if out.json:
        told = {key: answer.get(key) for key in ("total", "lanes", "max_credits")}
        out.envelope("limits set", {"batch": ref.name, **told})
        return 0
    out.data(f"{ref.name}: {_words(answer)}")
    return 0


def _words(answer: Mapping[str, Any]) -> str:
    """`at most 8 tasks, gen4_turbo 3; this run's cap 500 cr ($5.00)`."""
    total = answer.get("total")
    parts = [f"at most {total} tasks at Runway" if total else "no bound on all tasks"]
    parts += [f"{lane} {most}" for lane, most in (answer.get("lanes") or {}).items()]
    text = ", ".join(parts)
    cap = answer.get("max_credits")
    return text if cap is None else f"{text}; this run's cap {format_credits(int(cap))}"


def show_limits(view: LimitsView, out: Output) -> None:
    """A line for each model of the batch, or that a limit names; `--json` has all models."""
    rows = [
        (lane, _most(row["bound"]), _most(row["max_concurrent"]), str(row["at_runway"]),
         _daily(row["daily"]))
        for lane, row in _lanes(view).items()
        if lane in view.used_lanes or row["at_runway"] or row["bound"] is not None
    ]  # fmt: skip
    out.table(("model", ">bound", ">account", ">at Runway", "in 24 hours"), rows)
    out.data()
    total = "no bound" if view.total is None else f"at most {view.total}"
    told = "; the live run may have been told others" if view.live else ""
    out.data(f"tasks at Runway: {sum(view.at_runway.values())}, {total} in the manifest{told}")
    for cap in in_order(view.caps):
        if is_of_run(cap) and not view.live:
            continue
        used = f"{format_credits(cap.used)} of {format_credits(cap.limit)} used"
        out.data(f"cap {cap_words(cap.name)}: {used}")
    if view.reading is None:
        out.say("the account was not read in the last days: a run reads it")
        return
    at = view.reading.asked_at.astimezone()
    balance = format_credits(view.reading.organization.credit_balance)
    out.data(f"balance: {balance}, read {at:%Y-%m-%d %H:%M}")


def limits_json(view: LimitsView) -> dict[str, Any]:
    reading = view.reading
    return {
        "batch": view.batch,
        "live": view.live,
        "total": view.total,
        "at_runway": sum(view.at_runway.values()),
        "lanes": [{"lane": lane, **row} for lane, row in _lanes(view).items()],
        "balance": reading.organization.credit_balance if reading else None,
        "read_at": reading.asked_at.isoformat() if reading else None,
        "caps": [
            {"name": cap.name, "limit": cap.limit, "used": cap.used, "available": cap.available}
            for cap in view.caps
        ],
    }


def _lanes(view: LimitsView) -> dict[str, dict[str, Any]]:
    models = view.reading.organization.models if view.reading else {}
    names = sorted({*models, *view.lanes, *view.at_runway})
    return {
        name: {
            "bound": view.lanes.get(name),
            "max_concurrent": models[name].max_concurrent if name in models else None,
            "at_runway": view.at_runway.get(name, 0),
            "daily": quota_json(view.quotas[name]) if name in view.quotas else None,
        }
        for name in names
    }


def _most(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


def _daily(quota: Mapping[str, Any] | None) -> str:
    if quota is None:
        return ""
    most = "no limit" if quota["most"] is None else f"of {quota['most']:,}"
    others = f", {quota['by_others']:,} by others" if quota["by_others"] else ""
    return f"{quota['used']:,} {most}{others}"
