"""Outputs whose links die: known when, fetched in time, and before anything new is paid for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from runner.core.events import SubmitStarted, TaskAccepted, TaskSucceeded
from runner.core.job import Job, JobStatus
from runner.core.lifecycle import OUTPUT_LIFE
from runner.core.links import expires_at
from runner.core.policy import Policies
from runner.core.task import Task, TaskStatus
from runner.engine.collecting import LINK_MARGIN
from runner.engine.polling import Poller
from runner.errors import DownloadError
from runner.testing import START, FakeClock, FakeTask, make_spec, signed
from tests.engine_rig import Rig, record, rig
from tests.parts import tools_with

DONE = JobStatus.DONE
#: seconds: of two lives of a link, one below and one above what counts as near its end
NEAR_S, FAR_S = 1800, 24 * 3600


def specs(count: int):
    return [make_spec(f"j{n:03}") for n in range(count)]


def fetch_slowly(r: Rig, seconds: float) -> list[tuple[float, str]]:
    """Downloads last so long; returns what they ask for, and when, in seconds."""
    fetch, begun = r.downloader.fetch, []

    async def slow(url, part):
        begun.append((r.clock.monotonic(), url))
        await r.clock.sleep(seconds)
        return await fetch(url, part)

    r.downloader.fetch = slow  # type: ignore[method-assign]
    return begun


async def left_downloading(r: Rig, job_id: str, *, collect_by: datetime) -> None:
    """An earlier run ended when the task had just succeeded."""
    task_id, now = f"old-{job_id}", r.clock.now()
    r.api.tasks[task_id] = FakeTask(
        id=task_id, endpoint="image_to_video", body={"promptText": job_id}, created_s=-100,
        takes_s=40, cost=25,
    )  # fmt: skip
    await record(
        r, "b", job_id,
        SubmitStarted(at=now, reserve=25),
        TaskAccepted(at=now, task_id=task_id, estimated=None),
        TaskSucceeded(at=now, credits=25, outputs=1, collect_by=collect_by),
    )  # fmt: skip


def times_of(r: Rig, kind: str) -> dict[str, float]:
    """Seconds at which this was recorded of each job, from now on."""
    times: dict[str, float] = {}

    def note(job: Job, event: Any) -> None:
        if type(event).__name__ == kind:
            times[job.id] = r.clock.monotonic()

    r.listeners.append(note)
    return times


# nothing new before what is about to be lost


@pytest.mark.parametrize(("life_s", "goes_first"), [(NEAR_S, True), (FAR_S, False)])
async def test_an_output_whose_link_dies_soon_is_fetched_before_anything_is_sent(
    life_s, goes_first
):
    async with rig(slots=1, link_life_s=life_s) as r:
        sent, fetched = times_of(r, "SubmitStarted"), times_of(r, "Downloaded")
        fetch_slowly(r, 100)
        await r.load(specs(3))
        assert await r.run() == []
        assert (sent["j001"] >= fetched["j000"]) is goes_first
        assert (sent["j002"] >= fetched["j001"]) is goes_first
        assert set((await r.statuses()).values()) == {DONE}


@pytest.mark.parametrize(("life_s", "goes_first"), [(NEAR_S, True), (FAR_S, False)])
async def test_what_an_earlier_run_left_is_fetched_first_where_its_link_dies_soon(
    life_s, goes_first
):
    async with rig(slots=1, link_life_s=FAR_S) as r:
        sent, fetched = times_of(r, "SubmitStarted"), times_of(r, "Downloaded")
        fetch_slowly(r, 100)
        await r.load(specs(2))
        collect_by = r.clock.now() + timedelta(seconds=life_s)
        await left_downloading(r, "j000", collect_by=collect_by)
        assert await r.run() == []
        assert (sent["j001"] >= fetched["j000"]) is goes_first


async def test_why_nothing_is_sent_meanwhile_is_said():
    async with rig(slots=1, link_life_s=NEAR_S) as r:
        fetch_slowly(r, 100)
        await r.load(specs(2))
        running = asyncio.create_task(r.run())
        await r.clock.sleep(100)
        waits = await r.store.waits("b")
        await running
        assert [(wait.code, wait.reason) for wait in waits] == [
            ("download", "finished tasks are fetched first")
        ]


async def test_a_download_that_fails_keeps_nobody_waiting():
    async with rig(slots=1, link_life_s=NEAR_S) as r:

        def fail(url, count):
            if "task-0001" in url:
                raise DownloadError("down")

        r.downloader.before_fetch = fail
        sent, put_off = times_of(r, "SubmitStarted"), times_of(r, "DownloadDelayed")
        await r.load(specs(2))
        await r.run()
        assert await r.statuses() == {"j000": JobStatus.DOWNLOADING, "j001": DONE}
        assert sent["j001"] < put_off["j000"]  # the last of its tries


# the links themselves


async def test_a_link_that_would_die_in_the_queue_is_read_again_before_its_download():
    async with rig(slots=2, link_life_s=300) as r:
        r.policies = Policies(downloads_at_once=1)
        begun = fetch_slowly(r, 250)
        await r.load(specs(2))
        assert await r.run() == []
        [first, second] = begun
        assert second[0] - first[0] > 250
        for at_s, link in begun:
            dies = expires_at(link)
            assert dies is not None
            assert dies - START > timedelta(seconds=at_s) + LINK_MARGIN
        assert set((await r.statuses()).values()) == {DONE}


async def test_a_link_that_lives_long_enough_is_not_read_again():
    async with rig(slots=2, link_life_s=1000) as r:
        r.policies = Policies(downloads_at_once=1)
        done = times_of(r, "TaskSucceeded")
        read: list[float] = []
        r.api.before_read = lambda _task: read.append(r.clock.monotonic())
        fetch_slowly(r, 250)
        await r.load(specs(2))
        assert await r.run() == []
        assert max(read) <= max(done.values())


async def test_a_fresh_link_is_tried_however_short_it_lives():
    async with rig(link_life_s=LINK_MARGIN.total_seconds() / 2) as r:
        await r.load(specs(1))
        await left_downloading(r, "j000", collect_by=r.clock.now())
        assert await r.run() == []
        assert await r.statuses() == {"j000": DONE}
        assert r.api.reads == {"old-j000": 1}


# until when


async def test_outputs_are_to_be_collected_before_the_token_of_their_link_ends():
    async with rig(link_life_s=7 * 3600) as r:
        found: list[tuple[datetime, datetime | None]] = []

        def note(job: Job, event: Any) -> None:
            if isinstance(event, TaskSucceeded):
                found.append((event.at, job.collect_by))

        r.listeners.append(note)
        await r.load(specs(1))
        await r.run()
        [(at, collect_by)] = found
        assert collect_by == at + timedelta(hours=7)


class OneTask:
    """An API that knows one task, and a state file that takes everything."""

    def __init__(self, *links: str) -> None:
        self._links = links

    async def get_task(self, task_id: str) -> Task:
        return Task(id=task_id, status=TaskStatus.SUCCEEDED, output=self._links, cost_credits=25)

    async def save(self, *_args: Any) -> None:
        pass


async def collect_by(links: Sequence[str]) -> datetime | None:
    """Until when a job whose task succeeded a moment ago is to be collected."""
    port, running = OneTask(*links), Job(batch="b", spec=make_spec("a"), status=JobStatus.RUNNING)
    tools = tools_with(clock=FakeClock(), api=port, store=port)
    job = running.evolve(task_id="t1", task_ids=("t1",), hold=25)
    return (await Poller(tools, lambda *_: None).read_once(job)).collect_by


EARLY, LATE = START + timedelta(hours=30), START + timedelta(hours=40)
UNSIGNED = "https://links.example/c"


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        ([signed("a", LATE), signed("b", EARLY)], EARLY),
        ([signed("a", EARLY), signed("b", LATE)], EARLY),
        ([signed("a", LATE)], LATE),
        ([signed("a", LATE), UNSIGNED], START + OUTPUT_LIFE),
        ([UNSIGNED], START + OUTPUT_LIFE),
        ([], START + OUTPUT_LIFE),
    ],
    ids=["the second dies first", "the first does", "one", "one does not say", "none says", "none"],
)
async def test_the_first_link_to_die_counts_where_all_of_them_say_when(links, expected):
    assert await collect_by(links) == expected
