"""A run's hold on its batch and its state file, looked after while it works."""

from __future__ import annotations

from pathlib import Path

from runner.clock import Clock
from runner.core.outcome import Reason
from runner.errors import DiskFull, StoreBusy, StoreGone, StoreLocked
from runner.store.lease import Lease

from .control import RunControl

#: how often a live run says so in its lease, in seconds
BEAT_S = 5.0


async def keep_lease(lease: Lease, state: Path, control: RunControl, *, clock: Clock) -> None:
    """Say that the run lives; stop it where it lost its lease or its state file.

    Raises:
        StoreGone: after the run was told to stop.
    """
    opened = _identity(state)
    while True:
        await clock.sleep(BEAT_S)
        if _identity(state) != opened:
            control.stop(Reason(exit_code=StoreGone.exit_code, message="the state file is gone"))
            raise StoreGone(
                f"the state file was moved, replaced or deleted during the run: {state}",
                hint="put it back before anything else: without it, every job would be paid again",
            )
        try:
            await lease.beat()
        except (StoreBusy, DiskFull):
            continue
        except StoreLocked as error:
            control.stop(Reason(exit_code=error.exit_code, message=error.message, hint=error.hint))
            return


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file a path leads to; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
