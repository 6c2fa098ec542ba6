"""`run_batch` against the emulator in the same loop: what is written, sent, charged and kept."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from runner.app.control import RunControl
from runner.app.run import RunOptions, run_batch
from runner.core.deciding import Action
from runner.core.job import JobStatus
from runner.core.plan import Plan
from runner.errors import (
    AccountError,
    StoreError,
    StoreLocked,
    TransientApiError,
    UsageError,
)
from runner.store.process import this_process
from runner.store.reader import StateReader
from runner.store.store import JobStore
from tests.integration.mortal import GONE
from tests.integration.stage import Stage, everything, stage_in

DONE = JobStatus.DONE


def still(job_id: str, prompt: str | None = None, **more: object) -> str:
    """A picture: 8 credits."""
    lines = [f"  - id: {job_id}"]
    lines += [f"    {key}: {json.dumps(value)}" for key, value in more.items()]
    body = {"model": "gen4_image", "promptText": prompt or job_id, "ratio": "1920:1080"}
    lines += ["    text_to_image:", *(f"      {k}: {json.dumps(v)}" for k, v in body.items())]
    return "\n".join(lines) + "\n"


def clip(job_id: str, source: str, prompt: str | None = None) -> str:
    """A clip made of another job's picture: 25 credits."""
    return (
        f"  - id: {job_id}\n    image_to_video:\n      model: gen4_turbo\n"
        f"      promptImage: ${{{{ jobs['{source}'].output }}}}\n"
        f'      promptText: {prompt or job_id}\n      ratio: "1280:720"\n      duration: 5\n'
    )


def stills(count: int) -> str:
    return "".join(still(f"s{number}") for number in range(count))


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage_in(tmp_path) as opened:
        yield opened


# From manifest to files


async def test_a_run_brings_every_job_to_its_file_and_pays_once(stage):
    stage.write(stills(3) + clip("push", "s1"))
    result = await stage.run()
    assert (result.exit_code, result.reasons) == (0, ())
    assert set((await stage.statuses()).values()) == {DONE}
    assert set(stage.prompts.values()) == {1}
    assert result.summary.totals.spent == stage.charged == 3 * 8 + 25
    await stage.agrees()


async def test_a_finished_batch_is_not_even_asked_about(stage):
    stage.write(stills(2))
    await stage.run()
    seen = stage.emulator.seen.copy()
    result = await stage.run()
    assert result.exit_code == 0
    assert stage.emulator.seen == seen


async def test_a_clip_is_made_of_the_uploaded_picture_where_its_link_is_no_domain(stage):
    stage.write(still("plate") + clip("push", "plate"))
    await stage.run()
    made = stage.tasks[-1]
    assert made.body["promptImage"].startswith("runway://")
    assert stage.emulator.seen["store"] == 1


async def test_two_clips_of_one_picture_upload_it_once(stage):
    stage.write(still("plate") + clip("one", "plate") + clip("two", "plate"))
    assert (await stage.run()).exit_code == 0
    assert stage.emulator.seen["store"] == 1


async def test_neither_the_key_nor_a_link_is_kept_anywhere(stage):
    stage.write(still("plate") + clip("push", "plate"))
    await stage.run()
    texts = [path.read_bytes() for path in stage.folder.rglob("*") if path.is_file()]
    assert len(texts) > 4
    for text in texts:
        assert b"key_emulator" not in text
        assert stage.emulator.url.encode() not in text
        assert b"/outputs/" not in text.replace(str(stage.outputs).encode(), b"")


async def test_the_sidecar_says_what_was_made_and_of_what_size(stage):
    stage.write(still("plate"))
    await stage.run()
    [job] = (await stage.jobs()).values()
    found = json.loads((stage.outputs / job.outputs[0].path).with_suffix(".json").read_text())
    assert job.outputs[0].sha256 in json.dumps(found)
    assert job.task_id in json.dumps(found)


# Before anything is written or sent


