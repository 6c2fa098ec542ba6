"""Where a download may connect to, judged by the address that a name leads to and not by the name.

Names are resolved by the real machinery on top of a table of ours; sockets are real.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from runner.downloads.downloader import HttpDownloader
from runner.downloads.resolving import PublicResolver
from runner.errors import DownloadError

from .hostile import HostileServer, reply
from .test_downloader import SECRET, SHA, whole

PRIVATE = ["127.0.0.1", "10.0.0.7", "169.254.169.254", "::1", "fd00::1", "::ffff:127.0.0.1"]


class Names(AbstractResolver):
    """Answers with the next of its lists of addresses each time."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.closed = False

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        addresses = self._answers.pop(0)
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=family, proto=0, flags=0
            )
            for address in addresses
        ]  # fmt: skip

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What names lead to; anything else does not resolve."""
    table: dict[str, str] = {}
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        if host not in table:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return real(table[host], port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return table


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "clip.part"


@pytest.mark.parametrize("allow_loopback", [True, False])
@pytest.mark.parametrize("address", PRIVATE)
async def test_name_that_leads_to_a_private_address_is_refused(address, allow_loopback):
    resolver = PublicResolver(allow_loopback=allow_loopback, resolver=Names([address]))
    with pytest.raises(DownloadError, match=r"private address: `outputs.example`") as caught:
        await resolver.resolve("outputs.example", 443)
    assert type(caught.value) is DownloadError


async def test_only_the_public_addresses_of_a_name_are_used():
    resolver = PublicResolver(
        allow_loopback=False, resolver=Names([*PRIVATE, "8.8.8.8", "2606:4700::1111"])
    )
    found = await resolver.resolve("outputs.example", 443)
    assert [one["host"] for one in found] == ["8.8.8.8", "2606:4700::1111"]


async def test_name_that_changes_its_address_is_judged_each_time():
    resolver = PublicResolver(allow_loopback=False, resolver=Names(["8.8.8.8"], ["127.0.0.1"]))
    assert await resolver.resolve("outputs.example", 443)
    with pytest.raises(DownloadError):
        await resolver.resolve("outputs.example", 443)


async def test_localhost_may_lead_to_this_machine_only():
    allowed = PublicResolver(allow_loopback=True, resolver=Names(["10.0.0.7", "::1"], ["8.8.8.8"]))
    assert [one["host"] for one in await allowed.resolve("localhost")] == ["::1"]
    with pytest.raises(DownloadError):
        await allowed.resolve("localhost")
    refused = PublicResolver(allow_loopback=False, resolver=Names(["127.0.0.1"]))
    with pytest.raises(DownloadError):
        await refused.resolve("localhost")


async def test_name_without_an_address_stays_without_one_and_closing_goes_through():
    inner = Names([])
    resolver = PublicResolver(allow_loopback=False, resolver=inner)
    assert await resolver.resolve("outputs.example") == []
    await resolver.close()
    assert inner.closed


@pytest.mark.parametrize("allow_loopback", [True, False])
async def test_no_connection_is_made_to_what_a_public_name_hides(part, names, allow_loopback):
    """Even where this machine is allowed, a name of the open internet may not lead to it."""
    names["outputs.example"] = "127.0.0.1"
    async with (
        HostileServer([whole()]) as server,
        HttpDownloader(proxies={}, allow_loopback=allow_loopback) as downloader,
    ):
        with pytest.raises(DownloadError, match=r"private address: `outputs.example`") as caught:
            await downloader.fetch(f"https://outputs.example:{server.port}/a.mp4?{SECRET}", part)
        assert type(caught.value) is DownloadError
        assert SECRET not in caught.value.message
        assert server.connections == 0


async def test_redirect_to_a_name_that_hides_this_machine_is_refused(part, names):
    names["outputs.example"] = "127.0.0.1"
    async with HostileServer([whole()]) as inner:
        away = reply(302, Location=f"https://outputs.example:{inner.port}/admin?{SECRET}")
        async with (
            HostileServer([away]) as server,
            HttpDownloader(proxies={}, allow_loopback=True) as downloader,
        ):
            with pytest.raises(DownloadError, match="private address"):
                await downloader.fetch(f"{server.url}/a.mp4", part)
            assert len(server.seen) == 1
        assert inner.connections == 0


async def test_localhost_is_fetched_where_the_api_is_on_this_machine(part, names):
    names["localhost"] = "127.0.0.1"
    async with (
        HostileServer([whole()]) as server,
        HttpDownloader(proxies={}, allow_loopback=True) as downloader,
    ):
        fetched = await downloader.fetch(f"http://localhost:{server.port}/a.mp4?{SECRET}", part)
    assert fetched.sha256 == SHA


async def test_name_that_does_not_resolve_is_worth_another_fetch(part, names):
    async with HttpDownloader(proxies={}) as downloader:
        with pytest.raises(DownloadError, match=r"`outputs.example` cannot be started"):
            await downloader.fetch("https://outputs.example/a.mp4", part)


async def test_proxy_of_the_house_may_be_private_and_links_to_it_may_not(part, names):
    """The proxy resolves the link's name by itself; its own name is not judged, a link's is."""
    names["proxy.example"] = "127.0.0.1"
    async with HostileServer([reply(407)]) as proxy:
        proxies = {"https": f"http://proxy.example:{proxy.port}", "no": "proxy.example"}
        async with HttpDownloader(proxies=proxies) as downloader:
            with pytest.raises(DownloadError, match=r"outputs.example"):
                await downloader.fetch(f"https://outputs.example/a.mp4?{SECRET}", part)
            with pytest.raises(DownloadError, match=r"private address: `proxy.example`"):
                await downloader.fetch(f"https://proxy.example:{proxy.port}/a.mp4", part)
            with pytest.raises(DownloadError, match="not a safe link"):
                await downloader.fetch("https://10.0.0.1/a.mp4", part)
        assert [(seen.method, seen.path) for seen in proxy.seen] == [
            ("CONNECT", "outputs.example:443")
        ]
