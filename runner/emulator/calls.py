"""The calls under /v1 without HTTP: method, path and JSON in, JSON out.

Raises: every call raises `Refusal` where the service would refuse.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeAlias

from runner.emulator import answers
from runner.emulator.acceptance import Script
from runner.emulator.backend import NO_SCRIPT, Backend
from runner.emulator.records import KeyEntry
from runner.emulator.routing import Routers
from runner.emulator.uploads import Uploads
from runner.emulator.workflows import Workflows

Json = Any

PREFIX = "/v1/"


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A request whose key and version header are known to be good."""

    key: KeyEntry
    method: str
    path: str  # decoded, without `/v1/`
    body: Mapping[str, Json] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    script: Script = NO_SCRIPT
    item: str = ""  # the id in the path


#: None is an answer without a body
Handler: TypeAlias = Callable[[Call], Json]


class WrongMethod(Exception):
    """The path is known, the method is not."""

    def __init__(self, allowed: str) -> None:
        super().__init__(allowed)
        self.allowed = allowed


class Calls:
    """The routes of the API."""

    def __init__(self, backend: Backend, uploads: Uploads) -> None:
        self._backend = backend
        self._routers = Routers(backend)
        self._workflows = Workflows(backend)
        self._uploads = uploads
        self._table = self._routes()

    def _routes(self) -> Mapping[str, Mapping[str, Handler]]:
        """Path -> method -> handler; `*` stands for an id."""
        routers, workflows = self._routers, self._workflows
        endpoints = self._backend.ground.catalog.endpoints
        return {
            **{name: {"POST": self._create} for name in endpoints if "{" not in name},
            **{name: {"POST": self._generate} for name in endpoints if _is_neutral(name)},
            "tasks/*": {"GET": self._read, "DELETE": self._delete},
            "workflows": {"GET": lambda _: workflows.published()},
            "workflows/*": {"GET": lambda c: workflows.read(c.item), "POST": self._run},
            "workflow_invocations/*": {"GET": lambda c: workflows.invocation(c.key, c.item)},
            "uploads": {"POST": lambda c: self._uploads.begin(c.key, c.body)},
            "organization": {"GET": lambda c: self._backend.organization(c.key)},
            "organization/usage": {"POST": self._usage},
            "routers": {"GET": self._list_routers, "POST": lambda c: routers.create(c.key, c.body)},
            "routers/*": {
                "GET": lambda c: routers.read(c.key, c.item),
                "PATCH": lambda c: routers.change(c.key, c.item, c.body),
                "DELETE": lambda c: routers.delete(c.key, c.item),
            },
            "routers/*/requests": {"GET": self._list_requests},
        }

    def route(self, method: str, path: str) -> tuple[Handler, str]:
        """The handler of a path, and the id in it.

        Raises:
            Refusal: 404.
            WrongMethod: 405.
        """
        found, item = self._table.get(path), ""
        if found is None:
            head, _, rest = path.partition("/")
            item, slash, tail = rest.partition("/")
            found = self._table.get(f"{head}/*{slash}{tail}") if item else None
        if found is None:
            raise answers.refusal(404, "Not found")
        if method not in found:
            raise WrongMethod(", ".join(found))
        return found[method], item

    # Generation

    def _create(self, call: Call) -> Json:
        task = self._backend.create(call.key, call.path, call.body, call.script)
        answer: dict[str, Json] = {"id": task.id}
        if self._backend.ground.options.costs:
            answer["estimatedCost"] = {"credits": task.estimate}
        return answer

    def _generate(self, call: Call) -> Json:
        media = call.path.partition("/")[2]
        return self._routers.generate(call.key, media, call.body, call.script)

    def _run(self, call: Call) -> Json:
        return self._workflows.run(call.key, call.item, call.body, call.script)

    def _read(self, call: Call) -> Json:
        return self._backend.read(call.key, call.item)

    def _delete(self, call: Call) -> None:
        self._backend.delete(call.key, call.item)

    # The account

    def _usage(self, call: Call) -> Json:
        first, before = _day(call.body, "startDate"), _day(call.body, "beforeDate")
        return self._backend.usage(call.key, first, before)

    def _list_routers(self, call: Call) -> Json:
        return self._routers.page(call.key, call.query.get("limit"), call.query.get("cursor"))

    def _list_requests(self, call: Call) -> Json:
        limit, cursor = call.query.get("limit"), call.query.get("cursor")
        return self._routers.requests(call.key, call.item, limit, cursor)


def body_of(data: bytes) -> Mapping[str, Json]:
    """The JSON object that was sent; an empty body counts as an empty object."""
    try:
        body = json.loads(data) if data.strip() else {}
    except (ValueError, RecursionError) as error:
        raise answers.refusal(400, "Invalid JSON") from error
    if not isinstance(body, Mapping):
        message = "Invalid input: expected object"
        raise answers.invalid_body([answers.issue("invalid_type", [], message)])
    return body


def place_of(method: str, path: str) -> str:
    """The word by which scenarios name a request."""
    head, _, tail = path.removeprefix(PREFIX).partition("/")
    if path.startswith("/outputs/"):
        return "download"
    if path.startswith("/storage/"):
        return "store"
    if head in {"tasks", "workflow_invocations"}:
        return "cancel" if method == "DELETE" else "read"
    if head == "uploads":
        return "upload"
    if head == "organization":
        return "usage" if tail else "organization"
    return "create" if method == "POST" and head != "routers" else "other"


def _is_neutral(endpoint: str) -> bool:
    """Whether a router chooses the model."""
    return endpoint.startswith("generate/")


def _day(body: Mapping[str, Json], name: str) -> date | None:
    value = body.get(name)
    if value is None:
        return None
    try:
        return date.fromisoformat(str(value))
    except ValueError as error:
        problem = answers.issue("invalid_format", [name], "Invalid ISO date")
        raise answers.invalid_body([problem]) from error
