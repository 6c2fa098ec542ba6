"""Any sequence of edits and runs: what a create costs, against a rule that knows nothing of keys.

The rule, in words: content that was made once is never paid for again; a job that has a file of
another content is made again only where somebody asks for it; nothing is made of what is stale.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from runner.app.planning import Wish
from runner.core.job import Job, JobStatus
from runner.core.spec import JobSpec
from tests.edits import Desk, job
from tests.engine_rig import rig

IDS = ["a", "b", "c"]
CONTENTS = ["red", "green", "blue", "white"]
KINDS = ("add", "add with child", "edit", "delete", "rename", "change places", "reorder")

#: a kind, and two numbers that choose a job and what becomes of it
EDIT = st.tuples(st.sampled_from(KINDS), st.integers(0, 9), st.integers(0, 9))
#: some edits, and a run that makes stale jobs again or not
ROUND = st.tuples(st.lists(EDIT, max_size=4), st.booleans())


class Manifest:
    """Up to three jobs of different content, in an order; some have a child that consumes them."""

    def __init__(self) -> None:
        self.contents: dict[str, str] = {}
        self.with_child: set[str] = set()

    def edit(self, kind: str, which: int, to: int) -> None:
        """One edit; one that cannot be made is left out."""
        ids = sorted(self.contents)
        free = [name for name in IDS if name not in self.contents]
        texts = [text for text in CONTENTS if text not in self.contents.values()]
        job_id = ids[which % len(ids)] if ids else ""
        match kind:
            case "add" | "add with child" if free:
                new = free[which % len(free)]
                self.contents[new] = texts[to % len(texts)]
                self._set_child(new, kind != "add")
            case "edit" if ids:
                self.contents[job_id] = texts[to % len(texts)]
            case "delete" if ids:
                del self.contents[job_id]
            case "rename" if ids and free:
                new = free[to % len(free)]
                self.contents[new] = self.contents.pop(job_id)
                self._set_child(new, job_id in self.with_child)
            case "change places" if ids:
                other = ids[to % len(ids)]
                mine, theirs = self.contents[job_id], self.contents[other]
                self.contents |= {job_id: theirs, other: mine}
            case "reorder" if ids:
                self.contents[job_id] = self.contents.pop(job_id)

    def _set_child(self, job_id: str, has_child: bool) -> None:
        self.with_child.discard(job_id)
        if has_child:
            self.with_child.add(job_id)

    def specs(self) -> list[JobSpec]:
        parents = {job_id: job(job_id, text) for job_id, text in self.contents.items()}
        children = [
            job(f"{job_id}-child", f"child of {parent.body['promptText']}", parent)
            for job_id, parent in parents.items()
            if job_id in self.with_child
        ]
        return [*parents.values(), *children]


def expected(
    specs: Sequence[JobSpec], stored: dict[str, Job], made: set[str], *, refresh: bool
) -> tuple[list[str], set[str]]:
    """The creates of a run, by a person who knows what was made and which jobs have a file.

    And the jobs that are left without what they ask for.
    """
    found: list[str] = []
    stuck: set[str] = set()
    for spec in specs:
        text = str(spec.body["promptText"])
        is_stuck = any(need in stuck for need in spec.needs)
        has_other = spec.id in stored and stored[spec.id].status is JobStatus.DONE
        if text in made:
            continue
        if (has_other and not refresh) or is_stuck:
            stuck.add(spec.id)
        else:
            found.append(text)
    return found, stuck


class History:
    """What has happened so far, for what must never happen."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.made: set[str] = set()  # contents, each with all that went into it
        self.kept: dict[str, str | None] = {}  # every file that there ever was

    async def run(self, specs: Sequence[JobSpec], *, refresh: bool) -> None:
        stored = await self.desk.rig.jobs()
        creates, stuck = expected(specs, stored, self.made, refresh=refresh)
        before, wish = self.desk.prompts, Wish(refresh=refresh)
        planned = await self.desk.plan(*specs, wish=wish)
        await self.desk.run(*specs, wish=wish)
        assert self.desk.prompts - before == Counter(creates)
        assert planned.starting == len(creates), "what is announced is what is sent"
        self.made |= set(creates)
        await self.look(specs, stuck)

    async def look(self, specs: Sequence[JobSpec], stuck: set[str]) -> None:
        assert max(self.desk.prompts.values(), default=1) == 1, "nothing is ever paid twice"
        now = self.desk.files()
        assert self.kept.items() <= now.items(), "no file that was paid for is ever lost"
        assert len(set(now.values())) == self.desk.creates
        self.kept = now
        jobs = await self.desk.rig.jobs()
        for spec in specs:
            found = jobs.pop(spec.id)
            assert not found.orphaned
            is_current = found.status is JobStatus.DONE and not found.stale
            assert is_current == (spec.id not in stuck)
            if is_current:
                assert self.desk.prompt_of(found) == spec.body["promptText"]
                assert now[found.outputs[0].path] == found.outputs[0].sha256
        assert all(found.orphaned for found in jobs.values())
        again = await self.desk.plan(*specs)
        assert again.starting == 0, "a run that has ended has nothing left to send"


async def live(folder: Path, rounds: Sequence[tuple[list[tuple[str, int, int]], bool]]) -> None:
    async with rig() as opened:
        history, manifest = History(await Desk.opened(opened, folder)), Manifest()
        for edits, refresh in rounds:
            for edit in edits:
                manifest.edit(*edit)
            await history.run(manifest.specs(), refresh=refresh)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rounds=st.lists(ROUND, min_size=2, max_size=6))
@example(rounds=[([("add", 0, 0)], False), ([("edit", 0, 0)], True), ([("edit", 0, 0)], False)])
@example(rounds=[([("add", 0, 0)], False), ([("rename", 0, 0), ("add", 0, 0)], False)])
def test_no_edit_pays_twice_and_none_loses_a_file(
    rounds: list[tuple[list[tuple[str, int, int]], bool]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(live(Path(folder), rounds))
