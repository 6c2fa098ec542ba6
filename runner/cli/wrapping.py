"""Text broken into lines, but never inside an amount of money, a moment or a command."""

from __future__ import annotations

import re
import textwrap

_HARD = "\N{NO-BREAK SPACE}"
# `1,250 cr ($12.50)`, `2026-01-02 03:10`, `run --refresh stale`
_WHOLE = re.compile(r"-?[\d,]+ cr(?: \(-?\$[\d,.]+\))?|\d{4}-\d\d-\d\d \d\d:\d\d|`[^`]{1,40}`")


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most so many cells; a longer word has a line of its own."""
    whole = _WHOLE.sub(lambda found: found[0].replace(" ", _HARD), text)
    lines = textwrap.wrap(whole, max(1, width), break_long_words=False, break_on_hyphens=False) or [
        ""
    ]
    return [line.replace(_HARD, " ") for line in lines]
