"""pause, resume, cancel, explain, ledger and forecasts: on real state files, live or not.

What counts is what the emulated server was asked to make and what it charged.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from runner.app.batch import batch_status
from runner.app.cancelling import CancelRequest, CancelResult, cancel, look_before
from runner.app.control import RunControl
from runner.app.explaining import explain
from runner.app.forecast import forecast
from runner.app.handover import standing
from runner.app.ledger_view import read_ledger
from runner.app.planning import plan_project
from runner.app.releasing import pause, resume, retry
from runner.cli.output import Output
from runner.cli.show_explain import next_commands, show_explanation
from runner.clock import Clock, SystemClock
from runner.core.cancelling import Fate
from runner.core.events import Held
from runner.core.job import JobStatus
from runner.errors import AccountError, UsageError
from runner.store.accounting import By
from runner.store.process import this_process
from runner.store.store import JobStore
from tests.integration.stage import Stage, stage_in
from tests.integration.test_app_run import clip, still, stills

DONE, PENDING, HELD = JobStatus.DONE, JobStatus.PENDING, JobStatus.HELD
CANCELLED, RUNNING, QUEUED = JobStatus.CANCELLED, JobStatus.RUNNING, JobStatus.QUEUED
LOST = {"on": "create", "do": "lose"}
#: at Runway: two run, one waits there for its slot
FULL = "budget: 500\nconcurrency: {total: 3}"


class Unhurried(SystemClock):
    """Waits for a live run as a person does, in real seconds; its dates are those of the stage."""

    def __init__(self, dates: Clock) -> None:
        self._dates = dates

    def now(self) -> datetime:
        return self._dates.now()


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage_in(tmp_path) as opened:
        yield opened


@pytest.fixture
async def slow(tmp_path: Path) -> AsyncIterator[Stage]:
    """Tasks take minutes of virtual time: there is time to do something to them."""
    async with stage_in(tmp_path, speed=0.1) as opened:
        yield opened


async def planned(stage: Stage, name: str = "small") -> None:
    """The batch as a run leaves it that was stopped before it sent anything."""
    async with await JobStore.open(stage.state, clock=stage.clock) as store:
        await store.upsert_batch(name, manifest=str(stage.folder / f"{name}.yaml"),
                                 base_url=stage.settings.service,
                                 output_dir=str(stage.outputs))  # fmt: skip
        await stage.plan_into(store, name)


async def until(stage: Stage, *wanted: JobStatus) -> None:
    """Until some job is in each of these statuses."""
    while not stage.tasks or not set(wanted) <= set((await stage.statuses()).values()):
        await stage.clock.sleep(1)


async def left_at_runway(stage: Stage) -> None:
    """Tasks run, another waits for a slot, and no run is live."""
    control = RunControl()
    run = asyncio.create_task(stage.run(control=control))
    await until(stage, RUNNING, QUEUED)
    control.signal(2, "SIGINT")
    await run


def request(stage: Stage, *selected: str, abandon: bool = False) -> CancelRequest:
    return CancelRequest(
        ref=stage.ref(), settings=stage.settings, selected=selected, abandon_running=abandon
    )


def fates(result: CancelResult) -> dict[str, Fate]:
    return {job.id: fate for job, fate in result.jobs}


def deleted(stage: Stage) -> Iterable[str]:
    return [task.body["promptText"] for task in stage.tasks if task.deleted]


# pause and resume


async def test_a_paused_batch_sends_nothing_until_it_is_resumed(stage):
    stage.write(stills(3))
    await planned(stage)
    assert not (await pause(stage.ref())).was_paused
    assert (await pause(stage.ref())).was_paused
    assert (await standing(stage.project())).is_paused
    run = asyncio.create_task(stage.run())
    await stage.clock.sleep(60)
    assert stage.tasks == []
    status = await batch_status(stage.ref())
    assert {line.reason for line in status.jobs} == {"paused: `runway-batch resume` goes on"}
    resumed = await resume(stage.ref())
    assert (resumed.was_paused, resumed.live, list(resumed.released)) == (True, True, [])
    assert (await run).exit_code == 0
    assert len(stage.tasks) == 3


async def test_a_pause_lets_what_is_at_runway_end(stage):
    stage.write(stills(6), head="budget: 500\nconcurrency: {total: 2}")
    run = asyncio.create_task(stage.run())
    while len(stage.tasks) < 2:
        await stage.clock.sleep(0.5)
    assert (await pause(stage.ref())).live
    await stage.clock.sleep(10)  # until the run has seen it
    sent = len(stage.tasks)
    await stage.clock.sleep(120)
    assert len(stage.tasks) == sent < 6
    assert list((await stage.statuses()).values()).count(DONE) == sent
    await resume(stage.ref())
    assert (await run).exit_code == 0
    await stage.agrees()


async def hold_all(stage: Stage) -> None:
    async with await JobStore.open(stage.state, clock=stage.clock) as store:
        event = Held(at=stage.clock.now(), code="SAFETY", reason="prompt refused", group="prompt:x")
        assert await store.hold("small", event) == 3


@pytest.mark.parametrize("how", ["resume", "retry"])
async def test_held_jobs_are_released_by_resume_and_by_retry(stage, how):
    stage.write(stills(3))
    await planned(stage)
    await hold_all(stage)
    assert (await stage.run()).exit_code == 11
    assert stage.tasks == []
    if how == "resume":
        found = (await resume(stage.ref())).released
    else:
        found = await retry(stage.ref())
    assert sum(job.spec.reserve for job in found) == 24
    assert (await stage.run()).exit_code == 0
    assert len(stage.tasks) == 3


async def test_retry_takes_a_cancelled_job_only_where_it_is_named(stage):
    stage.write(stills(2))
    await planned(stage)
    await cancel(request(stage), clock=stage.clock)
    assert await retry(stage.ref()) == []
    [job] = await retry(stage.ref(), ["state:cancelled,s1"])
    assert (job.id, job.status) == ("s1", PENDING)
    assert await stage.statuses() == {"s0": CANCELLED, "s1": PENDING}


# cancel


async def test_what_was_never_sent_is_dropped_at_no_cost(stage):
    stage.write(stills(2) + clip("push", "s0"))
    await planned(stage)
    before = await look_before(request(stage, "s0"))
    assert [job.id for job in before.unsent] == ["s0"]
    result = await cancel(request(stage, "s0"), clock=stage.clock)
    assert fates(result) == {"s0": Fate.DROPPED}
    ended = await stage.run()
    assert await stage.statuses() == {
        "s0": CANCELLED, "s1": DONE, "push": JobStatus.SKIPPED,
    }  # fmt: skip
    assert (len(stage.tasks), ended.summary.totals.spent) == (1, 8)
    await stage.agrees()


async def test_without_a_run_only_what_has_not_begun_is_deleted(slow):
    slow.write(stills(3), head=FULL)
    await left_at_runway(slow)
    result = await cancel(request(slow), clock=slow.clock)
    kept, gone = ({job.id for job in result.of(f)} for f in (Fate.KEPT, Fate.CANCELLED))
    assert kept | gone == {"s0", "s1", "s2"}
    assert set(deleted(slow)) == gone != set()
    for job in result.of(Fate.CANCELLED):
        assert (job.charged, job.hold) == (8, 0), "the estimate stays booked"
    assert slow.charged == 8 * len(kept), "Runway gave back what had not begun"
    await slow.agrees()


async def test_abandoning_what_runs_loses_its_credits_and_says_so(slow):
    slow.write(stills(3), head=FULL)
    await left_at_runway(slow)
    planned_ = await look_before(request(slow, abandon=True))
    assert planned_.lost == 24
    result = await cancel(request(slow, abandon=True), clock=slow.clock)
    assert set(fates(result).values()) <= {Fate.ABANDONED, Fate.CANCELLED}
    assert set((await slow.statuses()).values()) == {CANCELLED}
    assert sorted(deleted(slow)) == ["s0", "s1", "s2"]
    await slow.agrees()


async def test_a_live_run_cancels_for_us_and_goes_on(slow):
    slow.write(stills(3) + still("other"), head=FULL)
    run = asyncio.create_task(slow.run())
    await until(slow, RUNNING, QUEUED, PENDING)
    result = await cancel(request(slow), clock=Unhurried(slow.clock))
    assert result.live
    assert [job.id for job in result.of(Fate.DROPPED)] == ["other"]
    kept, gone = ({job.id for job in result.of(f)} for f in (Fate.KEPT, Fate.CANCELLED))
    assert kept | gone == {"s0", "s1", "s2"}
    assert set(deleted(slow)) == gone != set()
    assert (await run).exit_code == 0
    assert {key for key, status in (await slow.statuses()).items() if status is DONE} == kept
    assert slow.prompts["other"] == 0
    await slow.agrees()


async def test_a_finished_task_is_never_deleted(stage):
    stage.write(stills(2))
    await stage.run()
    result = await cancel(request(stage, abandon=True), clock=stage.clock)
    assert set(fates(result).values()) == {Fate.ENDED}
    assert deleted(stage) == []


async def test_a_job_in_doubt_is_never_cancelled(stage):
    stage.write(still("a"))
    stage.script(LOST)
    await stage.run()
    result = await cancel(request(stage, abandon=True), clock=stage.clock)
    assert fates(result) == {"a": Fate.IN_DOUBT}
    assert (await stage.jobs())["a"].hold == 8


async def test_without_a_key_nothing_is_changed_where_tasks_would_have_to_be_read(slow):
    slow.write(stills(3), head=FULL)
    await left_at_runway(slow)
    before = await slow.statuses()
    no_key = replace(slow.settings, key=None)
    with pytest.raises(AccountError):
        await cancel(replace(request(slow), settings=no_key), clock=slow.clock)
    elsewhere = replace(slow.settings, service="https://api.dev.runwayml.com")
    with pytest.raises(UsageError, match="another service"):
        await cancel(replace(request(slow), settings=elsewhere), clock=slow.clock)
    assert await slow.statuses() == before
    assert deleted(slow) == []


# explain, ledger, forecast


async def test_explain_tells_why_money_attempts_and_the_past(stage):
    stage.write(still("plate") + clip("push", "plate"))
    stage.script(LOST)
    await stage.run()
    doubt = await explain(stage.ref(), "plate", clock=stage.clock)
    assert (doubt.job.status, doubt.reason, list(doubt.needed_by)) == (
        JobStatus.IN_DOUBT, "", ["push"],
    )  # fmt: skip
    [attempt] = doubt.attempts
    assert (attempt.reserve, attempt.charged, attempt.task_id) == (8, None, None)
    assert [type(event).__name__ for _, event in doubt.past] == [
        "Added", "SubmitStarted", "SubmitUnknown",
    ]  # fmt: skip
    child = await explain(stage.ref(), "push", clock=stage.clock)
    assert child.reason == "needs `plate` (in_doubt)"
    with pytest.raises(UsageError, match="nobody"):
        await explain(stage.ref(), "nobody")


async def test_what_moderation_refused_is_edited_before_it_is_made_again(stage, capsys):
    stage.write(still("plate"))
    stage.script({"on": "create", "do": "fail", "code": "SAFETY.INPUT.TEXT"})
    await stage.run()
    found = await explain(stage.ref(), "plate", clock=stage.clock)
    [command] = next_commands(found, None, emulator=False)
    assert command.startswith("runway-batch run ")
    show_explanation(found, [command], Output())
    assert "change its prompt or input" in capsys.readouterr().out


async def test_the_ledger_adds_up_to_what_the_server_charged(stage):
    stage.write(still("a", tags=["hero", "q4"]) + still("b", tags=["hero"]))
    stage.script({"on": "create", "do": "fail", "code": "INTERNAL", "nth": 1})
    await stage.run()
    by = {kind: await read_ledger(stage.state, "small", kind, clock=stage.clock) for kind in By}
    for kind, view in by.items():
        assert view.total.spent == stage.charged == 16
        if kind is not By.TAG:
            assert sum(row.spent for row in view.rows) == 16
            assert sum(row.attempts for row in view.rows) == len(stage.tasks) == 3
    assert sum(row.released for row in by[By.MODEL].rows) == 8
    assert {row.name for row in by[By.TAG].rows} == {"hero", "q4"}
    assert {row.name for row in by[By.JOB].rows} == {"a", "b"}
    [run] = by[By.RUN].runs
    assert (run.exit_code, run.host) == (0, this_process().host)
    whole = await read_ledger(stage.state, None, clock=stage.clock)
    assert (whole.by, [row.name for row in whole.rows]) == (By.BATCH, ["small"])


async def test_a_plan_knows_the_quota_once_the_account_was_read(stage):
    stage.write(stills(2))
    await stage.run()
    stage.write(stills(300), head="budget: 50000")
    project = stage.project()
    found = await forecast(project, await plan_project(project), clock=stage.clock)
    [image] = found.quotas
    assert (image.quota.lane, image.quota.used, image.starting) == ("gen4_image", 2, 298)
    assert image.quota.most == image.within_a_day
    assert found.outlook.jobs == image.within_a_day
    assert found.outlook.tight == ("quota:gen4_image",)
    assert found.slots["gen4_image"].most > 0
    assert found.standing.balance == found.spendable
    assert image.last_start is not None
    assert image.last_start > stage.clock.now() + timedelta(hours=20)
