"""What a run, and `fetch`, work with: client, uploader, downloader and recorder, joined once."""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from runner import __version__
from runner.clock import Clock, ServiceClock
from runner.core.links import is_loopback
from runner.core.policy import Patience, Policies
from runner.downloads.atomic import write_bytes
from runner.downloads.downloader import HttpDownloader
from runner.engine.recorder import Recorder
from runner.engine.tools import Tools
from runner.media.frames import FrameFolder
from runner.ports import Listener
from runner.runway.client import RunwayClient
from runner.runway.transport import ApiSettings
from runner.runway.uploads import FormUploader
from runner.settings import Settings
from runner.store.store import JobStore

_log = logging.getLogger(__name__)

TOOL = f"runway-batch {__version__}"
#: in the output folder: ids of paid tasks that the state file could not take
RESCUE_FILE = "runway-batch-rescue.txt"
#: beside the state file: stills of videos that later jobs begin with
FRAMES = "frames"


@dataclass(frozen=True, kw_only=True, slots=True)
class Workplace:
    """Where and how one process works on one batch."""

    batch: str
    state: Path
    output_dir: Path
    settings: Settings
    policies: Policies
    clock: Clock
    rng: random.Random
    listeners: Sequence[Listener] = ()

    def rescuer(self) -> Callable[[str], None]:
        """Says a paid task's id that the state file cannot take: to the log, beside the outputs."""

        def rescue(text: str) -> None:
            _log.critical("not recorded: %s", text)
            with suppress(OSError), (self.output_dir / RESCUE_FILE).open("a") as file:
                file.write(f"{self.clock.now():%Y-%m-%d %H:%M:%S} {text}\n")

        return rescue


@asynccontextmanager
async def open_tools(store: JobStore, place: Workplace) -> AsyncIterator[Tools]:
    """The outside world as ports; connections are closed at the end."""
    heard = place.clock.heard if isinstance(place.clock, ServiceClock) else None
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            RunwayClient(api_settings(place.settings), clock=place.clock, heard=heard)
        )
        cache = store.uploads(place.settings.service)
        uploader = FormUploader(client, cache, clock=place.clock, rng=place.rng)
        downloader = HttpDownloader(
            user_agent=f"runway-batch/{__version__}",
            allow_loopback=is_loopback(place.settings.base_url),
        )
        yield Tools(
            batch=place.batch,
            api=client,
            uploader=await stack.enter_async_context(uploader),
            downloader=await stack.enter_async_context(downloader),
            frames=FrameFolder(place.state.parent / FRAMES, write_bytes),
            store=store,
            recorder=Recorder(store, place.listeners, clock=place.clock),
            clock=place.clock,
            rng=place.rng,
            policies=place.policies,
            patience=Patience(place.policies.patience_s),
            output_dir=place.output_dir,
            tool=TOOL,
            rescue=place.rescuer(),
        )


def api_settings(settings: Settings) -> ApiSettings:
    """What the client needs; `AccountError` where there is no key."""
    return ApiSettings(key=settings.need_key(), version=__version__, base_url=settings.base_url)
