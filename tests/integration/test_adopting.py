"""`resolve JOB --task ID`: a wrong id changes nothing, whatever it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from runner.app.adopting import adopt
from runner.core.job import JobStatus
from runner.errors import AccountError, StoreError, TransientApiError, UsageError
from runner.runway.wire import WORKFLOW_MARK, marked
from tests.integration.stage import Stage, stage_in
from tests.integration.test_app_run import still

LOST = {"on": "create", "do": "lose"}


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """Two jobs, the second of them in doubt: its task is there, its answer was lost."""
    async with stage_in(tmp_path) as opened:
        opened.write(still("made") + still("lost"), head="budget: 500\nconcurrency: {total: 1}")
        opened.script({**LOST, "nth": 2})
        assert (await opened.run()).exit_code == 11
        opened.script()
        yield opened


async def refused(stage: Stage, task_id: str, match: str, job: str = "lost") -> None:
    """A usage error that changes nothing."""
    before = stage.state.read_bytes()
    with pytest.raises(UsageError, match=match):
        await adopt(stage.ref(), job, task_id, stage.settings, clock=stage.clock)
    assert stage.state.read_bytes() == before


def lost_task(stage: Stage) -> str:
    return str(stage.tasks[1].id)


async def test_the_task_that_runway_knows_is_collected_and_paid_once(stage):
    job = await adopt(stage.ref(), "lost", lost_task(stage), stage.settings, clock=stage.clock)
    assert (job.status, job.task_id, job.hold) == (JobStatus.QUEUED, lost_task(stage), 8)
    result = await stage.run()
    assert (result.exit_code, result.summary.totals.spent, stage.charged) == (0, 16, 16)
    await stage.agrees()


@pytest.mark.parametrize(
    "task_id",
    ["", " ", "a b", "a/b", "../organization", "a\\b", "x" * 101, "ü", "a\x1b[2J", "a\n", "\ud800"],
)
async def test_what_cannot_be_an_id_is_refused(stage, task_id):
    await refused(stage, task_id, "not the id of a task")


async def test_a_task_of_another_job_is_refused(stage):
    await refused(stage, str(stage.tasks[0].id), "belongs to job `made` of batch `small`")


async def test_a_task_of_another_batch_is_refused(stage):
    stage.write(still("far"), name="other")
    assert (await stage.run("other")).exit_code == 0
    await refused(stage, str(stage.tasks[2].id), "belongs to job `far` of batch `other`")


async def test_a_task_that_runway_does_not_know_is_refused(stage):
    await refused(stage, "00000000-0000-4000-8000-000000000000", "Runway does not know task 0000")


async def test_a_job_that_is_not_there_or_not_in_doubt_is_refused(stage):
    await refused(stage, lost_task(stage), "no job of this name: nobody", job="nobody")
    await refused(stage, lost_task(stage), "`made` is done, not in doubt", job="made")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"base_url": "http://127.0.0.1:9"}, TransientApiError),
        ({"key": "key_of_somebody_else"}, AccountError),
        ({"key": None}, AccountError),
    ],
    ids=["not there", "another key", "no key"],
)
async def test_a_service_that_does_not_say_changes_nothing(stage, change, error):
    before = stage.state.read_bytes()
    with pytest.raises(error):
        await adopt(
            stage.ref(), "lost", lost_task(stage), replace(stage.settings, **change),
            clock=stage.clock,
        )  # fmt: skip
    assert stage.state.read_bytes() == before


async def test_a_state_file_that_is_not_there_stays_so(stage, tmp_path):
    ref = replace(stage.ref(), state=tmp_path / "no" / "state.db")
    with pytest.raises(StoreError):
        await adopt(ref, "lost", lost_task(stage), stage.settings, clock=stage.clock)
    assert not ref.state.parent.exists()


@pytest.mark.parametrize(
    ("task_id", "endpoint", "expected"),
    [
        ("t", "text_to_image", "t"),
        ("t", "workflows/w", f"t{WORKFLOW_MARK}"),
        (f"t{WORKFLOW_MARK}", "workflows/w", f"t{WORKFLOW_MARK}"),
    ],
)
def test_a_run_of_a_workflow_is_named_as_runway_names_it(task_id, endpoint, expected):
    assert marked(task_id, endpoint) == expected
