"""How much may go wrong before a batch, or a group of its jobs, is held."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class HaltLimits:
    """The manifest's `halt`; None = no limit."""

    failures: int | None = None  # failed jobs of the batch
    failures_share: float | None = None  # of its jobs that have ended, above 0 and up to 1
    same_error: int = 10  # one error, so often in a row
    refusals: int = 5  # by moderation, for one input or prompt
