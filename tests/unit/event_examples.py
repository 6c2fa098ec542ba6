"""Events of every kind, in every way in which they differ for the table of moves and the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from runner.core.events import (
    Added,
    Adopted,
    Cancelled,
    CancelRequested,
    DownloadDelayed,
    Downloaded,
    Edited,
    Event,
    Flagged,
    GaveUp,
    Held,
    Imported,
    PollSuspended,
    Refreshed,
    Renamed,
    Reopened,
    Requeued,
    Resolved,
    RetryScheduled,
    Running,
    Skipped,
    SubmitRefused,
    SubmitStarted,
    SubmitUnknown,
    TaskAccepted,
    TaskSucceeded,
    Verdict,
    Verified,
)
from runner.core.job import OutputFile
from runner.testing import START, make_spec

NOW = START + timedelta(minutes=3)
LATER = NOW + timedelta(seconds=30)
OUTPUT = OutputFile(index=0, path="a.mp4", bytes=3, sha256="abc", media_type="video/mp4")
#: what a charge may be: not named, nothing, less or more than what is set aside (25)
CHARGES: Sequence[int | None] = (None, 0, 5, 40)

EXAMPLES: Sequence[Event] = (
    Added(at=NOW, spec=make_spec("a"), position=4),
    Edited(at=NOW, spec=make_spec("a", model="veo3.1"), position=2),
    Flagged(at=NOW, stale=True, orphaned=False, accepted=True),
    Renamed(at=NOW, spec=make_spec("z"), position=7, was="a"),
    Refreshed(at=NOW, spec=make_spec("a", body={"promptText": "new"}), position=3),
    Adopted(at=NOW, spec=make_spec("a"), position=5, task_id="t8", outputs=(OUTPUT,),
            consumed=("def",), source="old/a"),
    SubmitStarted(at=NOW, reserve=25, consumed=("def",), identity="1f"),
    *(TaskAccepted(at=NOW, task_id="t1", estimated=asked) for asked in (30, None, 3)),
    SubmitUnknown(at=NOW, reason="connection reset"),
    SubmitRefused(at=NOW, not_before=LATER, code="HTTP_429", reason="busy"),
    Running(at=NOW),
    *(TaskSucceeded(at=NOW, credits=credits) for credits in CHARGES),
    Verified(at=NOW, output=OUTPUT),
    Downloaded(at=NOW),
    DownloadDelayed(at=NOW, not_before=LATER, reason="cut"),
    *(
        RetryScheduled(at=NOW, not_before=LATER, code="INTERNAL", reason="x", credits=credits)
        for credits in CHARGES
    ),
    *(GaveUp(at=NOW, code="SAFETY", reason="no", credits=credits) for credits in CHARGES),
    PollSuspended(at=NOW, reason="no answer for 30 minutes"),
    Skipped(at=NOW, parent="p"),
    Held(at=NOW, code="MODERATION", reason="5 refusals", group="asset:x"),
    CancelRequested(at=NOW),
    *(Cancelled(at=NOW, reason="by a person", credits=credits) for credits in CHARGES),
    Reopened(at=NOW),
    *(
        Imported(at=NOW, task_id="t7", outputs=(OUTPUT,), credits=credits)
        for credits in CHARGES
    ),
    Requeued(at=NOW),
    *(Resolved(at=NOW, verdict=verdict, task_id="t9") for verdict in Verdict),
)  # fmt: skip


def examples_of(kind: type[Any]) -> list[Event]:
    """All examples of one kind of event."""
    return [event for event in EXAMPLES if type(event) is kind]
