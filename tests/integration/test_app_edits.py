"""Edits of a manifest file, run against the emulated service: what the server was asked to make."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runner.app.handover import hand_over, standing
from runner.app.planning import Wish, check_project, plan_entries, plan_project
from runner.app.run import RunOptions
from runner.app.verifying import verify
from runner.core.deciding import Action
from runner.core.job import JobStatus
from runner.errors import ManifestError, UsageError
from tests.integration.stage import Stage, stage_in
from tests.integration.test_app_run import clip, still, stills
from tests.integration.test_short_commands import Unhurried

DONE = JobStatus.DONE
REFRESH = RunOptions(wish=Wish(refresh=True))


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage_in(tmp_path) as opened:
        yield opened


async def test_other_ids_and_another_order_cost_nothing(stage):
    stage.write(still("plate", "a plate") + clip("push", "plate", "push in") + still("other"))
    assert (await stage.run()).exit_code == 0
    stage.write(still("other") + clip("move", "first", "push in") + still("first", "a plate"))
    assert (await stage.run()).exit_code == 0
    assert len(stage.tasks) == 3
    assert await stage.statuses() == {"other": DONE, "first": DONE, "move": DONE}
    await stage.agrees()


async def test_an_edit_is_made_when_it_is_asked_for_with_what_consumes_it(stage):
    stage.write(still("plate", "dawn") + clip("push", "plate") + still("other"))
    await stage.run()
    stage.write(still("plate", "dusk") + clip("push", "plate") + still("other"))
    assert (await stage.run()).exit_code == 0
    assert len(stage.tasks) == 3
    result = await stage.run(options=REFRESH)
    assert result.exit_code == 0
    assert [task.body["promptText"] for task in stage.tasks[3:]] == ["dusk", "push"]
    assert (await stage.run(options=REFRESH)).exit_code == 0
    assert len(stage.tasks) == 5
    await stage.agrees()
    made = sorted(path.name for path in (stage.outputs / "small").glob("p*.[pm]*"))
    assert [name for name in made if "_v2" in name] == ["plate_v2.png", "push_v2.mp4"]


async def test_a_run_says_what_a_stale_parent_keeps_from_starting(stage):
    stage.write(still("plate", "dawn"))
    await stage.run()
    stage.write(still("plate", "dusk") + clip("push", "plate"))
    result = await stage.run()
    assert result.exit_code == 11
    assert "a parent is stale" in result.reasons[0].message
    assert len(stage.tasks) == 1
    accepted = await stage.run(options=RunOptions(wish=Wish(accept_stale=True)))
    assert (accepted.exit_code, len(stage.tasks)) == (0, 2)
    assert (await stage.run()).exit_code == 0


async def test_a_batch_that_gets_another_name_adopts_what_it_made(stage):
    path = stage.write(stills(2) + clip("push", "s0"))
    await stage.run()
    path.write_text(path.read_text().replace("name: small", "name: spring"))
    result = await stage.run()
    assert (result.exit_code, result.summary.totals.spent) == (0, 0)
    assert set((await stage.statuses("spring")).values()) == {DONE}
    assert len(stage.tasks) == 3
    await stage.agrees("spring")


async def test_a_manifest_that_moved_to_another_file_adopts_what_it_made(stage):
    stage.write(stills(2))
    await stage.run()
    stage.write(stills(2) + still("more"), name="moved")
    (stage.folder / "small.yaml").unlink()
    assert (await stage.run("moved")).exit_code == 0
    assert len(stage.tasks) == 3
    await stage.agrees("moved")


async def test_what_was_renamed_or_adopted_is_whole_also_in_another_folder(stage):
    stage.write(stills(2))
    await stage.run()
    stage.write(still("z", "s0") + still("s1"))
    await stage.run()
    assert (await verify(stage.ref(), stage.outputs)).flawed == ()
    stage.write(still("z", "s0") + still("s1"), name="moved", head="output: {dir: elsewhere}")
    (stage.folder / "small.yaml").unlink()
    assert (await stage.run("moved")).exit_code == 0
    assert len(stage.tasks) == 2
    folder = stage.folder / "elsewhere"
    assert (await verify(stage.ref("moved"), folder)).flawed == ()
    assert sorted(path.name for path in (folder / "moved").iterdir()) == [
        "s1.json", "s1.png", "z.json", "z.png",
    ]  # fmt: skip
    assert (await stage.run("moved")).exit_code == 0, "the sidecars are known"


async def test_the_same_job_of_two_manifests_is_listed_and_paid_twice(stage):
    stage.write(stills(1))
    await stage.run()
    stage.write(stills(1), name="twin")
    planned = await plan_project(stage.project("twin"))
    assert (planned.duplicates.ids, planned.adopted.count, planned.starting) == (("s0",), 0, 1)
    await stage.run("twin")
    assert stage.prompts == {"s0": 2}


async def test_entries_are_those_of_the_plan_one_by_one(stage):
    stage.write(stills(2))
    await stage.run()
    stage.write(still("s0", "edited") + still("new") + still("again", "s1"))
    project = stage.project()
    planned = await plan_project(project)
    found = [entry async for entry in plan_entries(project, planned)]
    assert [(entry.spec.id, entry.action) for entry in found] == [
        ("s0", Action.STALE), ("new", Action.NEW), ("again", Action.RENAME),
    ]  # fmt: skip
    assert sum(entry.starts for entry in found) == planned.starting == 1
    assert found[1].spec.body["promptText"] == "new", "with its body"


async def test_a_mistake_in_a_job_is_found_before_there_is_a_state_file(stage):
    stage.write(still("a").replace("gen4_image", "gen4_imagination"))
    with pytest.raises(ManifestError):
        await stage.run()
    with pytest.raises(ManifestError):
        check_project(stage.project())
    assert not stage.state.exists()
    assert not stage.emulator.seen


async def test_a_live_run_does_not_rename_what_is_at_runway_and_goes_on(tmp_path):
    async with stage_in(tmp_path, speed=0.1) as stage:
        stage.write(still("a", "one") + still("b", "two"))
        run = asyncio.create_task(stage.run())
        while len(stage.tasks) < 2:
            await stage.clock.sleep(1)
        stage.write(still("z", "one") + still("b", "two"))
        before = await standing(stage.project())
        assert before.live is not None
        with pytest.raises(UsageError, match="cannot rename what is at Runway: z"):
            await hand_over(stage.project(), before.live, None, clock=Unhurried(stage.clock))
        stage.emulator.backend.ground.speed = 1000.0
        assert (await run).exit_code == 0
        assert set(await stage.statuses()) == {"a", "b"}
        await stage.run()
        assert set(await stage.statuses()) == {"z", "b"}
        assert len(stage.tasks) == 2


async def test_stale_jobs_can_be_refreshed_through_a_live_run(tmp_path):
    async with stage_in(tmp_path, speed=0.5) as stage:
        stage.write(still("a", "one"))
        await stage.run()
        stage.write(still("a", "one") + still("slow", "two"))
        run = asyncio.create_task(stage.run())
        while len(stage.tasks) < 2:
            await stage.clock.sleep(1)
        stage.write(still("a", "other") + still("slow", "two"))
        before = await standing(stage.project())
        assert before.live is not None
        handed = await hand_over(
            stage.project(), before.live, None, clock=Unhurried(stage.clock),
            wish=Wish(refresh=True),
        )  # fmt: skip
        assert handed.actions == {"refreshed": 1, "kept": 1}
        assert (await run).exit_code == 0
        assert stage.prompts == {"one": 1, "two": 1, "other": 1}
        await stage.agrees()
