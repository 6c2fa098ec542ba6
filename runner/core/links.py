"""Which addresses may be talked to, and through which proxy. Nothing is resolved or opened."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True, kw_only=True, slots=True)
class Proxy:
    """An HTTP proxy; name and password are in the headers for it, not in its address."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def is_loopback(url: str) -> bool:
    """Whether the link's host is this machine: `localhost`, 127.0.0.0/8 or ::1."""
    host = host_of(url)
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
