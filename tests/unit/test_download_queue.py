"""Who downloads next: by expiry, a few at once, and no place is ever lost."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from runner.engine.download_queue import DownloadQueue
from runner.testing import START, FakeClock


class Office:
    """Downloads in virtual time, with what happened written down."""

    def __init__(self, at_once: int) -> None:
        self.clock = FakeClock()
        self.queue = DownloadQueue(at_once)
        self.order: list[str] = []
        self.under_way = 0
        self.most = 0

    def start(
        self, name: str, due_s: float | None = None, *, takes_s: float = 10, after_s: float = 0
    ) -> asyncio.Task[None]:
        return asyncio.create_task(self._download(name, due_s, takes_s, after_s))

    async def _download(
        self, name: str, due_s: float | None, takes_s: float, after_s: float
    ) -> None:
        await self.clock.sleep(after_s)
        due = None if due_s is None else START + timedelta(seconds=due_s)
        async with self.queue.turn(due):
            self.order.append(name)
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            try:
                await self.clock.sleep(takes_s)
            finally:
                self.under_way -= 1

    async def is_whole(self, at_once: int) -> bool:
        """Whether all places are free again: so many get one at once."""
        self.most = 0
        before = len(self.order)
        late = [self.start(f"late{n}") for n in range(at_once + 1)]
        await self.clock.sleep(1)
        got = len(self.order) - before
        await asyncio.gather(*late)
        return got == self.most == at_once


async def test_the_link_that_dies_first_is_fetched_first() -> None:
    office = Office(1)
    tasks = [office.start("first")]
    await office.clock.sleep(1)
    due = {"never": None, "late": 900, "soon": 60, "gone": -5, "mid": 300}
    tasks += [office.start(name, seconds) for name, seconds in due.items()]
    await asyncio.gather(*tasks)
    assert office.order == ["first", "gone", "soon", "mid", "late", "never"]


async def test_those_due_at_the_same_time_keep_their_order() -> None:
    office = Office(1)
    await asyncio.gather(*(office.start(f"{n}", 60) for n in range(5)))
    assert office.order == ["0", "1", "2", "3", "4"]


async def test_a_download_that_fails_hands_its_place_on() -> None:
    queue = DownloadQueue(1)

    async def fail() -> None:
        async with queue.turn(None):
            raise OSError

    results = await asyncio.gather(fail(), fail(), fail(), return_exceptions=True)
    assert [type(result) for result in results] == [OSError] * 3


async def test_a_waiter_that_is_cancelled_is_passed_over() -> None:
    office = Office(1)
    tasks = [office.start("a"), office.start("b", 10), office.start("c", 20)]
    await office.clock.sleep(1)
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert office.order == ["a", "c"]
    assert await office.is_whole(1)


async def test_a_waiter_cancelled_at_the_moment_of_its_turn_hands_it_on() -> None:
    queue, order = DownloadQueue(1), []

    async def wait(name: str) -> None:
        async with queue.turn(None):
            order.append(name)

    async with queue.turn(None):
        unlucky, last = asyncio.create_task(wait("b")), asyncio.create_task(wait("c"))
        await FakeClock().sleep(0)  # both are in line
    unlucky.cancel()  # it has the place by now, and has not run again
    await asyncio.gather(unlucky, last, return_exceptions=True)
    assert (unlucky.cancelled(), order) == (True, ["c"])


JOBS = st.lists(
    st.tuples(
        st.none() | st.integers(0, 50),  # due
        st.integers(0, 5),  # takes
        st.integers(0, 8),  # starts
        st.none() | st.integers(0, 12),  # cancelled
    ),
    max_size=15,
)


@settings(max_examples=40, deadline=None)
@given(at_once=st.integers(1, 3), jobs=JOBS)
def test_never_more_at_once_than_allowed_and_no_place_is_lost(
    at_once: int, jobs: list[tuple[int | None, int, int, int | None]]
) -> None:
    async def play() -> None:
        office = Office(at_once)
        tasks = [
            office.start(f"{n}", due, takes_s=takes, after_s=starts)
            for n, (due, takes, starts, _) in enumerate(jobs)
        ]

        async def cancel(task: asyncio.Task[None], after_s: float) -> None:
            await office.clock.sleep(after_s)
            task.cancel()

        cancels = [
            asyncio.create_task(cancel(task, after_s))
            for task, (_, _, _, after_s) in zip(tasks, jobs, strict=True)
            if after_s is not None
        ]
        await asyncio.gather(*tasks, *cancels, return_exceptions=True)
        assert office.most <= at_once
        assert office.under_way == 0
        assert await office.is_whole(at_once)
        office.clock.close()

    asyncio.run(play())
