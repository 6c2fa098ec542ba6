"""A full disk behind a stream, a service that hangs, a wrong id: nothing is lost or half done."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from .conftest import PATIENCE_S, Program

FULL = Path("/dev/full")
FAST = ("--emulator", "--speed", "200")


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_full_stream_does_not_stop_a_run(program: Program, manifest: Path, stream: str) -> None:
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with FULL.open("wb") as device:
        ended = subprocess.run(
            program.command("run", "m.yaml", "--json", "--display", "plain", *FAST),
            cwd=program.folder, env=program.environment, stdin=subprocess.DEVNULL,
            timeout=PATIENCE_S, check=False, **(streams | {stream: device}),
        )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert b"Traceback" not in (ended.stderr or b"")
    status = program("status", "--emulator", "--json").data
    assert status["summary"]["done"] == 3


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_one_signal_ends_a_run_that_waits_for_the_first_answer(
    program: Program, manifest: Path, number: signal.Signals, code: int
) -> None:
    program.environment["RUNWAYML_API_SECRET"] = "key_none"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE_S)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        process = program.start("run", "m.yaml", "--json", "--base-url", url)
        connection, _ = silent.accept()
        with connection:
            assert connection.recv(4096).startswith(b"GET /v1/organization ")
            process.send_signal(number)
            out, err = process.communicate(timeout=10)
    assert process.returncode == code, err
    [error] = json.loads(out)["errors"]
    assert error["code"] == "interrupted"
    assert "nothing was sent" in error["message"]
    again = program("run", "m.yaml", *FAST)
    assert again.code == 0, again.err


def test_only_the_task_of_the_job_in_doubt_is_adopted(program: Program, manifest: Path) -> None:
    assert program("run", "m.yaml", *FAST).code == 0
    card = json.loads((program.folder / ".runway-batch/emulator/emulator.json").read_text())
    body = json.dumps({"faults": [{"on": "create", "nth": 1, "do": "lose"}]}).encode()
    headers = {"Content-Type": "application/json"}
    urlopen(Request(f"{card['url']}/_emulator/scenario", body, headers)).close()  # noqa: S310
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace("takes: 2", "takes: 3"), encoding="utf-8")
    assert program("run", "m.yaml", *FAST).code == 11

    before = program("status", "--emulator", "--json").data["jobs"]
    [made] = next(job["task_ids"] for job in before if job["id"] == "still")
    for wrong in (made, "00000000-0000-4000-8000-000000000000", "../organization", "a b"):
        ended = program("resolve", "still-t3", "--emulator", "--task", wrong)
        assert ended.code == 2, ended.err
        assert "Traceback" not in ended.err
    assert program("status", "--emulator", "--json").data["jobs"] == before

    with urlopen(f"{card['url']}/_emulator/") as answer:  # noqa: S310 - loopback
        [account] = json.load(answer)["accounts"].values()
    known = {task for job in before for task in job["task_ids"]}
    [lost] = {task["id"] for task in account["tasks"]} - known
    assert program("resolve", "still-t3", "--emulator", "--task", lost).code == 0
    assert program("run", "m.yaml", *FAST).code == 0
