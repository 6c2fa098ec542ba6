"""A disk that takes nothing: no more is sent, what is paid is collected once there is room."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from runner.core.job import JobStatus
from runner.errors import DiskFull
from runner.testing import make_spec
from tests.engine_rig import Rig, rig

DONE = JobStatus.DONE
HOUR_S = 3600


def specs(count: int):
    return [make_spec(f"j{n:03}") for n in range(count)]


async def count(r: Rig, status: JobStatus) -> int:
    return list((await r.statuses()).values()).count(status)


def fill(r: Rig, begin_s: float, end_s: float) -> None:
    """The disk of the outputs is full between these times."""

    def full(url: str, n: int) -> None:
        if begin_s < r.clock.monotonic() < end_s:
            raise DiskFull("the disk is full: `/out`", hint="make room")

    r.downloader.before_fetch = full


async def test_a_full_disk_ends_the_run_and_the_same_command_goes_on():
    async with rig(slots=5) as r:
        fill(r, 60, 24 * HOUR_S)
        await r.load(specs(100))
        [reason] = await r.run()
        assert reason.exit_code == 7
        assert "the disk is full: `/out`" in reason.message
        ended_s, made = r.clock.monotonic(), len(r.api.tasks)
        # five were at Runway when the first could not be stored
        assert await count(r, DONE) == 5
        assert made <= 15
        assert await count(r, JobStatus.DOWNLOADING) == made - 5
        assert ended_s < HOUR_S

        await r.clock.sleep(24 * HOUR_S)
        assert await r.run() == []
        assert await count(r, DONE) == 100
        assert r.api.charged == 100 * 25
        await r.check()


async def test_room_that_is_made_soon_lets_the_run_go_on_by_itself():
    async with rig(slots=5) as r:
        fill(r, 60, 150)
        await r.load(specs(50))
        assert await r.run() == []
        begun = [task.created_s for task in r.api.tasks.values()]
        assert not [at for at in begun if 100 < at < 150]
        assert await count(r, DONE) == 50
        assert r.api.charged == 50 * 25


class FullStore:
    """A store on a disk that is full for a while: it can be read, and takes nothing."""

    def __init__(self, store: Any, r: Rig, begin_s: float, end_s: float) -> None:
        self._store, self._r = store, r
        self._full = (begin_s, end_s)
        self.refused: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        writes = {"save", "publish_waits", "note_reading", "hold"}
        if name not in writes or not inspect.iscoroutinefunction(found):
            return found

        async def write(*args: Any, **kwargs: Any) -> Any:
            begin_s, end_s = self._full
            if begin_s < self._r.clock.monotonic() < end_s:
                self.refused.add(name)
                raise DiskFull("the disk is full: cannot write the state file", hint="make room")
            return await found(*args, **kwargs)

        return write


@pytest.mark.parametrize("minutes", [2, 30])
async def test_a_state_file_that_cannot_grow_is_waited_for(minutes):
    async with rig(slots=5) as r:
        store = r.store
        full = FullStore(store, r, 60, 60 + minutes * 60)
        r.store = full  # type: ignore[assignment]
        await r.load(specs(50))
        assert await r.run() == []
        r.store = store
        assert {"save", "publish_waits"} <= full.refused
        assert await count(r, DONE) == 50
        assert r.api.charged == 50 * 25
        assert set(r.api.prompts.values()) == {1}
        assert r.rescued == []
        await r.check()
