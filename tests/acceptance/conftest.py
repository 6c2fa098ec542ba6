"""The real command in a folder of its own: no key, no settings, no terminal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

#: seconds after which a command hangs for certain
PATIENCE_S = 60

MANIFEST = """\
version: 1
name: small
budget: 200
jobs:
  - id: still
    text_to_image: {model: gen4_image, promptText: a lighthouse, ratio: "1920:1080"}
    takes: 2
  - id: clip
    image_to_video:
      model: gen4_turbo
      promptImage: ${{ jobs['still-t2'].output }}
      promptText: push in
      ratio: "1280:720"
      duration: 5
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def envelope(self) -> Any:
        """The last line of the result as JSON."""
        return json.loads(self.out.splitlines()[-1])

    @property
    def data(self) -> Any:
        return self.envelope["data"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """`runway-batch` as a process of its own, with a clean environment."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __call__(self, *args: str, env: Mapping[str, str] | None = None) -> Ended:
        process = subprocess.run(
            self.command(*args), cwd=self.folder, env=self.environment | dict(env or {}),
            stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        return Ended(
            code=process.returncode, out=process.stdout.decode(), err=process.stderr.decode()
        )

    def start(self, *args: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*args), cwd=self.folder, env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    @staticmethod
    def command(*args: str) -> list[str]:
        return [sys.executable, "-m", "runner", *args]


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """Also ends the emulators that outlived their runners, as they should."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    home = {"HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])}
    yield Program(folder=tmp_path, environment=kept | home)
    for card in tmp_path.rglob("emulator.json"):
        with suppress(ProcessLookupError):
            os.kill(json.loads(card.read_text())["pid"], signal.SIGTERM)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    file = tmp_path / "m.yaml"
    file.write_text(MANIFEST, encoding="utf-8")
    return file
