"""The official SDK, unchanged but for base URL and key, against the emulator."""

from __future__ import annotations

import asyncio
import json
import re
import selectors
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import runwayml
from runwayml import AsyncRunwayML, RunwayML

import runner
from runner.clock import SystemClock
from runner.core.catalog import Catalog
from runner.emulator.options import EmulatorOptions
from runner.emulator.scenario import parse_scenario
from runner.emulator.server import Emulator

RAW = json.loads((Path(runner.__file__).parent / "data/catalog.json").read_text())
CATALOG = Catalog.from_dict(RAW)
ENDPOINTS = sorted(CATALOG.endpoints)
DIRECT = [name for name in ENDPOINTS if not name.startswith("workflows/")]
PAIRS = [(e.name, m) for e in CATALOG.endpoints.values() for m in e.models]
AT_ONCE = 1e9  # speed: a task ends before the next request arrives

#: one of each kind of file, under a domain name, as the service asks for
LINKS = {
    "image": "https://example.com/picture.jpg",
    "video": "https://example.com/clip.mp4",
    "audio": "https://example.com/voice.mp3",
}


def options(**changes: Any) -> EmulatorOptions:
    chosen = {"speed": AT_ONCE, "media": "plain", "tier": 5, "credits": 1_000_000} | changes
    return EmulatorOptions(**chosen)


def emulator(**changes: Any) -> Emulator:
    return Emulator(CATALOG, SystemClock(), options(**changes))


def value_for(schema: Mapping[str, Any]) -> Any:
    """The plainest value that a field's schema allows."""
    if "anyOf" in schema:
        return value_for(schema["anyOf"][0])
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("format") == "media-uri":
        return LINKS[schema["media"]]
    match schema["type"]:
        case "string" if schema.get("pattern", "").startswith("^[a-z]"):
            return "conformance"
        case "string":
            return "a quiet harbour"
        case "integer" | "number":
            return max(schema.get("minimum", 1), schema.get("exclusiveMinimum", 0) + 1)
        case "boolean":
            return True
        case "array":
            return [value_for(schema["items"])] * max(1, schema.get("minItems", 1))
        case "object":
            return {name: value_for(schema["properties"][name]) for name in schema["required"]}
    raise AssertionError(schema)


def body_for(endpoint: str, model: str) -> dict[str, Any]:
    info = CATALOG.endpoints[endpoint].models[model]
    body = {name: value_for(info.fields[name]) for name in info.required}
    if endpoint.startswith("generate/"):
        body["input"] = {"promptText": "a quiet harbour", **body["input"]}
    return body


def first_body(endpoint: str) -> dict[str, Any]:
    return body_for(endpoint, next(iter(CATALOG.endpoints[endpoint].models)))


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def creator(client: Any, endpoint: str) -> Callable[..., Any]:
    """The SDK's method for an endpoint."""
    head, _, tail = endpoint.partition("/")
    if head == "recipes":
        return getattr(client.recipes, tail)  # type: ignore[no-any-return]
    if head == "generate":
        return getattr(client.generate, tail).create  # type: ignore[no-any-return]
    return getattr(client, head).create  # type: ignore[no-any-return]


def arguments(body: Mapping[str, Any]) -> dict[str, Any]:
    return {snake(name): value for name, value in body.items()}


def router_arguments() -> dict[str, Any]:
    return {"slug": "conformance"}


def expected_outputs(endpoint: str) -> int:
    return 4 if endpoint == "recipes/marketing_stock_image" else 1


def check_created(endpoint: str, created: Any) -> None:
    if endpoint.startswith("generate/"):
        assert created.routing.estimated_cost.credits >= 1
        assert created.routing.config_id == "conformance"
        assert created.routing.resolved_settings.optimize_for == "cost"
    else:  # as sent: the SDK has no field for it on avatar videos
        assert created.to_dict()["estimatedCost"]["credits"] >= 1


# Every endpoint, both clients, with and without retries


@pytest.mark.parametrize("retries", [{"max_retries": 0}, {}], ids=["no-retries", "default"])
async def test_async_sdk_creates_reads_fetches_and_deletes_on_every_endpoint(
    retries: dict[str, int],
) -> None:
    async with (
        emulator() as server,
        AsyncRunwayML(api_key="key_emulator", base_url=server.url, **retries) as client,
        httpx.AsyncClient() as web,
    ):
        await client.routers.create(**router_arguments())
        for endpoint in DIRECT:
            created = await creator(client, endpoint)(**arguments(first_body(endpoint)))
            check_created(endpoint, created)
            task = await client.tasks.retrieve(created.id)
            assert task.status == "SUCCEEDED", endpoint
            assert task.cost.credits >= 1
            for url in task.output:
                answer = await web.get(url)
                assert answer.status_code == 200
                assert len(answer.content) > 64
            await client.tasks.delete(created.id)
            with pytest.raises(runwayml.NotFoundError, match="Could not find Task"):
                await client.tasks.retrieve(created.id)
        assert len(server.backend.state.tasks) == len(DIRECT)


