from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from sqlite3 import Connection

import pytest

from runner.core.events import (
    Added,
    Edited,
    Flagged,
    Requeued,
    Skipped,
    SubmitRefused,
    SubmitStarted,
)
from runner.core.job import JobStatus
from runner.core.ledger import Caps
from runner.core.lifecycle import create
from runner.errors import StaleJob, StoreError
from runner.ports import Store, UploadCache
from runner.store.store import JobStore
from runner.testing import START, FakeClock, make_spec
from tests.integration.store_steps import add, finished, gave_up, happen

LANE = "gen4_turbo"


@pytest.fixture
async def store() -> AsyncIterator[JobStore]:
    async with await JobStore.in_memory(clock=FakeClock()) as opened:
        await opened.upsert_batch("b")
        yield opened


async def ready_ids(
    store: JobStore, *, now: datetime = START, limit: int = 100, skip: Sequence[str] = ()
) -> list[str]:
    return [job.id for job in await store.ready("b", LANE, now=now, limit=limit, skip=skip)]


def test_the_store_fits_the_ports() -> None:
    def needs(store: Store, cache: UploadCache) -> None: ...

    def fits(store: JobStore) -> None:
        needs(store, store.uploads("https://api.example"))  # checked by mypy

    assert callable(fits)


async def test_a_saved_job_is_read_back_with_its_events(store: JobStore) -> None:
    [job] = await add(store, make_spec("a"))
    done = await happen(store, job, *finished())

    assert await store.job("b", "a") == done
    assert await store.events("b", "a") == [
        Added(at=START, spec=make_spec("a"), position=0),
        *finished(),
    ]
    assert await store.job("b", "nobody") is None
    assert await store.events("b", "nobody") == []


async def test_a_job_changed_by_somebody_else_is_refused_and_nothing_is_written(
    store: JobStore,
) -> None:
    [job] = await add(store, make_spec("a"))
    after = await happen(store, job, gave_up())

    with pytest.raises(StaleJob, match="`a` was changed"):
        await happen(store, job, SubmitStarted(at=START, reserve=25))

    assert await store.job("b", "a") == after
    assert len(await store.events("b", "a")) == 2
    assert (await store.totals("b")).used == 0


async def test_a_job_cannot_be_added_twice(store: JobStore) -> None:
    [job] = await add(store, make_spec("a"))
    added = Added(at=START, spec=make_spec("a"), position=0)
    with pytest.raises(StaleJob):
        await store.apply_plan("b", [(None, create("b", added), added)])
    assert [job] == [found async for found in store.jobs("b")]


async def test_an_unknown_batch_says_so(store: JobStore) -> None:
    with pytest.raises(StoreError, match="no batch `nope`"):
        await store.active("nope")
    assert await store.batch("nope") is None


async def test_ready_goes_by_priority_then_manifest_order(store: JobStore) -> None:
    await add(
        store, make_spec("low"), make_spec("first", priority=5), make_spec("second", priority=5)
    )
    assert await ready_ids(store) == ["first", "second", "low"]
    assert await ready_ids(store, limit=2) == ["first", "second"]
    assert await ready_ids(store, limit=1, skip=["first", "second"]) == ["low"]


async def test_ready_leaves_out_what_is_not_due_and_next_due_names_its_time(
    store: JobStore,
) -> None:
    soon, later = START + timedelta(seconds=5), START + timedelta(seconds=9)
    one, two = await add(store, make_spec("one"), make_spec("two"))
    refused = [
        SubmitRefused(at=START, not_before=at, code="HTTP_429", reason="busy")
        for at in (soon, later)
    ]
    await happen(store, one, SubmitStarted(at=START, reserve=25), refused[0])
    await happen(store, two, SubmitStarted(at=START, reserve=25), refused[1])

    assert await ready_ids(store) == []
    assert await store.ready_lanes("b") == [LANE]
    assert await store.next_due("b", after=START) == soon
    assert await store.next_due("b", after=soon) == later
    assert await store.next_due("b", after=later) is None
    assert await ready_ids(store, now=soon) == ["one"]


