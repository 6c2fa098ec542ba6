"""The emulator over HTTP: headers, routes, ranges, uploads, back door, keys."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import runner
from runner.core.catalog import Catalog
from runner.emulator.options import EmulatorOptions
from runner.emulator.server import Emulator
from runner.testing import FakeClock

CATALOG = Catalog.from_dict(
    json.loads((Path(runner.__file__).parent / "data/catalog.json").read_text())
)
HEADERS = {"Authorization": "Bearer key_emulator", "X-Runway-Version": "2024-11-06"}
PICTURE = {"model": "gen4_image", "promptText": "A skyline at dawn", "ratio": "1920:1080"}


class Client:
    """An emulator and a client without any knowledge of ours."""

    def __init__(self, emulator: Emulator, clock: FakeClock, web: aiohttp.ClientSession) -> None:
        self.emulator = emulator
        self.clock = clock
        self.web = web

    async def call(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **more: Any
    ) -> tuple[int, Any]:
        sent = HEADERS if headers is None else headers
        async with self.web.request(
            method, self.emulator.url + path, headers=sent, **more
        ) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None

    async def create(self, endpoint: str = "text_to_image", **body: Any) -> str:
        status, answer = await self.call("POST", f"/v1/{endpoint}", json=body or PICTURE)
        assert status == 200, answer
        return str(answer["id"])

    async def link(self) -> str:
        """The link of a finished picture."""
        task = await self.create()
        self.clock.advance(3600.0)
        _, view = await self.call("GET", f"/v1/tasks/{task}")
        return str(view["output"][0])

    async def get(self, url: str, **headers: str) -> tuple[int, Mapping[str, str], bytes]:
        async with self.web.get(url, headers=headers) as answer:
            return answer.status, answer.headers, await answer.read()


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    clock = FakeClock()
    options = EmulatorOptions(media="plain", credits=100, plain_bytes=1000)
    async with (
        Emulator(CATALOG, clock, options) as emulator,
        aiohttp.ClientSession() as web,
    ):
        yield Client(emulator, clock, web)


# Addresses, headers, routes


async def test_serves_on_loopback_on_a_free_port(client: Client) -> None:
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", client.emulator.url)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"X-Runway-Version": "2024-11-06"}, 401),
        ({**HEADERS, "Authorization": "key_emulator"}, 401),
        ({**HEADERS, "Authorization": "Basic key_emulator"}, 401),
        ({**HEADERS, "Authorization": "Bearer key_other"}, 401),
        ({"Authorization": "Bearer key_emulator"}, 400),
        ({**HEADERS, "X-Runway-Version": "2023-09-06"}, 400),
        ({**HEADERS, "Host": "api.runwayml.com"}, 400),
        (HEADERS, 200),
    ],
)
async def test_key_and_version_are_wanted_on_every_call(
    client: Client, headers: dict[str, str], status: int
) -> None:
    found, body = await client.call("GET", "/v1/organization", headers=headers)
    assert found == status
    assert ("error" in body) is (status != 200)


async def test_wrong_method_is_405_and_unknown_path_404(client: Client) -> None:
    assert (await client.call("GET", "/v1/text_to_image"))[0] == 405
    assert (await client.call("DELETE", "/v1/organization"))[0] == 405
    assert (await client.call("POST", "/v1/text_to_smell", json={}))[0] == 404
    assert (await client.call("GET", "/"))[0] == 404
    assert (await client.call("POST", "/v1/generate/smell", json={}))[0] == 404


@pytest.mark.parametrize("data", [b"{", b"[1]", b'"text"', b"\xff\xfe", b"[" * 100_000])
async def test_body_that_is_no_json_object_is_a_400(client: Client, data: bytes) -> None:
    status, body = await client.call("POST", "/v1/text_to_image", data=data)
    assert status == 400
    assert body["error"]


async def test_bad_body_is_told_with_issues(client: Client) -> None:
    status, body = await client.call("POST", "/v1/text_to_image", json={**PICTURE, "ratio": "1:1"})
    assert status == 400
    assert body["error"] == "Validation of body failed"
    assert body["issues"][0]["path"] == ["ratio"]
    assert body["docUrl"].startswith("https://docs.dev.runwayml.com")


async def test_unknown_model_is_told_with_the_known_ones(client: Client) -> None:
    body = {**PICTURE, "model": "gen5"}
    _, answer = await client.call("POST", "/v1/text_to_image", json=body)
    assert answer["issues"][0]["path"] == ["model"]
    assert "gen4_image" in answer["issues"][0]["message"]


async def test_answer_of_a_create_is_id_and_estimate(client: Client) -> None:
    _, answer = await client.call("POST", "/v1/text_to_image", json=PICTURE)
    assert set(answer) == {"id", "estimatedCost"}
    assert answer["estimatedCost"] == {"credits": 8}
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
                        answer["id"])  # fmt: skip


async def test_delete_answers_204_without_a_body(client: Client) -> None:
    task = await client.create()
    assert await client.call("DELETE", f"/v1/tasks/{task}") == (204, None)
    assert await client.call("GET", f"/v1/tasks/{task}") == (
        404, {"error": "Could not find Task"},
    )  # fmt: skip


@pytest.mark.parametrize("body", [{"startDate": "yesterday"}, {"beforeDate": "2026-13-01"}])
async def test_usage_wants_dates(client: Client, body: dict[str, str]) -> None:
    status, answer = await client.call("POST", "/v1/organization/usage", json=body)
    assert status == 400
    assert answer["issues"][0]["code"] == "invalid_format"


# Routers over the wire


async def test_router_refuses_what_it_does_not_know(client: Client) -> None:
    for body in ({}, {"slug": "No"}, {"slug": "a", "settings": 5},
                 {"slug": "a", "settings": {"models": {"mode": "allowlist_only", "ids": ["x"]}}},
                 ):  # fmt: skip
        assert (await client.call("POST", "/v1/routers", json=body))[0] == 400
    assert (await client.call("POST", "/v1/routers", json={"slug": "a"}))[0] == 200
    assert (await client.call("POST", "/v1/routers", json={"slug": "a"}))[0] == 400
    assert (await client.call("GET", "/v1/routers"))[0] == 400  # limit is required
    assert (await client.call("GET", "/v1/routers?limit=101"))[0] == 400


async def test_unknown_router_is_404_and_an_empty_pool_is_told_by_its_filter(
    client: Client,
) -> None:
    wanted = {"configId": "cheap", "input": {"promptText": "rain", "duration": 5}}
    assert (await client.call("POST", "/v1/generate/video", json=wanted))[0] == 404
    settings = {"maxCreditsPerGeneration": {"video": 1}}
    body = {"slug": "cheap", "settings": settings}
    _, router = await client.call("POST", "/v1/routers", json=body)
    status, answer = await client.call("POST", "/v1/generate/video", json=wanted)
    assert status == 400
    assert (answer["code"], answer["emptiedBy"]) == ("no_eligible_model", ["price"])
    _, page = await client.call("GET", f"/v1/routers/{router['id']}/requests?limit=10")
    assert page["data"][0]["status"] == "no_eligible_model"
    assert page["data"][0]["taskId"] is None


async def test_allowlist_decides_the_model_and_pages_follow_each_other(client: Client) -> None:
    settings = {"models": {"mode": "allowlist_only", "ids": ["gen4_image"]}}
    body = {"slug": "one", "settings": settings}
    _, router = await client.call("POST", "/v1/routers", json=body)
    wanted = {"configId": "one", "input": {"promptText": "rain", "aspectRatio": "1:1"}}
    made = []
    for _ in range(3):
        _, answer = await client.call("POST", "/v1/generate/image", json=wanted)
        assert answer["routing"]["model"] == "gen4_image"
        made.append(answer["id"])
    path = f"/v1/routers/{router['id']}/requests?limit=2"
    _, first = await client.call("GET", path)
    _, last = await client.call("GET", f"{path}&cursor={first['nextCursor']}")
    seen = [line["taskId"] for line in first["data"] + last["data"]]
    assert seen == made[::-1]
    assert last["nextCursor"] is None


# Downloads


async def test_download_needs_no_key_and_tells_length_type_and_etag(client: Client) -> None:
    status, headers, body = await client.get(await client.link())
    assert status == 200
    assert headers["Content-Type"] == "image/png"
    assert int(headers["Content-Length"]) == len(body)
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["ETag"].startswith('"')
    assert body.startswith(b"\x89PNG")


async def test_every_download_gives_the_same_bytes_and_etag(client: Client) -> None:
    link = await client.link()
    assert (await client.get(link))[2] == (await client.get(link))[2]
    assert (await client.get(link))[1]["ETag"] == (await client.get(link))[1]["ETag"]


async def test_head_gives_the_headers_alone(client: Client) -> None:
    link = await client.link()
    _, headers, _ = await client.get(link)
    async with client.web.head(link) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Length"] == headers["Content-Length"]
        assert await answer.read() == b""


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [("bytes=0-9", 0, 10), ("bytes=100-", 100, None), ("bytes=-5", -5, None),
     ("bytes=5-999999", 5, None)],
)  # fmt: skip
async def test_range_gives_that_part(
    client: Client, wanted: str, start: int, end: int | None
) -> None:
    link = await client.link()
    _, _, whole = await client.get(link)
    status, headers, part = await client.get(link, Range=wanted)
    assert status == 206
    assert part == whole[start:end]
    first = start % len(whole)
    assert headers["Content-Range"] == f"bytes {first}-{first + len(part) - 1}/{len(whole)}"


@pytest.mark.parametrize("wanted", ["bytes=", "bytes=-", "lines=1-2", "bytes=1-2,4-5"])
async def test_range_that_makes_no_sense_gives_everything(client: Client, wanted: str) -> None:
    status, _, _ = await client.get(await client.link(), Range=wanted)
    assert status == 200


async def test_range_behind_the_end_is_416_with_the_size(client: Client) -> None:
    link = await client.link()
    size = len((await client.get(link))[2])
    status, headers, _ = await client.get(link, Range=f"bytes={size}-")
    assert status == 416
    assert headers["Content-Range"] == f"bytes */{size}"


async def test_if_range_with_another_etag_gives_everything(client: Client) -> None:
    link = await client.link()
    _, headers, whole = await client.get(link)
    more = {"Range": "bytes=10-", "If-Range": '"other"'}
    assert (await client.get(link, **more))[0] == 200
    status, _, part = await client.get(link, **{**more, "If-Range": headers["ETag"]})
    assert (status, part) == (206, whole[10:])


async def test_expired_link_is_403_and_a_read_gives_a_fresh_one(client: Client) -> None:
    link = await client.link()
    client.clock.advance(25 * 3600.0)
    assert (await client.get(link))[0] == 403
    task = link.split("/")[4]
    _, view = await client.call("GET", f"/v1/tasks/{task}")
    assert (await client.get(view["output"][0]))[0] == 200


async def test_link_without_its_token_is_403(client: Client) -> None:
    assert (await client.get((await client.link()).partition("?")[0]))[0] == 403


async def test_real_media_are_drawn_when_they_are_fetched() -> None:
    clock = FakeClock()
    async with Emulator(CATALOG, clock) as emulator, aiohttp.ClientSession() as web:
        real = Client(emulator, clock, web)
        link = await real.link()
        first, second = await real.get(link), await real.get(link)
        assert len(first[2]) > 1000
        assert first[2] == second[2]


# Uploads


async def begin(client: Client, filename: str = "a.png") -> dict[str, Any]:
    body = {"filename": filename, "type": "ephemeral"}
    _, answer = await client.call("POST", "/v1/uploads", json=body)
    return dict(answer)


def form(fields: dict[str, str], data: bytes = bytes(600)) -> aiohttp.FormData:
    made = aiohttp.FormData()
    for name, value in fields.items():
        made.add_field(name, value)
    made.add_field("file", data, filename="a.png", content_type="image/png")
    return made


async def test_file_sent_with_its_fields_is_stored(client: Client) -> None:
    place = await begin(client)
    async with client.web.post(place["uploadUrl"], data=form(place["fields"])) as answer:
        assert answer.status == 204
    body = {"model": "gen4_turbo", "promptImage": place["runwayUri"], "ratio": "1280:720"}
    await client.create("image_to_video", **body)


async def test_storage_takes_no_key_no_json_and_no_stranger(client: Client) -> None:
    place = await begin(client)
    url, fields = place["uploadUrl"], place["fields"]
    async with client.web.post(url, data=form(fields), headers=HEADERS) as answer:
        assert answer.status == 400
    async with client.web.post(url, json={}) as answer:
        assert answer.status == 400
    async with client.web.post(url, data=form({})) as answer:
        assert answer.status == 403
    async with client.web.post(url + "0", data=form(fields)) as answer:
        assert answer.status == 404
    async with client.web.post(url, data=form(fields, b"small")) as answer:
        assert answer.status == 400


async def test_uploaded_clip_is_measured_for_its_price(client: Client, tmp_path: Path) -> None:
    from runner.emulator.media import render
    from runner.emulator.outputs import OutputFile

    clip = OutputFile(task="t", index=0, ext="mp4", width=64, height=64, seconds=3.0, sound=False,
                      facts=())  # fmt: skip
    place = await begin(client, "clip.mp4")
    async with client.web.post(place["uploadUrl"], data=form(place["fields"], render(clip))):
        pass
    body = {"model": "upscale_v1", "videoUri": place["runwayUri"]}
    _, answer = await client.call("POST", "/v1/video_upscale", json=body)
    assert answer["estimatedCost"] == {"credits": 2 * 3}


# The back door


async def test_back_door_tells_charges_tasks_and_requests(client: Client) -> None:
    task = await client.create()
    await client.call("POST", "/v1/text_to_image", json={})
    await client.call("GET", f"/v1/tasks/{task}")
    status, state = await client.call("GET", "/_emulator/", headers={})
    assert status == 200
    account = state["accounts"]["key_emulator"]
    assert (account["balance"], account["charged"], account["creates"]) == (92, 8, 1)
    assert account["tasks"][0]["id"] == task
    assert account["tasks"][0]["status"] == "PENDING"
    assert account["tasks"][0]["body"] == PICTURE
    assert state["requests"] == {"create": 2, "read": 1}


async def test_back_door_counts_what_deleted_tasks_cost(client: Client) -> None:
    task = await client.create()
    client.clock.advance(3600.0)
    await client.call("DELETE", f"/v1/tasks/{task}")
    _, state = await client.call("GET", "/_emulator/", headers={})
    assert state["accounts"]["key_emulator"]["charged"] == 8
    assert state["accounts"]["key_emulator"]["tasks"][0]["deleted"]


async def test_back_door_advances_the_clock(client: Client) -> None:
    task = await client.create()
    _, answer = await client.call(
        "POST", "/_emulator/advance", headers={}, json={"seconds": 86_400}
    )
    assert answer == {"now": "2026-01-02T00:00:00.000Z"}
    assert (await client.call("GET", f"/v1/tasks/{task}"))[1]["status"] == "SUCCEEDED"
    bad = await client.call("POST", "/_emulator/advance", headers={}, json={"seconds": -1})
    assert bad[0] == 400


async def test_back_door_takes_a_scenario_and_refuses_a_bad_one(client: Client) -> None:
    faults = [{"on": "organization", "do": "refuse", "status": 500}]
    path = "/_emulator/scenario"
    assert (await client.call("POST", path, headers={}, json=faults)) == (200, {"faults": 1})
    assert (await client.call("GET", "/v1/organization"))[0] == 500
    _, state = await client.call("GET", "/_emulator/", headers={})
    assert state["faults"][0]["struck"] == 1
    status, answer = await client.call("POST", path, headers={}, json=[{"do": "explode"}])
    assert status == 400
    assert "faults[0].do" in answer["error"]
    assert (await client.call("POST", path, headers={}, data=b"{"))[0] == 400
    keys = {"keys": [{"key": "key_poor", "credits": 5}]}
    await client.call("POST", path, headers={}, json=keys)
    poor = {**HEADERS, "Authorization": "Bearer key_poor"}
    assert (await client.call("GET", "/v1/organization", headers=poor))[1]["creditBalance"] == 5


async def test_back_door_resets_the_world(client: Client) -> None:
    task = await client.create()
    place = await begin(client)
    assert (await client.call("POST", "/_emulator/reset", headers={}))[0] == 200
    assert (await client.call("GET", f"/v1/tasks/{task}"))[0] == 404
    async with client.web.post(place["uploadUrl"], data=form(place["fields"])) as answer:
        assert answer.status == 404
    assert (await begin(client))["uploadUrl"].startswith(client.emulator.url)
    assert (await client.call("GET", "/v1/organization"))[1]["creditBalance"] == 100


async def test_back_door_is_not_under_the_api(client: Client) -> None:
    assert (await client.call("GET", "/v1/_emulator/"))[0] == 404