@pytest.mark.parametrize("retries", [{"max_retries": 0}, {}], ids=["no-retries", "default"])
async def test_sync_sdk_creates_reads_fetches_and_deletes_on_every_endpoint(
    retries: dict[str, int],
) -> None:
    def walk(url: str) -> None:
        with (
            RunwayML(api_key="key_emulator", base_url=url, **retries) as client,
            httpx.Client() as web,
        ):
            client.routers.create(**router_arguments())
            for endpoint in DIRECT:
                created = creator(client, endpoint)(**arguments(first_body(endpoint)))
                check_created(endpoint, created)
                task = client.tasks.retrieve(created.id)
                assert task.status == "SUCCEEDED", endpoint
                assert web.get(task.output[0]).status_code == 200
                client.tasks.delete(created.id)
                with pytest.raises(runwayml.NotFoundError):
                    client.tasks.delete(created.id)

    async with emulator() as server:
        await asyncio.to_thread(walk, server.url)
        assert len(server.backend.state.tasks) == len(DIRECT)


async def test_every_model_of_the_catalogue_runs_the_retired_ones_too() -> None:
    async with (
        emulator() as server,
        AsyncRunwayML(api_key="key_emulator", base_url=server.url, max_retries=0) as client,
    ):
        await client.routers.create(**router_arguments())
        pairs = [(e, m) for e, m in PAIRS if not e.startswith("workflows/")]
        assert len(pairs) == 115
        for endpoint, model in pairs:
            created = await creator(client, endpoint)(**arguments(body_for(endpoint, model)))
            task = await client.tasks.retrieve(created.id)
            assert task.status == "SUCCEEDED", (endpoint, model)


def test_the_walk_covers_every_endpoint_of_the_catalogue() -> None:
    assert len(ENDPOINTS) == 26
    assert set(ENDPOINTS) - set(DIRECT) == {"workflows/{id}"}


# Workflows


async def test_sdk_runs_a_published_workflow_and_reads_its_outputs_by_node() -> None:
    async with (
        emulator() as server,
        AsyncRunwayML(api_key="key_emulator", base_url=server.url) as client,
    ):
        listed = await client.workflows.list()
        workflow = listed.data[0].versions[0].id
        assert (await client.workflows.retrieve(workflow)).graph.version == 1
        run = await client.workflows.run(workflow)
        invocation = await client.workflow_invocations.retrieve(run.id)
        assert invocation.status == "SUCCEEDED"
        assert len(invocation.output) == 2
        assert invocation.cost is not None
        assert invocation.cost.credits > 0
        with pytest.raises(runwayml.NotFoundError):
            await client.tasks.retrieve(run.id)


# Waiting, in the SDK's own loop


class HurriedSelector(selectors.DefaultSelector):
    """Waits a hundredth of what it is asked to."""

    def select(self, timeout: float | None = None) -> Any:
        return super().select(timeout and timeout / 100)


class HurriedLoop(asyncio.SelectorEventLoop):
    """A loop in which a hundred seconds pass in one; the SDK's pauses stay what they are."""

    def __init__(self) -> None:
        super().__init__(HurriedSelector())

    def time(self) -> float:
        return super().time() * 100


def hurried(main: Any) -> Any:
    with asyncio.Runner(loop_factory=HurriedLoop) as runner_:
        return runner_.run(main)


def test_async_sdk_waits_for_a_task_with_its_own_polling() -> None:
    async def main() -> None:
        async with (
            Emulator(CATALOG, SystemClock(), options()) as server,
            AsyncRunwayML(api_key="key_emulator", base_url=server.url) as client,
        ):
            body = arguments(first_body("image_to_video"))
            created = await client.image_to_video.create(**body)
            done = await created.wait_for_task_output()
            assert done.status == "SUCCEEDED"
            assert done.output[0].startswith(server.url + "/outputs/")

    hurried(main())


