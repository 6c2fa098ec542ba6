"""What Runway answers about Model Routers, as our types. Pure.

The history of a router is evidence of what was paid for, so nothing that may be a task is left
out of it: one entry that makes no sense makes the page unreadable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from runner.core.spec import Json
from runner.core.task import RouterRequest

from .fields import as_credits, as_number, as_object, as_text, as_time, is_task_id

MOST_PER_PAGE = 100
#: ways in which a router's attempt ends before there can be a task
_NOT_ROUTED = ("no_eligible_model", "router_config_not_found", "invalid_request")

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Page(Generic[T]):
    """One page of a list, and where the next one is found; None: this was the last."""

    items: tuple[T, ...]
    next_cursor: str | None = None


def routers_from_json(data: Json) -> Page[tuple[str, str]] | None:
    """Slug and id of Model Routers; one that lacks either cannot be used and is left out."""
    entries = _entries(data)
    if entries is None:
        return None
    named = ((entry.get("slug"), entry.get("id")) for entry in entries)
    routers = tuple(
        (slug, id_) for slug, id_ in named if isinstance(slug, str) and isinstance(id_, str)
    )
    return Page(items=routers, next_cursor=_cursor(data))


def routed_from_json(data: Json) -> Page[RouterRequest] | None:
    """A Model Router's history, without what came to no task. One odd entry spoils the page.

    To drop it would be to say that a task which was paid for does not exist.
    """
    entries = _entries(data)
    if entries is None:
        return None
    found = [_routed(entry) for entry in entries if not _came_to_nothing(entry)]
    requests = tuple(request for request in found if request is not None)
    return Page(items=requests, next_cursor=_cursor(data)) if len(requests) == len(found) else None


def is_enough(page: Page[RouterRequest], since: datetime) -> bool:
    """Whether what follows the page is older: it has its newest first and reached past `since`."""
    times = [request.created_at for request in page.items]
    is_newest_first = times == sorted(times, reverse=True) and times[:1] != times[-1:]
    return is_newest_first and times[-1] < since


def _routed(entry: Mapping[str, Json]) -> RouterRequest | None:
    task_id, created_at = entry.get("taskId"), as_time(entry.get("createdAt"))
    if created_at is None or not (task_id is None or is_task_id(task_id)):
        return None
    amount = as_number(entry.get("estimatedCredits"))
    return RouterRequest(
        task_id=task_id,
        created_at=created_at,
        model=as_text(entry.get("model"), most=100),
        estimated_credits=as_credits({"credits": amount}),
    )


def _came_to_nothing(entry: Mapping[str, Json]) -> bool:
    return entry.get("taskId") is None and entry.get("status") in _NOT_ROUTED


def _entries(data: Json) -> list[Mapping[str, Json]] | None:
    entries = as_object(data).get("data")
    return list(map(as_object, entries)) if isinstance(entries, list) else None


def _cursor(data: Json) -> str | None:
    cursor = as_object(data).get("nextCursor")
    return cursor if isinstance(cursor, str) and cursor else None
