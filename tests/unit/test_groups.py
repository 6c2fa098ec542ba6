"""Groups: who shares what, what labels tell, and counts that never drift."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.credits import CostBand
from runner.core.events import (
    Added,
    Event,
    GaveUp,
    Renamed,
    RetryScheduled,
    SubmitRefused,
    SubmitStarted,
    SubmitUnknown,
    TaskAccepted,
    TaskSucceeded,
)
from runner.core.groups import (
    PRICE_PROBES,
    Group,
    GroupChange,
    GroupKind,
    group_change,
    groups_of,
    is_moderation,
)
from runner.core.job import AT_RUNWAY, Job, JobStatus
from runner.core.lifecycle import TRANSITIONS, create, transition
from runner.core.spec import AssetRef, JobSpec, OutputRef
from runner.testing import START, make_spec
from tests.unit.event_examples import examples_of

PLATE = AssetRef(path="/in/plates/wall.png", sha256="a" * 64, bytes=10, media="image")
LINK = "https://cdn.example.com/a/plate.png?X-Amz-Signature=s3cr3t&_jwt=eyJhbGciOi"


def spec_with(**body: Any) -> JobSpec:
    return make_spec("a", body=body)


def priced(confidence: str, **fields: Any) -> JobSpec:
    band = CostBand(low=1, expected=2, worst=25, confidence=confidence)
    return replace(spec_with(**fields.pop("body", {})), estimate=band, **fields)


def group(spec: JobSpec, kind: GroupKind, batch: str = "b") -> Group:
    [found] = [one for one in groups_of(batch, spec) if one.kind is kind]
    return found


def kinds(spec: JobSpec) -> Counter[GroupKind]:
    return Counter(one.kind for one in groups_of("b", spec))


# who shares what


def test_one_input_is_one_group_wherever_it_lies_and_whatever_it_is_called() -> None:
    copy = replace(PLATE, path="/elsewhere/copy.png")
    nested = {"referenceImages": [{"uri": copy.to_json(), "tag": "x"}]}
    here = group(spec_with(promptImage=PLATE.to_json()), GroupKind.ASSET)
    assert here.id == group(spec_with(**nested), GroupKind.ASSET).id
    assert here.label == "input `wall.png`"
    other = replace(PLATE, sha256="b" * 64)
    assert here.id != group(spec_with(promptImage=other.to_json()), GroupKind.ASSET).id


def test_a_job_is_in_one_group_for_each_input_and_once_for_one_used_twice() -> None:
    other = replace(PLATE, sha256="b" * 64)
    images = [PLATE.to_json(), other.to_json(), PLATE.to_json()]
    assert kinds(spec_with(referenceImages=images))[GroupKind.ASSET] == 2


def test_the_output_of_another_job_is_nobodys_fault() -> None:
    ref = OutputRef(job="p", key="k").to_json()
    assert GroupKind.ASSET not in kinds(spec_with(promptImage=ref))


def test_prompts_are_one_group_only_letter_by_letter() -> None:
    first = group(spec_with(promptText="a wall"), GroupKind.PROMPT)
    assert first.id == group(spec_with(promptText="a wall", ratio="1:1"), GroupKind.PROMPT).id
    assert first.id != group(spec_with(promptText="a Wall"), GroupKind.PROMPT).id
    assert GroupKind.PROMPT not in kinds(spec_with(promptText="  "))
    assert GroupKind.PROMPT not in kinds(spec_with(promptText=None))


def test_a_template_is_the_batchs_own() -> None:
    spec = make_spec("a")
    here = group(spec, GroupKind.TEMPLATE)
    assert here.id == group(replace(spec, id="b"), GroupKind.TEMPLATE).id
    assert here.id != group(spec, GroupKind.TEMPLATE, batch="c").id
    assert here.id != group(make_spec("b"), GroupKind.TEMPLATE).id


@pytest.mark.parametrize("confidence", ["none", "low", "medium", "high", "exact", "user"])
def test_only_a_price_that_is_a_guess_has_to_be_found_out(confidence: str) -> None:
    assert (GroupKind.PRICE in kinds(priced(confidence))) == (confidence in {"none", "low", "user"})


@pytest.mark.parametrize(
    ("body", "is_same"),
    [
        ({"promptText": "other", "seed": 7, "negativePrompt": "x"}, True),
        ({"promptImage": LINK}, True),
        ({"promptImage": PLATE.to_json()}, True),
        ({"duration": 10}, False),
        ({"ratio": "1:1"}, False),
        ({"audio": True}, False),
    ],
)
def test_texts_seeds_and_media_decide_no_price_and_all_else_may(
    body: dict[str, Any], is_same: bool
) -> None:
    plain = group(priced("low"), GroupKind.PRICE)
    assert (plain.id == group(priced("low", body=body), GroupKind.PRICE).id) is is_same


def test_another_endpoint_or_model_is_another_price() -> None:
    plain = group(priced("low"), GroupKind.PRICE)
    assert plain.id != group(priced("low", endpoint="text_to_video"), GroupKind.PRICE).id
    assert plain.id != group(priced("low", model="veo3.1"), GroupKind.PRICE).id
    assert (plain.most_in_flight(5), plain.most_refused(5)) == (1, PRICE_PROBES)
    template = group(priced("low"), GroupKind.TEMPLATE)
    assert (template.most_in_flight(5), template.most_refused(5)) == (5, 5)


# what labels tell


@pytest.mark.parametrize(
    ("link", "label"),
    [
        (LINK, "input at `cdn.example.com`"),
        ("https://cdn.example.com?sig=s3cr3t", "input at `cdn.example.com`"),
        ("https://cdn.example.com#s3cr3t", "input at `cdn.example.com`"),
        ("https://user:s3cr3t@cdn.example.com:8443/x", "input at `cdn.example.com`"),
        ("https://", "an input by link"),
        ("https://[s3cr3t", "an input by link"),
        ("runway://s3cr3t", "an uploaded input"),
        ("data:image/png;base64,s3cr3t", "an embedded input"),
    ],
)
def test_of_a_link_only_the_host_is_told(link: str, label: str) -> None:
    found = group(spec_with(promptImage=link), GroupKind.ASSET)
    assert found.label == label
    assert "s3cr3t" not in found.id


@given(st.text(max_size=80), st.sampled_from(["promptImage", "promptText", "videoUri"]))
def test_a_signed_link_never_appears_in_a_label(text: str, key: str) -> None:
    for link in (LINK, f"https://h/{quote(text)}?s3cr3t", f"look at {LINK} {text}"):
        for found in groups_of("b", spec_with(**{key: link})):
            assert "s3cr3t" not in f"{found.id} {found.label}"


def test_a_long_prompt_is_cut() -> None:
    label = group(spec_with(promptText="very\n" * 100), GroupKind.PROMPT).label
    assert len(label) < 75
    assert label.endswith("…`")
    assert "\n" not in label


# what an event does to the counts


def job_in(status: JobStatus) -> Job:
    return Job(batch="b", spec=make_spec("a"), status=status)


def change(status: JobStatus, event: Event, kind: GroupKind) -> GroupChange:
    before = job_in(status)
    return group_change(before, transition(before, event), event, kind)


STARTED = SubmitStarted(at=START, reserve=25)
LOST = SubmitUnknown(at=START, reason="x")
REFUSED = SubmitRefused(at=START, not_before=START, code="HTTP_503", reason="x")


def gave_up(code: str, credits: int | None = 0) -> GaveUp:
    return GaveUp(at=START, code=code, reason="x", credits=credits)


@pytest.mark.parametrize(
    ("status", "event", "refused", "succeeded"),
    [
        (JobStatus.PENDING, STARTED, 0, 0),
        (JobStatus.RUNNING, TaskSucceeded(at=START, credits=5), 0, 1),
        (JobStatus.RUNNING, gave_up("SAFETY.INPUT.TEXT"), 1, 0),
        (JobStatus.RUNNING, gave_up("INPUT_PREPROCESSING.SAFETY.TEXT"), 1, 0),
        (JobStatus.RUNNING, gave_up("INTERNAL"), 0, 0),
        (JobStatus.RUNNING, gave_up("ASSET.INVALID"), 0, 0),
        (JobStatus.SUBMITTING, gave_up("HTTP_400"), 0, 0),
        (JobStatus.SUBMITTING, LOST, 0, 0),
    ],
)
def test_only_moderation_counts_against_what_jobs_share(
    status: JobStatus, event: Event, refused: int, succeeded: int
) -> None:
    found = change(status, event, GroupKind.PROMPT)
    assert (found.refused, found.succeeded, found.credits) == (refused, succeeded, None)


@pytest.mark.parametrize(
    ("status", "event", "expected"),
    [
        (JobStatus.SUBMITTING, TaskAccepted(at=START, task_id="t", estimated=30), (0, 1, 30)),
        (JobStatus.SUBMITTING, TaskAccepted(at=START, task_id="t", estimated=None), (0, 0, None)),
        (JobStatus.RUNNING, TaskSucceeded(at=START, credits=40), (0, 1, 40)),
        (JobStatus.RUNNING, TaskSucceeded(at=START, credits=None), (1, 0, None)),
        (JobStatus.RUNNING, gave_up("TASK_GONE", None), (1, 0, None)),
        (JobStatus.RUNNING, gave_up("INTERNAL"), (0, 0, None)),  # cost nothing: no surprise
        (JobStatus.SUBMITTING, LOST, (1, 0, None)),  # it may have been dear: no endless probing
        (JobStatus.SUBMITTING, gave_up("HTTP_400"), (0, 0, None)),  # was no probe at all
        (JobStatus.SUBMITTING, REFUSED, (0, 0, None)),
        (JobStatus.PENDING, gave_up("HTTP_400"), (0, 0, None)),
    ],
)
def test_a_price_is_told_by_the_answer_or_by_the_end(
    status: JobStatus, event: Event, expected: tuple[int, int, int | None]
) -> None:
    found = change(status, event, GroupKind.PRICE)
    assert (found.refused, found.succeeded, found.credits) == expected


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (TaskSucceeded(at=START, credits=None), (0, 1, None)),
        (TaskSucceeded(at=START, credits=7), (0, 1, 7)),
        (gave_up("TASK_GONE", None), (0, 1, None)),
        (gave_up("INTERNAL"), (0, 0, None)),
    ],
)
def test_where_runway_tells_nothing_a_price_of_one_s_own_stands(
    event: Event, expected: tuple[int, int, int | None]
) -> None:
    before = Job(batch="b", spec=priced("user"), status=JobStatus.RUNNING)
    found = group_change(before, transition(before, event), event, GroupKind.PRICE)
    assert (found.refused, found.succeeded, found.credits) == expected


def test_a_refusal_that_is_tried_again_counts_as_well() -> None:
    event = RetryScheduled(at=START, not_before=START, code="SAFETY", reason="x", credits=0)
    assert change(JobStatus.RUNNING, event, GroupKind.ASSET).refused == 1
    assert not is_moderation("SAFETYNET")


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 99)), max_size=60))
def test_jobs_in_flight_are_counted_right_whatever_happens(moves: list[tuple[int, int]]) -> None:
    """A walk of four jobs over the table of moves."""
    added = Added(at=START, spec=priced("low"), position=0)
    jobs = [create("b", added) for _ in range(4)]
    in_flight: Counter[str] = Counter()
    for number, choice in moves:
        job = jobs[number]
        known = [kind for status, kind in TRANSITIONS if status is job.status]
        legal = [kind for kind in known if kind is not Renamed]  # the store moves the counts
        events = [event for kind in legal for event in examples_of(kind)]
        event = events[choice % len(events)]
        after = transition(job, event)
        for one in groups_of(after.batch, after.spec):
            found = group_change(job, after, event, one.kind)
            in_flight[one.id] += found.in_flight
            assert min(found.refused, found.succeeded) >= 0
        jobs[number] = after
        expected = Counter(
            one.id
            for job in jobs
            if job.status in AT_RUNWAY
            for one in groups_of(job.batch, job.spec)
        )
        assert +in_flight == expected
        assert not -in_flight
