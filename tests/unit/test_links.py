"""Which links may be followed, and when they end; nothing is resolved or opened."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.links import expires_at, is_public_address, may_fetch

PUBLIC = [
    "1.1.1.1", "8.8.8.8", "13.32.1.1", "2606:4700::1111", "2a00:1450:4001::1",
    "::ffff:8.8.8.8", "64:ff9b::808:808",
]  # fmt: skip
NOT_PUBLIC = [
    "0.0.0.0",  # noqa: S104 - nothing is bound to it
    "127.0.0.1", "127.9.9.9", "10.1.1.1", "172.16.0.1", "192.168.0.1", "169.254.169.254",
    "100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1",
    "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "2606:4700::1%1", "fc00::1",
    "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1", "64:ff9b:1::1",
    "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "2002:a00:1::", "2002:7f00:1::1",
    "", "localhost", "127.1", "2130706433", "0x7f000001", "1.1.1.1.",
]  # fmt: skip


@pytest.mark.parametrize("text", PUBLIC)
def test_public_address_is_known_as_one(text):
    assert is_public_address(text)


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_private_local_reserved_and_disguised_addresses_are_not_public(text):
    assert not is_public_address(text)


@pytest.mark.parametrize(
    "url",
    [
        "https://dnznrvs05pmza.cloudfront.net/a.mp4?_jwt=x",
        "https://outputs.example:8443/a",
        "https://outputs.example./a",
        "https://3com.example/a",
        "https://xn--bcher-kva.example/a",
        "https://1.1.1.1/a",
        "https://[2606:4700::1111]:444/a",
    ],
)
def test_link_to_the_open_internet_may_be_followed(url):
    assert may_fetch(url)
    assert may_fetch(url, allow_loopback=True)


@pytest.mark.parametrize(
    "url",
    [
        "http://outputs.example/a",
        "ftp://outputs.example/a",
        "file:///etc/passwd",
        "https:///a",
        "https://user@outputs.example/a",
        "https://user:pass@outputs.example/a",
        "https://@outputs.example/a",
        "https://outputs.example:0/a",
        "https://outputs.example:99999/a",
        "https://outputs.example\\@127.0.0.1/a",
        "https://out puts.example/a",
        "https://a..b/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://10.0.0.0x1/",
        "https://127.0.0.1./",
        "https://①②⑦.⓪.⓪.①/",
        "https://bücher.example/",
        "https://[::ffff:169.254.169.254]/latest/meta-data",
        "https://[fe80::1%25eth0]/",
        "https://[bad/",
        "",
        *(f"https://{host}/a" for host in ("10.0.0.1", "169.254.169.254", "[fd00::1]")),
    ],
)
def test_other_links_are_refused_even_where_this_machine_is_allowed(url):
    assert not may_fetch(url)
    assert not may_fetch(url, allow_loopback=True)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080/a", "https://127.0.0.1/a", "http://localhost:1/a",
        "http://LOCALHOST/a", "http://[::1]:9/a",
    ],
)  # fmt: skip
def test_this_machine_only_where_allowed(url):
    assert may_fetch(url, allow_loopback=True)
    assert not may_fetch(url)


@given(st.text(max_size=80) | st.from_regex(r"https://[^/]{0,40}/.{0,20}", fullmatch=True))
def test_no_text_breaks_the_judgement(url):
    assert may_fetch(url) <= may_fetch(url, allow_loopback=True)
    is_public_address(url)


@given(st.integers(min_value=0, max_value=2**32 - 1))
def test_disguises_of_an_address_are_judged_as_the_address(number):
    plain = ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))
    high, low = f"{number >> 16:x}", f"{number & 0xFFFF:x}"
    disguises = [f"::ffff:{plain}", f"64:ff9b::{high}:{low}", f"2002:{high}:{low}::1"]
    assert {is_public_address(text) for text in disguises} == {is_public_address(plain)}


# ---- the end of a link -----------------------------------------------------------------------


def link(payload: Any, *, query: str = "_jwt=") -> str:
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    text = base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    return f"https://outputs.example/a.mp4?{query}eyJhbGciOiJIUzI1NiJ9.{text}.c2ln"


def test_end_of_a_link_is_read_from_its_token():
    at = datetime(2026, 10, 24, 8, 0, tzinfo=UTC)
    assert expires_at(link({"exp": int(at.timestamp())})) == at
    assert expires_at(link({"exp": at.timestamp() + 0.5})) == at + timedelta(seconds=0.5)
    assert expires_at(link({"exp": int(at.timestamp())}, query="a=b&_jwt=")) == at


def test_end_is_read_by_whoever_made_the_token():
    """Written out, as the service sends them: no padding, `-` and `_` in the text."""
    text = "eyJwYXRoIjoiL2Y_fn5-Pj4-IiwiZXhwIjoxODAwMDAwMDAwfQ"
    url = f"https://dnznrvs05pmza.cloudfront.net/a.mp4?_jwt=eyJhbGciOiJIUzI1NiJ9.{text}.x-_"
    assert expires_at(url) == datetime(2027, 1, 15, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "exp",
    [None, True, "1800000000", [], {}, 0, -1, -1e300, 1e300, 10**30, 10**400, float("nan"),
     float("inf"), 253_402_300_800],
)  # fmt: skip
def test_end_that_is_no_time_cannot_be_read(exp):
    assert expires_at(link({"exp": exp})) is None


@pytest.mark.parametrize(
    "url",
    [
        "", "https://[bad", "https://outputs.example/a.mp4", "https://o.example/?_jwt=",
        "https://o.example/?_jwt=abc", "https://o.example/?_jwt=a.%ff.c", "https://o.example/?_jwt=a.ü.c",
        link({}), link([1]), link("text"), link(None), link(b"\xff\xfe"), link(b"{"),
        link(b"[" * 100_000), link(b'{"exp": ' + b"1" * 5000 + b"}"),
        link({"exp": 1_800_000_000}, query="jwt="),
        "https://o.example/?" + "a=b&" * 200,
    ],
)  # fmt: skip
def test_link_without_a_readable_token_has_no_known_end(url):
    assert expires_at(url) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(st.text(max_size=60), st.binary(max_size=60), JSON)
def test_nothing_breaks_the_reader(text, data, exp):
    for url in (text, f"https://o.example/?_jwt=a.{text}.b", link(data), link({"exp": exp})):
        at = expires_at(url)
        assert at is None or at.tzinfo is UTC


@given(st.integers(min_value=1, max_value=253_402_300_799))
def test_every_second_of_the_calendar_is_read(seconds):
    assert expires_at(link({"exp": seconds})) == datetime.fromtimestamp(seconds, UTC)
