"""Doubles that are part of the product: for our own tests and for those who build on it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import heapq
import inspect
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from runner.core.credits import CostBand
from runner.core.sidecar import Unpacked
from runner.core.spec import AssetRef, Body, JobSpec, job_key
from runner.core.task import (
    CreatedTask,
    ModelLimits,
    Organization,
    RouterRequest,
    Task,
    TaskStatus,
)
from runner.errors import AccountError, PermanentApiError, TransientApiError
from runner.ports import Fetched

START = datetime(2026, 1, 1, tzinfo=UTC)
#: turns of the loop without anything ready before virtual time moves on
QUIET_TURNS = 3


class FakeClock:
    """Virtual time: when nothing else can move, it jumps to the next deadline.

    Work in threads and sockets is invisible to it, unless it is done within `outside`.
    """

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._elapsed_s = 0.0
        self._deadlines: list[tuple[float, int, asyncio.Future[None]]] = []
        self._ids = itertools.count()
        self._pump: asyncio.Task[None] | None = None
        self._outside = 0
        self._back = asyncio.Event()

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Time stands still while something is waited for that the loop cannot see."""
        self._outside += 1
        try:
            yield
        finally:
            self._outside -= 1
            self._back.set()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed_s)

    def monotonic(self) -> float:
        return self._elapsed_s

    def advance(self, seconds: float) -> None:
        """Move on without waking anybody: for tests that need no loop."""
        self._elapsed_s += seconds

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        deadline = self._elapsed_s + seconds
        heapq.heappush(self._deadlines, (deadline, next(self._ids), future))
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._run())
        await future

    def close(self) -> None:
        """Stop moving on: two clocks of one loop would wait for each other to fall quiet."""
        if self._pump is not None:
            self._pump.cancel()

    async def _run(self) -> None:
        while self._deadlines:
            await self._settle()
            self._wake_next()

    async def _settle(self) -> None:
        """Let everybody else run until nobody is ready."""
        ready: Any = asyncio.get_running_loop()
        quiet = 0
        while quiet < QUIET_TURNS:
            while self._outside:
                self._back.clear()
                await self._back.wait()
            await asyncio.sleep(0)
            quiet = 0 if ready._ready else quiet + 1

    def _wake_next(self) -> None:
        while self._deadlines and self._deadlines[0][2].done():
            heapq.heappop(self._deadlines)
        if not self._deadlines:
            return
        due = self._deadlines[0][0]
        self._elapsed_s = max(self._elapsed_s, due)
        while self._deadlines and self._deadlines[0][0] <= due:
            future = heapq.heappop(self._deadlines)[2]
            if not future.done():
                future.set_result(None)


class OutsideCalls:
    """Any object whose async methods are waited for outside of virtual time: a store's thread."""

    def __init__(self, inner: Any, clock: FakeClock) -> None:
        self._inner = inner
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def call(*args: Any, **kwargs: Any) -> Any:
            with self._clock.outside():
                return await found(*args, **kwargs)

        self.__dict__[name] = call  # looked up once
        return call


@dataclass(slots=True)
class FakeTask:
    """A task of `FakeApi`."""

    id: str
    endpoint: str
    body: Body
    created_s: float
    takes_s: float
    cost: int
    outputs: int = 1
    failure_code: str | None = None
    refunded: bool = True
    deleted_s: float | None = None  # cannot be read since then


def signed(url: str, until: datetime) -> str:
    """The link as Runway signs it: its token says when it ends."""
    claims = json.dumps({"exp": until.timestamp()}).encode()
    token = base64.urlsafe_b64encode(claims).rstrip(b"=").decode()
    return f"{url}?_jwt=e30.{token}.c2ln"


#: called before a create is answered; raising decides what the caller sees
CreateHook = Callable[[str, Body, int], None]


