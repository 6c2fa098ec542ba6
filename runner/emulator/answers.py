"""Refusals: HTTP answers that are no success, with the service's own words where they are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Issue = Mapping[str, Any]

DOC_URL = "https://docs.dev.runwayml.com/api"


class Refusal(Exception):
    """An answer that ends the request: nothing was created, nothing charged."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(f"{status}: {body.get('error')}")
        self.status = status
        self.body = body


def refusal(status: int, text: str, **more: Any) -> Refusal:
    return Refusal(status, {"error": text, **more})


def invalid_body(issues: Sequence[Issue]) -> Refusal:
    """All problems of a body at once."""
    return refusal(400, "Validation of body failed", issues=list(issues), docUrl=DOC_URL)


def no_task() -> Refusal:
    return refusal(404, "Could not find Task")


def not_found(what: str) -> Refusal:
    return refusal(404, f"Could not find {what}")


def bad_key() -> Refusal:
    return refusal(401, "The API key you provided is missing, invalid or disabled.")


def no_version(wanted: str) -> Refusal:
    return refusal(400, f"The X-Runway-Version header is missing or unknown; send {wanted}.")


def wrong_host() -> Refusal:
    return refusal(400, "Incorrect hostname for API key.")


def no_credits() -> Refusal:
    return refusal(400, "You do not have enough credits to run this task.")


def daily_limit(lane: str) -> Refusal:
    return refusal(429, f"You have reached the daily generation limit of {lane}.")


def no_eligible_model(pipeline: Sequence[Any], emptied_by: Sequence[str]) -> Refusal:
    return refusal(
        400,
        "No eligible model for this request.",
        code="no_eligible_model",
        pipeline=list(pipeline),
        emptiedBy=list(emptied_by),
    )


def issue(code: str, path: Sequence[str | int], message: str) -> Issue:
    return {"code": code, "path": list(path), "message": message}
