"""Which error an answer is: decided once, here, from tables.

The tables follow Runway's error documentation; what it does not document is, for a create, taken
as "may have arrived", because a create is paid the moment it is accepted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType

from runner.core.spec import Json
from runner.errors import (
    AccountError,
    ApiError,
    PermanentApiError,
    SubmitUncertain,
    TransientApiError,
)

from .redact import clean
from .shapes import parse
from .wire import BASE_URL

#: answers to a create which prove that nothing was created; any other error is in doubt
CREATE_REFUSALS: Mapping[int, type[ApiError]] = MappingProxyType(
    {
        400: PermanentApiError,
        401: AccountError,
        402: AccountError,
        403: AccountError,
        404: PermanentApiError,
        405: PermanentApiError,
        413: PermanentApiError,
        415: PermanentApiError,
        422: PermanentApiError,
        429: TransientApiError,
    }
)
#: answers to everything that costs nothing to repeat; 5xx are transient, the rest permanent
READ_ERRORS: Mapping[int, type[ApiError]] = MappingProxyType(
    {
        401: AccountError,
        402: AccountError,
        403: AccountError,
        408: TransientApiError,
        429: TransientApiError,
    }
)

#: a longer wish of the server is not believed
MOST_RETRY_AFTER_S = 86_400.0
MOST_ISSUES = 5

_NO_CREDITS = re.compile(r"enough credits|insufficient credits|out of credits", re.IGNORECASE)
_WRONG_HOST = re.compile(r"hostname", re.IGNORECASE)
_SERVICE_EXIT = 5
_GONE = 404

_HINTS: Mapping[type[ApiError], str] = MappingProxyType(
    {
        AccountError: "check the key in `RUNWAYML_API_SECRET`",
        SubmitUncertain: "it is held and never sent again by itself: see `runway-batch resolve`",
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An HTTP answer as it came, unpacked; the body is empty where it did not come whole."""

    status: int
    headers: Mapping[str, str] = field(repr=False)  # names in lower case
    body: bytes = field(repr=False)

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Lost:
    """No answer came."""

    began: bool  # a connection was made: the request may have arrived
    reason: str


def create_error(answer: Answer, *, now: datetime, secrets: Sequence[str] = ()) -> ApiError:
    """The error that a create's answer is."""
    return _error(answer, _create_class(answer), "the create", now, secrets)


def read_error(
    answer: Answer, what: str, *, now: datetime, secrets: Sequence[str] = ()
) -> ApiError:
    """The error that the answer to anything else is.

    Args:
        what: was asked for, for the message: `the task`.
    """
    return _error(answer, _read_class(answer), what, now, secrets)


def task_error(answer: Answer, *, now: datetime, secrets: Sequence[str] = ()) -> ApiError:
    """The error that the answer to a task's read is.

    Only the API itself can say that a task is gone: another's 404, such as a proxy's page, says
    nothing about what was paid.
    """
    kind = _read_class(answer)
    if answer.status == _GONE and not _error_text(parse(answer.body)):
        kind = TransientApiError
    return _error(answer, kind, "the task", now, secrets)


def lost_create(lost: Lost) -> ApiError:
    """A create without an answer: nothing happened only where no connection was made."""
    if not lost.began:
        return TransientApiError(f"Runway cannot be reached: {lost.reason}")
    return SubmitUncertain(
        f"the create's answer was lost, it may have arrived: {lost.reason}",
        hint=_HINTS[SubmitUncertain],
    )


def unreadable_create(answer: Answer) -> SubmitUncertain:
    """Accepted, but the answer names no task."""
    return SubmitUncertain(
        f"the create was accepted ({answer.status}), but its answer names no task",
        status=answer.status,
        hint=_HINTS[SubmitUncertain],
    )


def unreadable(answer: Answer, what: str) -> TransientApiError:
    """A success whose body makes no sense, as from a hotel's login page."""
    return TransientApiError(
        f"the answer for {what} cannot be read ({answer.status})", status=answer.status
    )


