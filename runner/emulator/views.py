"""How records look from outside: the JSON of the API."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from runner.emulator.records import RoutedRequest, RouterRecord, TaskRecord

Json = Any


def status_of(task: TaskRecord, now: float) -> str:
    """The status that follows from the task's times."""
    if task.start_at is None:
        return "THROTTLED"
    if now < task.start_at:
        return "PENDING"
    if not task.ended:
        return "RUNNING"
    return "FAILED" if task.failure else "SUCCEEDED"


def task_view(
    task: TaskRecord, now: float, *, links: Iterable[str], costs: bool, erratic: bool
) -> Json:
    """`GET /v1/tasks/{id}`."""
    status = status_of(task, now)
    view: dict[str, Json] = {"id": task.id, "createdAt": iso(task.created_at), "status": status}
    if costs and status in {"PENDING", "THROTTLED", "RUNNING"}:
        view["estimatedCost"] = {"credits": task.estimate}
    elif costs:
        view["cost"] = {"credits": task.charged}
    if status == "RUNNING":
        view["progress"] = progress_of(task, now, erratic=erratic)
    elif status == "SUCCEEDED":
        view["output"] = list(links)
    elif status == "FAILED":
        view |= _failure(task)
    return view


def invocation_view(task: TaskRecord, now: float, *, links: Mapping[str, list[str]]) -> Json:
    """`GET /v1/workflow_invocations/{id}`: no estimate, outputs by node."""
    status = status_of(task, now)
    view: dict[str, Json] = {"id": task.id, "createdAt": iso(task.created_at), "status": status}
    if status == "RUNNING":
        view |= {"progress": progress_of(task, now, erratic=False), "output": {}}
    elif status == "SUCCEEDED":
        view |= {"output": dict(links), "cost": {"credits": task.charged}}
    elif status == "FAILED":
        view |= {**_failure(task), "cost": {"credits": task.charged}}
    return view


def _failure(task: TaskRecord) -> dict[str, Json]:
    code = {} if task.failure_code is None else {"failureCode": task.failure_code}
    return {"failure": task.failure, **code}


def progress_of(task: TaskRecord, now: float, *, erratic: bool) -> float:
    """0..1. Erratic progress stalls, jumps and may fall, as some models report it."""
    started = now if task.start_at is None else task.start_at
    share = min(0.99, max(0.0, (now - started) / max(task.generation_s, 1e-9)))
    if not erratic:
        return round(share, 2)
    step = int(share * 8)
    return round(random.Random(f"{task.id}/{step}").uniform(0.0, min(0.99, (step + 3) / 8)), 2)


def usage_view(amounts: Mapping[date, Mapping[str, int]], first: date, before: date) -> Json:
    """`POST /v1/organization/usage`: credits by UTC day and model; refunds count negative."""
    days = {day: used for day, used in sorted(amounts.items()) if first <= day < before}
    return {
        "models": sorted({model for used in days.values() for model in used}),
        "results": [
            {
                "date": day.isoformat(),
                "usedCredits": [{"model": m, "amount": n} for m, n in sorted(used.items())],
            }
            for day, used in days.items()
        ],
    }


def router_view(router: RouterRecord) -> Json:
    return {
        "id": router.id,
        "slug": router.slug,
        "name": router.name,
        "description": router.description,
        "settings": {"schemaVersion": 1, **router.settings},
        "createdAt": iso(router.created_at),
        "updatedAt": iso(router.updated_at),
        "version": router.version,
    }


def routed_view(request: RoutedRequest) -> Json:
    return {
        "id": request.id,
        "requestId": request.id,
        "createdAt": iso(request.created_at),
        "status": request.status,
        "taskId": request.task,
        "model": request.model,
        "provider": request.provider,
        "estimatedCredits": request.credits,
        "reasonCode": request.reason_code,
        "reason": None,
        "pipeline": list(request.pipeline),
        "emptiedBy": list(request.emptied_by),
    }


def iso(at: float) -> str:
    """ISO 8601 in UTC with milliseconds and `Z`."""
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def day_of(at: float) -> date:
    return datetime.fromtimestamp(at, UTC).date()