def test_async_sdk_reports_a_failed_task_from_its_wait() -> None:
    async def main() -> None:
        faults = [{"on": "create", "do": "fail", "code": "SAFETY.INPUT.TEXT"}]
        async with (
            Emulator(CATALOG, SystemClock(), options()) as server,
            AsyncRunwayML(api_key="key_emulator", base_url=server.url) as client,
        ):
            server.use(parse_scenario(faults, server.backend.ground.rng("test")))
            created = await client.text_to_image.create(**arguments(first_body("text_to_image")))
            with pytest.raises(runwayml.TaskFailedError) as caught:
                await created.wait_for_task_output()
            assert caught.value.task_details.status == "FAILED"
            assert caught.value.task_details.failure_code == "SAFETY.INPUT.TEXT"

    hurried(main())


async def test_sync_sdk_waits_for_a_task_with_its_own_polling(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)

    def wait(url: str) -> Any:
        with RunwayML(api_key="key_emulator", base_url=url) as client:
            body = arguments(first_body("sound_effect"))
            return client.sound_effect.create(**body).wait_for_task_output()

    async with emulator() as server:
        done = await asyncio.to_thread(wait, server.url)
    assert done.status == "SUCCEEDED"
    assert 4.5 <= pauses[0] <= 7.5


# Cancelling, uploads, the account, routers


async def test_sdk_sees_throttled_tasks_and_cancels_them_for_nothing() -> None:
    body = {"model": "gen4_turbo", "prompt_image": LINKS["image"], "ratio": "1280:720",
            "duration": 5}  # fmt: skip
    async with (
        emulator(speed=1.0, tier=1, credits=100) as server,
        AsyncRunwayML(api_key="key_emulator", base_url=server.url, max_retries=0) as client,
    ):
        first = await client.image_to_video.create(**body)
        second = await client.image_to_video.create(**body)
        waiting = await client.tasks.retrieve(second.id)
        assert (await client.tasks.retrieve(first.id)).status == "PENDING"
        assert waiting.status == "THROTTLED"
        assert waiting.estimated_cost.credits == 25
        assert (await client.organization.retrieve()).credit_balance == 50
        await client.tasks.delete(second.id)
        assert (await client.organization.retrieve()).credit_balance == 75


@pytest.mark.parametrize("source", ["bytes", "path"])
async def test_sdk_uploads_a_file_and_uses_it(source: str, tmp_path: Path) -> None:
    path = tmp_path / "plate.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(2000))
    file: Any = path if source == "path" else ("plate.png", path.read_bytes())
    async with (
        emulator() as server,
        AsyncRunwayML(api_key="key_emulator", base_url=server.url) as client,
    ):
        upload = await client.uploads.create_ephemeral(file=file)
        assert upload.uri.startswith("runway://")
        created = await client.image_to_video.create(
            model="gen4_turbo", prompt_image=upload.uri, ratio="1280:720", duration=5
        )
        assert (await client.tasks.retrieve(created.id)).status == "SUCCEEDED"


async def test_sync_sdk_uploads_a_file(tmp_path: Path) -> None:
    path = tmp_path / "voice.mp3"
    path.write_bytes(b"ID3" + bytes(2000))

    def upload(url: str) -> str:
        with RunwayML(api_key="key_emulator", base_url=url) as client:
            return client.uploads.create_ephemeral(file=path, file_metadata="{}").uri

    async with emulator() as server:
        uri = await asyncio.to_thread(upload, server.url)
        record = server.backend.state.uploads[uri.removeprefix("runway://")]
    assert record.size == 2003


async def test_sdk_reports_a_file_that_is_too_small_for_storage() -> None:
    async with (
        emulator() as server,
        AsyncRunwayML(api_key="key_emulator", base_url=server.url) as client,
    ):
        with pytest.raises(runwayml.APIStatusError, match="400"):
            await client.uploads.create_ephemeral(file=("dot.png", b"tiny"))


async def test_sdk_reads_limits_and_usage() -> None:
    async with (
        emulator(tier=1) as server,
        AsyncRunwayML(api_key="key_emulator", base_url=server.url) as client,
    ):
        await client.text_to_image.create(
            model="gen4_image", prompt_text="a harbour", ratio="1920:1080"
        )
        organization = await client.organization.retrieve()
        limits = organization.tier.models["gen4_image"]
        assert (limits.max_concurrent_generations, limits.max_daily_generations) == (2, 200)
        assert organization.usage.models["gen4_image"].daily_generations == 1
        assert organization.tier.max_monthly_credit_spend == 10_000
        usage = await client.organization.retrieve_usage()
        assert usage.models == ["gen4_image"]
        assert usage.results[0].used_credits[0].amount == 8