@pytest.mark.parametrize("earlier", [False, True], ids=["first run", "later run"])
async def test_a_gate_that_raises_ends_the_run_with_nothing_written_or_sent(stage, earlier):
    stage.write(stills(2))
    if earlier:
        await stage.run()
    seen, jobs = stage.emulator.seen.copy(), await stage.jobs() if earlier else {}
    stage.write(still("s0", "another") + still("new"))

    def shut(_plan: Plan) -> None:
        raise UsageError("no")

    with pytest.raises(UsageError):
        await stage.run(gate=shut)
    assert await stage.jobs() == jobs
    assert stage.emulator.seen == seen
    await stage.agrees()


async def test_a_gate_sees_the_plan_with_its_cost(stage):
    stage.write(stills(3))
    seen: list[Plan] = []

    def look(plan: Plan) -> None:
        seen.append(plan)

    await stage.run(gate=look)
    await stage.run(gate=look)
    assert [plan.cost.worst for plan in seen] == [24, 0]
    assert [set(plan.counts) for plan in seen] == [{Action.NEW}, {Action.KEEP}]


async def test_a_gate_that_raised_lets_the_next_run_in(stage):
    stage.write(stills(1))

    def shut(_plan: Plan) -> None:
        raise UsageError("no")

    with pytest.raises(UsageError):
        await stage.run(gate=shut)
    assert (await stage.run()).exit_code == 0


async def test_without_a_key_nothing_is_sent_and_nothing_planned(stage):
    stage.write(stills(2))
    stage.settings = replace(stage.settings, key=None)
    with pytest.raises(AccountError, match="no API key"):
        await stage.run()
    assert await stage.jobs() == {}
    assert not stage.emulator.seen


async def test_a_wrong_key_is_found_out_before_anything_is_sent(stage):
    stage.write(stills(2))
    stage.settings = replace(stage.settings, key="key_of_nobody")
    with pytest.raises(AccountError) as caught:
        await stage.run()
    assert caught.value.status == 401
    assert await stage.jobs() == {}
    assert stage.tasks == []


async def test_a_service_that_is_not_there_is_told_apart_from_a_refusal(stage):
    stage.write(stills(1))
    await stage.emulator.stop()
    with pytest.raises(TransientApiError) as caught:
        await stage.run()
    assert caught.value.exit_code == 5
    assert await stage.jobs() == {}


async def test_an_account_that_answers_late_is_waited_for(stage):
    stage.write(stills(1))
    stage.script({"on": "organization", "do": "refuse", "status": 503, "count": 2})
    assert (await stage.run()).exit_code == 0


async def test_an_output_folder_that_is_a_file_is_found_out_before_anything_is_sent(stage):
    stage.write(stills(1))
    stage.outputs.write_text("mine")
    with pytest.raises(UsageError, match="cannot write to the output folder"):
        await stage.run()
    assert not stage.state.exists()
    assert not stage.emulator.seen
    assert stage.outputs.read_text() == "mine"


# Caps


async def test_the_cap_of_a_run_holds_for_that_run_alone(stage):
    stage.write(stills(6))
    first = await stage.run(gate=lambda _plan: 20)
    assert (first.exit_code, stage.charged) == (8, 16)
    second = await stage.run(gate=lambda _plan: 20)
    assert (second.exit_code, stage.charged) == (8, 32)
    assert (await stage.run()).exit_code == 0
    assert (stage.charged, set(stage.prompts.values())) == (48, {1})
    await stage.agrees()


async def test_the_cap_of_the_batch_holds_over_all_runs_and_may_be_raised(stage):
    stage.write(stills(6), head="budget: 24")
    assert [(await stage.run()).exit_code for _ in range(3)] == [8, 8, 8]
    assert stage.charged == 24
    stage.write(stills(6), head="budget: 40")
    assert (await stage.run()).exit_code == 8
    assert stage.charged == 40
    await stage.agrees()