@dataclass
class FakeApi:
    """A `TaskApi` in memory that counts what it charged."""

    clock: FakeClock
    balance: int = 100_000
    price: int = 25  # credits of every task
    takes_s: float = 40.0
    pending_s: float = 0.5  # until a task begins; before that a cancel gives its credits back
    slots: int | None = 5
    #: before the task exists: raise to refuse
    before_create: CreateHook | None = None
    #: after the task exists and was charged: raise to lose the answer
    after_create: CreateHook | None = None
    before_read: Callable[[str], None] | None = None
    before_account: Callable[[], None] | None = None
    daily: int | None = None  # creates in any 24 hours; None = no limit
    shape: Callable[[FakeTask, int], None] | None = None  # adjusts a new task
    estimated: int | None = None
    link_life_s: float | None = None  # links say when they end, so long after they were read
    tasks: dict[str, FakeTask] = field(default_factory=dict)
    reads: Counter[str] = field(default_factory=Counter)
    most_alive: int = 0
    _creates: int = 0
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def charged(self) -> int:
        """Credits taken and not given back."""
        return sum(self._charge(task) for task in self.tasks.values())

    @property
    def prompts(self) -> Counter[str]:
        """Tasks by prompt: more than one for a prompt is a double payment."""
        return Counter(task.body["promptText"] for task in self.tasks.values())

    async def create_task(self, endpoint: str, body: Body) -> CreatedTask:
        await self.clock.sleep(0.2)
        self._creates += 1
        if self.before_create:
            self.before_create(endpoint, body, self._creates)
        if self.daily is not None and self._used_today >= self.daily:
            raise TransientApiError("daily limit reached", status=429)
        if self.charged + self.price > self.balance:
            raise AccountError("You do not have enough credits to run this task.", status=400)
        task = FakeTask(
            id=f"task-{next(self._ids):04}",
            endpoint=endpoint,
            body=body,
            created_s=self.clock.monotonic(),
            takes_s=self.takes_s,
            cost=self.price,
        )
        if self.shape:
            self.shape(task, self._creates)
        self.tasks[task.id] = task
        self.most_alive = max(self.most_alive, sum(not self._ended(t) for t in self.tasks.values()))
        if self.after_create:
            self.after_create(endpoint, body, self._creates)
        return CreatedTask(id=task.id, estimated_credits=self.estimated)

    async def get_task(self, task_id: str) -> Task:
        await self.clock.sleep(0.05)
        self.reads[task_id] += 1
        if self.before_read:
            self.before_read(task_id)
        task = self.tasks.get(task_id)
        if task is None or task.deleted_s is not None:
            raise PermanentApiError("Could not find Task", status=404)
        if self.clock.monotonic() - task.created_s < self.pending_s:
            return Task(id=task_id, status=TaskStatus.PENDING)
        if not self._ended(task):
            return Task(id=task_id, status=TaskStatus.RUNNING, progress=0.5)
        if task.failure_code is not None:
            return Task(
                id=task_id,
                status=TaskStatus.FAILED,
                failure="it failed",
                failure_code=task.failure_code,
                cost_credits=self._charge(task),
            )
        links = tuple(self._link(f"{task_id}/{n}") for n in range(task.outputs))
        return Task(id=task_id, status=TaskStatus.SUCCEEDED, output=links, cost_credits=task.cost)

    async def find_router(self, slug: str) -> str | None:
        """Every slug is its own id."""
        return slug

    async def get_router_requests(
        self, router_id: str, *, since: datetime
    ) -> Sequence[RouterRequest]:
        """Tasks made through the router, newest first."""
        await self.clock.sleep(0.05)
        return [
            RouterRequest(task_id=task.id, created_at=START + timedelta(seconds=task.created_s))
            for task in reversed(self.tasks.values())
            if task.body.get("configId") == router_id
        ]

    async def cancel_task(self, task_id: str) -> None:
        if task_id in self.tasks:
            self.tasks[task_id].deleted_s = self.clock.monotonic()

    async def get_organization(self) -> Organization:
        await self.clock.sleep(0.05)
        if self.before_account:
            self.before_account()
        limits = ModelLimits(
            max_concurrent=self.slots, max_daily=self.daily, daily_used=self._used_today
        )
        models = dict.fromkeys(("gen4_turbo", "gen4_image", "veo3.1"), limits)
        return Organization(credit_balance=self.balance - self.charged, models=models)

    @property
    def _used_today(self) -> int:
        """Of all models together: tests use one."""
        since_s = self.clock.monotonic() - 86_400
        return sum(task.created_s > since_s for task in self.tasks.values())

    def _link(self, name: str) -> str:
        url = f"https://links.example/{name}"
        if self.link_life_s is None:
            return url
        return signed(url, self.clock.now() + timedelta(seconds=self.link_life_s))

    def _ended(self, task: FakeTask) -> bool:
        return self.clock.monotonic() - task.created_s >= task.takes_s

    def _charge(self, task: FakeTask) -> int:
        if task.deleted_s is not None and task.deleted_s - task.created_s < self.pending_s:
            return 0
        failed = task.failure_code is not None and self._ended(task)
        return 0 if failed and task.refunded else task.cost


