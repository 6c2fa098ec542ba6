"""What somebody is told of caps, edits and names that are taken, on a real state file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from runner.app.comparing import differences
from runner.app.forecast import forecast
from runner.app.planning import plan_project
from runner.app.preflight import check_manifest
from runner.app.project import cap_sources
from runner.app.run import RunOptions
from runner.errors import UsageError
from tests.integration.stage import Stage, stage_in
from tests.integration.test_app_run import clip, still, stills


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage_in(tmp_path) as opened:
        yield opened


async def test_under_a_used_up_day_nothing_starts_now_and_a_time_is_named(stage):
    stage.write(stills(2), head="budget: {per_day: 20}")
    await stage.run()
    stage.write(stills(5), head="budget: {per_day: 20}")
    project = stage.project()
    found = await forecast(project, await plan_project(project), clock=stage.clock)
    assert (found.at_once.jobs, found.outlook.jobs) == (0, 2)
    first = min([event.at async for event in _sent(stage)])
    assert found.room_at == first + timedelta(hours=24)


async def _sent(stage: Stage):
    from runner.core.events import SubmitStarted
    from runner.store.reader import StateReader

    async with await StateReader.read(stage.state) as reader:
        for job_id in await stage.jobs():
            for event in await reader.events("small", job_id):
                if isinstance(event, SubmitStarted):
                    yield event


async def test_a_full_budget_says_what_is_left_of_it_at_the_end(stage):
    """A clip of 25 does not fit into the 24 after the first still; three stills fill it up."""
    others = "".join(still(name) for name in ("x", "y", "z"))
    stage.write(still("a") + clip("c", "a") + others, head="budget: 32")
    result = await stage.run(options=RunOptions(jobs={None: 1}))
    [reason] = [reason for reason in result.reasons if reason.exit_code == 8]
    assert result.summary.totals.spent == 32
    assert "has 0 cr ($0.00) left, and the job may cost" in reason.message
    assert reason.hint == "raise `budget` in the manifest, then run again"


@pytest.mark.parametrize(
    ("head", "source"),
    [
        ("budget: 24", "`budget` in the manifest"),
        ("budget: {credits: 24, per_day: 50}", "the manifest"),
    ],
)
async def test_a_budget_is_named_as_it_is_written(stage, head, source):
    stage.write(stills(1), head=head)
    assert cap_sources(stage.project())["batch"] == source


async def test_explain_finds_what_the_manifest_says_otherwise_now(stage):
    path = stage.write(still("a", "dawn") + clip("push", "a"))
    await stage.run()
    stage.write(still("a", "dusk") + clip("push", "a"))
    await stage.run()
    jobs = await stage.jobs()
    [found] = await differences(jobs["a"], str(path), stage.settings)
    assert (found.field, found.made, found.now) == ("promptText", "dawn", "dusk")
    fresh = replace(jobs["a"], stale=False)
    assert await differences(fresh, str(path), stage.settings) == ()
    path.write_text("version: [", encoding="utf-8")
    assert await differences(jobs["a"], str(path), stage.settings) == ()
    assert await differences(jobs["a"], str(path.with_name("none.yaml")), stage.settings) == ()


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ("shots.csv", "move `shots.csv` into a folder and name it there in `foreach`"),
        ("other.yaml", "run that file, or put this one in its place"),
    ],
)
def test_a_name_that_is_taken_says_what_keeps_the_results(tmp_path: Path, known: str, words: str):
    (tmp_path / known).touch()
    with pytest.raises(UsageError, match="belongs to") as caught:
        check_manifest("shots", tmp_path / known, tmp_path / "shots.yaml")
    assert words in caught.value.hint
    assert "another `name:` or `--state` makes and pays everything anew" in caught.value.hint
