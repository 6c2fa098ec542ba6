"""Text of others, made fit to show: no control characters, no keys, no signed links, short."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

MOST_CHARS = 300
#: read of a long text at all; patterns never run over megabytes
_MOST_READ_CHARS = 4_000

_PATTERNS = (
    (re.compile(r"data:[\w/+.-]{1,60};base64,\S+"), "data:…"),
    (re.compile(r"runway://\S+"), "runway://…"),
    (re.compile(r"(https?://)[^\s/@]{1,200}@"), r"\1"),
    (re.compile(r"(https?://[^\s\"'<>?#]{1,500})[?#][^\s\"'<>]*"), r"\1?…"),
    (re.compile(r"\beyJ[\w-]{4,}\.[\w-]*\.?[\w-]*"), "…"),
    (re.compile(r"(?i)\b(bearer)\s+\S+"), r"\1 …"),
    (re.compile(r"\bkey_[0-9A-Za-z]{8,}"), "key_…"),
    (re.compile(r"(?i)\b(_jwt|token|sig|signature|policy|x-amz-[a-z-]{1,30})=[^\s&\"']+"), r"\1=…"),
)


def clean(text: str, *, secrets: Iterable[str] = (), most: int = MOST_CHARS) -> str:
    """One short line without control characters and without secrets.

    Args:
        text: whatever a server sent.
        secrets: exact strings that must not be shown, such as the key in use.
        most: characters kept.
    """
    plain = "".join(map(_visible, text[:_MOST_READ_CHARS]))
    plain = " ".join(without_secrets(plain, secrets=secrets).split())
    return plain if len(plain) <= most else plain[: most - 1] + "…"


def without_secrets(text: str, *, secrets: Iterable[str] = ()) -> str:
    """The text with keys, tokens and what follows a link's path as `…`; for short texts."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "…")
    for pattern, put in _PATTERNS:
        text = pattern.sub(put, text)
    return text


def _visible(char: str) -> str:
    """White space as a space; control, format and surrogate characters as nothing."""
    if char.isspace():
        return " "
    return "" if unicodedata.category(char).startswith("C") else char
