"""Edits of a manifest on the real store: what is sent again, what is taken over, what waits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.app import applying
from runner.app.applying import apply_plan
from runner.app.planning import Wish, plan_with
from runner.core.events import (
    GaveUp,
    Reopened,
    Requeued,
    SubmitStarted,
    SubmitUnknown,
    TaskAccepted,
)
from runner.core.job import JobStatus
from runner.core.plan import Plan
from runner.core.waiting import Surroundings, why_waiting
from runner.errors import PermanentApiError, UsageError
from tests.edits import Desk, Written, digest_of, job
from tests.engine_rig import rig
from tests.integration.store_steps import happen

S = JobStatus
REFRESH = Wish(refresh=True)
ACCEPT = Wish(accept_stale=True)


async def planned_of(desk: Desk, project: Any, *, write: bool = True) -> Plan:
    """The plan of any batch of the file, written."""
    planned = await plan_with(project, desk.rig.store)
    if write:
        await apply_plan(project, desk.rig.store, planned, clock=desk.rig.clock)
    return planned


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with rig() as opened:
        yield await Desk.opened(opened, tmp_path)


async def test_an_unchanged_manifest_is_free(desk: Desk) -> None:
    specs = [job("a", "one"), job("b", "two")]
    await desk.run(*specs)
    planned = await desk.plan(*specs)
    assert (planned.starting, planned.counts) == (0, {"keep": 2})
    await desk.run(*specs)
    assert desk.creates == 2


async def test_a_rename_costs_no_create_and_keeps_files_and_history(desk: Desk) -> None:
    await desk.run(job("a", "one"))
    before = (await desk.rig.jobs())["a"]
    planned = await desk.write(job("z", "one"))
    assert (planned.renamed.ids, planned.starting) == (("z",), 0)
    await desk.run(job("z", "one"))
    jobs = await desk.rig.jobs()
    assert list(jobs) == ["z"]
    assert (jobs["z"].outputs, jobs["z"].charged) == (before.outputs, before.charged)
    assert desk.creates == 1
    kinds = [type(event).__name__ for event in await desk.rig.store.events("b", "z")]
    assert (kinds[0], kinds[-1]) == ("Added", "Renamed")


async def test_every_id_renamed_at_once_costs_nothing(desk: Desk) -> None:
    count = 1203  # more than two pages
    await desk.write(*(job(f"j{n}", str(n)) for n in range(count)))
    planned = await desk.write(*(job(f"shot-{n}", str(n)) for n in range(count)))
    assert planned.renamed.count == planned.jobs == count
    assert planned.orphaned.count == 0
    assert len(await desk.rig.jobs()) == count


async def test_a_job_at_runway_that_is_renamed_is_collected_under_its_new_id(desk: Desk) -> None:
    await desk.write(job("a", "one"))
    [sent] = (await desk.rig.jobs()).values()
    task = await desk.rig.api.create_task("image_to_video", {"promptText": "one"})
    started = SubmitStarted(at=desk.rig.clock.now(), reserve=25)
    accepted = TaskAccepted(at=desk.rig.clock.now(), task_id=task.id, estimated=None)
    await happen(desk.rig.store, sent, started, accepted)
    planned = await desk.plan(job("z", "one"))
    assert planned.moving.ids == ("z",)
    await desk.run(job("z", "one"))
    assert await desk.rig.statuses() == {"z": S.DONE}
    assert desk.creates == 1


async def test_another_order_costs_nothing(desk: Desk) -> None:
    specs = [job(name, name) for name in "abc"]
    await desk.run(*specs)
    await desk.run(*reversed(specs))
    assert desk.creates == 3


async def test_an_edit_of_a_finished_job_costs_nothing_until_it_is_refreshed(desk: Desk) -> None:
    parent = job("a", "one")
    await desk.run(parent, job("b", "two", parent), job("c", "three"))
    edited = job("a", "other")
    now = [edited, job("b", "two", edited), job("c", "three")]
    await desk.run(*now)
    assert desk.creates == 3
    jobs = await desk.rig.jobs()
    assert {name: found.stale for name, found in jobs.items()} == {
        "a": True, "b": True, "c": False
    }  # fmt: skip
    old = desk.files()
    planned = await desk.plan(*now, wish=REFRESH)
    assert (planned.refreshed.ids, planned.cost.worst) == (("a", "b"), 50)
    assert await desk.run(*now, wish=REFRESH) == []
    assert desk.creates == 5
    jobs = await desk.rig.jobs()
    assert not any(found.stale for found in jobs.values())
    assert desk.prompt_of(jobs["a"]) == "other"
    assert jobs["a"].outputs[0].path.endswith("_v2.mp4")
    assert old.items() <= desk.files().items(), "what was paid for stays"


async def test_going_back_to_what_was_made_before_costs_nothing(desk: Desk) -> None:
    await desk.run(job("a", "one"))
    await desk.run(job("a", "other"), wish=REFRESH)
    assert desk.creates == 2
    await desk.run(job("a", "one"))
    [found] = (await desk.rig.jobs()).values()
    assert (desk.prompt_of(found), found.stale, found.status) == ("one", False, S.DONE)
    await desk.run(job("a", "other"))
    [found] = (await desk.rig.jobs()).values()
    assert (desk.prompt_of(found), found.results) == ("other", 2)
    assert desk.creates == 2
    await desk.run(job("a", "third"), wish=REFRESH)
    [found] = (await desk.rig.jobs()).values()
    assert found.outputs[0].path.endswith("_v3.mp4")


async def test_a_refresh_that_fails_loses_nothing(desk: Desk) -> None:
    await desk.run(job("a", "one"))

    def refuse(_endpoint: str, _body: object, _count: int) -> None:
        raise PermanentApiError("no", status=400)

    desk.rig.api.before_create = refuse
    await desk.run(job("a", "bad"), wish=REFRESH)
    assert await desk.rig.statuses() == {"a": S.FAILED}
    desk.rig.api.before_create = None
    await desk.run(job("a", "one"))
    [found] = (await desk.rig.jobs()).values()
    assert (found.status, desk.prompt_of(found)) == (S.DONE, "one")
    assert desk.creates == 1


async def test_no_job_starts_on_a_stale_parent(desk: Desk) -> None:
    await desk.run(job("a", "one"))
    edited = job("a", "other")
    child = job("child", "two", edited)
    planned = await desk.write(edited, child)
    assert (planned.starting, planned.blocked.ids) == (0, ("child",))
    assert await desk.rig.run() == []
    assert (await desk.rig.statuses())["child"] is S.PENDING
    jobs = await desk.rig.jobs()
    around = Surroundings(now=desk.rig.clock.now())
    assert why_waiting(jobs["child"], [jobs["a"]], around) == "parent is stale: `a`"
    assert desk.creates == 1
    await desk.run(edited, child, wish=ACCEPT)
    assert (await desk.rig.statuses())["child"] is S.DONE
    assert desk.prompts == {"one": 1, "two": 1}
    jobs = await desk.rig.jobs()
    assert jobs["child"].consumed == (jobs["a"].outputs[0].sha256,)


async def test_to_accept_stale_parents_counts_for_one_plan(desk: Desk) -> None:
    await desk.run(job("a", "one"))
    edited = job("a", "other")
    child = job("child", "two", edited)
    await desk.write(edited, child, wish=ACCEPT)
    await desk.write(edited, child)
    assert await desk.rig.run() == []
    assert (await desk.rig.statuses())["child"] is S.PENDING


async def test_a_parent_that_is_made_anew_makes_its_children_stale(desk: Desk) -> None:
    """Its file was lost, and the task with it: `retry` makes another one of the same content."""
    parent = job("a", "one")
    child = job("b", "two", parent)
    grandchild = job("c", "three", child)
    await desk.run(parent, child)
    store, now = desk.rig.store, desk.rig.clock.now()
    lost = (await desk.rig.jobs())["a"]
    gone = GaveUp(at=now, code="GONE", reason="gone", credits=0)
    await happen(store, lost, Reopened(at=now), gone, Requeued(at=now))
    await desk.write(parent, child, grandchild)
    assert await desk.rig.run() == []
    jobs = await desk.rig.jobs()
    assert jobs["a"].outputs[0].sha256 != lost.outputs[0].sha256
    assert (jobs["b"].stale, jobs["b"].status) == (True, S.DONE)
    assert desk.prompts == {"one": 2, "two": 1, "three": 1}
    assert await store.check("b") == []
    planned = await desk.plan(parent, child, grandchild)
    assert planned.stale.ids == ("b",)
    assert await desk.run(parent, child, grandchild, wish=REFRESH) == []
    assert desk.prompts == {"one": 2, "two": 2, "three": 2}
    assert (await desk.plan(parent, child, grandchild)).counts == {"keep": 3}


async def test_results_of_a_batch_whose_manifest_is_gone_are_adopted(desk: Desk) -> None:
    await desk.run(job("a", "one"), job("b", "two"))
    made = await desk.rig.jobs()
    await desk.note("new")
    project = replace(desk.project([job("x", "two"), job("y", "three")]), batch="new")
    planned = await planned_of(desk, project)
    assert (planned.adopted.ids, planned.starting) == (("x",), 1)
    jobs = {found.id: found async for found in desk.rig.store.jobs("new")}
    assert (jobs["x"].status, jobs["x"].outputs) == (S.DONE, made["b"].outputs)
    assert (jobs["x"].charged, jobs["x"].task_id) == (0, made["b"].task_id)
    assert await desk.rig.jobs() == made, "the old batch keeps its history"
    for batch in ("b", "new"):
        assert await desk.rig.store.check(batch) == []


async def test_adopted_files_are_linked_into_another_output_folder(desk: Desk) -> None:
    await desk.run(job("a", "one"))
    [made] = (await desk.rig.jobs()).values()
    elsewhere = desk.folder / "elsewhere"
    await desk.note("new", output_dir=elsewhere)
    project = Written([job("x", "one")], elsewhere, batch="new")
    await planned_of(desk, project)
    [found] = [found async for found in desk.rig.store.jobs("new")]
    old = desk.rig.output_dir / made.outputs[0].path
    new = elsewhere / found.outputs[0].path
    assert found.outputs[0].path == "batch/x.mp4", "under the job's own name"
    assert old.samefile(new), "it takes no room twice"
    assert digest_of(new) == found.outputs[0].sha256


async def test_a_file_that_was_changed_is_not_taken_over_and_not_paid_again(desk: Desk) -> None:
    await desk.run(job("a", "one"))
    [made] = (await desk.rig.jobs()).values()
    path = desk.rig.output_dir / made.outputs[0].path
    path.write_bytes(b"x" * made.outputs[0].bytes)
    await desk.note("new")
    with pytest.raises(UsageError, match="was changed"):
        await planned_of(desk, replace(desk.project([job("x", "one")]), batch="new"))
    path.unlink()
    planned = await planned_of(desk, replace(desk.project([job("x", "one")]), batch="new"))
    assert (planned.adopted.count, planned.starting) == (0, 1), "gone: it has to be made"
    assert planned.duplicates.ids == ("x",), "and it is said that this was paid for before"


async def test_content_of_a_manifest_that_is_still_there_is_a_duplicate(desk: Desk) -> None:
    other = desk.folder / "b.yaml"
    other.write_text("version: 1")
    await desk.note("b", manifest=str(other))
    await desk.run(job("a", "one"))
    await desk.note("new")
    planned = await planned_of(desk, replace(desk.project([job("x", "one")]), batch="new"))
    assert (planned.adopted.count, planned.duplicates.ids, planned.starting) == (0, ("x",), 1)


async def test_content_of_another_service_is_none_of_ours(desk: Desk) -> None:
    await desk.run(job("a", "one"))
    project = replace(desk.project([job("x", "one")]), batch="new", service="https://real")
    await desk.rig.store.upsert_batch("new", base_url="https://real", output_dir="/out")
    planned = await planned_of(desk, project)
    assert (planned.adopted.count, planned.duplicates.count, planned.starting) == (0, 0, 1)


async def test_content_in_flight_under_an_edited_id_is_waited_for_and_then_taken(
    desk: Desk,
) -> None:
    await desk.write(job("a", "one"))
    sent = (await desk.rig.jobs())["a"]
    now = desk.rig.clock.now()
    created = await desk.rig.api.create_task(sent.spec.endpoint, sent.spec.body)
    accepted = TaskAccepted(at=now, task_id=created.id, estimated=25)
    await happen(desk.rig.store, sent, SubmitStarted(at=now, reserve=25), accepted)
    await desk.write(job("a", "other"), job("b", "one"))
    await desk.rig.run()
    statuses = await desk.rig.statuses()
    assert statuses == {"a": S.DONE, "b": S.HELD}
    await desk.run(job("a", "other"), job("b", "one"))
    assert await desk.rig.statuses() == {"a": S.DONE, "b": S.DONE}
    assert desk.prompts == {"one": 1}


async def test_a_held_job_that_somebody_releases_is_made(desk: Desk) -> None:
    """The other may never end: it is in doubt, say, and nobody knows whose it was."""
    [first] = (await desk.write(job("a", "one"))).rows
    assert first.jobs == 1
    lost = (await desk.rig.jobs())["a"]
    now = desk.rig.clock.now()
    sent = SubmitStarted(at=now, reserve=25)
    await happen(desk.rig.store, lost, sent, SubmitUnknown(at=now, reason="cut"))
    specs = [job("a", "other"), job("b", "one")]
    await desk.write(*specs)
    held = (await desk.rig.jobs())["b"]
    assert held.status is S.HELD
    await happen(desk.rig.store, held, Requeued(at=now))
    planned = await desk.write(*specs)
    assert (planned.starting, planned.held.count) == (1, 0)
    await desk.rig.run()
    assert desk.prompts == {"one": 1}


async def test_a_job_held_for_what_then_failed_is_made_by_the_next_run(desk: Desk) -> None:
    await desk.write(job("a", "one"))
    sent = (await desk.rig.jobs())["a"]
    now = desk.rig.clock.now()
    accepted = TaskAccepted(at=now, task_id="t1", estimated=25)
    await happen(desk.rig.store, sent, SubmitStarted(at=now, reserve=25), accepted)
    specs = [job("a", "other"), job("b", "one")]
    await desk.write(*specs)
    assert (await desk.rig.jobs())["b"].status is S.HELD
    assert (await desk.write(*specs)).held.count == 1, "as long as it is being made"
    failed = GaveUp(at=now, code="INTERNAL", reason="failed", credits=0)
    await happen(desk.rig.store, (await desk.rig.jobs())["a"], failed)
    await desk.run(*specs)
    statuses = await desk.rig.statuses()
    assert statuses["b"] is S.DONE
    assert desk.prompts["one"] == 1


async def test_a_large_batch_spreads_its_names_over_folders_from_its_first_run_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applying, "SHARD_ABOVE", 2)
    large = desk.project([job(name, name) for name in "abc"])
    await planned_of(desk, large)
    assert large.sharded == [False, True], "decided by the plan, known to what is written"
    small = desk.project([job("a", "a")])
    await planned_of(desk, small)
    assert small.sharded == [True, True], "and frozen"
    await desk.note("new")
    other = replace(desk.project([job("x", "x")]), batch="new", sharded=[])
    await planned_of(desk, other)
    grown = replace(desk.project([job(name, name) for name in "xyz"]), batch="new", sharded=[])
    await planned_of(desk, grown)
    assert other.sharded + grown.sharded == [False] * 4


async def test_an_input_that_changes_between_the_two_readings_is_an_error(desk: Desk) -> None:
    project = desk.project([job("a", "one")])
    planned = await planned_of(desk, project, write=False)
    project.specs = [job("a", "two")]
    with pytest.raises(UsageError, match="changed while it was read"):
        await apply_plan(project, desk.rig.store, planned, clock=desk.rig.clock)


async def test_an_attempt_carries_what_decided_it(desk: Desk) -> None:
    parent = job("a", "one")
    await desk.run(parent, job("b", "two", parent))
    jobs = await desk.rig.jobs()
    found = {}
    for name in jobs:
        for event in await desk.rig.store.events("b", name):
            if isinstance(event, SubmitStarted):
                found[name] = event
    assert found["a"].consumed == ()
    assert found["b"].consumed == (jobs["a"].outputs[0].sha256,) == jobs["b"].consumed
    assert len({event.identity for event in found.values()}) == 2
    assert all(len(event.identity) == 64 for event in found.values())


async def test_a_price_told_since_changes_no_job_as_long_as_as_much_is_set_aside(
    desk: Desk,
) -> None:
    """Else a live run that takes a manifest over would race with every job that it works on."""
    spec = job("a", "one")
    await desk.write(spec)
    told = replace(spec, estimate=replace(spec.estimate, asked=spec.reserve, shape="s"))
    assert (await desk.plan(told)).counts == {"keep": 1}
    dearer = replace(spec, estimate=replace(spec.estimate, asked=spec.reserve + 1))
    assert (await desk.plan(dearer)).counts == {"edit": 1}