async def test_a_budget_that_was_lowered_below_what_is_spent_starts_nothing(stage):
    stage.write(stills(3))
    await stage.run()
    stage.write(stills(5), head="budget: 10")
    assert (await stage.run()).exit_code == 8
    assert len(stage.tasks) == 3


async def test_minus_j_lowers_what_is_at_runway_at_once(stage):
    stage.write(stills(6))
    alive = []
    run = asyncio.create_task(stage.run(options=RunOptions(jobs={None: 1})))
    while not run.done():
        stage.emulator.backend.settle()
        alive.append(sum(not task.ended for task in stage.tasks))
        await stage.clock.sleep(0.5)
    assert (await run).exit_code == 0
    assert max(alive) == 1


# Who holds the batch


async def held_by(stage: Stage, owner, name: str = "small") -> None:
    async with await JobStore.open(stage.state, clock=stage.clock) as store:
        await store.upsert_batch(name)
        await store.acquire(name, run_id="other", owner=owner)


async def test_a_batch_that_somebody_works_on_is_locked(stage):
    stage.write(stills(1))
    await held_by(stage, this_process())
    with pytest.raises(StoreLocked) as caught:
        await stage.run()
    assert caught.value.exit_code == 6
    assert not stage.emulator.seen
    assert await stage.jobs() == {}


