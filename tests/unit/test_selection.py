"""Which jobs `-s` means."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.job import Failure, Job, JobStatus
from runner.core.selection import parse_selection
from runner.errors import UsageError
from runner.testing import make_spec


def job(job_id: str, take: int = 1, **fields: Any) -> Job:
    spec = replace(
        make_spec(job_id, model=fields.pop("model", "gen4_turbo"), tags=fields.pop("tags", ())),
        take=take,
        template=job_id.partition("-")[0],
    )
    return Job(batch="b", spec=spec, **fields)


MODERATED = Failure(code="SAFETY.INPUT.TEXT", message="the prompt was refused")
JOBS = [
    job("still"),
    job("still-t2", take=2, tags=("hero",), status=JobStatus.DONE),
    job("clip", model="veo3.1", tags=("hero", "q4"), status=JobStatus.FAILED, error=MODERATED),
    job("clip-t2", take=2, model="veo3.1", status=JobStatus.HELD),
    job("lost", status=JobStatus.IN_DOUBT),
]


def ids(*words: str, reasons: dict[str, str] | None = None) -> list[str]:
    return [found.id for found in parse_selection(words).of(JOBS, reasons)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ["still", "still-t2", "clip", "clip-t2", "lost"]),
        (["still"], ["still"]),
        (["still*"], ["still", "still-t2"]),
        (["*-t2"], ["still-t2", "clip-t2"]),
        (["tag:hero"], ["still-t2", "clip"]),
        (["model:veo3*"], ["clip", "clip-t2"]),
        (["template:clip"], ["clip", "clip-t2"]),
        (["state:held"], ["clip-t2"]),
        (["state:in-doubt"], ["lost"]),
        (["error:SAFETY*"], ["clip"]),
        (["reason:REFUSED"], ["clip"]),
        (["take:2"], ["still-t2", "clip-t2"]),
        (["take:2,model:veo3.1"], ["clip-t2"]),
        (["state:held", "lost"], ["clip-t2", "lost"]),
        (["lost", "still"], ["still", "lost"]),
        (["tag:hero, state:done"], ["still-t2"]),
    ],
)
def test_commas_mean_and_repeats_mean_or(words: list[str], expected: list[str]) -> None:
    assert ids(*words) == expected


def test_why_a_job_waits_can_be_asked_for() -> None:
    assert ids("reason:quota", reasons={"still": "daily quota until 03:10"}) == ["still"]


@pytest.mark.parametrize(
    ("word", "message", "hint"),
    [
        ("clpi", "no job is meant by: clpi", "did you mean `clip`?"),
        ("state:failed,tag:nobody", "no job is meant by", "`runway-batch status` lists the jobs"),
        ("tags:hero", "not a way to select jobs: `tags:hero`", "did you mean `tag:`?"),
        ("zzz:hero", "not a way to select jobs", "the forms are ID, GLOB"),
        ("tag:", "not a way to select jobs: `tag:`", "the forms are"),
        ("state:fialed", "no such state: `fialed`", "did you mean `failed`?"),
        ("state:xyz", "no such state", "one of pending, "),
        ("take:two", "not the number of a take: `two`", "`take:1`"),
        ("take:0", "not the number of a take", "`take:1`"),
        ("clip,,still", "an empty part in: `clip,,still`", "the forms are"),
        ("", "an empty part in: ``", "the forms are"),
    ],
)
def test_what_means_nothing_is_refused_with_a_way_out(word: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        ids("still", word)
    assert message in caught.value.message
    assert hint in caught.value.hint


@given(st.lists(st.text(max_size=20), max_size=3))
def test_any_words_either_mean_some_jobs_or_are_refused(words: list[str]) -> None:
    with suppress(UsageError):
        assert ids(*words)
