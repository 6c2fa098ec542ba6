"""The emulator as a process of its own."""

from __future__ import annotations

from collections.abc import Callable

from runner.clock import Clock
from runner.core.catalog import Catalog
from runner.emulator.options import EmulatorOptions
from runner.emulator.server import Emulator
from runner.errors import UsageError

CHECK_S = 1.0  # how often an idle emulator looks whether it is still needed
FOREVER_S = 3600.0


async def serve(
    options: EmulatorOptions, catalog: Catalog, clock: Clock, ready: Callable[[str], None]
) -> None:
    """Serve until cancelled, or until nobody asked for `idle_exit_s`.

    Args:
        ready: called once with the base URL, when requests are answered.

    Raises:
        UsageError: the port, the world or the scenario cannot be used.
        MissingExtra: playable media need the extra `media`.
    """
    emulator = Emulator(catalog, clock, options)
    try:
        await emulator.start()
        ready(emulator.url)
        while not _is_idle(emulator, clock):
            await clock.sleep(FOREVER_S if options.idle_exit_s is None else CHECK_S)
    except OSError as error:
        raise UsageError(
            f"the emulator cannot listen on `{options.host}:{options.port}` ({error.strerror})",
            hint="choose another port with `--port`, or 0 for any free one",
        ) from error
    finally:
        await emulator.stop()


def _is_idle(emulator: Emulator, clock: Clock) -> bool:
    limit = emulator.options.idle_exit_s
    return limit is not None and clock.monotonic() - emulator.last_request >= limit
