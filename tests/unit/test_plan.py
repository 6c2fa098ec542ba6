from __future__ import annotations

from dataclasses import replace

import pytest

from runner.core.events import Added, Edited, Flagged, Requeued
from runner.core.job import Job, JobStatus
from runner.core.plan import Action, changes, decide, plan
from runner.core.spec import OutputRef, job_key
from runner.testing import START, make_spec

A = make_spec("a")
OTHER = make_spec("a", body={"ratio": "720:1280"})
DEARER = replace(A, priority=9)


def stored(status: JobStatus, **fields) -> Job:
    return Job(batch="b", spec=A, status=status, version=1, **fields)


TABLE = [
    # (stored status, what the manifest says now) -> action; every combination is named
    *[(status, "same", Action.KEEP) for status in JobStatus],
    *[(status, "gone", Action.ORPHAN) for status in JobStatus],
    (JobStatus.PENDING, "other", Action.EDIT),
    (JobStatus.FAILED, "other", Action.EDIT),
    (JobStatus.SKIPPED, "other", Action.EDIT),
    (JobStatus.HELD, "other", Action.EDIT),
    (JobStatus.CANCELLED, "other", Action.EDIT),
    (JobStatus.SUBMITTING, "other", Action.STALE),
    (JobStatus.QUEUED, "other", Action.STALE),
    (JobStatus.RUNNING, "other", Action.STALE),
    (JobStatus.DOWNLOADING, "other", Action.STALE),
    (JobStatus.DONE, "other", Action.STALE),
    (JobStatus.IN_DOUBT, "other", Action.STALE),
    (JobStatus.PENDING, "priority", Action.EDIT),
    *[(status, "priority", Action.KEEP) for status in JobStatus if status != JobStatus.PENDING],
]


@pytest.mark.parametrize(("status", "now", "action"), TABLE)
def test_what_becomes_of_a_stored_job(status, now, action):
    spec = {"same": A, "other": OTHER, "priority": DEARER, "gone": None}[now]
    assert decide(spec, stored(status)) is action


def test_the_table_names_every_combination():
    assert len({(status, now) for status, now, _ in TABLE}) == 4 * len(JobStatus)


@pytest.mark.parametrize(("status", "now", "action"), TABLE)
def test_what_a_plan_says_of_a_job_is_what_becomes_of_it(status, now, action):
    """The status it promises is the one after its event; only what will be pending is sent."""
    spec = {"same": A, "other": OTHER, "priority": DEARER, "gone": None}[now]
    planned = plan([] if spec is None else [spec], {"a": stored(status)})
    [entry] = planned.entries
    after = next((job for _, job, _ in changes("b", planned, START)), stored(status))
    assert entry.status is after.status
    is_flagged = after.stale or after.orphaned
    assert entry.starts == (after.status is JobStatus.PENDING and not is_flagged)
    if action is Action.EDIT:
        assert after.spec == spec


@pytest.mark.parametrize("status", [JobStatus.HELD, JobStatus.SKIPPED, JobStatus.FAILED])
def test_an_edited_job_that_was_never_finished_is_judged_afresh(status):
    [entry] = plan([OTHER], {"a": stored(status)}).entries
    assert (entry.status, entry.starts) == (JobStatus.PENDING, True)


def test_an_edited_cancelled_job_takes_the_new_content_and_is_not_sent():
    planned = plan([OTHER], {"a": stored(JobStatus.CANCELLED)})
    assert planned.starting == ()
    assert planned.cost.worst == 0
    [(_, after, event)] = changes("b", planned, START)
    assert isinstance(event, Edited)
    assert (after.status, after.spec) == (JobStatus.CANCELLED, OTHER)
    assert changes("b", plan([OTHER], {"a": after}), START) == []


@pytest.mark.parametrize("status", [JobStatus.HELD, JobStatus.CANCELLED])
def test_an_unchanged_held_or_cancelled_job_is_kept(status):
    planned = plan([A], {"a": stored(status)})
    assert planned.starting == ()
    assert changes("b", planned, START) == []


@pytest.mark.parametrize(
    ("parent", "action"),
    [
        (JobStatus.HELD, Action.REQUEUE),  # it waits for a person, and the child for it
        (JobStatus.PENDING, Action.REQUEUE),
        (JobStatus.IN_DOUBT, Action.REQUEUE),
        (JobStatus.DONE, Action.REQUEUE),
        (JobStatus.FAILED, Action.KEEP),
        (JobStatus.SKIPPED, Action.KEEP),
        (JobStatus.CANCELLED, Action.KEEP),
    ],
)
def test_which_parents_a_skipped_child_can_go_on_from(parent, action):
    grandparent = make_spec("old")
    needy = replace(A, needs=("old",))
    child = make_spec("child", needs=["a"])
    rows = {
        "old": Job(batch="b", spec=grandparent, status=JobStatus.FAILED, version=1),
        "a": Job(batch="b", spec=needy, status=parent, version=1),
        "child": Job(batch="b", spec=child, status=JobStatus.SKIPPED, version=1),
    }
    assert plan([grandparent, needy, child], rows).entries[2].action is action


