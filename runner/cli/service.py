"""Where a short command asks for tasks: Runway, or the emulator that the batch ran on."""

from __future__ import annotations

from dataclasses import replace

from runner.clock import SystemClock
from runner.settings import Settings

from .emulator_process import SPEED, ensure_emulator
from .options import Flags
from .places import emulator_home, emulator_settings, folder_of


async def service_settings(flags: Flags, target: str | None, *, emulator: bool) -> Settings:
    """Settings with the address of the service; starts the emulator where it does not run."""
    if not emulator:
        return flags.settings()
    home = emulator_home(folder_of(target))
    card = await ensure_emulator(home, speed=SPEED, clock=SystemClock())
    return replace(emulator_settings(flags, home, speed=card.speed), base_url=card.url)
