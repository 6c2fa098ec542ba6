"""The account is read beside the work, as often as somebody needs it and no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from runner.core.limits import Bounds, Slots
from runner.core.policy import Policies
from runner.core.task import ModelLimits, Organization, Reading
from runner.engine.account import LEAST_S, AccountWatch
from runner.engine.rules import Rules
from runner.errors import AccountError, PermanentApiError, StoreBusy, TransientApiError
from runner.testing import START, FakeClock
from tests.parts import tools_with

POLICIES = Policies()


@dataclass
class Account:
    """What Runway says when it is asked, and what the state file keeps."""

    clock: FakeClock
    answers: list[Exception] = field(default_factory=list)  # raised in turn, then it answers
    store_errors: list[Exception] = field(default_factory=list)
    asked_s: list[float] = field(default_factory=list)
    kept: list[Reading] = field(default_factory=list)
    takes_s: float = 1.0
    slots: int = 5

    async def get_organization(self) -> Organization:
        self.asked_s.append(self.clock.monotonic())
        await self.clock.sleep(self.takes_s)
        if self.answers:
            raise self.answers.pop(0)
        models = {"m": ModelLimits(max_concurrent=self.slots, max_daily=None)}
        return Organization(credit_balance=100, models=models)

    async def note_reading(self, _batch: str, reading: Reading) -> None:
        if self.store_errors:
            raise self.store_errors.pop(0)
        self.kept.append(reading)


@dataclass
class Watched:
    account: Account
    watch: AccountWatch
    slots: Slots
    told: list[float] = field(default_factory=list)


@asynccontextmanager
async def watched(*, keeps_balance: bool = False) -> AsyncIterator[Watched]:
    """A watch at work."""
    clock = FakeClock()
    account, slots = Account(clock), Slots(Bounds(queue_ahead=0))
    told: list[float] = []
    watch = AccountWatch(
        tools_with(clock=clock, api=account, store=account),
        slots,
        Rules(keeps_balance=keeps_balance),
        lambda: told.append(clock.monotonic()),
    )
    task = asyncio.create_task(watch.watch())
    yield Watched(account, watch, slots, told)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    clock.close()


async def test_it_is_read_every_ten_minutes_without_being_asked() -> None:
    async with watched() as found:
        await found.account.clock.sleep(3600)
        assert 5 <= len(found.account.asked_s) <= 6
        assert found.account.asked_s[0] == POLICIES.account_s
        assert found.account.kept[0].asked_at < found.account.kept[0].answered_at
        assert (found.account.kept[0].asked_at - START).total_seconds() == POLICIES.account_s
        assert len(found.told) == len(found.account.kept)


async def test_a_balance_to_keep_is_never_older_than_it_may_be() -> None:
    async with watched(keeps_balance=True) as found:
        await found.account.clock.sleep(600)
        gaps = [later - earlier for earlier, later in pairwise(found.account.asked_s)]
        assert max(gaps) + found.account.takes_s <= POLICIES.balance_age_s


async def test_whoever_needs_it_gets_it_at_once_and_a_crowd_gets_one() -> None:
    async with watched() as found:
        await found.account.clock.sleep(100)
        for _ in range(20):
            found.watch.want()
        await found.account.clock.sleep(3)
        assert found.account.asked_s == [100]
        assert found.watch.read.is_set()
        assert found.slots.capacity("m") == 5
        for _ in range(20):
            found.watch.want()
            await found.account.clock.sleep(1)
        gaps = [later - earlier for earlier, later in pairwise(found.account.asked_s)]
        assert min(gaps) >= LEAST_S


async def test_limits_that_change_count_from_the_next_reading_on() -> None:
    async with watched() as found:
        found.account.slots = 2
        found.watch.want()
        await found.account.clock.sleep(3)
        assert found.slots.capacity("m") == 2


async def test_without_an_answer_it_asks_more_and_more_seldom_and_what_is_known_stays() -> None:
    async with watched() as found:
        found.account.answers = [TransientApiError("503", status=503)] * 5
        found.watch.want()
        await found.account.clock.sleep(400)
        gaps = [later - earlier for earlier, later in pairwise(found.account.asked_s)]
        assert len(gaps) == 5
        assert gaps[0] < gaps[2] < gaps[4] <= POLICIES.reading.most_s + found.account.takes_s
        assert len(found.account.kept) == 1
        assert found.watch.refused is None


async def test_a_refused_key_is_told_and_a_key_that_works_again_too() -> None:
    async with watched() as found:
        found.account.answers = [AccountError("key disabled", status=401, hint="look")]
        found.watch.want()
        await found.account.clock.sleep(10)
        assert found.watch.refused is not None
        assert (found.watch.refused.exit_code, found.watch.refused.message) == (4, "key disabled")
        assert found.told == [1.0]
        found.watch.want()
        await found.account.clock.sleep(10)
        assert found.watch.refused is None


@pytest.mark.parametrize("error", [StoreBusy("locked")])
async def test_a_reading_that_the_state_file_does_not_take_is_read_again(error: Exception) -> None:
    async with watched() as found:
        found.account.store_errors = [error]
        found.watch.want()
        await found.account.clock.sleep(30)
        assert len(found.account.kept) == 1
        assert found.slots.capacity("m") == 5


async def test_an_answer_that_makes_no_sense_is_left_alone_until_the_next_time() -> None:
    async with watched() as found:
        found.account.answers = [PermanentApiError("not found", status=404)]
        found.watch.want()
        await found.account.clock.sleep(60)
        assert found.account.asked_s == [0]
        assert not found.watch.read.is_set()
