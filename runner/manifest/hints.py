"""Hints that are worked out when somebody will see them: a good one may take longer than a job."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Hint: TypeAlias = str | Callable[[], str]


def hint_text(hint: Hint) -> str:
    """What it says; may be empty."""
    return hint if isinstance(hint, str) else hint()