async def test_two_runs_at_once_one_works_and_one_is_told(stage):
    stage.write(stills(4))
    ends = await asyncio.gather(stage.run(), stage.run(), return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["RunResult", "StoreLocked"]
    assert set(stage.prompts.values()) == {1}
    await stage.agrees()


async def test_the_lease_of_a_dead_process_does_not_keep_anybody_out(stage):
    stage.write(stills(1))
    await held_by(stage, GONE)
    assert (await stage.run()).exit_code == 0


async def test_the_lease_of_another_host_is_taken_over_only_when_asked_to(stage):
    stage.write(stills(1))
    await held_by(stage, replace(GONE, host="elsewhere"))
    with pytest.raises(StoreLocked, match="elsewhere") as caught:
        await stage.run()
    assert "--take-over" in caught.value.hint
    assert (await stage.run(options=RunOptions(take_over=True))).exit_code == 0


async def test_a_run_that_ended_is_not_live_any_more(stage):
    stage.write(stills(1))
    await stage.run()
    async with await StateReader.read(stage.state) as reader:
        assert not await reader.is_live("small")


async def test_a_run_that_failed_is_not_live_any_more(stage):
    stage.write(stills(1))
    stage.settings = replace(stage.settings, key="key_of_nobody")
    with pytest.raises(AccountError):
        await stage.run()
    async with await StateReader.read(stage.state) as reader:
        assert not await reader.is_live("small")


# Several batches in one state file


async def test_two_batches_of_one_state_file_run_side_by_side(stage):
    stage.write(stills(3), name="one")
    stage.write(stills(3), name="two")
    results = await asyncio.gather(stage.run("one"), stage.run("two"))
    assert [result.exit_code for result in results] == [0, 0], [r.reasons for r in results]
    assert stage.prompts == dict.fromkeys(("s0", "s1", "s2"), 2)
    for name in ("one", "two"):
        await stage.agrees(name)
    assert {result.summary.totals.spent for result in results} == {24}


async def test_batches_have_budgets_of_their_own(stage):
    stage.write(stills(3), name="poor", head="budget: 8")
    stage.write(stills(3), name="rich")
    poor, rich = await asyncio.gather(stage.run("poor"), stage.run("rich"))
    assert (poor.exit_code, rich.exit_code) == (8, 0)
    assert (poor.summary.totals.spent, rich.summary.totals.spent) == (8, 24)


async def test_a_manifest_of_the_same_name_elsewhere_is_refused(stage):
    stage.write(stills(1))
    await stage.run()
    other = stage.folder / "elsewhere"
    other.mkdir()
    stage.write(stills(2))
    text = (stage.folder / "small.yaml").read_text()
    (other / "small.yaml").write_text(text)
    there = replace(stage, folder=other)
    with pytest.raises(UsageError, match="belongs to"):
        await there.run()
    assert set(await stage.statuses()) == {"s0"}


async def test_a_manifest_that_moved_takes_its_batch_along(stage):
    stage.write(stills(1))
    await stage.run()
    other = stage.folder / "elsewhere"
    other.mkdir()
    (stage.folder / "small.yaml").rename(other / "small.yaml")
    assert (await replace(stage, folder=other).run()).exit_code == 0
    assert set(stage.prompts.values()) == {1}


async def test_a_batch_with_tasks_at_one_service_refuses_another(stage):
    stage.write(stills(1))
    await stage.run()
    stage.settings = replace(stage.settings, service="https://api.example")
    with pytest.raises(StoreError, match="has tasks at"):
        await stage.run()


# Edits between runs


async def test_an_edited_prompt_of_a_done_job_makes_it_stale_and_pays_nothing(stage):
    stage.write(still("a") + still("b"))
    await stage.run()
    stage.write(still("a", "another prompt") + still("b"))
    assert (await stage.run()).exit_code == 0
    jobs = await stage.jobs()
    assert [(job.status, job.stale) for job in jobs.values()] == [(DONE, True), (DONE, False)]
    assert len(stage.tasks) == 2
    stage.write(still("a") + still("b"))
    await stage.run()
    assert not (await stage.jobs())["a"].stale
    await stage.agrees()


async def test_an_edited_prompt_of_a_failed_job_is_sent(stage):
    stage.write(still("a") + still("b"))
    stage.script({"on": "create", "do": "fail", "code": "SAFETY.INPUT.TEXT", "nth": 1})
    assert (await stage.run()).exit_code == 3
    stage.script()
    assert (await stage.run()).exit_code == 3, "a failed job stays failed by itself"
    failed = next(name for name, status in (await stage.statuses()).items() if status is not DONE)
    both = {"a": "a", "b": "b", failed: "something milder"}
    stage.write("".join(still(name, prompt) for name, prompt in both.items()))
    assert (await stage.run()).exit_code == 0
    assert stage.prompts["something milder"] == 1
    assert len(stage.tasks) == 3


async def test_a_job_that_left_the_manifest_is_orphaned_and_keeps_its_file(stage):
    stage.write(still("a") + still("b"))
    await stage.run()
    stage.write(still("a"))
    assert (await stage.run()).exit_code == 0
    gone = (await stage.jobs())["b"]
    assert (gone.status, gone.orphaned) == (DONE, True)
    assert (stage.outputs / gone.outputs[0].path).is_file()
    stage.write(still("a") + still("b"))
    await stage.run()
    assert not (await stage.jobs())["b"].orphaned
    assert len(stage.tasks) == 2


async def test_an_orphan_that_was_never_sent_is_never_sent(stage):
    stage.write(stills(4), head="budget: 16")
    await stage.run()
    waiting = [name for name, status in (await stage.statuses()).items() if status is not DONE]
    stage.write("".join(still(n) for n in ("s0", "s1", "s2", "s3") if n not in waiting))
    await stage.run()
    assert len(stage.tasks) == 2
    jobs = await stage.jobs()
    assert [jobs[name].orphaned for name in waiting] == [True, True]


async def test_reordering_a_manifest_costs_nothing(stage):
    stage.write(still("a") + still("b") + still("c"))
    await stage.run()
    stage.write(still("c") + still("a") + still("b"))
    assert (await stage.run()).exit_code == 0
    assert len(stage.tasks) == 3


async def test_a_child_of_an_edited_parent_becomes_stale_and_is_not_paid(stage):
    stage.write(still("plate") + clip("push", "plate"))
    await stage.run()
    stage.write(still("plate", "dusk") + clip("push", "plate"))
    await stage.run()
    assert [job.stale for job in (await stage.jobs()).values()] == [True, True]
    assert len(stage.tasks) == 2


async def test_more_takes_pay_for_the_new_ones_only(stage):
    stage.write(still("a", takes=1))
    await stage.run()
    stage.write(still("a", takes=4))
    assert (await stage.run()).exit_code == 0
    assert set(await stage.statuses()) == {"a", "a-t2", "a-t3", "a-t4"}
    assert len(stage.tasks) == 4


# Stops and faults


async def test_a_signal_before_anything_began_sends_nothing(stage):
    stage.write(stills(3))
    control = RunControl()
    control.signal(2, "SIGINT")
    result = await stage.run(control=control)
    assert result.exit_code == 130
    assert stage.tasks == []
    assert (await stage.run()).exit_code == 0


async def test_a_signal_under_way_loses_nothing_and_the_next_run_collects(stage):
    stage.write(stills(8))
    control = RunControl()
    run = asyncio.create_task(stage.run(control=control))
    while len(stage.tasks) < 2:
        await stage.clock.sleep(0.5)
    control.signal(15, "SIGTERM")
    assert (await run).exit_code == 143
    sent = len(stage.tasks)
    assert (await stage.run()).exit_code == 0
    assert sent < 8
    assert len(stage.tasks) == 8
    await stage.agrees()


async def test_a_run_that_is_cancelled_with_creates_on_their_way_records_their_answers(stage):
    """As at the end of a program that uses the library: the answer is waited for."""
    stage.write(stills(2))
    stage.script({"on": "create", "do": "delay", "seconds": 6})
    run = asyncio.create_task(stage.run())
    while not stage.tasks:
        await stage.clock.sleep(0.5)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    statuses = (await stage.statuses()).values()
    assert JobStatus.SUBMITTING not in statuses
    stage.script()
    assert (await stage.run()).exit_code == 0
    assert set(stage.prompts.values()) == {1}


async def test_a_lost_answer_ends_the_run_in_doubt_and_is_not_sent_again(stage):
    stage.write(stills(3))
    stage.script({"on": "create", "do": "lose", "nth": 2})
    assert (await stage.run()).exit_code == 11
    stage.script()
    assert (await stage.run()).exit_code == 11
    assert len(stage.tasks) == 3
    async with await StateReader.read(stage.state) as reader:
        totals = await reader.totals("small")
    assert (totals.spent, totals.in_doubt, stage.charged) == (16, 8, 24)


async def test_an_account_without_credits_ends_the_run_and_keeps_what_is_made(tmp_path):
    async with stage_in(tmp_path, credits=20) as stage:
        stage.write(stills(4))
        result = await stage.run()
        assert result.exit_code == 4
        statuses = list((await stage.statuses()).values())
        assert (statuses.count(DONE), stage.charged) == (2, 16)
        await stage.agrees()


async def test_a_free_failure_is_made_again_and_the_next_try_is_kept(stage):
    stage.write(stills(2))
    stage.script({"on": "create", "do": "fail", "code": "INTERNAL", "nth": 1})
    assert (await stage.run()).exit_code == 0
    assert len(stage.tasks) == 3
    assert stage.charged == 16
    await stage.agrees()


async def test_listeners_hear_only_what_is_on_disk(stage):
    stage.write(stills(2))
    heard: list[str] = []

    def listen(job, event):
        with closing(sqlite3.connect(f"file:{stage.state}?mode=ro", uri=True)) as db:
            query = "SELECT COUNT(*) FROM events JOIN jobs USING (job) WHERE jobs.id = ?"
            [count] = db.execute(query, (job.id,)).fetchone()
        assert count >= job.version, f"{event} is told before it is on disk"
        heard.append(type(event).__name__)

    await run_batch(
        stage.project(), stage.settings, everything, clock=stage.clock, listeners=[listen]
    )
    assert heard.count("SubmitStarted") == heard.count("Downloaded") == 2