async def test_ready_lanes_are_each_named_once(store: JobStore) -> None:
    assert await store.ready_lanes("b") == []
    models = ["veo3.1", "gen4_image", "veo3.1", "gen4_image", "aleph2"]
    await add(store, *(make_spec(f"j{n}", model=model) for n, model in enumerate(models)))
    assert await store.ready_lanes("b") == ["aleph2", "gen4_image", "veo3.1"]


async def test_a_child_is_ready_once_all_its_parents_are_done(store: JobStore) -> None:
    child = make_spec("child", needs=["left", "right"])
    left, right, _ = await add(store, make_spec("left"), make_spec("right"), child)
    assert await ready_ids(store) == ["left", "right"]

    await happen(store, left, *finished())
    assert "child" not in await ready_ids(store)
    await happen(store, right, *finished())
    assert await ready_ids(store) == ["child"]


async def test_a_child_added_under_a_done_parent_is_ready_at_once(store: JobStore) -> None:
    [parent] = await add(store, make_spec("parent"))
    await happen(store, parent, *finished())
    await add(store, make_spec("parent"), make_spec("child", needs=["parent"]))
    assert await ready_ids(store) == ["child"]


async def test_no_job_starts_on_a_stale_parent(store: JobStore) -> None:
    parent, _ = await add(store, make_spec("parent"), make_spec("child", needs=["parent"]))
    done = await happen(store, parent, *finished())
    stale = await happen(store, done, Flagged(at=START, stale=True, orphaned=False))
    assert await ready_ids(store) == []
    await happen(store, stale, Flagged(at=START, stale=False, orphaned=False))
    assert await ready_ids(store) == ["child"]


async def test_jobs_that_left_the_manifest_are_not_started(store: JobStore) -> None:
    await add(store, make_spec("kept"), make_spec("gone"))
    await add(store, make_spec("kept"))
    assert await ready_ids(store) == ["kept"]
    assert [job.id async for job in store.jobs("b") if job.orphaned] == ["gone"]
    await add(store, make_spec("kept"), make_spec("gone"))
    assert await ready_ids(store) == ["kept", "gone"]


async def test_an_edit_replaces_content_lane_and_needs(store: JobStore) -> None:
    before = make_spec("child", needs=["a"])
    await add(store, make_spec("a"), make_spec("b"), before)
    edited = make_spec("child", needs=["b"], model="veo3.1", priority=3)
    jobs = await add(store, make_spec("a"), make_spec("b"), edited)

    assert jobs[2].spec == edited
    assert isinstance((await store.events("b", "child"))[-1], Edited)
    await happen(store, jobs[1], *finished())
    assert [job.id for job in await store.ready("b", "veo3.1", now=START, limit=9)] == ["child"]
    assert await store.check("b") == []


async def test_doomed_names_each_pending_child_once(store: JobStore) -> None:
    x, y, *_ = await add(
        store,
        make_spec("x"),
        make_spec("y"),
        make_spec("both", needs=["x", "y"]),
        make_spec("grandchild", needs=["both"]),
    )
    assert await store.doomed("b") == []
    await happen(store, x, gave_up())
    await happen(store, y, gave_up())
    [(both, parent)] = await store.doomed("b")
    assert (both.id, parent) == ("both", "x")

    await happen(store, both, Skipped(at=START, parent="x"))
    assert [(job.id, need) for job, need in await store.doomed("b")] == [("grandchild", "both")]


async def test_a_child_that_left_the_manifest_is_not_doomed(store: JobStore) -> None:
    [parent, *_] = await add(store, make_spec("p"), make_spec("c", needs=["p"]))
    await happen(store, parent, gave_up())
    await add(store, make_spec("p"))
    assert await store.doomed("b") == []


async def test_active_jobs_are_those_that_a_run_works_on(store: JobStore) -> None:
    jobs = await add(store, *(make_spec(f"j{n}") for n in range(6)))
    for count, job in enumerate(jobs):
        await happen(store, job, *finished()[:count])
    assert [job.status for job in await store.active("b")] == [
        JobStatus.SUBMITTING, JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.DOWNLOADING
    ]  # fmt: skip
    assert await store.counts("b") == dict.fromkeys(
        (JobStatus.PENDING, JobStatus.DONE, *(job.status for job in await store.active("b"))), 1
    )


