"""Every example runs against the emulator to the last file, and every file plays."""

from __future__ import annotations

import shutil
from pathlib import Path

import av
import pytest
from PIL import Image

from tests.processes import emulator, run_command

MANIFESTS = Path(__file__).parents[2] / "manifests"
EXAMPLES = sorted(path.name for path in MANIFESTS.glob("*.yaml"))
RETIRED = {"gen3a_turbo", "gen4_aleph", "veo3", "upscale_v1"}


def decode(path: Path) -> int:
    """Frames of a video or sound, pixels of an image: it opens and has something in it."""
    if path.suffix in {".png", ".jpg", ".webp"}:
        with Image.open(path) as image:
            image.load()
            return int(image.width * image.height)
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(container.streams[0]))


def test_there_are_examples():
    assert {"quickstart.yaml", "overnight.yaml", "original-requests.yaml"} <= set(EXAMPLES)
    assert len(EXAMPLES) >= 15


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """One service for all examples: starting one takes longer than most of them run."""
    with emulator(tmp_path_factory.mktemp("service"), "--speed", "600", "--tier", "5") as emu:
        yield emu


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs_to_its_last_file(tmp_path, name, service):
    shutil.copytree(MANIFESTS, tmp_path / "m", ignore=shutil.ignore_patterns("outputs", ".*"))
    before = service.state()
    common = ("--base-url", service.url, "--poll-interval", "0.1")
    ended = run_command(tmp_path, "run", f"m/{name}", *common)
    assert ended.code == 0, ended.err
    status = run_command(tmp_path, "status", f"m/{name}", "--json").json["data"]
    account = service.state()
    assert {job["status"] for job in status["jobs"]} == {"done"}
    assert account["creates"] - before["creates"] == len(status["jobs"])
    charged = account["charged"] - before["charged"]
    assert charged == status["budget"]["spent"] <= status["budget"]["cap"]
    for job in status["jobs"]:
        for output in job["outputs"]:
            path = tmp_path / "m/outputs" / output["path"]
            assert decode(path) > 0, path
            assert output["warning"] == ""
        first = tmp_path / "m/outputs" / job["outputs"][0]["path"]
        assert first.with_suffix(".json").is_file()


def test_quickstart_has_a_chain_and_every_kind_of_output(tmp_path):
    ended = run_command(tmp_path, "plan", MANIFESTS / "quickstart.yaml", "--json")
    assert ended.code == 0
    data = ended.json["data"]
    assert data["jobs"] >= 12
    endpoints = {template["endpoint"] for template in data["templates"]}
    assert endpoints >= {
        "text_to_image",
        "image_to_video",
        "video_upscale",
        "text_to_video",
        "sound_effect",
        "text_to_speech",
    }


def test_the_original_requests_warn_where_todays_service_would_refuse(tmp_path):
    ended = run_command(tmp_path, "validate", MANIFESTS / "original-requests.yaml")
    assert ended.code == 0, ended.err
    for model in RETIRED:
        assert model in ended.err, model
    assert "referenceImages" in ended.err


def test_the_first_original_request_is_priced_at_25_credits(tmp_path):
    ended = run_command(tmp_path, "plan", MANIFESTS / "original-requests.yaml")
    [line] = [line for line in ended.out.splitlines() if line.startswith("clouds ")]
    assert "25 cr ($0.25)" in line
