"""Creates in doubt that a router's history may settle, and those that only a person can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from runner.core.events import Resolved, SubmitStarted, SubmitUnknown, Verdict
from runner.core.job import JobStatus
from runner.core.spec import JobSpec
from runner.errors import SubmitUncertain
from runner.testing import make_spec
from tests.engine_rig import Rig, record, rig

DONE, IN_DOUBT = JobStatus.DONE, JobStatus.IN_DOUBT


def through(router: str, name: str, endpoint: str = "generate/video") -> JobSpec:
    return replace(make_spec(name, body={"configId": router}), endpoint=endpoint)


def lose(r: Rig, *, never_arrive: Sequence[str], arrive: Sequence[str]) -> None:
    """No answer comes to the creates of these jobs, whether they arrive or not."""

    def before(endpoint, body, n):
        if body["promptText"] in never_arrive:
            raise SubmitUncertain("the connection was reset")

    def after(endpoint, body, n):
        if body["promptText"] in arrive:
            raise SubmitUncertain("the answer was lost")

    r.api.before_create, r.api.after_create = before, after


ONE_ROUTER = [
    ["generate/video", "generate/video"],
    ["generate/video", "generate/image"],
]


@pytest.mark.parametrize("endpoints", ONE_ROUTER, ids=["one endpoint", "two endpoints"])
@pytest.mark.parametrize("arrived", ["j0", "j1"])
async def test_two_doubts_of_one_router_are_left_to_a_person(endpoints, arrived):
    async with rig(slots=2) as r:
        await r.load([through("night-run", f"j{n}", to) for n, to in enumerate(endpoints)])
        other = {"j0": "j1", "j1": "j0"}[arrived]
        lose(r, never_arrive=[other], arrive=[arrived])
        await r.run()  # one unknown task in the history, and two jobs that it may belong to
        await r.run()
        assert await r.statuses() == {"j0": IN_DOUBT, "j1": IN_DOUBT}
        assert [job.task_ids for job in (await r.jobs()).values()] == [(), ()]
        totals = await r.store.totals("b")
        assert (totals.in_doubt, r.api.charged) == (50, 25)
        await r.check()


async def test_a_task_found_again_is_collected_also_where_nothing_else_is_under_way():
    async with rig(slots=1) as r:
        await r.load([through("night-run", "j0")])
        lose(r, never_arrive=[], arrive=["j0"])
        assert await r.run() == []
        assert await r.statuses() == {"j0": DONE}
        assert r.api.charged == 25
        await r.check()


async def test_doubts_of_two_routers_are_settled_each_by_its_own_history():
    async with rig(slots=2) as r:
        earlier = through("one", "j0")
        find_router = r.api.find_router

        async def unknown(slug):
            return None

        r.api.find_router = unknown
        await r.load([earlier])
        lose(r, never_arrive=[], arrive=["j0", "j1"])
        await r.run()
        assert await r.statuses() == {"j0": IN_DOUBT}
        r.api.find_router = find_router
        await r.clock.sleep(3600)
        await r.load([earlier, through("two", "j1", "generate/image")])
        assert await r.run() == []
        jobs = await r.jobs()
        assert {name: job.status for name, job in jobs.items()} == {"j0": DONE, "j1": DONE}
        for name, job in jobs.items():
            assert job.task_id is not None
            assert r.api.tasks[job.task_id].body["promptText"] == name
        assert r.api.charged == 50
        await r.check()


async def test_once_a_person_settled_one_of_two_doubts_the_history_settles_the_other():
    async with rig(slots=2) as r:
        await r.load([through("night-run", f"j{n}") for n in range(2)])
        lose(r, never_arrive=["j1"], arrive=["j0"])
        await r.run()
        await record(r, "b", "j1", Resolved(at=r.clock.now(), verdict=Verdict.NOT_ARRIVED))
        lose(r, never_arrive=[], arrive=[])
        assert await r.run() == []
        jobs = await r.jobs()
        assert jobs["j0"].task_ids == ("task-0001",)
        assert {job.status for job in jobs.values()} == {DONE}
        assert r.api.charged == 50
        await r.check()


@pytest.mark.parametrize("endpoint", ["generate/video", "generate/image"])
async def test_a_doubt_of_another_batch_at_the_same_router_leaves_ours_to_a_person(endpoint):
    async with rig(slots=2) as r:
        theirs = through("night-run", "theirs", endpoint)
        await r.store.upsert_batch("other")
        await r.load([theirs], batch="other")
        started = SubmitStarted(at=r.clock.now(), reserve=25)
        unknown = SubmitUnknown(at=r.clock.now(), reason="the answer was lost")
        await record(r, "other", "theirs", started, unknown)
        await r.api.create_task(theirs.endpoint, theirs.body)  # it did arrive
        await r.load([through("night-run", "ours")])
        lose(r, never_arrive=["ours"], arrive=[])
        await r.run()
        assert await r.statuses() == {"ours": IN_DOUBT}
        assert (await r.jobs())["ours"].task_ids == ()
