"""The client on the emulator's backend without sockets: the same contract, and quick enough."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runner.core.task import TaskStatus
from runner.errors import (
    AccountError,
    ApiError,
    DownloadError,
    LinkRefused,
    PermanentApiError,
    SubmitUncertain,
    TransientApiError,
)
from runner.testing import FakeClock
from tests.emulated_api import EmulatedApi, EmulatedService
from tests.integration.task_services import (
    ANSWERS,
    BALANCE,
    BODY,
    ENDPOINT,
    PRICE,
    Service,
    emulated,
)
from tests.integration.test_task_api import (  # the contract, collected here as well
    test_a_cancelled_task_is_gone_and_another_is_not,
    test_a_create_makes_one_task_and_charges_it_at_once,
    test_a_finished_task_that_is_deleted_stays_charged,
    test_a_running_task_that_is_cancelled_stays_charged,
    test_a_task_cancelled_right_away_is_not_charged,
    test_a_task_never_goes_back,
    test_a_task_succeeds_with_a_link_for_each_output_and_its_final_cost,
    test_cancelling_twice_or_what_nobody_knows_is_no_error,
    test_no_credits_is_an_error_of_the_account_and_makes_nothing,
    test_the_account_shows_its_balance_and_the_limit_of_the_model,
    test_the_balance_falls_by_what_is_charged_and_rises_by_what_comes_back,
)

__all__ = [
    "test_a_cancelled_task_is_gone_and_another_is_not",
    "test_a_create_makes_one_task_and_charges_it_at_once",
    "test_a_finished_task_that_is_deleted_stays_charged",
    "test_a_running_task_that_is_cancelled_stays_charged",
    "test_a_task_cancelled_right_away_is_not_charged",
    "test_a_task_never_goes_back",
    "test_a_task_succeeds_with_a_link_for_each_output_and_its_final_cost",
    "test_cancelling_twice_or_what_nobody_knows_is_no_error",
    "test_no_credits_is_an_error_of_the_account_and_makes_nothing",
    "test_the_account_shows_its_balance_and_the_limit_of_the_model",
    "test_the_balance_falls_by_what_is_charged_and_rises_by_what_comes_back",
]

PART = Path("/out/a.part")


@dataclass
class Direct:
    """Fits `task_services.Service`."""

    api: EmulatedApi
    inner: EmulatedService

    @property
    def created(self) -> int:
        return int(self.inner.totals()["creates"])

    @property
    def charged(self) -> int:
        return int(self.inner.totals()["charged"])

    def pass_time(self, seconds: float) -> None:
        self.inner.clock.advance(seconds)

    def answer_creates(self, word: str) -> None:
        self.inner.script({"on": "create", **ANSWERS[word]})

    def fail_tasks(self, code: str, *, refund: bool) -> None:
        self.inner.script({"on": "create", "do": "fail", "code": code, "refund": refund})


def direct(**options: Any) -> Direct:
    inner = EmulatedService(FakeClock(), **{"credits": BALANCE, **options})
    return Direct(inner.api(), inner)


@pytest.fixture
async def service() -> AsyncIterator[Direct]:
    made = direct()
    yield made
    made.inner.clock.close()


async def outcome(service: Service) -> tuple[type[BaseException], Any, int, int]:
    with pytest.raises(ApiError) as caught:
        await service.api.create_task(ENDPOINT, BODY)
    error = caught.value
    return type(error), (error.status, error.retry_after_s), service.created, service.charged


MORE: Mapping[str, Mapping[str, Any]] = {
    "html": {"do": "refuse", "status": 503, "body": "html"},
    "date": {"do": "refuse", "status": 429, "retry_after": "Thu, 01 Jan 2026 00:10:00 GMT"},
    "denied": {"do": "deny", "status": 500},
    "denied by itself": {"do": "deny", "status": 503, "error": "busy"},
    "half": {"do": "lose", "how": "cut"},
    "reset": {"do": "lose", "how": "reset"},
    "no id": {"do": "garble", "body": "no_id"},
}


@pytest.mark.parametrize("word", [*ANSWERS, *MORE])
async def test_every_answer_is_the_same_error_as_over_http(service: Direct, word: str) -> None:
    fault = {"on": "create", **(ANSWERS.get(word) or MORE[word])}
    async with AsyncExitStack() as stack:
        http: Any = await stack.enter_async_context(emulated())
        http._script(fault)
        service.inner.script(fault)
        if word == "date":  # the clock goes on by the latency
            service.inner.create_s = 0.0
        assert await outcome(service) == await outcome(http)


async def test_nobody_waits_longer_than_the_client() -> None:
    service = direct(timeout_s=30.0)
    service.inner.script({"on": "create", "do": "lose", "how": "hang", "nth": 1},
                         {"on": "create", "do": "delay", "seconds": 900, "nth": 2},
                         {"on": "create", "do": "delay", "seconds": 5, "nth": 3})  # fmt: skip
    for _ in range(2):
        with pytest.raises(SubmitUncertain):
            await service.api.create_task(ENDPOINT, BODY)
    await service.api.create_task(ENDPOINT, BODY)
    assert (service.created, service.charged) == (3, 3 * PRICE)
    assert 65 <= service.inner.clock.monotonic() <= 66


async def test_refused_connections_prove_that_nothing_was_created(service: Direct) -> None:
    service.inner.script(outages=[{"begin": 0, "end": 60}])
    with pytest.raises(TransientApiError):
        await service.api.create_task(ENDPOINT, BODY)
    assert (service.created, service.inner.seen["create"]) == (0, 0)
    service.pass_time(60)
    await service.api.create_task(ENDPOINT, BODY)
    service.inner.injector.begin_outage("refused", 60)
    with pytest.raises(TransientApiError):
        await service.api.get_organization()


async def test_key_and_credits_are_those_of_the_account_mid_run(service: Direct) -> None:
    service.inner.controls.set_disabled(True)
    with pytest.raises(AccountError):
        await service.api.create_task(ENDPOINT, BODY)
    service.inner.controls.set_disabled(False)
    service.inner.controls.set_balance(PRICE)
    await service.api.create_task(ENDPOINT, BODY)
    with pytest.raises(AccountError, match="enough credits"):
        await service.api.create_task(ENDPOINT, BODY)


async def test_calls_of_any_kind_go_through() -> None:
    service = direct(lanes=["gen4_image"])
    await service.api.create_task(ENDPOINT, BODY)
    account = await service.api.get_organization()
    assert list(account.models) == ["gen4_image"]
    assert account.models["gen4_image"].daily_used == 1
    assert [use.credits for use in await service.api.get_usage()] == [PRICE]
    assert (await service.api.create_upload("a.png")).uri.startswith("runway://")
    with pytest.raises(PermanentApiError):
        await service.api.create_task("text_to_smell", BODY)


async def test_downloads_expire_break_and_come(service: Direct) -> None:
    created = await service.api.create_task(ENDPOINT, BODY)
    service.pass_time(600)
    downloader = service.inner.downloader()
    (old,) = (await service.api.get_task(created.id)).output
    service.pass_time(25 * 3600)
    with pytest.raises(LinkRefused):
        await downloader.fetch(old, PART)
    (link,) = (await service.api.get_task(created.id)).output
    service.inner.script({"do": "cut", "nth": 1}, {"do": "expire", "nth": 2},
                         {"on": "download", "do": "refuse", "status": 500, "nth": 3})  # fmt: skip
    for expected in (DownloadError, LinkRefused, DownloadError):
        with pytest.raises(expected):
            await downloader.fetch(link, PART)
    first = await downloader.fetch(link, PART)
    (again,) = (await service.api.get_task(created.id)).output
    assert (await downloader.fetch(again, PART)).sha256 == first.sha256


async def test_a_call_costs_the_same_however_many_tasks_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Counted, not timed: no call goes through the tasks."""
    service = direct(credits=10**6, create_s=0.0, read_s=0.0)
    service.inner.controls.set_limits("*", {"daily": None, "concurrent": 5})

    class Watched(dict[str, Any]):
        looks = 0

        def __iter__(self) -> Any:
            Watched.looks += 1
            return super().__iter__()

        def values(self) -> Any:
            Watched.looks += 1
            return super().values()

        items = values

    state = service.inner.backend.state
    monkeypatch.setattr(state, "tasks", Watched(state.tasks))
    ids = [(await service.api.create_task(ENDPOINT, BODY)).id for _ in range(20)]
    service.pass_time(5)
    for task_id in ids:
        await service.api.get_task(task_id)
    await service.api.cancel_task(ids[-1])
    await service.api.get_organization()
    await service.api.get_usage()
    service.inner.totals()
    assert Watched.looks == 0
    service.pass_time(3600)
    assert (await service.api.get_task(ids[0])).status is TaskStatus.SUCCEEDED
    assert len(service.inner.creates()) == 20
    assert Watched.looks == 1


