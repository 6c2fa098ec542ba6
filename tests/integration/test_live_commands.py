"""What a live run is asked: new limits, an edited manifest, and to be watched.

What counts is what the emulated server was asked to make and what it charged.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runner.app.asking import ask
from runner.app.handover import Standing, hand_over, standing, used_by_run, watch_run
from runner.app.limits_view import read_limits, set_limits
from runner.core.commands import CommandKind
from runner.core.events import Cancelled
from runner.core.job import JobStatus
from runner.core.ledger import ledger_move
from runner.core.lifecycle import transition
from runner.errors import StoreLocked, UsageError
from runner.store.process import this_process
from runner.store.store import JobStore
from tests.integration.stage import Stage, stage_in
from tests.integration.test_app_run import still, stills
from tests.integration.test_short_commands import Unhurried, planned


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage_in(tmp_path) as opened:
        yield opened


# asking a live run


async def test_what_nobody_answers_is_withdrawn_and_never_done_later(stage):
    stage.write(stills(1))
    await planned(stage)
    async with await JobStore.open(stage.state, clock=stage.clock) as store:
        await store.acquire("small", run_id="r", owner=this_process())
        answer = await ask(
            store, "small", CommandKind.CANCEL, {"ids": ["s0"]}, clock=stage.clock, wait_s=2
        )
        assert answer is None
        assert await store.next_commands("small") == []


async def test_limits_of_a_live_run_can_be_changed_and_are_obeyed(stage):
    stage.write(stills(6), head="budget: 500\nconcurrency: {total: 1}")
    run = asyncio.create_task(stage.run())
    while len(stage.tasks) < 1:
        await stage.clock.sleep(0.5)
    answer = await set_limits(
        stage.ref(), {"lanes": {"gen4_image": 1}, "max_credits": 16}, clock=Unhurried(stage.clock)
    )
    assert answer["max_credits"] == 16
    assert answer["total"] == 1, "the manifest's bound stays"
    assert (await run).exit_code == 8
    assert len(stage.tasks) == 2


async def test_limits_without_a_live_run_are_an_error_with_a_way_out(stage):
    stage.write(stills(1))
    await stage.run()
    with pytest.raises(UsageError) as caught:
        await set_limits(stage.ref(), {"total": 1}, clock=stage.clock)
    assert "run FILE -j N" in caught.value.hint
    view = await read_limits(stage.ref(), clock=stage.clock)
    assert view.reading is not None
    assert view.quotas["gen4_image"].used == 1
    assert (view.live, dict(view.at_runway)) == (False, {})
    assert view.used_lanes == {"gen4_image"}


# a second run


async def test_a_second_run_hands_the_edited_manifest_over_and_ends_with_the_live_one(stage):
    stage.write(stills(3), head="budget: 500\nconcurrency: {total: 1}")
    run = asyncio.create_task(stage.run())
    while len(stage.tasks) < 1:
        await stage.clock.sleep(0.5)
    stage.write(stills(2) + still("new"), head="budget: 500\nconcurrency: {total: 1}")
    project = stage.project()
    live = (await standing(project)).live
    assert live is not None
    handed = await hand_over(project, live, None, clock=Unhurried(stage.clock))
    assert handed.actions["new"] == 1
    seen: list[int] = []
    result = await watch_run(project, live, lambda s: seen.append(s.jobs), clock=stage.clock)
    assert result.exit_code == (await run).exit_code == 0
    assert seen[-1] == 4
    assert "new" in stage.prompts
    assert stage.prompts["s2"] == 0, "withdrawn before it was sent"
    await stage.agrees()


async def test_a_reload_is_planned_again_where_a_job_changed_while_it_was_planned(
    stage, monkeypatch
):
    stage.write(stills(3), head="budget: 500\nconcurrency: {total: 1}")
    run = asyncio.create_task(stage.run())
    while len(stage.tasks) < 1:
        await stage.clock.sleep(0.5)
    apply_plan, tries = JobStore.apply_plan, []

    async def overtaken(store, batch, found):
        tries.append(batch)
        if len(tries) == 1:  # a short command was faster
            before = await store.job(batch, "s2")
            event = Cancelled(at=stage.clock.now(), reason="not wanted", credits=0)
            await store.save(before, transition(before, event), event, ledger_move(before, event))
        await apply_plan(store, batch, found)

    monkeypatch.setattr(JobStore, "apply_plan", overtaken)
    stage.write(stills(2) + still("new"), head="budget: 500\nconcurrency: {total: 1}")
    project = stage.project()
    live = (await standing(project)).live
    assert live is not None
    handed = await hand_over(project, live, None, clock=Unhurried(stage.clock))
    assert handed.actions["new"] == 1
    assert len(tries) == 2
    assert (await run).exit_code == 0
    assert (await stage.statuses())["s2"] is JobStatus.CANCELLED
    assert (stage.prompts["s2"], stage.prompts["new"]) == (0, 1)
    await stage.agrees()


async def test_a_manifest_that_cannot_be_used_is_refused_and_the_live_run_goes_on(stage):
    stage.write(stills(3), head="budget: 500\nconcurrency: {total: 1}")
    project = stage.project()
    run = asyncio.create_task(stage.run())
    while len(stage.tasks) < 1:
        await stage.clock.sleep(0.5)
    live = (await standing(project)).live
    assert live is not None
    stage.write("  - id: x\n    text_to_image: {model: nobody}\n")
    with pytest.raises(UsageError) as caught:
        await hand_over(project, live, None, clock=Unhurried(stage.clock))
    assert caught.value.exit_code == 2
    assert (await run).exit_code == 0
    assert len(stage.tasks) == 3


async def test_what_a_run_cannot_take_over_is_refused_by_name_and_nothing_is_changed(stage):
    stage.write(stills(3), head="budget: 500\nconcurrency: {total: 1}")
    run = asyncio.create_task(stage.run())
    while len(stage.tasks) < 1:
        await stage.clock.sleep(0.5)
    stage.write(stills(3) + still("new"), head="budget: 500\nhalt: {failures: 1}")
    project = stage.project()
    live = (await standing(project)).live
    assert live is not None
    with pytest.raises(UsageError, match="cannot change `halt`") as caught:
        await hand_over(project, live, None, clock=Unhurried(stage.clock))
    assert "Ctrl-C" in caught.value.hint
    assert (await run).exit_code == 0
    assert stage.prompts["new"] == 0


async def test_a_cap_that_is_handed_over_counts_what_the_run_has_used(stage):
    stage.write(stills(4), head="budget: 500\nconcurrency: {total: 1}")
    project = stage.project()
    run = asyncio.create_task(stage.run(gate=lambda _plan: 8))
    while len(stage.tasks) < 1:
        await stage.clock.sleep(0.5)
    live = (await standing(project)).live
    assert live is not None
    used = await used_by_run(project, live)
    assert used == 8
    await hand_over(project, live, used + 16, clock=Unhurried(stage.clock))
    result = await watch_run(project, live, lambda _summary: None, clock=stage.clock)
    assert result.exit_code == (await run).exit_code == 8
    assert len(stage.tasks) == 3


async def test_a_state_file_that_cannot_be_read_yet_is_left_to_the_run(stage):
    stage.write(stills(1))
    assert await standing(stage.project()) == Standing()
    stage.state.touch()
    assert await standing(stage.project()) == Standing()
    assert (await stage.run()).exit_code == 0


async def test_a_run_that_does_not_answer_keeps_its_batch(stage):
    stage.write(stills(1))
    await planned(stage)
    assert (await standing(stage.project())).live is None
    async with await JobStore.open(stage.state, clock=stage.clock) as store:
        await store.acquire("small", run_id="r", owner=this_process())
        live = (await standing(stage.project())).live
        assert live is not None
        with pytest.raises(StoreLocked, match="did not answer"):
            await hand_over(stage.project(), live, None, clock=stage.clock)
