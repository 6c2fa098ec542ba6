"""kill -9 at thirty random moments: what counts is what the server charged and what is on disk."""

from __future__ import annotations

import hashlib
import random
import subprocess
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from tests.processes import emulator, kill, run_command, start_command

KILLS = 30
JOBS = 40
BUDGET = 1000

MANIFEST = """\
version: 1
name: killed
budget: {budget}
defaults:
  text_to_image: {{model: gen4_image, ratio: "1280:720"}}
jobs:
  - id: still
    text_to_image: {{promptText: still}}
    takes: 30
  - id: sound
    sound_effect: {{model: eleven_text_to_sound_v2, promptText: thunder, duration: 3}}
    takes: 6
  - id: clip
    image_to_video:
      model: gen4_turbo
      promptImage: ${{{{ jobs['still-t7'].output }}}}
      promptText: slow push in
      ratio: "1280:720"
      duration: 2
    takes: 4
"""


@pytest.mark.slow
def test_killed_at_random_moments_every_job_is_charged_exactly_once(tmp_path):
    rng = random.Random(20261123)
    manifest = tmp_path / "killed.yaml"
    manifest.write_text(MANIFEST.format(budget=BUDGET))
    with emulator(tmp_path, "--speed", "5", "--tier", "2", "--media", "plain") as emu:
        # answers take their time, so that kills also fall between a create and its answer
        emu.scenario({"faults": [{"on": "create", "do": "delay", "seconds": 0.2}]})
        run = ("run", manifest, "--base-url", emu.url, "--poll-interval", "0.1")
        for _ in range(KILLS):
            process = start_command(tmp_path, *run)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.45 + 0.5 * rng.random())
            assert process.poll() is None, "every kill must hit a run at work"
            kill(process)
        emu.scenario({"faults": []})
        last = run_command(tmp_path, *run)
        status = run_command(tmp_path, "status", manifest, "--json").json["data"]
        account = emu.state()

    jobs = {job["id"]: job for job in status["jobs"]}
    assert len(jobs) == JOBS
    in_doubt = [job for job in jobs.values() if job["status"] == "in_doubt"]
    done = [job for job in jobs.values() if job["status"] == "done"]
    waiting = [job for job in jobs.values() if job["status"] == "pending"]
    assert last.code == (11 if in_doubt else 0), last.err
    assert all("in_doubt" in job["reason"] for job in waiting), "only behind a job in doubt"
    assert len(done) + len(in_doubt) + len(waiting) == JOBS

    _check_charges(account, done, in_doubt)
    _check_files(tmp_path / "outputs", done)
    assert account["charged"] <= BUDGET
    budget = status["budget"]
    assert budget["spent"] + budget["in_doubt"] <= BUDGET
    assert budget["spent"] == sum(job["credits"]["charged"] for job in done)
    assert budget["spent"] <= account["charged"] <= budget["spent"] + budget["in_doubt"]


def _check_charges(account, done, in_doubt) -> None:
    """Each finished job has exactly one task; tasks nobody knows are those in doubt."""
    ours = Counter(task for job in done for task in job["task_ids"])
    assert set(ours.values()) <= {1}
    assert all(len(job["task_ids"]) == 1 for job in done)
    theirs = {task["id"] for task in account["tasks"]}
    assert set(ours) <= theirs
    assert len(theirs - set(ours)) <= len(in_doubt)
    assert all(not job["task_ids"] for job in in_doubt)
    assert all(job["credits"]["reserved"] > 0 for job in in_doubt)


def _check_files(outputs: Path, done) -> None:
    named = set()
    for job in done:
        assert job["outputs"]
        for output in job["outputs"]:
            path = outputs / output["path"]
            assert hashlib.sha256(path.read_bytes()).hexdigest() == output["sha256"]
            named.add(path)
    assert len(named) == len(done), "no two jobs share a file"
    files = {path for path in outputs.rglob("*") if path.is_file() and path.suffix != ".json"}
    assert files == named, "nothing half-done is left behind"
