"""What `doctor` says of one thing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"  # works, but somebody should know
    FAIL = "fail"  # a run would be refused, or could go wrong


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    result: Result
    message: str
    hint: str = ""
    exit_code: int = 0  # of a failure


def ok(name: str, message: str) -> Check:
    return Check(name=name, result=Result.OK, message=message)


def warn(name: str, message: str, hint: str = "") -> Check:
    return Check(name=name, result=Result.WARN, message=message, hint=hint)


def fail(name: str, message: str, hint: str = "", *, exit_code: int) -> Check:
    return Check(name=name, result=Result.FAIL, message=message, hint=hint, exit_code=exit_code)