@dataclass
class FakeDownloader:
    """A `Downloader` whose files are a function of the link's path; keeps them in memory."""

    clock: FakeClock
    before_fetch: Callable[[str, int], None] | None = None  # raise to fail the n-th fetch
    files: dict[str, str] = field(default_factory=dict)  # path -> sha256
    texts: dict[str, str] = field(default_factory=dict)
    unpacked: list[str] = field(default_factory=list)
    fetches: int = 0

    async def fetch(self, url: str, part: Path) -> Fetched:
        self.fetches += 1
        await self.clock.sleep(1.0)
        if self.before_fetch:
            self.before_fetch(url, self.fetches)
        content = url.partition("?")[0].encode()
        digest = hashlib.sha256(content).hexdigest()
        self.files[str(part)] = digest
        return Fetched(
            part=part, bytes=len(content), sha256=digest, media_type="video/mp4", ext="mp4"
        )

    async def place(self, part: Path, target: Path, sha256: str) -> None:
        if self.files.get(str(target), sha256) != sha256:
            raise FileExistsError(str(target))
        self.files.pop(str(part), None)
        self.files[str(target)] = sha256

    async def sha256_of(self, path: Path) -> str | None:
        return self.files.get(str(path))

    async def unpack(self, archive: Path) -> Unpacked:
        """Any archive holds one file."""
        self.unpacked.append(str(archive))
        return Unpacked(folder=archive.stem, members=1)

    async def write_sidecar(self, path: Path, text: str) -> None:
        self.texts[str(path)] = text


class FakeFrames:
    """A `FrameReader` whose stills are a function of their video's hash."""

    async def frame(self, video: Path, *, sha256: str, which: str) -> AssetRef:
        digest = hashlib.sha256(f"{sha256} {which}".encode()).hexdigest()
        return AssetRef(path=f"{video}-{which}.png", sha256=digest, bytes=1, media="image")


class FakeUploader:
    """An `Uploader` that makes a URI of the file's hash."""

    async def uri_for(self, asset: AssetRef) -> str:
        return f"runway://{asset.sha256}"


def make_spec(
    job_id: str,
    *,
    model: str = "gen4_turbo",
    needs: Sequence[str] = (),
    body: Body | None = None,
    worst: int = 25,
    priority: int = 0,
    tags: Sequence[str] = (),
) -> JobSpec:
    """A job specification that differs from others by its id."""
    content: Body = {"model": model, "promptText": job_id, **(body or {})}
    return JobSpec(
        id=job_id,
        key=job_key("image_to_video", content, 1),
        template=job_id,
        take=1,
        endpoint="image_to_video",
        model=model,
        media="video",
        body=content,
        estimate=CostBand(low=worst, expected=worst, worst=worst),
        output=f"batch/{job_id}{{part}}.{{ext}}",
        needs=tuple(needs),
        tags=tuple(tags),
        priority=priority,
    )
