"""status, retry and resolve on a batch that the emulator really ran."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from runner.app.batch import BatchRef, batch_status, find_batch
from runner.app.releasing import retry
from runner.app.settling import jobs_in_doubt, resolve
from runner.core.events import SubmitRefused, Verdict
from runner.core.job import JobStatus
from runner.core.lifecycle import transition
from runner.errors import CapReached, StoreError, UsageError
from runner.store.process import this_process
from runner.store.store import JobStore
from tests.integration.mortal import GONE
from tests.integration.stage import Stage, stage_in
from tests.integration.test_app_run import clip, still, stills

DONE, FAILED, PENDING = JobStatus.DONE, JobStatus.FAILED, JobStatus.PENDING
SKIPPED, IN_DOUBT = JobStatus.SKIPPED, JobStatus.IN_DOUBT
MODERATED = {"on": "create", "do": "fail", "code": "SAFETY.INPUT.TEXT"}
LOST = {"on": "create", "do": "lose"}


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage_in(tmp_path) as opened:
        yield opened


async def reasons(stage: Stage, name: str = "small") -> dict[str, str]:
    status = await batch_status(stage.ref(name))
    return {line.job.id: line.reason for line in status.jobs}


# Which batch is meant


async def test_the_only_batch_needs_no_name(stage):
    stage.write(stills(1))
    await stage.run()
    here = stage.folder
    for target in (None, "small", str(stage.folder / "small.yaml")):
        assert await find_batch(target, stage.settings, here=here) == stage.ref()


async def test_of_several_batches_one_must_be_named(stage):
    for name in ("one", "two"):
        stage.write(stills(1), name=name)
        await stage.run(name)
    with pytest.raises(UsageError) as caught:
        await find_batch(None, stage.settings, here=stage.folder)
    assert "one, two" in caught.value.hint
    found = await find_batch("two", stage.settings, here=stage.folder)
    assert found.name == "two"
    with pytest.raises(UsageError, match="three"):
        await find_batch("three", stage.settings, here=stage.folder)


async def test_where_nothing_ran_there_is_nothing_to_find(stage):
    with pytest.raises(UsageError, match="nothing has run here yet"):
        await find_batch(None, stage.settings, here=stage.folder)
    assert not stage.state.exists()


async def test_a_name_too_long_for_any_file_is_no_batch_and_no_traceback(stage):
    stage.write(stills(1))
    await stage.run()
    with pytest.raises(UsageError, match="no batch of this name"):
        await find_batch("a" * 300, stage.settings, here=stage.folder)


async def test_a_name_that_looks_like_a_folder_s_is_still_a_name(stage):
    stage.write(stills(1), name="one")
    await stage.run("one")
    (stage.folder / "one").mkdir()
    assert (await find_batch("one", stage.settings, here=stage.folder)).name == "one"


# Why a job waits


async def test_status_changes_nothing_and_tells_done_from_failed(stage):
    stage.write(still("a") + still("b"))
    stage.script({**MODERATED, "nth": 1})
    await stage.run()
    before = stage.state.read_bytes()
    status = await batch_status(stage.ref())
    assert stage.state.read_bytes() == before
    assert status.summary.counts == {DONE: 1, FAILED: 1}
    assert not status.live
    assert status.batch is not None
    assert status.batch.manifest == str(stage.folder / "small.yaml")
    assert {line.reason for line in status.jobs} == {""}


async def test_a_job_that_waits_for_the_budget_says_which_cap(stage):
    head = "budget: {credits: 500, models: {gen4_image: 8}}"
    stage.write(stills(2), head=head)
    assert (await stage.run()).exit_code == 8
    waiting = [reason for reason in (await reasons(stage)).values() if reason]
    assert waiting == ["budget: 8 cr ($0.08) do not fit under model:gen4_image: 0 cr ($0.00) left"]


async def test_a_child_of_a_job_in_doubt_waits_for_it(stage):
    stage.write(still("plate") + clip("push", "plate"))
    stage.script(LOST)
    await stage.run()
    assert await reasons(stage) == {"plate": "", "push": "needs `plate` (in_doubt)"}


async def test_a_new_child_of_a_stale_parent_waits_and_says_so(stage):
    stage.write(still("plate"))
    await stage.run()
    stage.write(still("plate", "dusk") + clip("push", "plate"))
    result = await stage.run()
    assert (await reasons(stage))["push"] == "parent is stale: `plate`"
    assert (await stage.statuses())["push"] is PENDING
    assert len(stage.tasks) == 1
    assert result.summary.totals.reserved == 0


async def test_a_run_that_leaves_a_job_behind_a_stale_parent_does_not_exit_0(stage):
    stage.write(still("plate"))
    await stage.run()
    stage.write(still("plate", "dusk") + clip("push", "plate"))
    assert (await stage.run()).exit_code != 0


async def test_a_refused_job_says_until_when_it_waits_and_why(stage):
    stage.write(still("a"))
    async with await JobStore.open(stage.state, clock=stage.clock) as store:
        await store.upsert_batch("small")
        await stage.plan_into(store)
        job = await store.job("small", "a")
        assert job is not None
        now = stage.clock.now()
        event = SubmitRefused(
            at=now, not_before=now + timedelta(days=1), code="HTTP_429", reason="daily quota"
        )
        await store.save(job, transition(job, event), event, None)
    reason = (await reasons(stage))["a"]
    assert reason.startswith("back-off until ")
    assert reason.endswith(": daily quota")


@pytest.mark.parametrize("owner", [this_process(), GONE], ids=["alive", "killed"])
async def test_a_run_is_live_as_long_as_its_process_and_a_free_job_waits_for_a_slot(stage, owner):
    stage.write(stills(1))
    async with await JobStore.open(stage.state, clock=stage.clock) as store:
        await store.upsert_batch("small")
        await stage.plan_into(store)
        await store.acquire("small", run_id="r", owner=owner)
        status = await batch_status(stage.ref())
    assert status.live is (owner is not GONE)
    expected = "no run works on it" if owner is GONE else "slot"
    assert [line.reason for line in status.jobs] == [expected]


async def test_status_can_be_asked_for_while_a_run_works(stage):
    stage.write(stills(6))
    run = asyncio.create_task(stage.run())
    seen = 0
    while not run.done():
        if stage.state.exists() and stage.tasks:
            status = await batch_status(stage.ref())
            assert status.summary.jobs == 6
            seen += status.live
        await stage.clock.sleep(2)
    assert (await run).exit_code == 0
    assert seen > 1


async def test_a_batch_that_is_not_there_is_an_error_with_its_name(stage):
    stage.write(stills(1))
    await stage.run()
    with pytest.raises(StoreError, match="nobody"):
        await batch_status(BatchRef(state=stage.state, name="nobody"))


# Retry


async def failed_family(stage: Stage) -> None:
    """A failed picture, a clip of it and a clip of that clip's brother; one good picture."""
    stage.write(still("plate") + clip("push", "plate") + clip("drift", "plate") + still("other"))
    stage.script({**MODERATED, "nth": 1})
    assert (await stage.run()).exit_code == 3
    assert await stage.statuses() == {
        "plate": FAILED, "push": SKIPPED, "drift": SKIPPED, "other": DONE
    }  # fmt: skip
    stage.script()


