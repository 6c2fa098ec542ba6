"""How a run ended, and the exit code that says so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

#: where several apply, the first of these is the exit code; `--json` lists all
EXIT_ORDER = (1, 2, 6, 130, 143, 4, 5, 11, 8, 7, 10, 3)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """Why a run ended with work left, or ended badly."""

    exit_code: int
    message: str
    hint: str = ""


def exit_code_of(reasons: Iterable[Reason]) -> int:
    """0 where there is no reason: all done and verified."""
    codes = {reason.exit_code for reason in reasons}
    return next((code for code in EXIT_ORDER if code in codes), 0)
