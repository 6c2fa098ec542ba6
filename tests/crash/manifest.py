"""The batch of a crash fuzz: every kind of job, each with a prompt that no other one has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.plain_runway import PNG

#: jobs that `write` makes of one block, and what they cost together at most
BLOCK, BLOCK_CREDITS = 6, 5 + 5 + 3 + 3 + 10 + 10
PLATES = 3

_HEAD = """\
version: 1
name: {name}
budget: {{credits: {budget}, models: {{gen4_turbo: {turbo}}}}}
concurrency: {{queue_ahead: 3}}
{more}defaults:
  text_to_image: {{model: gen4_image, ratio: "1280:720"}}
  sound_effect: {{model: eleven_text_to_sound_v2, duration: 3}}
  image_to_video: {{model: gen4_turbo, ratio: "1280:720", duration: 2}}
jobs:
"""


def write(path: Path, *, blocks: int, budget: int, name: str, more: str = "") -> None:
    """So many blocks of jobs under a budget; a plate per few jobs is uploaded.

    Args:
        more: top-level keys, as lines.
    """
    for number in range(PLATES):
        (path.parent / f"plate-{number}.png").write_bytes(PNG + bytes([number]))
    head = _HEAD.format(name=name, budget=budget, turbo=budget // 2, more=more)
    jobs = (line for block in range(blocks) for line in _block(block))
    path.write_text(head + "\n".join(jobs) + "\n", encoding="utf-8")


def _block(number: int) -> Iterator[str]:
    for letter in "ab":
        yield _job(f"still-{number}{letter}", "text_to_image")
    yield _job(f"sound-{number}", "sound_effect")
    yield _job(f"set-{number}", "text_to_image", "model: muse_image, ratio: auto, outputCount: 3, ")
    plate = f"promptImage: plate-{number % PLATES}.png, "
    yield _job(f"plate-{number}", "image_to_video", plate)
    chained = f"promptImage: \"${{{{ jobs['still-{number}a'].output }}}}\", "
    yield _job(f"chained-{number}", "image_to_video", chained)


def _job(job_id: str, endpoint: str, more: str = "") -> str:
    """The prompt is the id: so a task at the server tells whose it is."""
    return f"  - id: {job_id}\n    {endpoint}: {{{more}promptText: {job_id}}}"
