"""Runway's developer API on the wire: base URL, headers, paths and bodies of requests. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date
from urllib.parse import quote, urlencode

from runner.core.links import is_safe
from runner.core.spec import Body
from runner.errors import PermanentApiError, UsageError

from .redact import clean

BASE_URL = "https://api.dev.runwayml.com"
API_VERSION = "2024-11-06"  # the newest; an old one lives four months after its successor

#: a workflow's run has an id of its own kind, read elsewhere; marked, so that the id says so
WORKFLOWS = "workflows/"
WORKFLOW_MARK = ".workflow"


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One call; the key is added by the transport."""

    method: str
    path: str
    body: bytes | None = field(default=None, repr=False)


def checked_base_url(text: str) -> str:
    """The base URL without a trailing slash.

    Raises:
        UsageError: neither HTTPS nor this machine, or not a plain base.
    """
    base = text.strip().rstrip("/")
    if not is_safe(base) or any(char in base for char in "?#\\ "):
        raise UsageError(
            f"not a base URL: `{clean(text)}`",
            hint=f"use `{BASE_URL}`, another `https://` address or `http://127.0.0.1:PORT`",
        )
    return base


def headers(key: str, user_agent: str) -> dict[str, str]:
    """What every call carries. Uncompressed answers: a small one cannot unpack into a huge one."""
    return {
        "Authorization": f"Bearer {key}",
        "X-Runway-Version": API_VERSION,
        "User-Agent": user_agent,
        "Accept": "application/json",
        "Accept-Encoding": "identity",
    }


def create_request(endpoint: str, body: Body) -> Request:
    """A create: the body's own fields as JSON, to the endpoint's path.

    Raises:
        PermanentApiError: the body holds a number that JSON does not have.
    """
    try:
        text = json.dumps(dict(body), allow_nan=False, separators=(",", ":"))
    except ValueError as error:
        raise PermanentApiError(f"the body is not JSON: {error}") from error
    return Request(method="POST", path=f"/v1/{quote(endpoint, safe='/')}", body=text.encode())


def marked(task_id: str, endpoint: str) -> str:
    """The id by which a task of this endpoint is read."""
    is_plain = not endpoint.startswith(WORKFLOWS) or task_id.endswith(WORKFLOW_MARK)
    return task_id if is_plain else task_id + WORKFLOW_MARK


def task_request(task_id: str) -> Request:
    """Read a task, or a workflow's run."""
    if task_id.endswith(WORKFLOW_MARK):
        run = task_id.removesuffix(WORKFLOW_MARK)
        return Request(method="GET", path=f"/v1/workflow_invocations/{quote(run, safe='')}")
    return Request(method="GET", path=f"/v1/tasks/{quote(task_id, safe='')}")


def cancel_request(task_id: str) -> Request:
    """Cancel or delete a task.

    Raises:
        PermanentApiError: a workflow's run, which the API cannot cancel.
    """
    if task_id.endswith(WORKFLOW_MARK):
        raise PermanentApiError("Runway's API cannot cancel the run of a workflow")
    return Request(method="DELETE", path=f"/v1/tasks/{quote(task_id, safe='')}")


ORGANIZATION = Request(method="GET", path="/v1/organization")


def usage_request(start: date | None, before: date | None) -> Request:
    """Use per day and model; by default of the last 30 days, at most 90."""
    span = {"startDate": start, "beforeDate": before}
    body = {name: day.isoformat() for name, day in span.items() if day is not None}
    return Request(method="POST", path="/v1/organization/usage", body=json.dumps(body).encode())


def routers_request(limit: int, cursor: str | None) -> Request:
    """One page of the account's Model Routers."""
    return Request(method="GET", path=f"/v1/routers?{_page(limit, cursor)}")


def routed_request(router_id: str, limit: int, cursor: str | None) -> Request:
    """One page of what was submitted through a Model Router."""
    path = f"/v1/routers/{quote(router_id, safe='')}/requests"
    return Request(method="GET", path=f"{path}?{_page(limit, cursor)}")


def _page(limit: int, cursor: str | None) -> str:
    return urlencode({"limit": limit} | ({"cursor": cursor} if cursor is not None else {}))


def upload_request(filename: str) -> Request:
    """Ask for a place to upload one file to."""
    body = {"filename": filename, "type": "ephemeral"}
    return Request(method="POST", path="/v1/uploads", body=json.dumps(body).encode())
