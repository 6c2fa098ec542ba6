"""Does a state file still lie where its last run left it? A copy of it would pay again."""

from __future__ import annotations

import asyncio
from pathlib import Path

from runner.errors import StoreUntrusted
from runner.settings import Settings
from runner.store.filesystem import check_place
from runner.store.identity import home_of, is_home, why_not_home
from runner.store.store import JobStore

from .project import Project
from .sidecars import check_sidecars


async def check_state(store: JobStore, project: Project) -> None:
    """Nothing may be sent with a state file that is a copy, or older than the outputs on disk.

    For the holder of the batch's lease. A file without a home gets one.

    Raises:
        StoreUntrusted: a person has to look first, with `runway-batch doctor`.
    """
    await check_home(store, project.state)
    await check_sidecars(store, project.batch, project.output_dir)


async def check_home(store: JobStore, state: Path) -> None:
    """The home alone; where it only moved a little, the new place is noted.

    Raises:
        StoreUntrusted: it is a copy, or came from another machine.
    """
    care = store.care()
    known, found = await care.home(), await asyncio.to_thread(home_of, state)
    if known is not None and not is_home(known, found):
        raise StoreUntrusted(
            f"the state file may be a copy: {why_not_home(known, found)}: {state}",
            hint="where no other copy of it is in use, `runway-batch doctor --adopt` makes this its"
            " home",
        )
    if known != found:
        await care.take_home(found)


def check_state_place(state: Path, settings: Settings) -> None:
    """Refuse a network file system, unless the settings allow it. Before the file is opened.

    Raises:
        StoreError: it lies on one.
    """
    check_place(state, allowed=settings.state_on_network)