async def test_retry_takes_what_was_skipped_along_and_leaves_what_is_done(stage):
    await failed_family(stage)
    again = await retry(stage.ref(), [])
    assert {job.id for job in again} == {"plate", "push", "drift"}
    assert len(stage.tasks) == 2, "nothing is sent before the next run"
    assert (await stage.run()).exit_code == 0
    assert stage.prompts == {"plate": 2, "push": 1, "drift": 1, "other": 1}
    assert stage.charged == 8 + 8 + 25 + 25 + 8, "a moderated task keeps its charge"
    await stage.agrees()


async def test_retry_of_a_glob_takes_only_what_it_matches(stage):
    stage.write(still("a1") + still("a2") + still("b1"))
    stage.script(MODERATED)
    await stage.run()
    assert {job.id for job in await retry(stage.ref(), ["a*"])} == {"a1", "a2"}
    assert await stage.statuses() == {"a1": PENDING, "a2": PENDING, "b1": FAILED}


async def test_retry_of_a_name_that_matches_nothing_changes_nothing(stage):
    await failed_family(stage)
    with pytest.raises(UsageError, match="nobody"):
        await retry(stage.ref(), ["plate", "nobody"])
    assert (await stage.statuses())["plate"] is FAILED


async def test_retry_of_done_jobs_pays_nothing(stage):
    stage.write(stills(2))
    await stage.run()
    assert await retry(stage.ref(), []) == []
    assert await retry(stage.ref(), ["s0"]) == []
    assert (await stage.run()).exit_code == 0
    assert len(stage.tasks) == 2


