"""Parts of the engine alone: tools of which a part needs only some."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from runner.core.policy import Patience, Policies
from runner.engine.recorder import Recorder
from runner.engine.tools import Tools
from runner.testing import FakeClock, FakeDownloader, FakeFrames, FakeUploader


def tools_with(*, clock: FakeClock, **parts: Any) -> Tools:
    """Tools with these parts; nothing else is there, so nothing else may be used."""
    store: Any = parts.get("store")
    policies = parts.get("policies", Policies())
    return Tools(
        batch="b",
        api=parts.get("api"),
        uploader=FakeUploader(),
        downloader=FakeDownloader(clock),
        frames=FakeFrames(),
        store=store,
        recorder=Recorder(store, [], clock=clock),
        clock=clock,
        rng=random.Random(1),
        policies=policies,
        patience=parts.get("patience", Patience(policies.patience_s)),
        output_dir=Path("/out"),
        tool="test",
        rescue=lambda _message: None,
    )
