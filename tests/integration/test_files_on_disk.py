"""`verify` and `fetch`: what is on the disk, and what can be brought back without paying again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from runner.app.control import RunControl
from runner.app.fetching import FetchRequest, FetchResult, fetch
from runner.app.mending import Fate
from runner.app.verifying import Flaw, verify
from runner.core.events import Event, TaskAccepted
from runner.core.job import AT_RUNWAY, Job, JobStatus
from runner.emulator.options import DEFAULT_KEY
from runner.errors import AccountError, StoreLocked, UsageError
from runner.store.process import this_process
from runner.store.store import JobStore
from tests.integration.stage import Stage, stage_in
from tests.integration.test_app_run import still, stills


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage_in(tmp_path) as opened:
        yield opened


async def flaws(stage: Stage) -> dict[str, Flaw]:
    found = await verify(stage.ref(), stage.outputs)
    return {flaw.path: flaw.flaw for item in found.flawed for flaw in item.flaws}


async def fetched(stage: Stage, *selected: str, **settings: object) -> FetchResult:
    request = FetchRequest(
        ref=stage.ref(),
        output_dir=stage.outputs,
        settings=replace(stage.settings, **settings),
        selected=selected,
    )
    return await fetch(request, clock=stage.clock)


def fates(result: FetchResult) -> dict[str, Fate]:
    return {item.job.id: item.fate for item in result.jobs}


def spoil(path: Path) -> bytes:
    """Half of it, as a bad copy leaves it; what it was."""
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return whole


def drop(*paths: Path) -> None:
    for path in paths:
        path.unlink()


def lose_tasks(stage: Stage, *prompts: str) -> None:
    """Runway deletes what it has made."""
    account = stage.emulator.backend.login(DEFAULT_KEY)
    for task in stage.tasks:
        if task.body["promptText"] in prompts:
            stage.emulator.backend.delete(account, task.id)


async def test_files_that_are_whole_have_no_flaws(stage: Stage) -> None:
    stage.write(stills(3))
    await stage.run()
    found = await verify(stage.ref(), stage.outputs)
    assert (found.jobs, found.files, found.flawed, found.exit_code) == (3, 3, (), 0)
    assert found.bytes == sum(path.stat().st_size for path in stage.outputs.rglob("*.png"))


async def test_what_is_missing_damaged_or_without_a_sidecar_is_named_and_left_alone(
    stage: Stage,
) -> None:
    stage.write(stills(4))
    await stage.run()
    folder = stage.outputs / "small"
    drop(folder / "s0.png", folder / "s2.json")
    spoil(folder / "s1.png")
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert await flaws(stage) == {
        "small/s0.png": Flaw.MISSING,
        "small/s1.png": Flaw.DAMAGED,
        "small/s2.json": Flaw.NO_SIDECAR,
    }
    assert (await verify(stage.ref(), stage.outputs)).exit_code == 3
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


async def test_lost_and_damaged_files_come_back_under_their_names_and_cost_nothing(
    stage: Stage,
) -> None:
    stage.write(stills(3))
    await stage.run()
    folder, charged = stage.outputs / "small", stage.charged
    whole = spoil(folder / "s1.png")
    drop(folder / "s0.png")
    result = await fetched(stage)
    assert fates(result) == {"s0": Fate.FETCHED, "s1": Fate.FETCHED}
    assert result.exit_code == 0
    assert [path.name for path in result.jobs[1].moved] == ["s1.png.damaged"]
    assert (folder / "s1.png.damaged").read_bytes() == whole[: len(whole) // 2]
    assert (folder / "s1.png").read_bytes() == whole
    assert await flaws(stage) == {}
    assert (stage.charged, len(stage.tasks)) == (charged, 3)
    assert (await stage.jobs())["s1"].results == 1
    await stage.agrees()
    assert (await stage.run()).exit_code == 0
    assert len(stage.tasks) == 3


async def test_an_older_damaged_file_is_never_overwritten(stage: Stage) -> None:
    stage.write(stills(1))
    await stage.run()
    target = stage.outputs / "small" / "s0.png"
    for _ in range(2):
        spoil(target)
        await fetched(stage)
    names = sorted(path.name for path in target.parent.iterdir())
    assert names == ["s0.json", "s0.png", "s0.png.damaged", "s0.png.damaged-2"]


async def test_a_second_version_comes_back_under_its_own_name(stage: Stage) -> None:
    """The name was taken by a foreign file when the job was done, and is free now."""
    foreign = stage.outputs / "small" / "s0.png"
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"mine")
    stage.write(stills(1))
    await stage.run()
    [job] = (await stage.jobs()).values()
    assert job.outputs[0].path == "small/s0_v2.png"
    drop(foreign, stage.outputs / job.outputs[0].path)
    assert fates(await fetched(stage)) == {"s0": Fate.FETCHED}
    assert await flaws(stage) == {}
    assert not foreign.exists()


async def test_a_missing_sidecar_is_written_again_without_asking_anybody(stage: Stage) -> None:
    stage.write(stills(2))
    await stage.run()
    lose_tasks(stage, "s0", "s1")
    sidecar = stage.outputs / "small" / "s0.json"
    task_id = json.loads(sidecar.read_text())["task_id"]
    drop(sidecar)
    seen = stage.emulator.seen.copy()
    assert fates(await fetched(stage)) == {"s0": Fate.FETCHED}
    assert json.loads(sidecar.read_text())["task_id"] == task_id
    assert stage.emulator.seen == seen


async def test_a_job_whose_task_is_gone_stays_done_and_its_price_is_named(stage: Stage) -> None:
    stage.write(stills(3))
    await stage.run()
    lose_tasks(stage, "s0", "s1")
    target = stage.outputs / "small" / "s1.png"
    half = spoil(target)
    result = await fetched(stage)
    assert fates(result) == {"s1": Fate.GONE}
    assert result.exit_code == 3
    assert "8 cr ($0.08)" in result.reasons[0].message
    assert target.read_bytes() == half[: len(half) // 2]
    assert set((await stage.statuses()).values()) == {JobStatus.DONE}


async def test_only_what_is_selected_is_fetched(stage: Stage) -> None:
    stage.write(stills(2) + still("other"))
    await stage.run()
    drop(*(stage.outputs / "small").glob("*.png"))
    assert set(fates(await fetched(stage, "s*"))) == {"s0", "s1"}
    assert await flaws(stage) == {"small/other.png": Flaw.MISSING}
    with pytest.raises(UsageError, match="no job is meant by"):
        await fetched(stage, "t*")


async def test_jobs_that_were_left_downloading_are_collected_and_nothing_is_sent(
    stage: Stage,
) -> None:
    stage.write(stills(2))
    stage.script({"on": "download", "do": "refuse", "status": 500})
    assert (await stage.run()).exit_code == 5
    assert set((await stage.statuses()).values()) == {JobStatus.DOWNLOADING}
    stage.write(stills(5))
    stage.script()
    assert set(fates(await fetched(stage)).values()) == {Fate.FETCHED}
    assert (len(stage.tasks), await flaws(stage)) == (2, {})
    await stage.agrees()


async def leave_at_runway(stage: Stage) -> None:
    """A run that ends at the first task, and leaves it there."""
    control = RunControl()

    def stop(_job: Job, event: Event) -> None:
        if isinstance(event, TaskAccepted):
            control.signal(2, "Ctrl-C")
            control.signal(2, "Ctrl-C")

    stage.listeners.append(stop)
    assert (await stage.run(control=control)).exit_code == 130
    stage.listeners.remove(stop)
    assert set((await stage.statuses()).values()) <= AT_RUNWAY


async def test_what_a_stopped_run_left_at_runway_is_fetched_once_it_has_ended(
    stage: Stage,
) -> None:
    stage.write(stills(1))
    stage.script({"on": "create", "do": "throttle", "seconds": 200})
    await leave_at_runway(stage)
    result = await fetched(stage)
    assert (fates(result), result.exit_code) == ({"s0": Fate.LATER}, 5)
    assert result.jobs[0].reason == "still at Runway"
    await stage.clock.sleep(300)
    assert fates(await fetched(stage)) == {"s0": Fate.FETCHED}
    assert len(stage.tasks) == 1
    await stage.agrees()


async def test_a_task_that_failed_after_its_run_is_settled_by_fetch_and_not_sent_again(
    stage: Stage,
) -> None:
    stage.write(stills(1))
    stage.script({"on": "create", "do": "fail", "code": "SAFETY.INPUT.TEXT"})
    await leave_at_runway(stage)
    await stage.clock.sleep(300)
    result = await fetched(stage)
    assert (fates(result), result.exit_code) == ({"s0": Fate.ENDED}, 3)
    assert (await stage.statuses())["s0"] is JobStatus.FAILED
    assert (await fetched(stage)).jobs == ()
    assert len(stage.tasks) == 1
    await stage.agrees()


async def test_files_that_cannot_be_had_now_are_left_for_later(stage: Stage) -> None:
    stage.write(stills(1))
    await stage.run()
    drop(stage.outputs / "small" / "s0.png")
    stage.script({"on": "download", "do": "refuse", "status": 500})
    result = await fetched(stage)
    assert (fates(result), result.exit_code) == ({"s0": Fate.LATER}, 5)
    stage.script()
    assert fates(await fetched(stage)) == {"s0": Fate.FETCHED}
    assert len(stage.tasks) == 1


async def test_another_key_is_not_told_that_everything_is_gone(stage: Stage) -> None:
    stage.write(stills(1))
    await stage.run()
    lose_tasks(stage, "s0")  # another account's key sees just this: no such task
    drop(stage.outputs / "small" / "s0.png")
    async with await JobStore.open(stage.state, clock=stage.clock) as store:
        await store.set_key_mark("small", "salt:mark-of-another-key")
    with pytest.raises(AccountError, match="does not know"):
        await fetched(stage)
    assert set((await stage.statuses()).values()) == {JobStatus.DONE}


async def test_nothing_is_asked_where_it_would_be_wrong(stage: Stage) -> None:
    stage.write(stills(1))
    await stage.run()
    drop(stage.outputs / "small" / "s0.png")
    seen = stage.emulator.seen.copy()
    with pytest.raises(AccountError, match="no API key"):
        await fetched(stage, key=None)
    with pytest.raises(UsageError, match="at another service: emulator"):
        await fetched(stage, service="https://api.example")
    async with await JobStore.open(stage.state, clock=stage.clock) as store:
        await store.acquire("small", run_id="live", owner=this_process())
        with pytest.raises(StoreLocked):
            await fetched(stage)
    assert stage.emulator.seen == seen