async def test_a_thousand_jobs_pass_through_quota_slots_and_faults_of_a_month() -> None:
    service = direct(credits=100_000, tier=1, create_s=0.0, read_s=0.0, lanes=["gen4_image"])
    service.inner.script(
        {"on": "create", "do": "lose", "probability": 0.05},
        {"on": "create", "do": "fail", "code": "INTERNAL", "probability": 0.1},
        {"on": "create", "do": "refuse", "status": 503, "probability": 0.05},
        outages=[{"begin": 86_400, "end": 90_000}],
    )
    doubts = tries = 0
    for _ in range(1200):
        tries += 1
        try:
            await service.api.create_task(ENDPOINT, BODY)
        except SubmitUncertain:
            doubts += 1
        except TransientApiError:
            service.pass_time(3600)
    service.pass_time(86_400)
    found = service.inner.totals()
    made = service.inner.creates()
    lost = [line for line in made if line["fault"] == "lose"]
    assert (len(lost), found["creates"]) == (doubts, len(made))
    assert found["balance"] == 100_000 - found["charged"]
    assert found["charged"] == sum(line["charged"] for line in made)
    times = [line["at"] for line in made]
    busiest = max(sum(at - 86_400 < t <= at for t in times) for at in times[::50])
    assert busiest <= 200
    assert {line["status"] for line in made} == {"SUCCEEDED", "FAILED"}
    assert tries > len(made) > 200
