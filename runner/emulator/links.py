"""Signed links that expire: a `_jwt` query whose payload carries `exp`, as the service's own."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

_HEADER = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"  # {"alg":"HS256","typ":"JWT"}
_HIDDEN_END = "e"


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkSigner:
    """Makes and checks tokens. A token opens one path only."""

    secret: bytes = field(repr=False)

    def sign(self, path: str, now: float, life_s: float, *, tells_end: bool = True) -> str:
        """The path with a token that opens it for `life_s` from now.

        Args:
            tells_end: put the end where everybody looks for it; else under a name of our own.
        """
        end = "exp" if tells_end else _HIDDEN_END
        payload = {"path": path, "iat": round(now, 3), end: int(now + life_s)}
        head = f"{_HEADER}.{_encode(payload)}"
        return f"{path}?_jwt={head}.{self._mark(head)}"

    def allows(self, path: str, token: str, now: float) -> bool:
        """Whether the token is ours, belongs to the path and has not expired."""
        head, _, mark = token.rpartition(".")
        if not hmac.compare_digest(mark.encode(), self._mark(head).encode()):
            return False
        payload = _payload(head)
        return payload.get("path") == path and now < float(
            payload.get("exp", payload.get(_HIDDEN_END, 0))
        )

    def _mark(self, head: str) -> str:
        digest = hmac.new(self.secret, head.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return _base64(digest.digest())


def token_of(url: str) -> tuple[str, str]:
    """Path and token of a link; an empty token where there is none."""
    parts = urlsplit(url)
    return parts.path, parse_qs(parts.query).get("_jwt", [""])[0]


def _payload(head: str) -> Mapping[str, Any]:
    """Of a token whose signature was checked, so that it is known to be ours."""
    text = head.partition(".")[2]
    data = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return data if isinstance(data, Mapping) else {}


def _encode(value: Mapping[str, Any]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
