"""`verify`, `fetch` and `doctor` as a person types them; only `run` in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from runner.cli.main import main
from runner.manifest.schema import load_schema

from .conftest import Ended, Program

SCHEMA = load_schema("result.schema.json")
PRETEND = "--emulator"

Type = Callable[..., Ended]


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Type:
    """A command line in this process, in the folder of the program."""
    monkeypatch.chdir(tmp_path)

    def command(*args: str) -> Ended:
        code = main(args)
        out, err = capsys.readouterr()
        return Ended(code=code, out=out, err=err)

    return command


def checked(ended: Ended) -> Any:
    found = json.loads(ended.out.splitlines()[-1])
    Draft202012Validator(SCHEMA).validate(found)
    assert found["ok"] is (ended.code == 0)
    return found


def test_files_and_state_are_lost_and_come_back_and_nothing_is_paid_again(
    program: Program, manifest: Path, typed: Type
) -> None:
    assert program("run", "m.yaml", PRETEND, "--speed", "200").code == 0
    home = program.folder / ".runway-batch" / "emulator"
    folder = home / "outputs" / "small"
    (folder / "still.png").unlink()
    (folder / "clip.mp4").write_bytes(b"half")

    verified = typed("verify", "m.yaml", PRETEND)
    assert verified.code == 3
    assert "missing: small/still.png (still)\ndamaged: small/clip.mp4 (clip)" in verified.out
    assert "runway-batch fetch m.yaml --emulator" in verified.err
    data = checked(typed("verify", PRETEND, "--json"))
    assert [flaw["flaw"] for flaw in data["data"]["flaws"]] == ["missing", "damaged"]
    assert data["errors"][0]["hint"]

    fetched = typed("fetch", "m.yaml", PRETEND, "-s", "still")
    assert (fetched.code, fetched.out) == (0, "fetched still (small/still.png)\n")
    jobs = checked(typed("fetch", PRETEND, "--json"))["data"]["jobs"]
    assert [(job["id"], job["fate"], job["moved"]) for job in jobs] == [
        ("clip", "fetched", ["clip.mp4.damaged"])
    ]
    assert typed("fetch", "m.yaml", PRETEND).out == "nothing to fetch\n"
    assert "3 files of 3 finished jobs" in typed("verify", "m.yaml", PRETEND).out

    (home / "state.db").unlink()
    refused = typed("run", "m.yaml", PRETEND, "--json")
    assert refused.code == 11
    assert checked(refused)["errors"][0]["code"] == "state_untrusted"
    assert "doctor FILE --adopt" in checked(refused)["errors"][0]["hint"]
    sick = typed("doctor", PRETEND)
    assert (sick.code, "fail  batch small: results on disk" in sick.out) == (11, True)
    adopted = checked(typed("doctor", "m.yaml", "--adopt", PRETEND, "--json"))["data"]["adopted"]
    assert {item["finding"] for item in adopted} == {"imported"}
    assert sum(item["credits"] for item in adopted) == 41
    well = typed("doctor", "--repair", PRETEND)
    assert (well.code, "fail" in well.out) == (0, False)
    again = typed("run", "m.yaml", PRETEND)
    assert (again.code, "41 cr ($0.41) spent" in again.out) == (0, True)


def test_a_doctor_needs_nothing_to_be_there(tmp_path: Path, typed: Type) -> None:
    found = typed("doctor")
    assert found.code == 0, found.err
    assert "ok    state file: none yet" in found.out
    assert "no key: Runway was not asked" in found.out
    assert list(tmp_path.iterdir()) == []


def test_a_batch_whose_first_run_was_refused_is_found_by_its_manifest(
    manifest: Path, typed: Type
) -> None:
    """The state file knows the batch, and nothing of its outputs."""
    folder = manifest.parent / "outputs"
    folder.mkdir()
    sidecar = {
        "version": 1, "batch": "small", "job": "still", "key": "k", "task_id": "t", "outputs": [
            {"path": "a.png", "bytes": 1, "sha256": "0", "media_type": "image/png"}
        ],
    }  # fmt: skip
    (folder / "a.json").write_text(json.dumps(sidecar))
    assert typed("run", "m.yaml", "--yes").code == 11
    (manifest.parent / "a.json").write_text("no concern of anybody")
    assert typed("doctor").code == 0
    assert typed("doctor", "m.yaml").code == 11
    adopted = typed("doctor", "m.yaml", "--adopt")
    assert "the job asks for something else now: still (a.json, task t)" in adopted.out
    assert adopted.code == 0