async def test_retry_twice_is_as_once(stage):
    await failed_family(stage)
    await retry(stage.ref(), [])
    assert await retry(stage.ref(), []) == []
    await stage.run()
    assert stage.prompts["plate"] == 2


async def test_an_orphan_that_failed_is_not_retried(stage):
    stage.write(still("a") + still("b"))
    stage.script(MODERATED)
    await stage.run()
    stage.write(still("a"))
    await stage.run()
    assert {job.id for job in await retry(stage.ref(), [])} == {"a"}


async def test_a_retried_job_goes_on_while_a_run_is_live(stage):
    stage.write(still("bad") + stills(4), head="budget: 500\nconcurrency: {total: 1}")
    stage.script({**MODERATED, "nth": 1})
    run = asyncio.create_task(stage.run())
    while ("bad", "GaveUp") not in stage.events:
        await stage.clock.sleep(0.5)
    [again] = await retry(stage.ref(), ["bad"])
    assert again.status is PENDING
    assert (await run).exit_code == 0
    assert stage.prompts["bad"] == 2
    await stage.agrees()


# Resolve


async def one_in_doubt(stage: Stage, *, arrived: bool = True, head: str = "budget: 500") -> str:
    """A batch with one lost create; returns the task's id where there is one."""
    stage.write(still("a"), head=head)
    stage.script(LOST if arrived else {"on": "create", "do": "refuse", "status": 500})
    assert (await stage.run()).exit_code == 11
    assert await stage.statuses() == {"a": IN_DOUBT}
    assert [job.id for job in await jobs_in_doubt(stage.ref())] == ["a"]
    stage.script()
    return str(stage.tasks[0].id) if arrived else ""


async def test_adopting_the_task_collects_it_and_pays_nothing_more(stage):
    task_id = await one_in_doubt(stage)
    job = await resolve(stage.ref(), "a", Verdict.ADOPTED, task_id)
    assert (job.status, job.task_id, job.hold) == (JobStatus.QUEUED, task_id, 8)
    result = await stage.run()
    assert (result.exit_code, result.summary.totals.spent, stage.charged) == (0, 8, 8)
    await stage.agrees()


async def test_lost_is_failed_and_spent(stage):
    await one_in_doubt(stage)
    job = await resolve(stage.ref(), "a", Verdict.LOST)
    assert (job.status, job.charged, job.hold) == (FAILED, 8, 0)
    result = await stage.run()
    assert (result.exit_code, result.summary.totals.spent, len(stage.tasks)) == (3, 8, 1)


async def test_resubmit_is_paid_a_second_time_on_purpose(stage):
    await one_in_doubt(stage)
    job = await resolve(stage.ref(), "a", Verdict.RESUBMIT)
    assert (job.status, job.charged) == (PENDING, 8)
    result = await stage.run()
    assert (result.exit_code, result.summary.totals.spent, stage.charged) == (0, 16, 16)
    await stage.agrees()


