"""Plans: what each job becomes in the two passes, what they sum up to, and the events they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.changes import changes_of, needs_change
from runner.core.deciding import Action
from runner.core.events import Added, Adopted, Edited, Flagged, Held, Refreshed, Renamed, Requeued
from runner.core.job import Job, JobStatus, OutputFile
from runner.core.plan import MOST_LISTED, Holder, KnownJob, PlanEntry
from runner.core.planner import Planner
from runner.core.spec import JobSpec, OutputRef, job_key
from runner.core.tally import Tally
from runner.testing import START, make_spec
from tests.plans import changes, entries, holder, plan

S = JobStatus
A = make_spec("a")
OTHER = make_spec("a", body={"ratio": "720:1280"})
DEARER = replace(A, priority=9)
FILE = OutputFile(index=0, path="b/a.mp4", bytes=1, sha256="old", media_type="video/mp4")


def stored(status: JobStatus, spec: JobSpec = A, **fields: Any) -> Job:
    return Job(batch="b", spec=spec, status=status, version=1, **fields)


def child_of(parent: JobSpec, job_id: str = "child", **fields: Any) -> JobSpec:
    """A job that consumes the output of another."""
    ref = OutputRef(job=parent.id, key=parent.key, media="image")
    return make_spec(job_id, body={"promptImage": ref.to_json()}, needs=[parent.id], **fields)


def actions(
    specs: Sequence[JobSpec], rows: Mapping[str, Job] | None = None, **asked: bool
) -> dict[str, Action]:
    return {entry.spec.id: entry.action for entry in entries(specs, rows or {}, **asked)}


def jobs(*found: Job) -> dict[str, Job]:
    return {job.id: job for job in found}


# One job


def test_a_job_nobody_has_seen_is_new():
    assert actions([A]) == {"a": Action.NEW}


@pytest.mark.parametrize("status", JobStatus)
@pytest.mark.parametrize("spec", [A, OTHER, DEARER, None], ids=["same", "other", "dearer", "gone"])
@pytest.mark.parametrize("refresh", [False, True])
def test_what_a_plan_says_of_a_job_is_what_becomes_of_it(status, spec, refresh):
    """The status it promises is the one after its events; only what will be pending is sent."""
    specs, rows = [] if spec is None else [spec], jobs(stored(status))
    [entry] = entries(specs, rows, refresh=refresh)
    found = changes("b", specs, rows, START, refresh=refresh)
    after = found[-1][1] if found else rows["a"]
    assert entry.status is after.status
    is_flagged = after.stale or after.orphaned
    assert entry.starts == (after.status is S.PENDING and not is_flagged)
    planned = plan(specs, rows, refresh=refresh)
    assert planned.starting == int(entry.starts)
    assert planned.statuses == {after.status: 1}
    if after.spec != A:
        assert after.spec == spec


@pytest.mark.parametrize("status", JobStatus)
@pytest.mark.parametrize("spec", [A, OTHER, DEARER, None], ids=["same", "other", "dearer", "gone"])
def test_a_plan_that_was_written_is_not_written_again(status, spec):
    specs, rows = [] if spec is None else [spec], jobs(stored(status))
    for _, after, _ in changes("b", specs, rows, START):
        rows[after.id] = after
    assert changes("b", specs, rows, START) == []


def test_an_edited_cancelled_job_takes_the_new_content_and_is_not_sent():
    planned = plan([OTHER], jobs(stored(S.CANCELLED)))
    assert (planned.starting, planned.cost.worst) == (0, 0)
    [(_, after, event)] = changes("b", [OTHER], jobs(stored(S.CANCELLED)), START)
    assert isinstance(event, Edited)
    assert (after.status, after.spec) == (S.CANCELLED, OTHER)


def test_an_orphan_that_comes_back_is_no_orphan_any_more():
    [(_, after, event)] = changes("b", [A], jobs(stored(S.DONE, orphaned=True)), START)
    assert isinstance(event, Flagged)
    assert not after.orphaned


def test_an_orphaned_pending_job_does_not_start():
    assert plan([], jobs(stored(S.PENDING))).starting == 0
    [(_, after, _)] = changes("b", [], jobs(stored(S.PENDING)), START)
    assert after.orphaned


def test_going_back_to_the_old_content_makes_a_stale_job_current_again():
    rows = jobs(stored(S.DONE, stale=True, accepted=True))
    [(_, after, _)] = changes("b", [A], rows, START)
    assert (after.stale, after.accepted, after.status) == (False, False, S.DONE)
    assert changes("b", [OTHER], rows, START, accept_stale=True) == []


# Parents and children


@pytest.mark.parametrize(
    ("parent", "action"),
    [
        (S.HELD, Action.REQUEUE),  # it waits for a person, and the child for it
        (S.PENDING, Action.KEEP),  # to be skipped itself: what it needs has failed
        (S.IN_DOUBT, Action.REQUEUE),
        (S.DONE, Action.REQUEUE),
        (S.FAILED, Action.KEEP),
        (S.SKIPPED, Action.KEEP),
        (S.CANCELLED, Action.KEEP),
    ],
)
def test_which_parents_a_skipped_child_can_go_on_from(parent, action):
    grandparent, child = make_spec("old"), make_spec("child", needs=["a"])
    needy = replace(A, needs=("old",))
    rows = jobs(stored(S.FAILED, grandparent), stored(parent, needy), stored(S.SKIPPED, child))
    assert actions([grandparent, needy, child], rows)["child"] is action


def test_a_child_skipped_for_an_edited_parent_is_queued_again_and_priced_with_it():
    child = make_spec("child", needs=["a"], worst=320)
    grandchild = make_spec("grandchild", needs=["child"], worst=5)
    rows = jobs(stored(S.FAILED), stored(S.SKIPPED, child), stored(S.SKIPPED, grandchild))
    specs = [OTHER, child, grandchild]
    assert plan(specs, rows).cost.worst == 25 + 320 + 5
    kinds = [type(event) for _, _, event in changes("b", specs, rows, START)]
    assert kinds == [Edited, Requeued, Requeued]


def test_children_of_a_failed_job_are_neither_sent_nor_priced():
    child, new = make_spec("child", needs=["a"]), make_spec("new", needs=["a"])
    grandchild = make_spec("grandchild", needs=["new"])
    planned = plan([A, child, new, grandchild], jobs(stored(S.FAILED), stored(S.SKIPPED, child)))
    assert (planned.starting, planned.cost.worst) == (0, 0)
    assert planned.doomed.ids == ("new", "grandchild")


def test_no_job_starts_on_a_stale_parent_unless_it_is_accepted():
    rows = jobs(stored(S.DONE, outputs=(FILE,)))
    new = child_of(OTHER)
    grandchild = child_of(new, "grandchild")
    planned = plan([OTHER, new, grandchild], rows)
    assert (planned.starting, planned.stale.ids) == (0, ("a",))
    assert planned.blocked.ids == ("child", "grandchild")
    accepted = plan([OTHER, new, grandchild], rows, accept_stale=True)
    assert (accepted.starting, accepted.blocked.count, accepted.stale.count) == (2, 0, 1)
    [(_, after, _), *_] = changes("b", [OTHER], rows, START, accept_stale=True)
    assert (after.stale, after.accepted, after.feeds) == (True, True, True)
    [(_, again, _)] = changes("b", [OTHER], jobs(after), START)
    assert (again.accepted, again.feeds) == (False, False), "for one run"


def test_refresh_takes_the_closure_parents_first_and_nothing_else():
    child, needy = child_of(A), make_spec("needy", needs=["a"])
    alone, grandchild = make_spec("alone"), child_of(child_of(A), "grandchild")
    done = [stored(S.DONE, spec) for spec in (A, child, needy, alone, grandchild)]
    edited = [OTHER, child_of(OTHER), needy, alone, child_of(child_of(OTHER), "grandchild")]
    rows = jobs(*done)
    assert plan(edited, rows).starting == 0
    assert set(plan(edited, rows).stale.ids) == {"a", "child", "grandchild"}
    planned = plan(edited, rows, refresh=True)
    assert planned.refreshed.ids == ("a", "child", "grandchild")
    assert (planned.starting, planned.cost.worst) == (3, 75)
    found = changes("b", edited, rows, START, refresh=True)
    assert [(type(event), after.id) for _, after, event in found] == [
        (Refreshed, "a"), (Refreshed, "child"), (Refreshed, "grandchild"),
    ]  # fmt: skip
    for _, after, _ in found:
        assert (after.status, after.stale) == (S.PENDING, False)


def test_what_was_made_of_another_output_is_stale_and_refreshed_with_its_children():
    child = child_of(A)
    grandchild = child_of(child, "grandchild")
    rows = jobs(
        stored(S.DONE, outputs=(replace(FILE, sha256="new"),)),
        stored(S.DONE, child, consumed=("old",), outputs=(replace(FILE, sha256="c"),)),
        stored(S.DONE, grandchild, consumed=("c",)),
    )
    specs = [A, child, grandchild]
    assert actions(specs, rows) == {
        "a": Action.KEEP, "child": Action.STALE, "grandchild": Action.KEEP
    }  # fmt: skip
    assert plan(specs, rows, refresh=True).refreshed.ids == ("child", "grandchild")


def test_a_stale_job_whose_parent_is_not_there_is_not_refreshed_into_being_skipped():
    child = child_of(OTHER)
    rows = jobs(stored(S.FAILED), stored(S.DONE, child_of(A)))
    assert actions([A, child], rows, refresh=True)["child"] is Action.STALE
    in_flight = jobs(stored(S.RUNNING), stored(S.DONE, child_of(A)))
    assert actions([OTHER, child], in_flight, refresh=True) == {
        "a": Action.STALE, "child": Action.STALE
    }  # fmt: skip


# The same content under another id, or of another time


@pytest.mark.parametrize(
    ("status", "after"),
    [(status, status) for status in JobStatus if status not in {S.CANCELLED, S.SKIPPED}]
    + [(S.SKIPPED, S.PENDING)],
)
def test_an_orphan_takes_the_new_id_of_its_content_with_all_that_it_has(status, after):
    renamed = replace(A, id="z")
    old = stored(status, outputs=(FILE,), charged=7, task_ids=("t",))
    [(before, job, event)] = changes("b", [renamed], jobs(old), START)
    assert isinstance(event, Renamed)
    assert (before.id, job.id, job.status, event.was) == ("a", "z", after, "a")
    assert (job.outputs, job.charged, job.task_ids) == ((FILE,), 7, ("t",))
    planned = plan([renamed], jobs(old))
    assert (planned.renamed.ids, planned.orphaned.count, planned.jobs) == (("z",), 0, 1)
    assert (planned.starting > 0) == (after is S.PENDING)


def test_what_a_person_cancelled_does_not_take_a_new_id():
    assert actions([replace(A, id="z")], jobs(stored(S.CANCELLED))) == {
        "z": Action.NEW, "a": Action.ORPHAN
    }  # fmt: skip


def test_one_orphan_takes_one_id_and_an_equal_job_pays():
    twins = [replace(A, id="y"), replace(A, id="z")]
    planned = plan(twins, jobs(stored(S.DONE)))
    assert (planned.renamed.ids, planned.duplicates.ids, planned.starting) == (("y",), ("z",), 1)


def test_the_old_id_may_come_later_in_the_manifest():
    planned = plan([replace(A, id="z"), A], jobs(stored(S.DONE)))
    assert planned.renamed.count == 0
    assert (planned.duplicates.ids, planned.starting) == (("z",), 1), "still asked for: it pays"


def test_content_that_moved_to_another_id_is_taken_over_at_no_cost():
    moved = replace(A, id="b")
    rows = jobs(stored(S.DONE, outputs=(FILE,), task_id="t", task_ids=("t",)))
    assert actions([OTHER, moved], rows) == {"a": Action.STALE, "b": Action.ADOPT}
    planned = plan([OTHER, moved], rows)
    assert (planned.starting, planned.adopted.ids, planned.adopted.credits) == (0, ("b",), 25)
    found = changes("b", [OTHER, moved], rows, START)
    assert [type(event) for _, _, event in found] == [Flagged, Added, Adopted]
    job = found[-1][1]
    assert (job.status, job.outputs, job.charged, job.attempt) == (S.DONE, (FILE,), 0, 0)


def test_jobs_that_changed_places_take_over_each_others_result():
    one, two = make_spec("one"), make_spec("two")
    rows = jobs(stored(S.DONE, one, task_id="1"), stored(S.DONE, two, task_id="2"))
    swapped = [replace(two, id="one"), replace(one, id="two")]
    assert set(actions(swapped, rows).values()) == {Action.ADOPT}
    assert plan(swapped, rows).starting == 0


def test_content_in_flight_under_an_id_that_wants_another_is_waited_for():
    moved = replace(A, id="b")
    rows = jobs(stored(S.RUNNING))
    assert actions([OTHER, moved], rows) == {"a": Action.STALE, "b": Action.HOLD}
    planned = plan([OTHER, moved], rows)
    assert (planned.starting, planned.held.ids) == (0, ("b",))
    found = changes("b", [OTHER, moved], rows, START)
    assert [type(event) for _, _, event in found] == [Flagged, Added, Held]
    after = found[-1][1]
    assert after.error is not None
    assert (after.status, after.error.code) == (S.HELD, "ELSEWHERE")
    later = jobs(stored(S.DONE, stale=True, task_id="t"), after)
    assert actions([OTHER, moved], later)["b"] is Action.ADOPT


def test_children_follow_a_parent_that_is_decided_at_the_end():
    old, new = make_spec("old"), replace(make_spec("old"), id="new")
    child = make_spec("child", needs=["new"])
    rows = jobs(stored(S.FAILED, old), stored(S.SKIPPED, make_spec("child", needs=["old"])))
    assert actions([new, child], rows) == {"new": Action.RENAME, "child": Action.KEEP}
    rows = jobs(stored(S.DONE, old), stored(S.SKIPPED, make_spec("child", needs=["old"])))
    found = changes("b", [new, child], rows, START)
    assert [(after.id, type(event)) for _, after, event in found] == [
        ("new", Renamed), ("child", Edited),
    ]  # fmt: skip
    assert found[-1][1].spec.needs == ("new",)


# Other batches, and results of earlier content


def decided(spec: JobSpec, known: KnownJob | None, *holders: Holder) -> PlanEntry:
    """One job with what the state file says of its content, through both passes."""
    for_it = {} if known is None else {spec.id: known}
    first = Planner("b")
    found = [*first.page([spec], for_it, {spec.key: holders}), *first.finish()]
    second = Planner("b", verdicts=first.verdicts)
    [entry] = second.page([spec], for_it, {spec.key: holders})
    assert [one.action for one in found] == [entry.action]
    return entry


def known_of(job: Job, number: int = 1) -> KnownJob:
    return KnownJob(
        number=number, id=job.id, key=job.spec.key, status=job.status, hold=0, charged=0
    )


ELSEWHERE = holder(7, stored(S.DONE), batch="other")


def test_a_result_of_a_batch_whose_manifest_is_gone_is_taken_over():
    entry = decided(A, None, replace(ELSEWHERE, is_gone=True))
    assert (entry.action, entry.source, entry.starts) == (Action.ADOPT, 7, False)


def test_a_result_of_another_live_manifest_is_a_duplicate_with_its_price():
    entry = decided(A, None, ELSEWHERE)
    assert (entry.action, entry.is_twin, entry.starts) == (Action.NEW, True, True)


@pytest.mark.parametrize("status", [S.FAILED, S.CANCELLED, S.SKIPPED])
def test_what_another_manifest_never_made_is_no_duplicate(status):
    entry = decided(A, None, replace(ELSEWHERE, status=status, has_result=False))
    assert (entry.action, entry.is_twin) == (Action.NEW, False)


def test_what_a_batch_without_a_manifest_has_in_flight_is_waited_for():
    flying = replace(ELSEWHERE, status=S.QUEUED, has_result=False, is_gone=True)
    assert decided(A, None, flying).action is Action.HOLD


def test_a_result_whose_files_are_gone_is_made_again():
    entry = decided(A, None, replace(ELSEWHERE, has_result=False, is_gone=True))
    assert (entry.action, entry.starts) == (Action.NEW, True)


def test_an_earlier_result_of_the_job_itself_is_taken_up_again():
    failed = stored(S.FAILED, OTHER)
    past = replace(holder(1, stored(S.DONE)), status=S.FAILED, is_present=False)
    entry = decided(A, known_of(failed), past)
    assert (entry.action, entry.source) == (Action.ADOPT, 1)


def test_what_is_made_again_on_purpose_is_not_undone_by_its_own_old_result():
    refreshed = stored(S.PENDING)
    past = replace(holder(1, stored(S.DONE)), status=S.PENDING)
    assert decided(A, replace(known_of(refreshed), same_spec=True), past).action is Action.KEEP


def test_of_several_results_the_one_of_the_same_id_is_taken():
    gone = replace(ELSEWHERE, is_gone=True)
    entry = decided(A, None, replace(gone, number=5, id="x"), gone, replace(gone, number=9, id="y"))
    assert entry.source == 7


# Sums


def test_only_what_would_be_sent_is_priced():
    specs = [make_spec(name, worst=cost) for name, cost in [("a", 10), ("b", 20), ("c", 40)]]
    rows = jobs(stored(S.DONE, specs[0], charged=9), stored(S.FAILED, specs[1], charged=1))
    planned = plan(specs, rows)
    assert (planned.cost.worst, planned.starting, planned.jobs) == (40, 1, 3)
    lane = planned.lanes["gen4_turbo"]
    assert (lane.worst, lane.spent, lane.reserved) == (40, 10, 0)
    assert planned.counts == {Action.KEEP: 2, Action.NEW: 1}
    assert [(row.template, dict(row.words)) for row in planned.rows] == [
        ("a", {"done": 1}), ("b", {"failed": 1}), ("c", {"new": 1}),
    ]  # fmt: skip


def test_equal_jobs_are_counted_as_duplicates_with_their_price():
    planned = plan([A, replace(A, id="b"), replace(A, id="c")])
    assert (planned.duplicates.ids, planned.duplicates.credits) == (("b", "c"), 50)


def test_a_listing_names_the_first_and_counts_all():
    planned = plan([], jobs(*(stored(S.DONE, make_spec(f"j{n:03}")) for n in range(250))))
    assert (planned.orphaned.count, len(planned.orphaned.ids)) == (250, MOST_LISTED)
    assert planned.orphaned.credits == 250 * 25


def test_a_row_tells_the_lowest_confidence_of_what_starts():
    sure = replace(A.estimate, confidence="high", note="")
    guess = replace(A.estimate, confidence="low", note="a guess")
    specs = [
        replace(make_spec(f"j{n}"), template="t", estimate=band)
        for n, band in enumerate([sure, guess, guess])
    ]
    planned = plan(specs)
    assert [row.confidence for row in planned.rows] == ["low"]
    assert planned.notes == {"a guess": 2}
    done = jobs(*(stored(S.DONE, spec) for spec in specs))
    assert [row.confidence for row in plan(specs, done).rows] == [""]


def test_what_is_under_way_is_named_with_its_credits():
    planned = plan([A], jobs(stored(S.RUNNING, hold=25)))
    [found] = planned.under_way
    assert (found.id, found.status, found.hold) == ("a", S.RUNNING, 25)


def test_a_rename_of_what_is_at_runway_is_told_apart():
    assert plan([replace(A, id="z")], jobs(stored(S.RUNNING))).moving.ids == ("z",)
    assert plan([replace(A, id="z")], jobs(stored(S.DONE))).moving.count == 0


def test_two_readings_of_one_input_have_one_digest_and_others_another():
    def digest(*specs: JobSpec) -> bytes:
        planner = Planner("b")
        list(planner.page(specs, {}))
        return planner.digest

    two = make_spec("two")
    assert digest(A, two) == digest(A, two) != digest(two, A)
    assert len({digest(A), digest(OTHER), digest(replace(A, id="z")), digest()}) == 4


def test_the_size_of_a_page_decides_nothing():
    specs = [make_spec(f"j{n}", body={"promptText": str(n % 7)}) for n in range(40)]
    rows = {s.id: stored(S.DONE, s) for s in specs[::3]}
    renamed = [replace(s, id=f"{s.id}x") if n % 5 == 0 else s for n, s in enumerate(specs)]
    whole = plan(renamed, rows)
    paged, tally = Planner("b"), Tally()
    known = {job.id: known_of(job, n) for n, job in enumerate(rows.values(), 1)}
    found: dict[str, list[Holder]] = {}
    for number, job in enumerate(rows.values(), 1):
        found.setdefault(job.spec.key, []).append(holder(number, job))
    for spec in renamed:
        for entry in paged.page([spec], known, found):
            tally.add(entry)
    for entry in paged.finish():
        tally.add(entry)
    counted = tally.plan(paged).counts
    assert counted == {kind: n for kind, n in whole.counts.items() if kind is not Action.ORPHAN}


NAMES = st.sampled_from("abcde")
CONTENTS = st.sampled_from("vwxyz")


@given(
    now=st.dictionaries(NAMES, CONTENTS), before=st.dictionaries(NAMES, CONTENTS),
    statuses=st.lists(st.sampled_from(JobStatus), min_size=5, max_size=5),
    refresh=st.booleans(), accept=st.booleans(),
)  # fmt: skip
def test_both_passes_agree_and_every_job_is_accounted_for(now, before, statuses, refresh, accept):
    specs = [make_spec(name, body={"promptText": text}) for name, text in now.items()]
    rows = jobs(
        *(
            stored(status, make_spec(name, body={"promptText": text}), task_id="t")
            for (name, text), status in zip(before.items(), statuses, strict=False)
        )
    )
    asked = {"refresh": refresh, "accept_stale": accept}
    planned, found = plan(specs, rows, **asked), entries(specs, rows, **asked)
    assert planned.jobs == len(found)
    assert planned.starting == sum(entry.starts for entry in found)
    assert {entry.spec.id for entry in found if entry.is_ours} == set(now)
    numbers = [entry.stored.number for entry in found if entry.stored is not None]
    assert sorted(numbers) == list(range(1, len(rows) + 1)), "every stored job, once"
    for entry in found:
        if entry.action is Action.ADOPT:
            assert entry.source is not None
        if needs_change(entry, accept_stale=accept) and entry.action is not Action.ADOPT:
            before_it = (
                None if entry.stored is None else list(rows.values())[entry.stored.number - 1]
            )
            made = changes_of("b", entry, before_it, START, accept_stale=accept)
            assert made[-1][1].status is entry.status


def test_a_childs_key_follows_its_parents_key_and_not_its_name():
    def key(parent: OutputRef) -> str:
        return job_key("image_to_video", {"promptImage": parent.to_json()}, 1)

    named = OutputRef(job="p", key=A.key)
    renamed = OutputRef(job="q", key=A.key)
    edited = OutputRef(job="p", key=OTHER.key)
    second = OutputRef(job="p", key=A.key, index=1)
    assert key(named) == key(renamed)
    assert len({key(named), key(edited), key(second)}) == 3
