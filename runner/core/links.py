"""Which addresses may be talked to, through which proxy, and for how long a link lives.

Nothing is resolved or opened, and no signature is checked: that is for whoever made the link.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

_TOKEN = "_jwt"  # noqa: S105 - the name of the query parameter, not a secret
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: ASCII, and no last label that a resolver may read as a number: `127.1`, `0x7f.1`, `2130706433`
_NAME = re.compile(r"([a-z0-9_-]{1,63}\.)*(?!\d+\.?$|0x[0-9a-f]*\.?$)[a-z0-9_-]{1,63}\.?")
#: addresses of IPv6 whose last 32 bits are the IPv4 address that is meant
_CARRIERS = tuple(map(ipaddress.IPv6Network, ("::/96", "::ffff:0:0/96", "64:ff9b::/96")))
#: a link in a text: its scheme, what may be a password, its path, its query
_IN_TEXT = re.compile(
    r"(https?://)(?:[^\s/@`]{1,200}@)?([^\s\"'<>`?#]*)([?#][^\s\"'<>`]*)?", re.IGNORECASE
)
_TOKEN_IN_TEXT = re.compile(rf"({_TOKEN}=)[^\s\"'<>`&]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Proxy:
    """An HTTP proxy; name and password are in the headers for it, not in its address."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def without_signatures(text: str) -> str:
    """A text for a message: its links end with their path, for the rest of one can be a secret."""
    if "://" not in text and _TOKEN not in text:
        return text
    text = _IN_TEXT.sub(lambda link: f"{link[1]}{link[2]}{'?…' if link[3] else ''}", text)
    return _TOKEN_IN_TEXT.sub(r"\1…", text)


def is_loopback(url: str) -> bool:
    """Whether the link's host is this machine: `localhost`, 127.0.0.0/8 or ::1."""
    return is_loopback_host(host_of(url))


def is_loopback_host(host: str) -> bool:
    """Whether a host, or an address that a name led to, is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_safe(url: str) -> bool:
    """HTTPS to anywhere, or plain HTTP to this machine; no user name or password in it."""
    try:
        parts = urlsplit(url)
        if not parts.hostname or parts.username is not None or parts.port == 0:
            return False
    except ValueError:  # a broken port or IPv6 address
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(url))


def is_public_address(text: str) -> bool:
    """Whether an IP address belongs to the open internet: not private, local, reserved, multicast.

    Anything that is no address is not public.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        inner = _inner(address)
        if inner is not None:
            return is_public_address(str(inner))
        if address.scope_id is not None or address.is_site_local:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def may_fetch(url: str, *, allow_loopback: bool = False) -> bool:
    """Whether an output link may be followed, as far as it can be told without resolving its name.

    HTTPS, without user name, to a name or a public address; this machine only where allowed, then
    by plain HTTP as well.
    """
    if not is_safe(url):
        return False
    if is_loopback(url):
        return allow_loopback
    host = host_of(url)
    return _NAME.fullmatch(host) is not None or is_public_address(host)


def expires_at(link: str) -> datetime | None:
    """When a signed link ends: the `exp` of its token; None where that cannot be read."""
    try:
        token = parse_qs(urlsplit(link).query, max_num_fields=100)[_TOKEN][0]
        payload = token.split(".")[1]
        padded = payload + "=" * (-len(payload) % 4)
        seconds = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))["exp"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        return None
    try:
        return _EPOCH + timedelta(seconds=seconds) if math.isfinite(seconds) else None
    except OverflowError:
        return None


def host_of(url: str) -> str:
    """The host alone: all of a signed link that may be shown."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def proxy_for(url: str, proxies: Mapping[str, str]) -> Proxy | None:
    """The proxy to use, never for this machine.

    Args:
        url: where to.
        proxies: scheme to proxy, and `no` to a list of exceptions, as `urllib.request.getproxies`
            makes them of the environment.
    """
    host = host_of(url)
    if is_loopback(url) or _is_excepted(host, proxies.get("no", "")):
        return None
    proxy = proxies.get(urlsplit(url).scheme)
    return _parsed(proxy) if proxy else None


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an address of IPv6 leads to, by mapping, translation or a tunnel."""
    if any(address in carrier for carrier in _CARRIERS):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.sixtofour or (address.teredo[1] if address.teredo else None)


def _parsed(text: str) -> Proxy:
    parts = urlsplit(text if "://" in text else f"http://{text}")
    url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    if parts.username is None:
        return Proxy(url=url)
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    basic = base64.b64encode(login).decode()
    return Proxy(url=url, headers={"Proxy-Authorization": f"Basic {basic}"})


def _is_excepted(host: str, exceptions: str) -> bool:
    names = [name.strip().lower().lstrip("*").lstrip(".") for name in exceptions.split(",")]
    if any(name.strip() == "*" for name in exceptions.split(",")):
        return True
    return any(host == name or host.endswith(f".{name}") for name in names if name)
