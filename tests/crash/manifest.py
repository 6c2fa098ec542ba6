"""The batch of a crash fuzz: every kind of job, each with a prompt that no other one has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.plain_runway import PNG

#: what the jobs of one block cost together at most
BLOCK_CREDITS = 5 + 5 + 3 + 3 + 10 + 10
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


@dataclass
class Text:
    """What a manifest says, as far as it changes."""

    name: str
    more: str = ""  # top-level keys, as lines
    blocks: int = 0
    budget: int = 0  # credits
    hidden: set[int] = field(default_factory=set)  # blocks that are left out
    edits: Counter[int] = field(default_factory=Counter)  # of a block: its stills' seed


def write(path: Path, text: Text) -> None:
    """The manifest, and the files that it names."""
    for number in range(PLATES):
        (path.parent / f"plate-{number}.png").write_bytes(PNG + bytes([number]))
    budget = text.budget
    head = _HEAD.format(name=text.name, budget=budget, turbo=budget // 2, more=text.more)
    shown = (block for block in range(text.blocks) if block not in text.hidden)
    jobs = (line for block in shown for line in _block(block, text.edits[block]))
    path.write_text(head + "\n".join(jobs) + "\n", encoding="utf-8")


def _block(number: int, seed: int) -> Iterator[str]:
    for letter in "ab":
        yield _job(f"still-{number}{letter}", "text_to_image", f"seed: {seed}, ")
    yield _job(f"sound-{number}", "sound_effect")
    yield _job(f"set-{number}", "text_to_image", "model: muse_image, ratio: auto, outputCount: 3, ")
    plate = f"promptImage: plate-{number % PLATES}.png, "
    yield _job(f"plate-{number}", "image_to_video", plate)
    chained = f"promptImage: \"${{{{ jobs['still-{number}a'].output }}}}\", "
    yield _job(f"chained-{number}", "image_to_video", chained)


def _job(job_id: str, endpoint: str, more: str = "") -> str:
    """The prompt is the id: so a task at the server tells whose it is."""
    return f"  - id: {job_id}\n    {endpoint}: {{{more}promptText: {job_id}}}"
