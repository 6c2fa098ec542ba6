"""What a check of a body finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Path = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing wrong with a body; the path starts at the body."""

    path: Path
    message: str
    hint: str = ""
    severity: Literal["error", "warning"] = "error"


def dotted(path: Path) -> str:
    """`promptImage[0].uri`: a path as people write it."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")
