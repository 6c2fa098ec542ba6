"""A plan for scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.app.forecast import Forecast
from runner.core.plan import Listing, Plan, PlanEntry, PlanRow
from runner.core.plan_reason import reason_of
from runner.core.price_memory import PriceNote

from .plan_table import by_model
from .quotas import iso, quota_json
from .show_problems import problems_json

#: kinds of jobs that are listed, each with count, credits and the first ids
_LISTED = ("duplicates", "renamed", "adopted", "refreshed", "stale", "orphaned", "held",
           "in_doubt", "blocked", "doomed", "unpriced")  # fmt: skip


def plan_json(plan: Plan, forecast: Forecast) -> dict[str, Any]:
    """The data of the envelope, without the jobs one by one."""
    cost = plan.cost
    return {
        "jobs": plan.jobs,
        "wanted": plan.wanted,
        "starting": plan.starting,
        "statuses": {status.value: count for status, count in plan.statuses.items()},
        "templates": [_row_json(row) for row in plan.rows],
        "models": list(_models_json(plan, forecast)),
        "cost": {"low": cost.low, "expected": cost.expected, "worst": cost.worst},
        **_limits_json(forecast),
        **{kind: listing_json(getattr(plan, kind)) for kind in _LISTED},
        "prices": [_price_json(note) for note in plan.price_notes],
        "assumed": [{"note": note, "jobs": jobs} for note, jobs in plan.notes.items()],
        "warnings": problems_json(plan.warnings),
    }


def entry_json(entry: PlanEntry) -> dict[str, Any]:
    """One job."""
    spec, stored = entry.spec, entry.stored
    return {
        "id": spec.id,
        "before": stored.id if stored is not None and stored.id != spec.id else None,
        "template": spec.template,
        "endpoint": spec.endpoint,
        "model": spec.model,
        "action": entry.action.value,
        "status": entry.status.value,
        "starts": entry.starts,
        "reason": reason_of(entry),
        "line": spec.line,
        "row": spec.row,
        "credits": {
            "low": spec.estimate.low,
            "expected": spec.estimate.expected,
            "worst": spec.reserve,
        },
    }


def listing_json(listing: Listing) -> dict[str, Any]:
    """How many, what they would cost at worst, and the first of them."""
    return {"jobs": listing.count, "credits": listing.credits, "ids": list(listing.ids)}


def _row_json(row: PlanRow) -> dict[str, Any]:
    return {
        "template": row.template, "endpoint": row.endpoint, "model": row.model,
        "jobs": row.jobs, "actions": dict(row.words), "starting": row.starting,
        "low": row.low, "expected": row.expected, "worst": row.worst,
        "confidence": row.confidence,
    }  # fmt: skip


def _models_json(plan: Plan, forecast: Forecast) -> Iterator[dict[str, Any]]:
    for lane, sums in by_model(plan).items():
        slots, quota = forecast.slots.get(lane), forecast.quota(lane)
        yield {
            "lane": lane, "starting": sums.starting,
            "low": sums.low, "expected": sums.expected, "worst": sums.worst,
            "slots": None if slots is None else slots.most,
            "daily_left": None if quota is None else quota.quota.left,
        }  # fmt: skip


def _limits_json(forecast: Forecast) -> dict[str, Any]:
    outlook, reading = forecast.outlook, forecast.standing.reading
    allowed = {found.name: found.jobs for found in outlook.allowances}
    return {
        "caps": [
            {"name": cap.name, "limit": cap.limit, "used": cap.used, "worst": cap.worst,
             "passes": cap.passes, "fitting": allowed.get(cap.name, 0)}
            for cap in forecast.caps
        ],
        "account": None if reading is None else {
            "balance": reading.organization.credit_balance,
            "read_at": iso(reading.asked_at),
            "asked_since": forecast.standing.unread,
            "kept": forecast.kept or 0,
            "spendable": forecast.spendable,
            "fitting": allowed.get("balance", 0),
        },
        "quotas": [
            quota_json(found.quota)
            | {"starting": found.starting, "last_start": iso(found.last_start),
               "within_a_day": found.within_a_day}
            for found in forecast.quotas
        ],
        "tonight": {
            "jobs": outlook.jobs,
            "now": forecast.at_once.jobs,
            "room_at": iso(forecast.room_at),
            "expected": outlook.expected,
            "of": outlook.starting,
            "limits": list(outlook.tight),
        },
    }  # fmt: skip


def _price_json(note: PriceNote) -> Mapping[str, Any]:
    return {
        "endpoint": note.endpoint, "model": note.model or None, "expected": note.expected,
        "seen": note.seen, "at": iso(note.at), "shapes": note.shapes, "message": note.message,
    }  # fmt: skip
