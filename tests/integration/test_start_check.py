"""What keeps a run from beginning, though its manifest is right: nothing is sent."""

from __future__ import annotations

import pytest

from runner.app import start_check
from runner.app.planning import plan_project
from runner.app.project import load_project
from runner.app.start_check import refuse_start
from runner.errors import MissingExtra, UsageError
from runner.settings import Settings
from tests.language_rig import PNG

MOVE = "image_to_video: {model: gen4_turbo, ratio: '1280:720', duration: 5, promptImage: %s}"


def project(folder, jobs, budget="budget: 900"):
    (folder / "a.png").write_bytes(PNG)
    (folder / "m.yaml").write_text(f"version: 1\n{budget}\njobs:\n{jobs}")
    return load_project(folder / "m.yaml", Settings(state=folder / "state.db"))


CHAIN = (
    "- id: one\n  "
    + MOVE % "a.png"
    + "\n- id: two\n  "
    + MOVE % "'${{ jobs.one.last_frame }}'"
    + "\n"
)


async def test_frames_without_the_extra_are_found_out_before_anything_is_paid(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(start_check, "media_extra_missing", lambda: "no `media` here")
    plan = await plan_project(project(tmp_path, CHAIN))
    assert plan.refusals == ("no `media` here",)
    assert plan.warnings[-1].message == "no `media` here"
    with pytest.raises(MissingExtra, match="no `media` here"):
        refuse_start(plan.refusals)


async def test_jobs_without_frames_do_not_ask_for_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(start_check, "media_extra_missing", lambda: "no `media` here")
    plain = CHAIN.replace("last_frame", "output").replace(MOVE % "a.png", (
        "text_to_image: {model: gen4_image, ratio: '1280:720', promptText: x}"))  # fmt: skip
    plan = await plan_project(project(tmp_path, plain))
    assert plan.refusals == ()
    assert plan.starting == 2


def test_a_job_for_whose_like_more_was_asked_than_its_cap_is_refused():
    with pytest.raises(UsageError, match="Runway asked"):
        refuse_start(("Runway asked 90 cr for a job like `a`",))
    refuse_start(())
