"""What a run hands to all its parts."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runner.clock import Clock
from runner.core.policy import Patience, Policies
from runner.ports import Downloader, FrameReader, Store, TaskApi, Uploader

from .recorder import Recorder


@dataclass(frozen=True, kw_only=True, slots=True)
class Tools:
    """The outside world of one run, as ports, with time and chance."""

    batch: str
    api: TaskApi
    uploader: Uploader
    downloader: Downloader
    frames: FrameReader
    store: Store
    recorder: Recorder
    clock: Clock
    rng: random.Random
    policies: Policies
    patience: Patience
    output_dir: Path
    tool: str  # name and version, for sidecars
    #: says at once, outside of the state file, what the state file could not take
    rescue: Callable[[str], None]
    #: whose tasks these are, for the identity of attempts: base URL and salted mark of the key
    account: str = ""