async def test_a_retry_by_a_person_puts_the_children_back_in_line(store: JobStore) -> None:
    parent, child = await add(store, make_spec("p"), make_spec("c", needs=["p"]))
    failed = await happen(store, parent, gave_up())
    skipped = await happen(store, child, Skipped(at=START, parent="p"))
    await happen(store, failed, Requeued(at=START))
    await happen(store, skipped, Requeued(at=START))
    assert await ready_ids(store) == ["p"]
    assert await store.doomed("b") == []


async def test_a_plan_of_many_jobs_is_written_and_read_in_pages(store: JobStore) -> None:
    specs = [make_spec(f"parent-{n}") for n in range(600)]
    specs += [make_spec(f"child-{n}", needs=[f"parent-{n}"]) for n in range(600)]
    await add(store, *specs)

    assert [job.id async for job in store.jobs("b", page=7)] == [spec.id for spec in specs]
    assert len(await ready_ids(store, limit=2000)) == 600
    assert await store.check("b") == []


async def test_a_need_that_is_nowhere_is_refused(store: JobStore) -> None:
    with pytest.raises(StoreError, match="`a` needs `b`, which is not in the batch"):
        await add(store, make_spec("a", needs=["b"]))
    assert [job async for job in store.jobs("b")] == []


async def test_a_batch_with_tasks_stays_at_its_base_url(store: JobStore) -> None:
    await store.upsert_batch("b", manifest="m.yaml", base_url="https://one", output_dir="out")
    [job] = await add(store, make_spec("a"))
    await store.upsert_batch("b", manifest="m.yaml", base_url="https://two", output_dir="out")
    await happen(store, job, SubmitStarted(at=START, reserve=25))
    with pytest.raises(StoreError, match="`https://two`") as caught:
        await store.upsert_batch("b", base_url="https://three")
    assert "--base-url https://two" in caught.value.hint
    await store.upsert_batch("b", manifest="moved.yaml", base_url="https://two")
    [batch] = await store.batches()
    assert (batch.manifest, batch.base_url, batch.created_at) == (
        "moved.yaml",
        "https://two",
        START,
    )


async def test_batches_of_one_file_do_not_mix(store: JobStore) -> None:
    await store.upsert_batch("other")
    await add(store, make_spec("a"))
    added = Added(at=START, spec=make_spec("a", worst=7), position=0)
    await store.apply_plan("other", [(None, create("other", added), added)])
    found = await store.job("other", "a")
    assert found is not None
    await happen(store, found, SubmitStarted(at=START, reserve=7))
    assert (await store.totals("other")).reserved == 7
    assert (await store.totals("b")).used == 0
    assert await ready_ids(store) == ["a"]
    assert await store.active("b") == []


async def test_uploads_are_remembered_per_content_and_service(store: JobStore) -> None:
    cache = store.uploads("https://one")
    await cache.remember_upload("sha", "runway://1", at=START)
    assert await cache.uploaded("sha", not_before=START) == "runway://1"
    assert await cache.uploaded("sha", not_before=START + timedelta(seconds=1)) is None
    assert await store.uploads("https://two").uploaded("sha", not_before=START) is None

    later = START + timedelta(hours=1)
    await cache.remember_upload("sha", "runway://2", at=later)
    await cache.remember_upload("sha", "runway://late", at=START)
    assert await cache.uploaded("sha", not_before=later) == "runway://2"


async def test_the_check_finds_what_was_changed_by_hand(store: JobStore) -> None:
    [parent, *_] = await add(store, make_spec("p"), make_spec("c", needs=["p"]))
    await happen(store, parent, SubmitStarted(at=START, reserve=25))
    await store.set_caps("b", Caps(batch=99))

    def tamper(db: Connection) -> None:
        db.execute("UPDATE jobs SET status = 'done' WHERE id = 'p'")
        db.execute("UPDATE ledger SET credits = 1")

    await store._writer.run(tamper)
    found = await store.check("b")
    assert [line.split(" ")[:2] for line in found] == [
        ["job", "`p`"], ["the", "ledger"], ["cap", "`batch`"], ["job", "`c`"],
        ["prompt", "`p`"], ["template", "`p`"], ["the", "spending"],
    ]  # fmt: skip
