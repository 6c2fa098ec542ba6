"""What a plan asks of the state file: pages of jobs, who has a content, and what is outdated."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from runner.core.events import (
    Adopted,
    Downloaded,
    Flagged,
    Refreshed,
    Renamed,
    Reopened,
    SubmitStarted,
    TaskAccepted,
    TaskSucceeded,
    Verified,
)
from runner.core.job import Job, JobStatus, OutputFile
from runner.errors import StaleJob
from runner.store.migrations import migrations
from runner.store.planning import whole_pages
from runner.store.store import JobStore
from runner.testing import START, FakeClock, make_spec
from tests.crash.downgrade import downgrade
from tests.integration.store_steps import add, happen, started


@pytest.fixture
async def store() -> AsyncIterator[JobStore]:
    async with await JobStore.in_memory(clock=FakeClock()) as opened:
        await opened.upsert_batch("b", manifest="m.yaml", base_url="https://one", output_dir="out")
        yield opened


def output(digest: str, index: int = 0) -> OutputFile:
    return OutputFile(
        index=index, path=f"b/{digest}.mp4", bytes=3, sha256=digest, media_type="video/mp4"
    )


async def made(
    store: JobStore, job: Job, digest: str, *, consumed: tuple[str, ...] = (), task: str = "t"
) -> Job:
    """From pending to done, with one output."""
    return await happen(
        store, job,
        SubmitStarted(at=START, reserve=25, consumed=consumed, identity="i"),
        TaskAccepted(at=START, task_id=task, estimated=None),
        TaskSucceeded(at=START, credits=25),
        Verified(at=START, output=output(digest)),
        Downloaded(at=START),
    )  # fmt: skip


async def test_known_jobs_are_found_by_id_and_compared_with_the_manifest(store: JobStore) -> None:
    await add(store, make_spec("a"), make_spec("b"))
    asked = [make_spec("a"), make_spec("b", priority=3), make_spec("new")]
    known = await store.lookups().known("b", asked)
    assert {name: found.same_spec for name, found in known.items()} == {"a": True, "b": False}
    assert known["a"].key == make_spec("a").key
    rows = await store.lookups().known_rows([known["b"].number])
    assert [found.id for found in rows.values()] == ["b"]
    jobs = await store.lookups().jobs("b", [known["b"].number, known["a"].number])
    assert [job.id for job in jobs.values()] == ["a", "b"]


async def test_a_body_written_in_another_order_is_the_same(store: JobStore) -> None:
    await add(store, make_spec("a", body={"ratio": "1:1", "seed": 3}))
    known = await store.lookups().known("b", [make_spec("a", body={"seed": 3, "ratio": "1:1"})])
    assert known["a"].same_spec


async def test_who_has_a_content_is_found_in_all_batches_and_in_the_past(store: JobStore) -> None:
    [job] = await add(store, make_spec("a"))
    done = await made(store, job, "one")
    other = make_spec("a", body={"promptText": "other"})
    again = await happen(store, done, Refreshed(at=START, spec=other, position=0))
    await made(store, again, "two", task="t2")
    await store.upsert_batch("second", manifest="s.yaml", base_url="https://two", output_dir="o")
    await add(store, make_spec("x", body={"promptText": "a"}), batch="second")
    keys = [make_spec("a").key, other.key, make_spec("x", body={"promptText": "a"}).key, "none"]
    found = await store.lookups().holders(keys)
    told = {
        (key, holder.batch, holder.id, holder.is_present, holder.result is not None)
        for key, holders in found.items()
        for holder in holders
    }
    assert told == {
        (keys[0], "b", "a", False, True),
        (keys[0], "second", "x", True, False),
        (keys[1], "b", "a", True, True),
    }
    [past] = [holder for holder in found[keys[0]] if holder.batch == "b"]
    result = await store.lookups().result(past.number, keys[0])
    assert result is not None
    assert (result.task_id, result.outputs) == ("t", (output("one"),))
    assert (result.batch, result.job, result.output_dir) == ("b", "a", "out")


async def test_a_job_made_of_an_output_that_its_parent_no_longer_has_is_outdated(
    store: JobStore,
) -> None:
    parent, child, needy = await add(
        store, make_spec("p"), make_spec("c", needs=["p"]), make_spec("n", needs=["p"])
    )
    parent = await made(store, parent, "one")
    await made(store, child, "two", consumed=("one",))
    await made(store, needy, "three")
    specs = [make_spec(name) for name in "pcn"]

    async def outdated() -> set[str]:
        known = await store.lookups().known("b", specs)
        return {name for name, found in known.items() if found.outdated}

    assert await outdated() == set()
    adopted = Adopted(
        at=START, spec=parent.spec, position=0, task_id="t9", outputs=(output("new"),),
        consumed=(), source="x",
    )  # fmt: skip
    parent = await happen(store, parent, adopted)
    assert await outdated() == {"c"}, "a plan finds it out and says so itself"
    assert not (await job_of(store, "c")).stale
    await happen(store, parent, Reopened(at=START))
    assert await outdated() == set(), "nothing to compare with before it is done"


async def test_a_new_output_makes_the_children_of_the_old_one_stale_at_once(
    store: JobStore,
) -> None:
    parent, child, grandchild = await add(
        store, make_spec("p"), make_spec("c", needs=["p"]), make_spec("g", needs=["c"])
    )
    parent = await made(store, parent, "one")
    await made(store, child, "two", consumed=("one",))
    assert [job.id for job in await store.ready("b", grandchild.lane, now=START, limit=9)] == ["g"]
    reopened = await happen(
        store, parent, Reopened(at=START), Verified(at=START, output=output("x"))
    )
    await happen(store, reopened, Downloaded(at=START))
    flagged = await job_of(store, "c")
    assert (flagged.stale, flagged.status) == (True, JobStatus.DONE)
    assert await store.ready("b", grandchild.lane, now=START, limit=9) == []
    assert isinstance((await store.events("b", "c"))[-1], Flagged)
    accepted = Flagged(at=START, stale=True, orphaned=False, accepted=True)
    await happen(store, flagged, accepted)
    assert [job.id for job in await store.ready("b", grandchild.lane, now=START, limit=9)] == ["g"]
    assert await store.check("b") == []


async def test_a_job_does_not_take_an_id_that_another_has(store: JobStore) -> None:
    one, _ = await add(store, make_spec("one"), make_spec("two"))
    with pytest.raises(StaleJob):
        await happen(store, one, Renamed(at=START, spec=make_spec("two"), position=0, was="one"))
    assert await store.check("b") == []


async def test_a_renamed_job_in_flight_leaves_the_groups_of_its_old_name(store: JobStore) -> None:
    [job] = await add(store, make_spec("one"))
    flying = await happen(store, job, started())
    spec = make_spec("two", body={"promptText": "one"})
    moved = await happen(store, flying, Renamed(at=START, spec=spec, position=0, was="one"))
    states = await store.group_states(moved)
    assert {state.in_flight for state in states} == {1}
    assert await store.check("b") == []


def test_what_happens_to_one_job_is_written_at_once() -> None:
    jobs = [Job(batch="b", spec=make_spec(name)) for name in "aabbbcd"]
    changes: list[Any] = [(None, job, Reopened(at=START)) for job in jobs]
    found = [[job.id for _, job, _ in page] for page in whole_pages(changes, 3)]
    assert found == [["a", "a", "b", "b", "b"], ["c", "d"]]
    assert list(whole_pages([], 3)) == []


async def test_whether_names_are_spread_over_folders_is_decided_once(store: JobStore) -> None:
    await store.set_sharded("b", True)
    await store.set_sharded("b", False)
    batch = await store.batch("b")
    assert batch is not None
    assert batch.sharded is True


async def test_a_file_of_version_2_knows_the_results_that_it_has(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    async with await JobStore.open(path, clock=FakeClock()) as opened:
        await opened.upsert_batch("b", base_url="https://one", output_dir="out")
        done, _ = await add(opened, make_spec("done"), make_spec("waits"))
        await made(opened, done, "one")
    downgrade(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        assert "results" not in Database(db).table_names()
        migrations.apply(Database(db))
    async with await JobStore.open(path, clock=FakeClock()) as opened:
        found = await opened.lookups().holders([make_spec("done").key, make_spec("waits").key])
        results = {h.id: h.result for holders in found.values() for h in holders}
        assert results["waits"] is None
        assert results["done"] is not None
        assert results["done"].outputs == (output("one"),)
        batch = await opened.batch("b")
        assert batch is not None
        assert batch.sharded is None


async def job_of(store: JobStore, job_id: str) -> Job:
    found = await store.job("b", job_id)
    assert found is not None
    return found
