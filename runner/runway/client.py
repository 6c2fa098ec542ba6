"""Runway's API as calls. A create is sent at most once per call; nothing in here repeats."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date, datetime
from types import TracebackType
from typing import Self, TypeVar

from runner.clock import Clock
from runner.core.spec import Body, Json
from runner.core.task import CreatedTask, Organization, RouterRequest, Task

from .answers import (
    Answer,
    Lost,
    create_error,
    http_date,
    lost_create,
    lost_read,
    read_error,
    task_error,
    unreadable,
    unreadable_create,
)
from .routers import MOST_PER_PAGE, Page, is_enough, routed_from_json, routers_from_json
from .shapes import (
    DailyUse,
    UploadSlot,
    created_from_json,
    organization_from_json,
    parse,
    task_from_json,
    upload_from_json,
    usage_from_json,
)
from .transport import ApiSettings, Transport
from .wire import (
    ORGANIZATION,
    Request,
    cancel_request,
    create_request,
    routed_request,
    routers_request,
    task_request,
    upload_request,
    usage_request,
)

_GONE = 404
#: a list that goes on after so many pages is taken to have no end
MOST_PAGES = 1000

T = TypeVar("T")
#: told the `Date` of an answer, when its request was sent and when it came
Heard = Callable[[datetime, datetime, datetime], None]


class RunwayClient:
    """Fits `TaskApi`. Open it with `async with`."""

    def __init__(self, settings: ApiSettings, *, clock: Clock, heard: Heard | None = None) -> None:
        self._transport = Transport(settings)
        self._clock = clock
        self._heard = heard
        self._secrets = (settings.key,)

    def __repr__(self) -> str:
        return f"RunwayClient({self._transport!r})"

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self._transport.__aexit__(kind, error, at)

    async def create_task(self, endpoint: str, body: Body) -> CreatedTask:
        """One create call; see `TaskApi` for what each error proves.

        The id of a workflow's run carries a mark, so that it can be read again by id alone.
        """
        answer = await self._ask(self._transport.send_create, create_request(endpoint, body))
        if isinstance(answer, Lost):
            raise lost_create(answer)
        if not answer.is_success:
            raise create_error(answer, now=self._clock.now(), secrets=self._secrets)
        created = created_from_json(parse(answer.body), endpoint)
        if created is None:
            raise unreadable_create(answer)
        return created

    async def get_task(self, task_id: str) -> Task:
        """Read a task, or a workflow's run."""
        answer = await self._read_task(task_id)
        task = task_from_json(parse(answer.body), task_id)
        if task is None:
            raise unreadable(answer, "the task")
        return task

    async def cancel_task(self, task_id: str) -> None:
        """DELETE; a task that is gone already counts as done."""
        what = "the cancellation"
        answer = await self._ask(self._transport.send_read, cancel_request(task_id))
        if isinstance(answer, Lost):
            raise lost_read(answer)
        if not answer.is_success and answer.status != _GONE:
            raise self._error(answer, what)

    async def get_organization(self) -> Organization:
        """Balance and limits; free."""
        what = "the organization"
        answer = await self._read(ORGANIZATION, what)
        organization = organization_from_json(parse(answer.body))
        if organization is None:
            raise unreadable(answer, what)
        return organization

    async def get_usage(
        self, *, start: date | None = None, before: date | None = None
    ) -> tuple[DailyUse, ...]:
        """Credits used per day and model; the last 30 days unless told otherwise."""
        what = "the usage"
        answer = await self._read(usage_request(start, before), what)
        usage = usage_from_json(parse(answer.body))
        if usage is None:
            raise unreadable(answer, what)
        return usage

    async def create_upload(self, filename: str) -> UploadSlot:
        """A place to upload one file to; free, and safe to ask for again."""
        what = "the upload"
        answer = await self._read(upload_request(filename), what)
        slot = upload_from_json(parse(answer.body))
        if slot is None:
            raise unreadable(answer, what)
        return slot

    async def find_router(self, slug: str) -> str | None:
        """The id of the Model Router that bodies name by this slug; None where there is none."""

        def page(cursor: str | None) -> Request:
            return routers_request(MOST_PER_PAGE, cursor)

        async for routers in self._pages(page, routers_from_json, "the routers"):
            for name, router_id in routers.items:
                if name == slug:
                    return router_id
        return None

    async def get_router_requests(
        self, router_id: str, *, since: datetime, limit: int = MOST_PER_PAGE
    ) -> tuple[RouterRequest, ...]:
        """What was submitted through a Model Router at `since` or later, newest first.

        Args:
            router_id: its id, not its slug: see `find_router`.
            since: aware; older submissions are left out.
            limit: of one page, 1 to 100.

        Raises:
            TransientApiError: among others where any entry makes no sense: nothing is left out.
        """

        def page(cursor: str | None) -> Request:
            return routed_request(router_id, limit, cursor)

        found: list[RouterRequest] = []
        async for requests in self._pages(page, routed_from_json, "the router's history"):
            found += requests.items
            if is_enough(requests, since):
                break
        found.sort(key=lambda request: request.created_at, reverse=True)
        return tuple(request for request in found if request.created_at >= since)

    async def _pages(
        self,
        request: Callable[[str | None], Request],
        read: Callable[[Json], Page[T] | None],
        what: str,
    ) -> AsyncIterator[Page[T]]:
        """Page after page; raises where the list cannot be read to its end."""
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            answer = await self._read(request(cursor), what)
            page = read(parse(answer.body))
            if page is None or (page.next_cursor is not None and page.next_cursor == cursor):
                raise unreadable(answer, what)
            yield page
            cursor = page.next_cursor
            if cursor is None:
                return
        raise unreadable(answer, what)

    async def _ask(
        self, send: Callable[[Request], Awaitable[Answer | Lost]], request: Request
    ) -> Answer | Lost:
        """Send; whoever wants to know is told what time it is at the server."""
        asked_at = self._clock.now()
        answer = await send(request)
        if self._heard is not None and isinstance(answer, Answer):
            date = http_date(answer.headers.get("date", ""))
            if date is not None:
                self._heard(date, asked_at, self._clock.now())
        return answer

    async def _read_task(self, task_id: str) -> Answer:
        answer = await self._ask(self._transport.send_read, task_request(task_id))
        if isinstance(answer, Lost):
            raise lost_read(answer)
        if not answer.is_success:
            raise task_error(answer, now=self._clock.now(), secrets=self._secrets)
        return answer

    async def _read(self, request: Request, what: str) -> Answer:
        answer = await self._ask(self._transport.send_read, request)
        if isinstance(answer, Lost):
            raise lost_read(answer)
        if not answer.is_success:
            raise self._error(answer, what)
        return answer

    def _error(self, answer: Answer, what: str) -> Exception:
        return read_error(answer, what, now=self._clock.now(), secrets=self._secrets)
