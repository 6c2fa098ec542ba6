"""The named points at which a victim may die, and how often each is chosen.

Pure names: what they stand for in a victim is in fuse.py.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """Passes of a run among which one is chosen, and the weight of the choice."""

    passes: int = 3
    weight: int = 1


def _both(name: str, **point: int) -> dict[str, Point]:
    return {f"before {name}": Point(**point), f"after {name}": Point(**point)}


#: of a run
RUN_POINTS: Mapping[str, Point] = {
    # the create, from intent to recorded answer
    **_both("commit of SubmitStarted", passes=4, weight=4),
    "create asked": Point(passes=4, weight=2),
    "create sent": Point(passes=4, weight=4),
    "create answered": Point(passes=4, weight=4),
    **_both("commit of TaskAccepted", passes=4, weight=4),
    **_both("commit of SubmitRefused"),
    **_both("commit of SubmitUnknown"),
    "upload answered": Point(passes=2),
    # the task's end
    "read answered": Point(passes=20, weight=2),
    **_both("commit of Running"),
    **_both("commit of TaskSucceeded", passes=4, weight=2),
    **_both("commit of RetryScheduled", passes=1),
    **_both("commit of GaveUp", passes=1),
    # its files
    **_both("piece", passes=12, weight=2),
    **_both("fsync of a part", passes=8),
    **_both("state of a part", passes=8),
    **_both("fetch", passes=4),
    **_both("commit of Verified", passes=4, weight=2),
    **_both("link", passes=4, weight=2),
    **_both("replace", passes=8),
    **_both("place", passes=4),
    **_both("sidecar", passes=4),
    **_both("commit of Downloaded", passes=4, weight=2),
    # the run itself
    **_both("lease", passes=1),
    **_both("heal", passes=1),
    **_both("commit of Added", passes=1),
    **_both("commit of Held", passes=1),
    **_both("commit of Skipped", passes=1),
}
#: of runs that share caps, slots and quotas: where one has counted and the other has not
CROWD_POINTS: Mapping[str, Point] = {
    name: RUN_POINTS[name]
    for name in (
        "before commit of SubmitStarted", "after commit of SubmitStarted", "create sent",
        "create answered", "before commit of TaskAccepted", "after commit of TaskAccepted",
        "before commit of TaskSucceeded", "after commit of TaskSucceeded", "after link",
        "before commit of Downloaded", "after lease", "after heal", "after commit of Added",
    )
}  # fmt: skip
#: of a run that is asked to cancel
CANCEL_POINTS: Mapping[str, Point] = {
    **_both("commit of CancelRequested", passes=2, weight=2),
    "cancel asked": Point(passes=2),
    "cancel sent": Point(passes=2, weight=2),
    "cancel answered": Point(passes=2, weight=2),
    **_both("commit of Cancelled", passes=2, weight=2),
}
#: of a short command that decides about jobs
DECISION_POINTS: Mapping[str, Point] = {
    **_both("commit of Resolved", passes=1),
    **_both("commit of Requeued", passes=2),
}
_OF_FILES = (
    "piece", "part", "fetch", "Verified", "link", "replace", "place", "sidecar", "Downloaded",
    "read", "lease", "heal",
)  # fmt: skip
#: of a command that downloads
FETCH_POINTS: Mapping[str, Point] = {
    **_both("commit of Reopened", passes=1, weight=3),
    **{
        name: point for name, point in RUN_POINTS.items() if any(word in name for word in _OF_FILES)
    },
}
AFTER_MIGRATION = "after commit of migration"
#: of the first command after an upgrade
MIGRATION_POINTS: Mapping[str, Point] = {
    "in migration": Point(passes=60, weight=6),
    AFTER_MIGRATION: Point(passes=1),
}


def choose(points: Mapping[str, Point], rng: random.Random) -> tuple[str, int]:
    """A point, and at which of its passes: rather an early one, which is more often reached."""
    [name] = rng.choices(list(points), [point.weight for point in points.values()])
    passes = points[name].passes
    return name, min(rng.randint(1, passes), rng.randint(1, passes))


def kind_of_request(method: str, path: str) -> str:
    """`create`, `read`, `cancel`, `upload` or `account`, as the client means it."""
    path = path.partition("?")[0]
    if path.startswith("/v1/organization"):
        return "account"
    if path.startswith("/v1/uploads"):
        return "upload"
    return {"POST": "create", "DELETE": "cancel"}.get(method, "read")
