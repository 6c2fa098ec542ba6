"""One contract, two services: the double of our tests and our client against the emulator.

Where both behave alike, what the scheduler proves with the double holds over HTTP as well.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import pytest

from runner.core.task import TERMINAL, Organization, TaskStatus
from runner.errors import (
    AccountError,
    ApiError,
    PermanentApiError,
    SubmitUncertain,
    TransientApiError,
)
from runner.runway.client import RunwayClient
from runner.runway.transport import ApiSettings
from runner.testing import FakeClock
from tests.integration.task_services import (
    BALANCE,
    BODY,
    ENDPOINT,
    PRICE,
    Service,
    emulated,
    fake,
    live,
)

#: no task of anybody
NOBODY = "00000000-0000-4000-8000-000000000000"
LONG_ENOUGH_S = 600


@pytest.fixture(params=["fake", "emulated"])
async def service(request: pytest.FixtureRequest) -> AsyncIterator[Service]:
    async with fake() if request.param == "fake" else emulated() as opened:
        yield opened


async def finished(service: Service) -> str:
    created = await service.api.create_task(ENDPOINT, BODY)
    service.pass_time(LONG_ENOUGH_S)
    return created.id


# Create and read


async def test_a_create_makes_one_task_and_charges_it_at_once(service):
    created = await service.api.create_task(ENDPOINT, BODY)
    assert created.id
    assert created.estimated_credits in {None, PRICE}
    assert (service.created, service.charged) == (1, PRICE)


async def test_a_new_task_has_not_ended_and_shows_neither_output_nor_cost(service):
    created = await service.api.create_task(ENDPOINT, BODY)
    task = await service.api.get_task(created.id)
    assert task.id == created.id
    assert task.status not in TERMINAL
    assert (task.output, task.cost_credits, task.failure_code) == ((), None, "")


async def test_a_task_succeeds_with_a_link_for_each_output_and_its_final_cost(service):
    task = await service.api.get_task(await finished(service))
    assert (task.status, task.cost_credits) == (TaskStatus.SUCCEEDED, PRICE)
    assert len(task.output) == 1
    assert task.output[0].startswith(("https://", "http://127.0.0.1"))
    assert service.charged == PRICE


async def test_a_task_never_goes_back(service):
    order = [TaskStatus.PENDING, TaskStatus.THROTTLED, TaskStatus.RUNNING, TaskStatus.SUCCEEDED]
    created = await service.api.create_task(ENDPOINT, BODY)
    seen = []
    for _ in range(80):
        seen.append((await service.api.get_task(created.id)).status)
        service.pass_time(1)
    ranks = [order.index(status) for status in seen]
    assert ranks == sorted(ranks)
    assert seen[-1] is TaskStatus.SUCCEEDED
    assert TaskStatus.RUNNING in seen


async def test_progress_is_a_share_while_it_runs(service):
    created = await service.api.create_task(ENDPOINT, BODY)
    shares = []
    for _ in range(60):
        task = await service.api.get_task(created.id)
        if task.status is TaskStatus.RUNNING and task.progress is not None:
            shares.append(task.progress)
        service.pass_time(1)
    assert shares
    assert all(0 <= share <= 1 for share in shares)


async def test_reading_is_free_and_changes_nothing(service):
    task_id = await finished(service)
    first = await service.api.get_task(task_id)
    again = await service.api.get_task(task_id)
    without_links = [dataclasses.replace(task, output=()) for task in (first, again)]
    assert without_links[0] == without_links[1]
    assert len(first.output) == len(again.output)
    assert (service.created, service.charged) == (1, PRICE)


async def test_links_are_kept_out_of_repr(service):
    task = await service.api.get_task(await finished(service))
    assert task.output[0] not in repr(task)


async def test_creates_at_once_are_tasks_of_their_own(service):
    made = await asyncio.gather(*(service.api.create_task(ENDPOINT, BODY) for _ in range(10)))
    assert len({created.id for created in made}) == 10
    assert (service.created, service.charged) == (10, 10 * PRICE)


async def test_equal_bodies_are_paid_for_each(service):
    """There is no idempotency key: a second create is a second charge."""
    await service.api.create_task(ENDPOINT, BODY)
    await service.api.create_task(ENDPOINT, BODY)
    assert (service.created, service.charged) == (2, 2 * PRICE)


async def test_an_unknown_task_is_a_404_that_is_not_worth_another_try(service):
    with pytest.raises(PermanentApiError) as caught:
        await service.api.get_task(NOBODY)
    assert caught.value.status == 404


# Failures of tasks


@pytest.mark.parametrize("code", ["INTERNAL", "SAFETY.INPUT.TEXT", "INTERNAL.BAD_OUTPUT.CODE01"])
async def test_a_failure_that_is_given_back_costs_nothing(service, code):
    service.fail_tasks(code, refund=True)
    task = await service.api.get_task(await finished(service))
    assert (task.status, task.failure_code) == (TaskStatus.FAILED, code)
    assert task.cost_credits == 0
    assert task.failure
    assert task.output == ()
    assert service.charged == 0


async def test_a_failure_that_is_kept_names_what_it_cost(service):
    service.fail_tasks("SAFETY.OUTPUT", refund=False)
    task = await service.api.get_task(await finished(service))
    assert (task.status, task.cost_credits) == (TaskStatus.FAILED, PRICE)
    assert service.charged == PRICE


async def test_a_task_that_will_fail_is_charged_until_it_does(service):
    service.fail_tasks("INTERNAL", refund=True)
    await service.api.create_task(ENDPOINT, BODY)
    assert service.charged == PRICE
    service.pass_time(LONG_ENOUGH_S)
    assert service.charged == 0


# Refusals of creates


@pytest.mark.parametrize(
    ("word", "kind", "status"),
    [
        ("bad request", PermanentApiError, 400),
        ("unprocessable", PermanentApiError, 422),
        ("key", AccountError, 401),
        ("forbidden", AccountError, 403),
        ("quota", TransientApiError, 429),
        ("busy", TransientApiError, 503),
    ],
)
async def test_a_refusal_makes_and_charges_nothing_and_says_of_which_kind_it_is(
    service, word, kind, status
):
    service.answer_creates(word)
    with pytest.raises(ApiError) as caught:
        await service.api.create_task(ENDPOINT, BODY)
    assert (type(caught.value), caught.value.status) == (kind, status)
    assert (service.created, service.charged) == (0, 0)


async def test_a_refusal_says_when_to_come_back(service):
    service.answer_creates("quota")
    with pytest.raises(TransientApiError) as caught:
        await service.api.create_task(ENDPOINT, BODY)
    assert caught.value.retry_after_s == 30


@pytest.mark.parametrize(
    ("word", "created"),
    [("broken", 0), ("gateway", 0), ("conflict", 0), ("drop", 0), ("lose", 1), ("garble", 1)],
)
async def test_without_a_readable_answer_nobody_knows_and_nothing_is_sent_again(
    service, word, created
):
    service.answer_creates(word)
    with pytest.raises(SubmitUncertain):
        await service.api.create_task(ENDPOINT, BODY)
    assert (service.created, service.charged) == (created, created * PRICE)


async def test_no_credits_is_an_error_of_the_account_and_makes_nothing(service):
    most = BALANCE // PRICE
    for _ in range(most):
        await service.api.create_task(ENDPOINT, BODY)
    with pytest.raises(AccountError, match="enough credits") as caught:
        await service.api.create_task(ENDPOINT, BODY)
    assert caught.value.status == 400
    assert (service.created, service.charged) == (most, most * PRICE)


async def test_credits_that_a_failure_gives_back_can_be_spent_again(service):
    service.fail_tasks("INTERNAL", refund=True)
    most = BALANCE // PRICE
    for _ in range(most):
        await service.api.create_task(ENDPOINT, BODY)
    service.pass_time(LONG_ENOUGH_S * 20)
    await service.api.create_task(ENDPOINT, BODY)
    assert service.created == most + 1


# Cancel


async def test_a_cancelled_task_is_gone_and_another_is_not(service):
    gone, kept = [await service.api.create_task(ENDPOINT, BODY) for _ in range(2)]
    await service.api.cancel_task(gone.id)
    with pytest.raises(PermanentApiError) as caught:
        await service.api.get_task(gone.id)
    assert caught.value.status == 404
    assert (await service.api.get_task(kept.id)).id == kept.id


async def test_cancelling_twice_or_what_nobody_knows_is_no_error(service):
    created = await service.api.create_task(ENDPOINT, BODY)
    for task_id in (created.id, created.id, NOBODY):
        await service.api.cancel_task(task_id)


async def test_a_task_cancelled_right_away_is_not_charged(service):
    created = await service.api.create_task(ENDPOINT, BODY)
    await service.api.cancel_task(created.id)
    assert service.charged == 0


async def test_the_id_of_a_cancelled_task_is_never_given_out_again(service):
    first, second = [await service.api.create_task(ENDPOINT, BODY) for _ in range(2)]
    await service.api.cancel_task(first.id)
    third = await service.api.create_task(ENDPOINT, BODY)
    assert third.id not in {first.id, second.id}


async def test_a_finished_task_that_is_deleted_stays_charged(service):
    task_id = await finished(service)
    await service.api.cancel_task(task_id)
    with pytest.raises(PermanentApiError):
        await service.api.get_task(task_id)
    assert service.charged == PRICE


async def test_a_running_task_that_is_cancelled_stays_charged(service):
    created = await service.api.create_task(ENDPOINT, BODY)
    while (await service.api.get_task(created.id)).status is not TaskStatus.RUNNING:
        service.pass_time(0.5)
    await service.api.cancel_task(created.id)
    assert service.charged == PRICE


# The account


async def test_the_account_shows_its_balance_and_the_limit_of_the_model(service):
    account = await service.api.get_organization()
    assert isinstance(account, Organization)
    assert account.credit_balance == BALANCE
    limit = account.models["gen4_image"].max_concurrent
    assert limit is None or limit > 0


async def test_the_balance_falls_by_what_is_charged_and_rises_by_what_comes_back(service):
    await service.api.create_task(ENDPOINT, BODY)
    assert (await service.api.get_organization()).credit_balance == BALANCE - PRICE
    service.fail_tasks("INTERNAL", refund=True)
    await service.api.create_task(ENDPOINT, BODY)
    assert (await service.api.get_organization()).credit_balance == BALANCE - 2 * PRICE
    service.pass_time(LONG_ENOUGH_S)
    assert (await service.api.get_organization()).credit_balance == BALANCE - PRICE


@pytest.mark.parametrize("call", ["create", "get", "cancel", "organization"])
async def test_a_key_that_nobody_knows_is_refused_everywhere_and_never_shown(call):
    """Over HTTP only: the double has no keys."""
    key = "key_" + "5ec2e7" * 20
    async with emulated(key) as service:
        calls = {
            "create": lambda: service.api.create_task(ENDPOINT, BODY),
            "get": lambda: service.api.get_task(NOBODY),
            "cancel": lambda: service.api.cancel_task(NOBODY),
            "organization": service.api.get_organization,
        }
        with pytest.raises(AccountError) as caught:
            await calls[call]()
        assert caught.value.status == 401
        assert key not in f"{caught.value!r} {caught.value.hint} {service.api!r}"
        assert service.created == 0


# The real service: calls that are free, off unless a key is given


@pytest.mark.live
async def test_live_account_can_be_read():
    async with live() as api:
        account = await api.get_organization()
        assert account.credit_balance >= 0


@pytest.mark.live
async def test_live_unknown_task_is_a_404():
    async with live() as api:
        with pytest.raises(PermanentApiError) as caught:
            await api.get_task(NOBODY)
        assert caught.value.status == 404


@pytest.mark.live
async def test_live_wrong_key_is_refused():
    async with live():
        told = ApiSettings(key="key_" + "0" * 128, version="1.2.3")
        async with RunwayClient(told, clock=FakeClock()) as stranger:
            with pytest.raises(AccountError):
                await stranger.get_organization()
