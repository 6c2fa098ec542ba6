"""What is repeated, how often and after how long; in virtual time."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.task import CreatedTask, Organization, Task, TaskStatus
from runner.errors import (
    AccountError,
    ApiError,
    PermanentApiError,
    SubmitUncertain,
    TransientApiError,
)
from runner.runway.retrying import RepeatPolicy, RetryingApi
from runner.testing import FakeClock


class ScriptedApi:
    """A `TaskApi` that fails as told, then answers; it counts its calls."""

    def __init__(self, *errors: ApiError) -> None:
        self._errors: Iterator[ApiError] = iter(errors)
        self.calls: list[str] = []

    def _next(self, name: str) -> None:
        self.calls.append(name)
        error = next(self._errors, None)
        if error is not None:
            raise error

    async def create_task(self, endpoint, body):
        self._next("create")
        return CreatedTask(id="t")

    async def get_task(self, task_id):
        self._next("get")
        return Task(id=task_id, status=TaskStatus.RUNNING)

    async def cancel_task(self, task_id):
        self._next("cancel")

    async def get_organization(self):
        self._next("organization")
        return Organization(credit_balance=1)


class Setup:
    def __init__(self, *errors: ApiError, repeats: RepeatPolicy | None = None) -> None:
        self.clock = FakeClock()
        self.inner = ScriptedApi(*errors)
        self.api = RetryingApi(
            self.inner, clock=self.clock, rng=random.Random(1), repeats=repeats or RepeatPolicy()
        )


def busy(retry_after_s: float | None = None) -> TransientApiError:
    return TransientApiError("busy", status=503, retry_after_s=retry_after_s)


CREATE_ERRORS = [
    busy(),
    TransientApiError("429", status=429, retry_after_s=1.0),
    SubmitUncertain("lost"),
    PermanentApiError("bad"),
    AccountError("no credits"),
]


@pytest.mark.parametrize("error", CREATE_ERRORS, ids=lambda error: type(error).__name__)
async def test_create_is_never_repeated_whatever_happens(error):
    setup = Setup(error)
    with pytest.raises(type(error)):
        await setup.api.create_task("image_to_video", {})
    assert setup.inner.calls == ["create"]
    assert setup.clock.monotonic() == 0


async def test_create_that_works_is_passed_through():
    assert (await Setup().api.create_task("image_to_video", {})).id == "t"


@pytest.mark.parametrize("name", ["get", "cancel", "organization"])
async def test_reads_and_cancels_are_repeated_until_they_work(name):
    setup = Setup(busy(), busy(), busy())
    call = {
        "get": lambda: setup.api.get_task("t"),
        "cancel": lambda: setup.api.cancel_task("t"),
        "organization": setup.api.get_organization,
    }[name]
    await call()
    assert setup.inner.calls == [name] * 4
    assert 0 < setup.clock.monotonic() <= 1 + 2 + 4


async def test_attempts_are_limited_and_the_last_error_is_the_one_seen():
    errors = busy(), busy(), TransientApiError("the third", status=502), busy()
    setup = Setup(*errors, repeats=RepeatPolicy(attempts=3))
    with pytest.raises(TransientApiError, match="the third"):
        await setup.api.get_task("t")
    assert len(setup.inner.calls) == 3


@pytest.mark.parametrize("error", [PermanentApiError("gone", status=404), AccountError("no key")])
async def test_what_is_not_transient_is_not_repeated(error):
    setup = Setup(error)
    with pytest.raises(type(error)):
        await setup.api.get_task("t")
    assert setup.inner.calls == ["get"]


async def test_server_is_never_asked_earlier_than_it_wished():
    setup = Setup(busy(retry_after_s=50.0))
    await setup.api.get_task("t")
    assert 50 <= setup.clock.monotonic() <= 51


async def test_wish_for_a_long_wait_is_handed_to_the_caller():
    setup = Setup(busy(retry_after_s=3600.0))
    with pytest.raises(TransientApiError) as caught:
        await setup.api.get_task("t")
    assert caught.value.retry_after_s == 3600
    assert setup.clock.monotonic() == 0


async def test_programming_error_is_not_swallowed():
    setup = Setup()
    setup.inner.get_task = None  # type: ignore[assignment,method-assign]
    with pytest.raises(TypeError):
        await setup.api.get_task("t")


@given(st.integers(1, 60), st.integers(0, 2**32))
def test_delay_stays_below_its_doubling_bound(failures, seed):
    repeats = RepeatPolicy(attempts=100)
    delay = repeats.delay(failures, random.Random(seed), busy())
    assert delay is not None
    assert 0 <= delay <= min(30.0, 2.0 ** (failures - 1))


def test_full_jitter_spreads_callers_over_the_whole_bound():
    rng = random.Random(7)
    delays = [RepeatPolicy().delay(4, rng, busy()) or 0.0 for _ in range(1000)]
    assert min(delays) < 0.5
    assert max(delays) > 7.5
