"""Downloads that go wrong on the way: the file is right in the end, and nothing is made twice."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import runner.app.toolbox
from runner.app.control import RunControl
from runner.core.job import JobStatus
from runner.downloads.downloader import HttpDownloader
from tests.integration.stage import HURRY, PLAIN_BYTES, Stage, stage_in
from tests.integration.test_app_run import clip, still, stills

#: seconds of real time without a byte before a download counts as stalled
STALL_S = 0.1
#: the same, and more, by the clock that hurries
LONG_S = STALL_S * 4 * HURRY
HALF = PLAIN_BYTES // 2

FAULTS: Mapping[str, list[Mapping[str, Any]]] = {
    "cut at once": [{"do": "cut", "bytes": 0, "nth": 1}],
    "cut in the middle": [{"do": "cut", "bytes": HALF, "nth": 1}],
    "cut one byte early": [{"do": "cut", "bytes": PLAIN_BYTES - 1, "nth": 1}],
    "cut again and again": [{"do": "cut", "bytes": PLAIN_BYTES // 6, "nth": "1-4"}],
    "cut, then no ranges": [
        {"do": "cut", "bytes": HALF, "nth": 1}, {"do": "no_range", "nth": "2-9"}
    ],
    "stalled": [{"do": "stall", "bytes": HALF, "seconds": LONG_S, "nth": 1}],
    "stalled before the first byte": [{"do": "stall", "bytes": 0, "seconds": LONG_S, "nth": 1}],
    "a slow trickle": [{"do": "drip", "bytes": 4000, "seconds": 3, "nth": 1}],
    "no ranges": [{"do": "no_range"}],
    "shorter than announced": [{"do": "wrong_length", "bytes": 500, "nth": 1}],
    "shorter than announced, twice": [{"do": "wrong_length", "bytes": 500, "nth": "1-2"}],
    "expired": [{"do": "expire", "nth": "1-2"}],
    "redirected": [{"do": "redirect"}],
    "redirected, then cut": [
        {"do": "redirect", "nth": 1}, {"do": "cut", "bytes": HALF, "nth": 2}
    ],
    "never connected": [{"on": "download", "do": "drop", "nth": "1-3"}],
    "server error": [{"on": "download", "do": "refuse", "status": 500, "nth": "1-2"}],
    "told to slow down": [{"on": "download", "do": "refuse", "status": 429, "nth": 1}],
    "gone for a moment": [{"on": "download", "do": "refuse", "status": 404, "nth": 1}],
    "cut, expired, cut": [
        {"do": "cut", "bytes": HALF, "nth": 1}, {"do": "expire", "nth": 2},
        {"do": "cut", "bytes": 100, "nth": 3},
    ],
}  # fmt: skip


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    impatient = functools.partial(HttpDownloader, stall_s=STALL_S)
    monkeypatch.setattr(runner.app.toolbox, "HttpDownloader", impatient)
    async with stage_in(tmp_path) as opened:
        yield opened


def leftovers(stage: Stage) -> list[str]:
    """What is in the output folder besides files and sidecars."""
    found = [path.name for path in stage.outputs.rglob("*") if path.is_file()]
    return [name for name in found if not name.endswith((".png", ".mp4", ".json", ".mp3"))]


@pytest.mark.parametrize("words", FAULTS)
async def test_the_file_is_right_in_the_end_and_made_once(stage, words):
    stage.write(still("plate"))
    stage.script(*({"on": "download", **fault} for fault in FAULTS[words]))
    result = await stage.run()
    assert (result.exit_code, result.reasons) == (0, ())
    assert (len(stage.tasks), stage.charged, result.summary.totals.spent) == (1, 8, 8)
    assert sum(stage.emulator.scenario.struck()) > 0, "the fault must have struck"
    assert leftovers(stage) == []
    await stage.agrees()


@pytest.mark.parametrize("words", ["cut in the middle", "expired", "stalled"])
async def test_every_job_of_a_batch_survives_it(stage, words):
    stage.write(stills(4) + clip("push", "s0"))
    faults = [{**fault, "nth": "1-6"} for fault in FAULTS[words]]
    stage.script(*({"on": "download", **fault} for fault in faults))
    assert (await stage.run()).exit_code == 0
    assert set(stage.prompts.values()) == {1}
    await stage.agrees()


async def test_a_cut_download_goes_on_where_it_stopped(stage):
    stage.write(still("plate"))
    stage.script({"on": "download", "do": "cut", "bytes": HALF, "nth": 1})
    asked: list[str | None] = []
    send = HttpDownloader._open

    async def listening(self, url, extra):
        asked.append(extra.get("Range"))
        return await send(self, url, extra)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HttpDownloader, "_open", listening)
        assert (await stage.run()).exit_code == 0
    assert asked == [None, f"bytes={HALF}-"]
    await stage.agrees()


@pytest.mark.parametrize(
    ("fault", "reads"),
    [({"do": "expire"}, 3), ({"do": "cut", "bytes": 100}, 0), ({"do": "refuse"}, 0)],
    ids=["expired", "cut", "server error"],
)
async def test_only_a_refused_link_makes_the_task_be_read_again(stage, fault, reads):
    stage.write(still("plate"))
    stage.script({"on": "download", **fault, "nth": "1-3"})
    before: list[int] = []

    def listen(_job, event):
        if type(event).__name__ == "TaskSucceeded":
            before.append(stage.emulator.seen["read"])

    stage.listeners.append(listen)
    assert (await stage.run()).exit_code == 0
    assert stage.emulator.seen["download"] == 4
    assert [stage.emulator.seen["read"] - count for count in before] == [reads]


async def test_a_download_that_never_works_is_left_for_the_next_run_and_not_made_again(stage):
    stage.write(stills(2))
    stage.script({"on": "download", "do": "refuse", "status": 500})
    result = await stage.run()
    assert result.exit_code == 5
    assert set((await stage.statuses()).values()) == {JobStatus.DOWNLOADING}
    stage.script()
    assert (await stage.run()).exit_code == 0
    assert len(stage.tasks) == 2
    await stage.agrees()


async def test_links_that_died_between_two_runs_are_asked_for_again(tmp_path):
    async with stage_in(tmp_path, link_life_s=3600.0) as stage:
        stage.write(still("plate"))
        stage.script({"on": "download", "do": "refuse", "status": 500})
        assert (await stage.run()).exit_code == 5
        stage.script()
        stage.emulator.backend.advance(48 * 3600)
        assert (await stage.run()).exit_code == 0
        assert len(stage.tasks) == 1
        await stage.agrees()


async def test_a_half_file_of_a_stopped_run_is_continued_by_the_next(stage):
    stage.write(still("plate"))
    # a little at a time: no later try may finish the file before the signal comes
    stage.script({"on": "download", "do": "cut", "bytes": HALF // 8})
    control = RunControl()
    run = asyncio.create_task(stage.run(control=control))
    while ("plate", "DownloadDelayed") not in stage.events:
        await stage.clock.sleep(0.5)
    control.signal(2, "SIGINT")
    control.signal(2, "SIGINT")
    assert (await run).exit_code == 130
    [part] = [path for path in stage.outputs.rglob("*.part") if path.is_file()]
    assert 0 < part.stat().st_size < PLAIN_BYTES
    stage.script()
    assert (await stage.run()).exit_code == 0
    assert leftovers(stage) == []
    assert len(stage.tasks) == 1
    await stage.agrees()


async def test_a_task_deleted_before_its_download_is_failed_and_not_made_again(stage):
    stage.write(still("plate"))
    stage.script({"on": "download", "do": "refuse", "status": 500})
    await stage.run()
    [task] = stage.tasks
    backend = stage.emulator.backend
    backend.delete(backend.login("key_emulator"), task.id)
    stage.script()
    assert (await stage.run()).exit_code == 3
    [job] = (await stage.jobs()).values()
    assert job.error is not None
    assert (job.status, job.error.code, job.charged) == (JobStatus.FAILED, "TASK_GONE", 8)
    assert len(stage.tasks) == 1


async def test_a_file_of_somebody_else_keeps_its_name_and_ours_gets_another(stage):
    stage.write(still("plate"))
    foreign = stage.outputs / "small" / "plate.png"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("mine")
    assert (await stage.run()).exit_code == 0
    [job] = (await stage.jobs()).values()
    assert [output.path for output in job.outputs] == ["small/plate_v2.png"]
    assert foreign.read_text() == "mine"
    await stage.agrees()


async def test_a_file_removed_after_the_run_is_not_paid_for_again(stage):
    stage.write(still("plate"))
    await stage.run()
    [job] = (await stage.jobs()).values()
    (stage.outputs / job.outputs[0].path).unlink()
    assert (await stage.run()).exit_code == 0
    assert len(stage.tasks) == 1


async def test_all_files_of_a_task_come_through_cuts_with_names_of_their_own(stage):
    stage.write(
        "  - id: many\n    text_to_image: {model: gemini_image3_pro, promptText: many,"
        ' outputCount: 4, ratio: "1344:768"}\n'
    )
    stage.script({"on": "download", "do": "cut", "bytes": HALF, "nth": [1, 3, 6]})
    assert (await stage.run()).exit_code == 0
    [job] = (await stage.jobs()).values()
    assert [output.path for output in job.outputs] == [
        "small/many.png", "small/many-2.png", "small/many-3.png", "small/many-4.png"
    ]  # fmt: skip
    assert len({output.sha256 for output in job.outputs}) == 4
    assert len(list(stage.outputs.rglob("*.json"))) == 1
    assert len(stage.tasks) == 1
    await stage.agrees()
