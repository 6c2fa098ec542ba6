"""Scripted faults: which request, what goes wrong, how often.

A scenario is YAML (or the same as JSON, or as Python data):

    keys:                                # accounts besides `key_emulator`
      - {key: key_poor, credits: 5, tier: 1}
      - {key: key_new, same_account_as: key_emulator}      # a rotated key
      - {key: key_off, disabled: true}                     # 401
    faults:
      - on: create                       # create, read, cancel, upload, store, organization,
                                         # usage, download, other or any
        endpoint: image_to_video         # glob; for read, cancel, download: of the task
        model: "gen4_*"                  # glob
        method: POST
        nth: 3                           # the third matching request; [1, 3] or "2-5" too
        probability: 0.3                 # of each matching request, from the seeded rng
        count: 2                         # at most so often
        do: refuse                       # and what goes wrong:

`refuse`      status (503), error (text), body (`json`, `text` or `empty`), retry_after (seconds,
              or an HTTP date as text); nothing is created
`drop`        the connection is cut before the request is looked at
`lose`        the request is carried out, then the connection is cut without an answer: a create
              made its task and charged for it
`delay`       the request is carried out, the answer comes `seconds` later
`garble`      the request is carried out, the answer is 200 and no JSON
`fail`        create only: the task fails with `code` (absent: no code) after the share `after`
              (1.0) of its time; `error` is its text, `refund: true|false` overrules the code
`throttle`    create only: the task stays THROTTLED for at least `seconds`
downloads only:
`cut`         the connection is cut after `bytes` of the body
`stall`       nothing more comes for `seconds` after `bytes`
`drip`        the body comes in pieces of `bytes`, `seconds` apart
`no_range`    Range is ignored: 200 and the whole body
`wrong_length`  Content-Length says `bytes` more than there are
`expire`      403, as for an expired link
`redirect`    302 to the same link with a mark; the target answers normally

`lose` and `garble` leave downloads alone. `seconds` with `refuse`, `drop`, `lose`, `garble` waits
first. The first fault that matches wins; a fault counts the requests that match its filters, also
those another fault took.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from runner.emulator.acceptance import Script
from runner.emulator.backend import ExtraKey
from runner.emulator.reading import Reader
from runner.errors import UsageError

PLACES = (
    "create", "read", "cancel", "upload", "store", "organization", "usage", "download", "other",
    "any",
)  # fmt: skip
SERVICE_FAULTS = ("refuse", "drop", "lose", "delay", "garble")
TASK_FAULTS = ("fail", "throttle")
DOWNLOAD_FAULTS = ("cut", "stall", "drip", "no_range", "wrong_length", "expire", "redirect")
BODIES = ("json", "text", "empty")


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What a fault is chosen by."""

    on: str
    method: str
    endpoint: str = ""
    model: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One rule. The fields are those of the module's text."""

    do: str
    on: str = "any"
    endpoint: str = "*"
    model: str = "*"
    method: str = "*"
    nth: frozenset[int] = frozenset()  # empty: every one
    probability: float = 1.0
    count: int | None = None
    status: int = 503
    error: str = ""
    body: str = "json"
    retry_after: str = ""
    seconds: float = 0.0
    bytes: int = 0
    code: str | None = None
    after: float = 1.0
    refund: bool | None = None

    def concerns(self, request: Request) -> bool:
        return (
            self.on in {"any", request.on}
            and fnmatchcase(request.endpoint, self.endpoint)
            and fnmatchcase(request.model, self.model)
            and fnmatchcase(request.method, self.method)
        )

    @property
    def script(self) -> Script:
        """What it does to a task."""
        if self.do == "throttle":
            return Script(throttled_s=self.seconds)
        if self.do != "fail":
            return Script()
        keeps = None if self.refund is None else not self.refund
        return Script(
            fails=True, code=self.code, text=self.error, keeps_charge=keeps, after=self.after
        )


NO_FAULT = Fault(do="none")


@dataclass(slots=True)
class _Count:
    seen: int = 0
    done: int = 0