async def test_sdk_reads_unlimited_as_none() -> None:
    async with (
        emulator(null_limits=True) as server,
        AsyncRunwayML(api_key="key_emulator", base_url=server.url) as client,
    ):
        limits = (await client.organization.retrieve()).tier.models["veo3.1"]
        assert limits.max_concurrent_generations is None


async def test_sdk_finds_a_task_again_through_its_router() -> None:
    async with (
        emulator() as server,
        AsyncRunwayML(api_key="key_emulator", base_url=server.url) as client,
    ):
        router = await client.routers.create(slug="run-1", settings={"optimizeFor": "cost"})
        created = await client.generate.video.create(
            config_id="run-1", input={"promptText": "rain", "duration": 5}
        )
        lines = [line async for line in client.routers.list_requests(router.id, limit=1)]
        assert [line.task_id for line in lines] == [created.id]
        assert lines[0].model == created.routing.model
        assert lines[0].reason_code == "lowest_cost"
        assert [r.slug async for r in client.routers.list(limit=10)] == ["run-1"]
        changed = await client.routers.update(router.id, name="night run")
        assert (changed.name, changed.version) == ("night run", 1)
        await client.routers.delete(router.id)
        with pytest.raises(runwayml.NotFoundError):
            await client.routers.retrieve(router.id)


# Errors, in the SDK's classes


async def test_sdk_gets_the_issues_of_a_bad_body() -> None:
    async with (
        emulator() as server,
        AsyncRunwayML(api_key="key_emulator", base_url=server.url) as client,
    ):
        with pytest.raises(runwayml.BadRequestError) as caught:
            await client.text_to_video.create(
                model="veo3.1", prompt_text="x", ratio="1280:720", duration=5  # type: ignore[arg-type]
            )  # fmt: skip
        body: Any = caught.value.body
        assert body["error"] == "Validation of body failed"
        assert [issue["path"] for issue in body["issues"]] == [["duration"]]


async def test_sdk_gets_its_own_class_for_each_refusal() -> None:
    async with emulator(credits=1) as server:
        async with AsyncRunwayML(api_key="key_wrong", base_url=server.url) as stranger:
            with pytest.raises(runwayml.AuthenticationError):
                await stranger.organization.retrieve()
        async with AsyncRunwayML(api_key="key_emulator", base_url=server.url) as client:
            with pytest.raises(runwayml.BadRequestError, match="do not have enough credits"):
                await client.text_to_image.create(
                    model="gen4_image", prompt_text="a harbour", ratio="1920:1080"
                )
            with pytest.raises(runwayml.BadRequestError, match="X-Runway-Version"):
                await client.organization.retrieve(extra_headers={"X-Runway-Version": "2023-01-01"})


async def create_with_a_lost_answer(retries: int) -> tuple[str, int]:
    """What the SDK makes of it, and how many tasks the account pays for."""
    faults = [{"on": "create", "do": "lose", "nth": 1}]
    async with (
        Emulator(CATALOG, SystemClock(), options()) as server,
        AsyncRunwayML(api_key="key_emulator", base_url=server.url, max_retries=retries) as client,
    ):
        server.use(parse_scenario(faults, server.backend.ground.rng("test")))
        body = arguments(first_body("text_to_image"))
        try:
            await client.text_to_image.create(**body)
            outcome = "created"
        except runwayml.APIConnectionError:
            outcome = "lost"
        return outcome, len(server.backend.state.tasks)


def test_sdk_with_retries_pays_twice_for_a_lost_answer_and_without_them_once() -> None:
    """Why our client never repeats a create: the SDK's default does."""
    assert hurried(create_with_a_lost_answer(0)) == ("lost", 1)
    assert hurried(create_with_a_lost_answer(2)) == ("created", 2)


async def test_strict_sdk_accepts_the_shape_of_every_answer() -> None:
    async with (
        emulator() as server,
        AsyncRunwayML(
            api_key="key_emulator", base_url=server.url, _strict_response_validation=True
        ) as client,
    ):
        router = await client.routers.create(**router_arguments())
        for endpoint in DIRECT:
            created = await creator(client, endpoint)(**arguments(first_body(endpoint)))
            await client.tasks.retrieve(created.id)
        await client.organization.retrieve()
        await client.organization.retrieve_usage()
        await client.routers.list_requests(router.id, limit=100)
        await client.uploads.create_ephemeral(file=("a.png", bytes(600)))
        workflow = (await client.workflows.list()).data[0].versions[0].id
        await client.workflow_invocations.retrieve((await client.workflows.run(workflow)).id)
