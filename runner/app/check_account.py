"""Runway as `doctor` sees it: reachable, the key accepted, the clocks alike. Never required."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from runner.clock import Clock
from runner.core.credits import format_credits
from runner.errors import AccountError, ApiError
from runner.runway.client import RunwayClient
from runner.settings import Settings

from .checks import Check, fail, ok, warn
from .toolbox import api_settings

#: somebody waits at the terminal
PATIENCE_S = 15.0
#: quotas and links are judged by Runway's clock anyway; more than this deserves a word
MOST_OFFSET = timedelta(seconds=30)
ACCOUNT = "account"


async def account_checks(settings: Settings, clock: Clock) -> list[Check]:
    """One read of the account where there is a key; free, and changes nothing."""
    if settings.key is None:
        return [ok(ACCOUNT, "no key: Runway was not asked")]
    offsets: list[timedelta] = []

    def heard(date: datetime, asked_at: datetime, answered_at: datetime) -> None:
        offsets.append(date - asked_at - (answered_at - asked_at) / 2)

    client = RunwayClient(api_settings(settings), clock=clock, heard=heard)
    try:
        async with asyncio.timeout(PATIENCE_S), client:
            organization = await client.get_organization()
    except AccountError as error:
        return [fail(ACCOUNT, error.message, error.hint, exit_code=error.exit_code)]
    except (ApiError, TimeoutError) as error:
        text = error.message if isinstance(error, ApiError) else "no answer in time"
        return [warn(ACCOUNT, f"Runway cannot be reached: {text}")]
    balance = format_credits(organization.credit_balance)
    return [ok(ACCOUNT, f"the key is accepted; {balance} left"), *map(_clock, offsets[:1])]


def _clock(offset: timedelta) -> Check:
    seconds = abs(offset).total_seconds()
    if abs(offset) <= MOST_OFFSET:
        return ok("clock", "agrees with Runway's")
    way = "behind" if offset > timedelta() else "ahead of"
    hint = "runs go by Runway's clock; set this one right all the same"
    return warn("clock", f"{seconds:,.0f} s {way} Runway's", hint)