async def test_resubmit_needs_room_for_a_second_reserve(stage):
    await one_in_doubt(stage, head="budget: 15")
    with pytest.raises(CapReached) as caught:
        await resolve(stage.ref(), "a", Verdict.RESUBMIT)
    assert caught.value.exit_code == 8
    assert await stage.statuses() == {"a": IN_DOUBT}
    assert (await resolve(stage.ref(), "a", Verdict.LOST)).status is FAILED


async def test_not_arrived_gives_the_hold_back_and_sends_again(stage):
    await one_in_doubt(stage, arrived=False, head="budget: 8")
    job = await resolve(stage.ref(), "a", Verdict.NOT_ARRIVED)
    assert (job.status, job.charged, job.hold) == (PENDING, 0, 0)
    result = await stage.run()
    assert (result.exit_code, result.summary.totals.spent, stage.charged) == (0, 8, 8)


async def test_adopting_a_task_that_nobody_knows_fails_and_keeps_the_charge(stage):
    """A wrong id costs no second payment: the job is failed, its reserve counts as spent."""
    await one_in_doubt(stage)
    await resolve(stage.ref(), "a", Verdict.ADOPTED, "00000000-0000-4000-8000-000000000000")
    result = await stage.run()
    assert (result.exit_code, len(stage.tasks)) == (3, 1)
    [job] = (await stage.jobs()).values()
    assert job.error is not None
    assert (job.error.code, job.charged) == ("TASK_GONE", 8)


@pytest.mark.parametrize("verdict", list(Verdict))
async def test_what_is_not_in_doubt_cannot_be_resolved(stage, verdict):
    stage.write(still("a"))
    await stage.run()
    with pytest.raises(UsageError, match="`a` is done, not in doubt"):
        await resolve(stage.ref(), "a", verdict, "x" if verdict is Verdict.ADOPTED else None)
    with pytest.raises(UsageError, match="nobody"):
        await resolve(stage.ref(), "nobody", verdict)
    await stage.agrees()


async def test_a_second_verdict_is_refused(stage):
    task_id = await one_in_doubt(stage)
    await resolve(stage.ref(), "a", Verdict.ADOPTED, task_id)
    with pytest.raises(UsageError, match="not in doubt"):
        await resolve(stage.ref(), "a", Verdict.RESUBMIT)
    await stage.run()
    assert len(stage.tasks) == 1


async def test_children_go_on_once_their_parent_is_adopted(stage):
    stage.write(still("plate") + clip("push", "plate"))
    stage.script({**LOST, "nth": 1})
    await stage.run()
    await resolve(stage.ref(), "plate", Verdict.ADOPTED, stage.tasks[0].id)
    assert (await stage.run()).exit_code == 0
    assert stage.prompts == {"plate": 1, "push": 1}


async def test_an_orphan_in_doubt_still_needs_a_person(stage):
    stage.write(still("a") + still("b"))
    stage.script({**LOST, "nth": 1})
    await stage.run()
    [lost] = [job.id for job in await jobs_in_doubt(stage.ref())]
    stage.write(still("b" if lost == "a" else "a"))
    assert (await stage.run()).exit_code == 11
    assert (await stage.jobs())[lost].orphaned


async def test_an_edit_of_a_job_in_doubt_waits_for_the_verdict_and_pays_nothing_by_itself(stage):
    await one_in_doubt(stage)
    stage.write(still("a", "another prompt"))
    assert (await stage.run()).exit_code == 11
    [job] = (await stage.jobs()).values()
    assert (job.status, job.hold, job.stale) == (IN_DOUBT, 8, True)
    assert len(stage.tasks) == 1


async def test_short_commands_make_no_state_file(stage):
    ref = replace(stage.ref(), state=stage.folder / "no" / "state.db")
    for call in (retry(ref, []), resolve(ref, "a", Verdict.LOST), batch_status(ref)):
        with pytest.raises(StoreError):
            await call
    assert not ref.state.parent.exists()
