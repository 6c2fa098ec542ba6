"""Which request a fault strikes: by filters, ordinal, chance and time. Knows nothing of HTTP.

Chance is a function of the scenario's seed, the fault and the ordinal of the request, so that one
fault's luck does not depend on what others draw.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections import defaultdict
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from runner.emulator.acceptance import Script
from runner.emulator.backend import ExtraKey

PLACES = (
    "create", "read", "cancel", "upload", "store", "organization", "usage", "download", "other",
    "any",
)  # fmt: skip
SERVICE_FAULTS = ("refuse", "drop", "lose", "deny", "delay", "garble")
TASK_FAULTS = ("fail", "throttle")
DOWNLOAD_FAULTS = (
    "cut", "short", "stall", "drip", "no_range", "wrong_range", "mixed_range", "changed",
    "wrong_length", "no_length", "gzip", "noise", "page", "expire", "redirect",
)  # fmt: skip
BODIES = ("json", "text", "html", "empty", "no_id")
#: how an answer fails to come
ENDINGS = ("close", "reset", "hang", "cut")


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What a fault is chosen by."""

    on: str
    method: str
    endpoint: str = ""
    model: str = ""
    prompt: str = ""
    subject: str = ""  # what `each` counts by: a task, or the digest of a create's body


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One rule. The fields are those of the text in scenario.py."""

    do: str
    on: str = "any"
    endpoint: str = "*"
    model: str = "*"
    prompt: str = "*"
    method: str = "*"
    nth: frozenset[int] = frozenset()  # empty: every one
    each: bool = False
    probability: float = 1.0
    count: int | None = None
    begin: float = 0.0
    end: float = math.inf
    status: int = 503
    error: str = ""
    body: str = "json"
    retry_after: str = ""
    location: str = ""
    how: str = "close"
    seconds: float = 0.0
    bytes: int = 0
    code: str | None = None
    after: float = 1.0
    refund: bool | None = None

    def concerns(self, request: Request, age_s: float = 0.0) -> bool:
        return (
            self.on in {"any", request.on}
            and self.begin <= age_s < self.end
            and fnmatchcase(request.endpoint, self.endpoint)
            and fnmatchcase(request.model, self.model)
            and fnmatchcase(request.prompt, self.prompt)
            and fnmatchcase(request.method, self.method)
        )

    @property
    def script(self) -> Script:
        """What it does to a task."""
        name = "" if self.do == "none" else self.do
        if self.do == "throttle":
            return Script(throttled_s=self.seconds, fault=name)
        if self.do != "fail":
            return Script(fault=name)
        keeps = None if self.refund is None else not self.refund
        return Script(
            fails=True, code=self.code, text=self.error, keeps_charge=keeps, after=self.after,
            fault=name,
        )  # fmt: skip


NO_FAULT = Fault(do="none")


@dataclass(frozen=True, kw_only=True, slots=True)
class Outage:
    """A time in which connections are refused. Seconds since the scenario came into force."""

    begin: float
    end: float


@dataclass(slots=True)
class _Count:
    seen: int = 0
    done: int = 0


@dataclass(kw_only=True)
class Scenario:
    """The faults of one emulator, and how often each has struck."""

    faults: tuple[Fault, ...] = ()
    outages: tuple[Outage, ...] = ()
    keys: tuple[ExtraKey, ...] = ()
    settings: dict[str, float | bool] = field(default_factory=dict)  # fields of `Knobs`
    rng: random.Random = field(default_factory=lambda: random.Random(0))
    began: float = 0.0  # Unix seconds at which it came into force

    def __post_init__(self) -> None:
        self._salt = self.rng.getrandbits(64)
        self._counts: defaultdict[tuple[int, str], _Count] = defaultdict(_Count)
        self._struck = [0] * len(self.faults)

    def choose(self, request: Request, now: float = 0.0) -> Fault:
        """The fault that strikes this request, or `NO_FAULT`."""
        chosen = NO_FAULT
        for index, fault in enumerate(self.faults):
            if fault.concerns(request, now - self.began):
                count = self._counts[index, request.subject if fault.each else ""]
                count.seen += 1
                if chosen is NO_FAULT and self._strikes(fault, index, request, count):
                    count.done += 1
                    self._struck[index] += 1
                    chosen = fault
        return chosen

    def struck(self) -> list[int]:
        """How often each fault has struck, in the order of the scenario."""
        return list(self._struck)

    def is_dark(self, now: float) -> bool:
        """Whether connections are refused at that moment."""
        return any(o.begin <= now - self.began < o.end for o in self.outages)

    def _strikes(self, fault: Fault, index: int, request: Request, count: _Count) -> bool:
        if fault.nth and count.seen not in fault.nth:
            return False
        if fault.count is not None and count.done >= fault.count:
            return False
        if fault.probability >= 1.0:
            return True
        subject = request.subject if fault.each else ""
        return _share(f"{self._salt}/{index}/{subject}/{count.seen}") < fault.probability


def _share(text: str) -> float:
    """A number from 0 to 1 that follows from a text."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