@dataclass(kw_only=True)
class Scenario:
    """The faults of one emulator, and how often each has struck."""

    faults: tuple[Fault, ...] = ()
    keys: tuple[ExtraKey, ...] = ()
    rng: random.Random = field(default_factory=lambda: random.Random(0))

    def __post_init__(self) -> None:
        self._counts = [_Count() for _ in self.faults]

    def choose(self, request: Request) -> Fault:
        """The fault that strikes this request, or `NO_FAULT`."""
        chosen = NO_FAULT
        for fault, count in zip(self.faults, self._counts, strict=True):
            if fault.concerns(request):
                count.seen += 1
                if chosen is NO_FAULT and self._strikes(fault, count):
                    count.done += 1
                    chosen = fault
        return chosen

    def struck(self) -> list[int]:
        """How often each fault has struck, in the order of the scenario."""
        return [count.done for count in self._counts]

    def _strikes(self, fault: Fault, count: _Count) -> bool:
        if fault.nth and count.seen not in fault.nth:
            return False
        if fault.count is not None and count.done >= fault.count:
            return False
        return fault.probability >= 1.0 or self.rng.random() < fault.probability


class _Loader(yaml.SafeLoader):
    """YAML in which `on` is a word: only `true` and `false` are truth values, as in YAML 1.2."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag != "tag:yaml.org,2002:bool" or first in "tTfF"
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load_scenario(path: Path, rng: random.Random) -> Scenario:
    """Read a scenario file.

    Raises:
        UsageError: unreadable, or not a scenario; names file, place and what was expected.
    """
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a safe one
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the scenario cannot be read: {path} ({error})") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise UsageError(f"{place}: not YAML", hint="check indents and quotes") from error
    return parse_scenario(raw, rng, source=str(path))


def parse_scenario(raw: Any, rng: random.Random, *, source: str = "scenario") -> Scenario:
    """A scenario from data: a mapping with `faults` and `keys`, or a list of faults.

    Raises:
        UsageError: names the place and what was expected.
    """
    data = {"faults": raw} if isinstance(raw, list) else raw
    top = Reader(source, "", {} if data is None else data)
    top.only("faults", "keys")
    faults = tuple(_fault(item) for item in top.items("faults"))
    keys = tuple(_key(item) for item in top.items("keys"))
    return Scenario(faults=faults, keys=keys, rng=rng)


def _fault(item: Reader) -> Fault:
    item.only(*Fault.__dataclass_fields__)
    do = item.choice("do", (*SERVICE_FAULTS, *TASK_FAULTS, *DOWNLOAD_FAULTS))
    default = "create" if do in TASK_FAULTS else "download" if do in DOWNLOAD_FAULTS else "any"
    on = item.choice("on", PLACES, default)
    if do in TASK_FAULTS and on != "create":
        raise item.problem("on", f"`{do}` is for `create` only")
    if do in DOWNLOAD_FAULTS and on != "download":
        raise item.problem("on", f"`{do}` is for `download` only")
    return Fault(
        do=do,
        on=on,
        endpoint=item.text("endpoint", "*"),
        model=item.text("model", "*"),
        method=item.text("method", "*").upper(),
        nth=frozenset(_ordinals(item)),
        probability=item.number("probability", 1.0, 0.0, 1.0),
        count=item.whole("count") if item.has("count") else None,
        status=item.whole("status", 503, 100, 599),
        error=item.text("error", ""),
        body=item.choice("body", BODIES, "json"),
        retry_after=item.text("retry_after", ""),
        seconds=item.number("seconds", 0.0, 0.0),
        bytes=item.whole("bytes"),
        code=item.text("code", "") or None,
        after=item.number("after", 1.0, 0.0, 1.0),
        refund=item.flag("refund") if item.has("refund") else None,
    )


def _key(item: Reader) -> ExtraKey:
    item.only(*ExtraKey.__dataclass_fields__)
    if not item.has("key"):
        raise item.problem("key", "a key is missing")
    return ExtraKey(
        key=item.text("key", ""),
        credits=item.whole("credits"),
        tier=item.whole("tier", 1, 1, 5) if item.has("tier") else None,
        same_account_as=item.text("same_account_as", ""),
        disabled=item.has("disabled") and item.flag("disabled"),
    )


def _ordinals(item: Reader) -> Sequence[int]:
    value: Any = item.raw("nth")
    parts = value if isinstance(value, list) else [] if value is None else [value]
    numbers: list[int] = []
    for part in parts:
        first, dash, last = str(part).partition("-")
        if not first.strip().isdigit() or (dash and not last.strip().isdigit()):
            raise item.problem("nth", f"not a number, a list or a range: `{value}`")
        numbers += range(int(first), int(last if dash else first) + 1)
    return numbers


def describe(fault: Fault) -> Mapping[str, Any]:
    """A fault as the back door shows it."""
    return {"do": fault.do, "on": fault.on, "endpoint": fault.endpoint, "model": fault.model}
