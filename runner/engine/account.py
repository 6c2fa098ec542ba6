"""Reads the account beside the work: limits, daily use and balance, and keeps the readings.

Limits may change, others may spend, slots free with time: so the account is read every few
minutes, at once where somebody needs to know, and never in the way of a create.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from runner.core.limits import Slots
from runner.core.outcome import Reason
from runner.core.task import Reading
from runner.errors import (
    AccountError,
    DiskFull,
    PermanentApiError,
    StoreError,
    TransientApiError,
)

from .rules import Rules
from .tools import Tools
from .waiting import sleep_or

#: seconds between two readings that somebody asked for
LEAST_S = 5.0


class AccountWatch:
    """Keeps what a run knows of its account up to date."""

    def __init__(self, tools: Tools, slots: Slots, rules: Rules, told: Callable[[], None]) -> None:
        self._tools = tools
        self._slots = slots
        self._told = told
        self._wanted = asyncio.Event()
        self._pause_s = LEAST_S  # before the next reading, whoever asks for it
        self._failures = 0
        policies = tools.policies
        self._every_s = policies.balance_s if rules.keeps_balance else policies.account_s
        #: set after each try, whatever came of it
        self.read = asyncio.Event()
        #: the key was refused, or there is no account to read
        self.refused: Reason | None = None

    def want(self) -> None:
        """Read as soon as may be."""
        self._wanted.set()

    async def watch(self) -> None:
        """Read again and again, until cancelled."""
        while True:
            await sleep_or(self._tools.clock, self._every_s, self._wanted)
            self._wanted.clear()
            await self.read_once()
            await self._tools.clock.sleep(self._pause_s)

    async def read_once(self) -> None:
        """One reading; without an answer what is known stays."""
        asked_at = self._tools.clock.now()
        try:
            organization = await self._tools.api.get_organization()
        except AccountError as error:
            self.refused = Reason(exit_code=error.exit_code, message=error.message, hint=error.hint)
        except TransientApiError as error:
            self._wait_after(error)
        except PermanentApiError:
            return
        else:
            self.refused = None
            self._failures, self._pause_s = 0, LEAST_S
            self._slots.learn(organization)
            reading = Reading(
                asked_at=asked_at, answered_at=self._tools.clock.now(), organization=organization
            )
            await self._keep(reading)
        self.read.set()
        self._told()

    def _wait_after(self, error: TransientApiError) -> None:
        """Ask until an answer comes, in an outage more and more seldom."""
        self._failures += 1
        self._pause_s = self._tools.policies.reading.delay(
            self._failures, self._tools.rng, retry_after_s=error.retry_after_s
        )
        self._wanted.set()

    async def _keep(self, reading: Reading) -> None:
        try:
            await self._tools.store.note_reading(self._tools.batch, reading)
        except StoreError:
            self._wanted.set()  # locked for the moment: what is on disk is only older
        except DiskFull:
            return  # nothing is sent meanwhile
