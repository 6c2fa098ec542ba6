"""What fails too often is held, once, with a reason; and a batch stops where it has to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from runner.core.events import (
    Event,
    GaveUp,
    Held,
    RetryScheduled,
    SubmitUnknown,
    TaskAccepted,
    TaskSucceeded,
)
from runner.core.groups import Group, GroupKind, GroupState
from runner.core.halting import HaltLimits
from runner.core.job import Job, JobStatus
from runner.core.outcome import Reason
from runner.engine.halting import HALTED_EXIT, Halter
from runner.testing import START, FakeClock, make_spec
from tests.parts import tools_with

PROMPT = Group(kind=GroupKind.PROMPT, name="x", label="prompt `x`")
PRICE = Group(kind=GroupKind.PRICE, name="y", label="price of `m`")
MODERATED = GaveUp(at=START, code="SAFETY.INPUT", reason="no", credits=0)


@dataclass
class State:
    """The state file as far as a halter needs it."""

    refused: dict[str, int] = field(default_factory=dict)  # by group id
    counts_: dict[JobStatus, int] = field(default_factory=dict)
    pending: int = 7  # jobs that a hold finds
    held: list[tuple[str | None, str | None]] = field(default_factory=list)  # lane, group
    events: list[Held] = field(default_factory=list)
    asked: int = 0

    async def group_states(self, _job: Job) -> Sequence[GroupState]:
        self.asked += 1
        return [GroupState(group=g, refused=self.refused.get(g.id, 0)) for g in (PROMPT, PRICE)]

    async def hold(self, _batch: str, event: Held, *, lane: str | None, group: str | None) -> int:
        self.held.append((lane, group))
        self.events.append(event)
        found, self.pending = self.pending, 0
        return found

    async def orphans(self, _batch: str) -> dict[JobStatus, int]:
        return {}

    async def counts(self, _batch: str) -> dict[JobStatus, int]:
        return self.counts_


def halter(state: State, **limits: Any) -> tuple[Halter, list[Reason]]:
    stopped: list[Reason] = []
    tools = tools_with(clock=FakeClock(), store=state)
    return Halter(tools, HaltLimits(**limits), stopped.append), stopped


JOB = Job(batch="b", spec=make_spec("a", model="m"))


async def test_a_group_that_moderation_refuses_is_held_once_with_its_common_cause() -> None:
    state = State(refused={PROMPT.id: 5})
    found, stopped = halter(state)
    found.note(JOB, MODERATED)
    found.note(JOB, MODERATED)
    assert await found.act() == found.reasons
    assert set(state.held) == {(None, PROMPT.id)}
    assert (state.events[0].code, state.events[0].group) == ("MODERATION", PROMPT.id)
    [reason] = found.reasons  # whatever finds nothing more to hold says nothing
    assert reason.exit_code == HALTED_EXIT
    assert "prompt `x`" in reason.message
    assert reason.message.endswith("; 7 jobs held")
    assert stopped == []
    assert await found.act() == []


async def test_a_group_that_another_batch_has_filled_is_looked_at() -> None:
    state = State(refused={PROMPT.id: 5})
    found, _ = halter(state)
    found.suspect(JOB)
    assert await found.act()
    assert state.held == [(None, PROMPT.id)]


@pytest.mark.parametrize(
    ("event", "is_suspect"),
    [
        (MODERATED, True),
        (GaveUp(at=START, code="TASK_GONE", reason="x", credits=None), True),
        (TaskSucceeded(at=START, credits=None), True),
        (SubmitUnknown(at=START, reason="x"), True),
        (GaveUp(at=START, code="INTERNAL", reason="x", credits=0), False),
        (RetryScheduled(at=START, not_before=START, code="INTERNAL", reason="x", credits=0), False),
        (TaskSucceeded(at=START, credits=5), False),
        (TaskAccepted(at=START, task_id="t", estimated=None), False),
    ],
)
async def test_the_store_is_asked_only_about_what_groups_may_share(
    event: Event, is_suspect: bool
) -> None:
    state = State(refused={PRICE.id: 3})
    found, _ = halter(state)
    found.note(JOB, event)
    await found.act()
    assert state.asked == is_suspect
    assert state.held == [(None, PRICE.id)] * is_suspect


async def test_the_same_error_in_a_row_holds_the_lane() -> None:
    state = State(pending=1)
    found, _ = halter(state, same_error=2)
    for _ in range(2):
        found.note(JOB, GaveUp(at=START, code="HTTP_400", reason="bad ratio", credits=0))
    assert await found.act()
    assert state.held == [("m", None)]
    assert found.reasons[0].message.endswith("bad ratio; 1 job held")


async def test_too_many_failures_stop_the_batch_also_those_of_an_earlier_run() -> None:
    state = State(counts_={JobStatus.FAILED: 5, JobStatus.PENDING: 3})
    found, stopped = halter(state, failures=5)
    assert not await found.act()
    [reason] = stopped
    assert (reason.exit_code, reason.message) == (
        HALTED_EXIT, "5 jobs have failed, and `halt.failures` is 5"
    )  # fmt: skip
    await found.act()
    assert len(stopped) == 1  # looked at again only after another failure
    found.note(JOB, GaveUp(at=START, code="A", reason="x", credits=0))
    await found.act()
    assert len(stopped) == 2


async def test_where_nothing_is_left_to_send_nothing_has_to_be_stopped() -> None:
    found, stopped = halter(State(counts_={JobStatus.FAILED: 5, JobStatus.DONE: 1}), failures=5)
    await found.act()
    assert stopped == []