def lost_read(lost: Lost) -> TransientApiError:
    """Something repeatable without an answer."""
    return TransientApiError(f"Runway cannot be reached: {lost.reason}")


def http_date(text: str) -> datetime | None:
    """The time that a header says, aware; None where it cannot be read."""
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """How long the server asks to wait: `retry-after-ms`, or `Retry-After` as seconds or date."""
    milliseconds = _seconds(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return _within_reason(milliseconds / 1000)
    text = headers.get("retry-after", "").strip()
    seconds = _seconds(text)
    if seconds is None and (at := http_date(text)) is not None:
        seconds = (at - now).total_seconds()
    return None if seconds is None else _within_reason(seconds)


def _create_class(answer: Answer) -> type[ApiError]:
    if 300 <= answer.status < 400:
        return AccountError  # never followed; every other create would go the same wrong way
    if answer.status == 503 and _error_text(parse(answer.body)):
        return TransientApiError  # the API itself turned it away, not a proxy before or behind it
    found = CREATE_REFUSALS.get(answer.status, SubmitUncertain)
    return AccountError if _lacks_credits(answer) else found


def _read_class(answer: Answer) -> type[ApiError]:
    if answer.status >= 500:
        return TransientApiError
    found = READ_ERRORS.get(answer.status, PermanentApiError)
    return AccountError if _lacks_credits(answer) else found


def _lacks_credits(answer: Answer) -> bool:
    """Runway has no code for it: a 400 whose text says so."""
    if answer.status != 400:
        return False
    return _NO_CREDITS.search(_error_text(parse(answer.body))) is not None


def _error(
    answer: Answer, kind: type[ApiError], what: str, now: datetime, secrets: Sequence[str]
) -> ApiError:
    text = clean(_told(answer, kind), secrets=secrets)
    error = kind(
        f"{what} was answered with {answer.status}{': ' if text else ''}{text}",
        status=answer.status,
        hint=_hint(answer, kind),
        retry_after_s=retry_after_s(answer.headers, now),
    )
    if 300 <= answer.status < 400:
        error.exit_code = _SERVICE_EXIT  # the address is wrong, not the request
    return error


def _hint(answer: Answer, kind: type[ApiError]) -> str:
    if 300 <= answer.status < 400:
        return "redirects are not followed: check the base URL"
    if _WRONG_HOST.search(_error_text(parse(answer.body))):
        return f"use the base URL `{BASE_URL}`"
    if _lacks_credits(answer) or answer.status == 402:
        return "buy credits for the account, then `runway-batch run` again"
    return _HINTS.get(kind, "")


def _told(answer: Answer, kind: type[ApiError]) -> str:
    """What the server says, or for a doubtful create what it means."""
    data = parse(answer.body)
    text = "; ".join([_error_text(data), *_issues(data)]).strip("; ")
    if kind is SubmitUncertain:
        return f"it may have arrived{': ' if text else ''}{text}"
    return text


def _error_text(data: Json) -> str:
    """The text of an error body in the API's own form, else nothing."""
    text = data.get("error") if isinstance(data, dict) else None
    return text if isinstance(text, str) else ""


def _issues(data: Json) -> Iterator[str]:
    """`ratio: expected one of …`, for the first problems of a refused body."""
    issues = data.get("issues") if isinstance(data, dict) else None
    for issue in issues[:MOST_ISSUES] if isinstance(issues, list) else ():
        if isinstance(issue, dict) and isinstance(issue.get("message"), str):
            path = issue.get("path")
            names = ".".join(map(str, path)) if isinstance(path, list) else ""
            yield f"{names}: {issue['message']}" if names else issue["message"]


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None


def _within_reason(seconds: float) -> float:
    return min(MOST_RETRY_AFTER_S, max(0.0, seconds))
