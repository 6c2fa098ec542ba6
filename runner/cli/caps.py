"""Caps for people: their names, and one order in every view."""

from __future__ import annotations

from collections.abc import Iterable

from runner.core.ledger import Cap

_WORDS = {"run": "this run", "day": "24 hours", "month": "30 days", "balance": "balance to spare"}
_ORDER = ("batch", "run", "model", "tag", "day", "month", "balance")


def cap_words(name: str) -> str:
    """A cap's name for people: those of runs carry an id that says nothing to them."""
    return _WORDS.get(name.partition(":")[0], name)


def limit_words(name: str) -> str:
    """What holds jobs of a plan back, as the subject of a sentence."""
    kind, _, lane = name.partition(":")
    if kind == "quota":
        return f"the daily quota of `{lane}`"
    if kind in {"model", "tag"}:
        return f"the cap of {kind} `{lane}`"
    return {"batch": "the budget", "balance": "the balance"}.get(
        kind, f"the cap of {cap_words(name)}"
    )


def in_order(caps: Iterable[Cap]) -> list[Cap]:
    """From the batch's own to those that it shares with others."""
    return sorted(caps, key=lambda cap: (_ORDER.index(cap.name.partition(":")[0]), cap.name))


def is_of_run(cap: Cap) -> bool:
    """It means nothing any more once that run has ended."""
    return cap.name.startswith("run:")
