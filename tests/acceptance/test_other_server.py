"""The runner relies on the API's facts and on nothing that only our emulator does."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sqlite3
import sys
from pathlib import Path

from tests.plain_runway import PNG, plain_runway

MANIFEST = """\
version: 1
name: other
budget: 200
defaults:
  text_to_image: {model: gen4_image, ratio: "1280:720"}
jobs:
  - id: still
    text_to_image: {promptText: one}
    takes: 4
  - id: like
    text_to_image:
      promptText: two
      referenceImages: [{uri: plate.png, tag: plate}]
  - id: child
    text_to_image:
      promptText: three
      referenceImages: [{uri: "${{ jobs['still-t2'].output }}", tag: plate}]
"""


async def run(folder: Path, *args: str, key: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "runner", *args,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "RUNWAYML_API_SECRET": key},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_a_server_that_is_not_our_emulator_works_too(tmp_path):
    (tmp_path / "m.yaml").write_text(MANIFEST)
    (tmp_path / "plate.png").write_bytes(PNG)
    async with plain_runway() as plain:
        common = ("--base-url", plain.api_url, "--poll-interval", "0.05")
        code, out, err = await run(tmp_path, "run", "m.yaml", *common, key=plain.key)
        assert code == 0, err
        assert plain.creates == {"one": 4, "two": 1, "three": 1}
        assert all(agent.startswith("runway-batch/") for agent in plain.agents)
        by_prompt = {body["promptText"]: body for body in plain.bodies}
        sent = by_prompt["two"]["referenceImages"][0]["uri"]
        assert plain.uploads[sent] == PNG
        parent = (tmp_path / "outputs/other/still-t2.png").read_bytes()
        sent = by_prompt["three"]["referenceImages"][0]["uri"]
        assert plain.uploads[sent] == parent
        code, out, err = await run(tmp_path, "status", "m.yaml", "--json", *common, key=plain.key)
        data = json.loads(out)["data"]
        again, _, _ = await run(tmp_path, "run", "m.yaml", *common, key=plain.key)
    assert again == 0
    assert sum(plain.creates.values()) == 6, "a second run pays nothing"
    assert {job["status"] for job in data["jobs"]} == {"done"}
    for job in data["jobs"]:
        [output] = job["outputs"]
        content = (tmp_path / "outputs" / output["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == output["sha256"]


async def test_neither_the_key_nor_a_link_is_written_anywhere(tmp_path):
    (tmp_path / "m.yaml").write_text(MANIFEST)
    (tmp_path / "plate.png").write_bytes(PNG)
    async with plain_runway() as plain:
        common = ("--base-url", plain.api_url, "--poll-interval", "0.05")
        code, out, err = await run(tmp_path, "run", "m.yaml", "--json", *common, key=plain.key)
    assert code == 0
    texts = [out.encode(), err.encode()]
    texts += [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    with sqlite3.connect(tmp_path / ".runway-batch/state.db") as db:
        texts += ["\n".join(db.iterdump()).encode()]
    for text in texts:
        assert plain.key.encode() not in text
        assert b"_jwt" not in text
