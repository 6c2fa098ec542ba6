"""What Runway answers, as our types. Pure.

An answer is never trusted to have a shape: a field that is missing or odd is left out, and an
answer that lacks what is needed is `None`, which the caller calls unreadable.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from runner.core.spec import Json
from runner.core.task import CreatedTask, ModelLimits, Organization, Task, TaskStatus
from runner.errors import PermanentApiError

from .redact import clean
from .wire import marked

#: an id becomes part of paths and is shown: printable ASCII without spaces and slashes
_ID = re.compile(r"[!-.0-\[\]-~]{1,100}")
_MOST_CREDITS = 10**12  # more than that is no amount


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


def is_task_id(text: str) -> bool:
    """Whether the text can be the id of a task: printable ASCII, no spaces or slashes, 1..100."""
    return _ID.fullmatch(text) is not None


def parse(body: bytes) -> Json:
    """JSON as sent, or None."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):  # RecursionError: brackets nested by the thousand
        return None


def created_from_json(data: Json, endpoint: str) -> CreatedTask | None:
    """The task that a create made; the estimate may sit in `routing`, or be absent."""
    task_id = _object(data).get("id")
    if not isinstance(task_id, str) or not is_task_id(task_id):
        return None
    estimate = _credits(_object(data).get("estimatedCost"))
    if estimate is None:
        estimate = _credits(_object(_object(data).get("routing")).get("estimatedCost"))
    return CreatedTask(id=marked(task_id, endpoint), estimated_credits=estimate)


def task_from_json(data: Json, task_id: str) -> Task | None:
    """A task as read. One that has ended well with an output that is no link is unreadable.

    Raises:
        PermanentApiError: a status that this version does not know.
    """
    answer = _object(data)
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
        created_at=_time(answer.get("createdAt")),
        progress=_progress(answer.get("progress")),
        output=links or (),
        failure=_failure(answer),
        failure_code=_text(answer.get("failureCode"), most=100),
        estimated_credits=_credits(answer.get("estimatedCost")),
        cost_credits=_credits(answer.get("cost")),
    )


def organization_from_json(data: Json) -> Organization | None:
    """The account. A model whose limit cannot be read counts as absent from the map."""
    answer = _object(data)
    balance = _number(answer.get("creditBalance"))
    if balance is None:
        return None
    tier = _object(answer.get("tier"))
    used = _object(_object(answer.get("usage")).get("models"))
    models = {
        name: ModelLimits(
            max_concurrent=_limit(limits.get("maxConcurrentGenerations")),
            max_daily=_limit(limits.get("maxDailyGenerations")),
            daily_used=_limit(_object(used.get(name)).get("dailyGenerations")) or 0,
        )
        for name, limits in _object(tier.get("models")).items()
        if _has_limit(limits)
    }
    return Organization(
        credit_balance=math.floor(balance),
        models=models,
        max_monthly_credit_spend=_limit(tier.get("maxMonthlyCreditSpend")),
    )


def usage_from_json(data: Json) -> tuple[DailyUse, ...] | None:
    """Use per day and model, in the order of the answer."""
    results = _object(data).get("results")
    if not isinstance(results, list):
        return None
    return tuple(use for result in results for use in _uses(_object(result)))


def upload_from_json(data: Json) -> UploadSlot | None:
    """The place to upload to; None where it is not both usable and safe."""
    answer = _object(data)
    url, uri = answer.get("uploadUrl"), answer.get("runwayUri")
    fields = _object(answer.get("fields"))
    if not isinstance(url, str) or not isinstance(uri, str) or not uri.startswith("runway://"):
        return None
    if not all(isinstance(value, str) for value in fields.values()):
        return None
    return UploadSlot(url=url, fields=fields, uri=uri)


def _object(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _text(value: Json, *, most: int = 500) -> str:
    return clean(value, most=most) if isinstance(value, str) else ""


def _number(value: Json) -> float | None:
    """A finite number of sane size; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if -_MOST_CREDITS < value < _MOST_CREDITS else None


def _credits(value: Json) -> int | None:
    """`{"credits": n}`; fractions round up, but not what only floating point added."""
    amount = _number(_object(value).get("credits"))
    return None if amount is None or amount < 0 else math.ceil(amount - 1e-9)


def _limit(value: Json) -> int | None:
    amount = _number(value)
    return None if amount is None or amount < 0 else math.floor(amount)


def _has_limit(limits: Json) -> bool:
    """Whether the concurrency limit is a number, or null for unlimited."""
    if not isinstance(limits, dict) or "maxConcurrentGenerations" not in limits:
        return False
    value = limits["maxConcurrentGenerations"]
    return value is None or _limit(value) is not None


def _progress(value: Json) -> float | None:
    amount = _number(value)
    return None if amount is None else min(1.0, max(0.0, float(amount)))


def _time(value: Json) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


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
    text = _text(answer.get("failure"))
    nodes = [_text(_object(node).get("message")) for node in _node_errors(answer)]
    return text or "; ".join(filter(None, nodes))


def _node_errors(answer: Mapping[str, Json]) -> list[Json]:
    return list(_object(answer.get("nodeErrors")).values())


def _uses(result: Mapping[str, Json]) -> Iterator[DailyUse]:
    try:
        day = date.fromisoformat(result.get("date", ""))
    except (ValueError, TypeError):
        return
    used = result.get("usedCredits")
    for item in used if isinstance(used, list) else ():
        amount = _number(_object(item).get("amount"))
        if amount is not None:
            model = _text(_object(item).get("model"))
            yield DailyUse(day=day, model=model, credits=math.ceil(amount))
