"""What Runway answers, as our types. Pure.

An answer is never trusted to have a shape: a field that is missing or odd is left out, and an
answer that lacks what is needed is `None`, which the caller calls unreadable.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from runner.core.spec import Json
from runner.core.task import CreatedTask, ModelLimits, Organization, Task, TaskStatus
from runner.errors import PermanentApiError

from .fields import as_credits, as_limit, as_number, as_object, as_text, as_time, is_task_id
from .redact import clean
from .wire import marked


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadSlot:
    """Where a file may be sent, and what it is called afterwards. All of it is secret."""

    url: str = field(repr=False)
    fields: Mapping[str, str] = field(repr=False)
    uri: str = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class DailyUse:
    """Credits that one model used on one day (UTC); negative where refunds prevail."""

    day: date
    model: str
    credits: int


def parse(body: bytes) -> Json:
    """JSON as sent, or None."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):  # RecursionError: brackets nested by the thousand
        return None


def created_from_json(data: Json, endpoint: str) -> CreatedTask | None:
    """The task that a create made; the estimate may sit in `routing`, or be absent."""
    task_id = as_object(data).get("id")
    if not is_task_id(task_id):
        return None
    estimate = as_credits(as_object(data).get("estimatedCost"))
    if estimate is None:
        estimate = as_credits(as_object(as_object(data).get("routing")).get("estimatedCost"))
    return CreatedTask(id=marked(task_id, endpoint), estimated_credits=estimate)


def task_from_json(data: Json, task_id: str) -> Task | None:
    """A task as read. One that has ended well with an output that is no link is unreadable.

    Raises:
        PermanentApiError: a status that this version does not know.
    """
    answer = as_object(data)
    word = answer.get("status")
    if not isinstance(word, str):
        return None
    try:
        status = TaskStatus(word)
    except ValueError:
        raise PermanentApiError(
            f"task `{clean(task_id)}` has a status that is not known: `{clean(word)}`",
            hint="a newer version of runway-batch may know it; the task is kept",
        ) from None
    links = _links(answer.get("output"))
    if links is None and status is TaskStatus.SUCCEEDED:
        return None  # to drop an output would be to lose what was paid for
    return Task(
        id=task_id,
        status=status,
        created_at=as_time(answer.get("createdAt")),
        progress=_progress(answer.get("progress")),
        output=links or (),
        failure=_failure(answer),
        failure_code=as_text(answer.get("failureCode"), most=100),
        estimated_credits=as_credits(answer.get("estimatedCost")),
        cost_credits=as_credits(answer.get("cost")),
    )


def organization_from_json(data: Json) -> Organization | None:
    """The account. A model whose limit cannot be read counts as absent from the map."""
    answer = as_object(data)
    balance = as_number(answer.get("creditBalance"))
    if balance is None:
        return None
    tier = as_object(answer.get("tier"))
    used = as_object(as_object(answer.get("usage")).get("models"))
    models = {
        name: ModelLimits(
            max_concurrent=as_limit(limits.get("maxConcurrentGenerations")),
            max_daily=as_limit(limits.get("maxDailyGenerations")),
            daily_used=as_limit(as_object(used.get(name)).get("dailyGenerations")) or 0,
        )
        for name, limits in as_object(tier.get("models")).items()
        if _has_limit(limits)
    }
    return Organization(
        credit_balance=math.floor(balance),
        models=models,
        max_monthly_credit_spend=as_limit(tier.get("maxMonthlyCreditSpend")),
    )


def usage_from_json(data: Json) -> tuple[DailyUse, ...] | None:
    """Use per day and model, in the order of the answer."""
    results = as_object(data).get("results")
    if not isinstance(results, list):
        return None
    return tuple(use for result in results for use in _uses(as_object(result)))


def upload_from_json(data: Json) -> UploadSlot | None:
    """The place to upload to; None where it is not both usable and safe."""
    answer = as_object(data)
    url, uri = answer.get("uploadUrl"), answer.get("runwayUri")
    fields = as_object(answer.get("fields"))
    if not isinstance(url, str) or not isinstance(uri, str) or not uri.startswith("runway://"):
        return None
    if not all(isinstance(value, str) for value in fields.values()):
        return None
    return UploadSlot(url=url, fields=fields, uri=uri)


def _has_limit(limits: Json) -> bool:
    """Whether the concurrency limit is a number, or null for unlimited."""
    if not isinstance(limits, dict) or "maxConcurrentGenerations" not in limits:
        return False
    value = limits["maxConcurrentGenerations"]
    return value is None or as_limit(value) is not None


def _progress(value: Json) -> float | None:
    amount = as_number(value)
    return None if amount is None else min(1.0, max(0.0, float(amount)))


def _links(value: Json) -> tuple[str, ...] | None:
    """Links in order, those of a workflow come per node; None where one is no text."""
    parts = value.values() if isinstance(value, dict) else [value]
    links: list[Json] = []
    for part in parts:
        links += part if isinstance(part, list) else [] if part is None else [part]
    texts = tuple(link for link in links if isinstance(link, str))
    return texts if len(texts) == len(links) else None


def _failure(answer: Mapping[str, Json]) -> str:
    """Why it failed; a workflow says so per node, even where the run as a whole succeeded."""
    text = as_text(answer.get("failure"))
    nodes = [as_text(as_object(node).get("message")) for node in _node_errors(answer)]
    return text or "; ".join(filter(None, nodes))


def _node_errors(answer: Mapping[str, Json]) -> list[Json]:
    return list(as_object(answer.get("nodeErrors")).values())


def _uses(result: Mapping[str, Json]) -> Iterator[DailyUse]:
    try:
        day = date.fromisoformat(result.get("date", ""))
    except (ValueError, TypeError):
        return
    used = result.get("usedCredits")
    for item in used if isinstance(used, list) else ():
        amount = as_number(as_object(item).get("amount"))
        if amount is not None:
            model = as_text(as_object(item).get("model"))
            yield DailyUse(day=day, model=model, credits=math.ceil(amount))