def test_children_of_an_edited_cancelled_job_stay_skipped():
    child = make_spec("child", needs=["a"])
    skipped = Job(batch="b", spec=child, status=JobStatus.SKIPPED, version=2)
    planned = plan([OTHER, child], {"a": stored(JobStatus.CANCELLED), "child": skipped})
    assert planned.starting == ()


def test_a_waiting_child_of_a_held_job_is_kept():
    child = make_spec("child", needs=["a"])
    waiting = Job(batch="b", spec=child, status=JobStatus.PENDING, version=2, position=1)
    planned = plan([A, child], {"a": stored(JobStatus.HELD), "child": waiting})
    assert changes("b", planned, START) == []


def test_a_job_nobody_has_seen_is_new():
    assert decide(A, None) is Action.NEW


def test_only_what_would_be_sent_is_priced():
    specs = [make_spec(name, worst=cost) for name, cost in [("a", 10), ("b", 20), ("c", 40)]]
    done = Job(batch="b", spec=specs[0], status=JobStatus.DONE, version=1)
    failed = Job(batch="b", spec=specs[1], status=JobStatus.FAILED, version=1)
    planned = plan(specs, {"a": done, "b": failed})
    assert planned.cost.worst == 40
    assert [entry.spec.id for entry in planned.starting] == ["c"]


def test_equal_jobs_are_counted_as_duplicates():
    twin = replace(make_spec("a"), id="b")
    planned = plan([make_spec("a"), twin], {})
    assert [entry.spec.id for entry in planned.duplicates] == ["b"]


def test_changes_add_edit_and_flag():
    orphan = Job(batch="b", spec=make_spec("old"), status=JobStatus.DONE, version=3)
    pending = stored(JobStatus.PENDING)
    planned = plan([OTHER, make_spec("new")], {"a": pending, "old": orphan})
    kinds = {after.id: type(event) for _, after, event in changes("b", planned, START)}
    assert kinds == {"a": Edited, "new": Added, "old": Flagged}


def test_an_unchanged_manifest_changes_nothing():
    done = stored(JobStatus.DONE)
    assert changes("b", plan([A], {"a": done}), START) == []


def test_an_orphan_that_comes_back_is_no_orphan_any_more():
    back = stored(JobStatus.DONE, orphaned=True)
    [(_, after, event)] = changes("b", plan([A], {"a": back}), START)
    assert isinstance(event, Flagged)
    assert not after.orphaned


def test_an_orphaned_pending_job_does_not_start():
    gone = stored(JobStatus.PENDING)
    planned = plan([], {"a": gone})
    assert planned.starting == ()
    [(_, after, _)] = changes("b", planned, START)
    assert after.orphaned


def test_a_child_skipped_for_an_edited_parent_is_queued_again():
    child = make_spec("child", needs=["a"])
    failed = stored(JobStatus.FAILED)
    skipped = Job(batch="b", spec=child, status=JobStatus.SKIPPED, version=2, position=1)
    planned = plan([OTHER, child], {"a": failed, "child": skipped})
    kinds = [type(event) for _, _, event in changes("b", planned, START)]
    assert kinds == [Edited, Requeued]


def test_a_childs_key_follows_its_parents_key_and_not_its_name():
    def key(parent: OutputRef) -> str:
        return job_key("image_to_video", {"promptImage": parent.to_json()}, 1)

    named = OutputRef(job="p", key=A.key)
    renamed = OutputRef(job="q", key=A.key)
    edited = OutputRef(job="p", key=OTHER.key)
    second = OutputRef(job="p", key=A.key, index=1)
    assert key(named) == key(renamed)
    assert len({key(named), key(edited), key(second)}) == 3


def test_children_that_go_on_with_an_edited_parent_are_priced_with_it():
    child = make_spec("child", needs=["a"], worst=320)
    grandchild = make_spec("grandchild", needs=["child"], worst=5)
    rows = {
        "a": stored(JobStatus.FAILED),
        "child": Job(batch="b", spec=child, status=JobStatus.SKIPPED, version=2),
        "grandchild": Job(batch="b", spec=grandchild, status=JobStatus.SKIPPED, version=2),
    }
    planned = plan([OTHER, child, grandchild], rows)
    assert planned.cost.worst == 25 + 320 + 5
    assert [entry.action for entry in planned.entries] == [
        Action.EDIT,
        Action.REQUEUE,
        Action.REQUEUE,
    ]


def test_children_of_a_failed_job_stay_skipped():
    child = make_spec("child", needs=["a"])
    skipped = Job(batch="b", spec=child, status=JobStatus.SKIPPED, version=2)
    planned = plan([A, child], {"a": stored(JobStatus.FAILED), "child": skipped})
    assert planned.starting == ()


def test_new_jobs_that_equal_orphans_are_named():
    renamed = replace(A, id="z")
    planned = plan([renamed], {"a": stored(JobStatus.DONE)})
    assert [entry.spec.id for entry in planned.renamed] == ["z"]
