"""What `cancel` does to a job, by where it stands."""

from __future__ import annotations

import pytest

from runner.core.cancelling import UNSENT, Fate, fate_of, plan_cancel
from runner.core.events import Cancelled
from runner.core.job import AT_RUNWAY, Job, JobStatus
from runner.core.lifecycle import TRANSITIONS
from runner.testing import make_spec


def job(status: JobStatus, *, hold: int = 0, cancel_requested: bool = False) -> Job:
    spec = make_spec(status.value)
    return Job(batch="b", spec=spec, status=status, hold=hold, cancel_requested=cancel_requested)


def test_every_status_is_dropped_asked_about_or_left() -> None:
    plan = plan_cancel([job(status, hold=10) for status in JobStatus])
    assert {j.status for j in plan.unsent} == UNSENT
    assert {j.status for j in plan.at_runway} == AT_RUNWAY
    assert {j.status for j in plan.others} == set(JobStatus) - UNSENT - AT_RUNWAY
    assert [j.status for j in plan.running] == [JobStatus.RUNNING]
    assert plan.lost == 10 * len(AT_RUNWAY)


def test_what_was_never_sent_may_be_dropped_and_what_is_finished_never() -> None:
    may = {status for status, event in TRANSITIONS if event is Cancelled}
    assert may == UNSENT | {JobStatus.QUEUED, JobStatus.RUNNING}


CANCELLED, RUNNING, QUEUED = JobStatus.CANCELLED, JobStatus.RUNNING, JobStatus.QUEUED


@pytest.mark.parametrize(
    ("before", "after", "abandon", "fate"),
    [
        (JobStatus.PENDING, CANCELLED, False, Fate.DROPPED),
        (JobStatus.HELD, CANCELLED, False, Fate.DROPPED),
        (QUEUED, CANCELLED, False, Fate.CANCELLED),
        (RUNNING, CANCELLED, True, Fate.ABANDONED),
        (CANCELLED, CANCELLED, False, Fate.ENDED),
        (QUEUED, RUNNING, False, Fate.KEPT),
        (RUNNING, RUNNING, False, Fate.KEPT),
        (RUNNING, RUNNING, True, Fate.OPEN),
        (QUEUED, QUEUED, False, Fate.OPEN),
        (QUEUED, JobStatus.DOWNLOADING, False, Fate.KEPT),
        (JobStatus.DONE, JobStatus.DONE, False, Fate.ENDED),
        (QUEUED, JobStatus.FAILED, False, Fate.ENDED),
        (JobStatus.SUBMITTING, JobStatus.IN_DOUBT, False, Fate.IN_DOUBT),
        (JobStatus.PENDING, JobStatus.SUBMITTING, False, Fate.OPEN),
    ],
)
def test_what_became_of_it(before: JobStatus, after: JobStatus, abandon: bool, fate: Fate) -> None:
    assert fate_of(job(after), before=before, abandon_running=abandon) is fate


def test_a_delete_that_is_under_way_is_not_known_yet() -> None:
    asked = job(RUNNING, cancel_requested=True)
    assert fate_of(asked, before=QUEUED, abandon_running=False) is Fate.OPEN
