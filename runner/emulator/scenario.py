"""Scripted faults: which request, what goes wrong, how often, and when.

A scenario is YAML (or the same as JSON, or as Python data):

    seed: 7                              # of the faults' chance; default: the emulator's
    keys:                                # accounts besides `key_emulator`
      - {key: key_poor, credits: 5, tier: 1}
      - {key: key_new, same_account_as: key_emulator}      # a rotated key
      - {key: key_off, disabled: true}                     # 401
    settings:                            # of the service, see records.Knobs
      link_life_s: 60                    # of output links
      link_exp: false                    # links do not tell when they end
      refund_delay_s: 600                # a failed task's credits come back so much later
      cancel_refunds: false              # cancelling gives nothing back
      date_skew_s: -90                   # of the `Date` header
    outages:                             # seconds since the scenario came into force
      - {begin: 3600, end: 10800}        # connections are refused
      - {begin: 0, end: 60, how: unavailable}   # 503; or `gateway` (an HTML page), or `drop`
    faults:
      - on: create                       # create, read, cancel, upload, store, organization,
                                         # usage, download, other or any
        endpoint: image_to_video         # glob; for read, cancel, download: of the task
        model: "gen4_*"                  # glob; the lane, which for recipes is the recipe's name
        prompt: "*cat*"                  # glob
        method: POST
        nth: 3                           # the third matching request; [1, 3] or "2-5" too
        probability: 0.3                 # of each matching request, from the seed
        count: 2                         # at most so often
        each: true                       # nth and count go by task (creates: by equal body)
        begin: 60                        # seconds since the scenario came into force
        end: 120
        do: refuse                       # and what goes wrong:

`refuse`      status (503), error (text), body (`json`, `text`, `html` or `empty`), retry_after
              (seconds, or an HTTP date as text), location; nothing is created
`drop`        no answer, and the request is not looked at
`lose`        the request is carried out, and no answer: a create made its task and charged for it
`deny`        the request is carried out, and answered as `refuse` answers
`delay`       the request is carried out, the answer comes `seconds` later
`garble`      the request is carried out, the answer is 200 and useless: half of its JSON, or by
              body: `text`, `html`, `empty`, or `no_id` (the answer without its `id`)
`fail`        create only: the task fails with `code` (absent: no code) after the share `after`
              (1.0) of its time; `error` is its text, `refund: true|false` overrules the code
`throttle`    create only: the task stays THROTTLED for at least `seconds`
downloads only:
`cut`         the connection is cut after `bytes` of the body
`short`       only `bytes` come, and the headers say that this is all
`stall`       nothing more comes for `seconds` after `bytes`; without `seconds`: ever
`drip`        the body comes in pieces of `bytes`, `seconds` apart
`no_range`    Range is ignored: 200 and the whole body
`wrong_range` the part begins `bytes` (1) later than was asked for, as its Content-Range says
`changed`     another file than before, under another ETag; Range and If-Range are obeyed
`mixed_range` the same, but If-Range is not obeyed: a part of the other file
`wrong_length`  Content-Length says `bytes` more than there are
`no_length`   no Content-Length: chunks
`gzip`        packed, though nobody asked for it
`noise`       the right length and type, but after `bytes` of the body only noise
`page`        200 and an HTML page
`expire`      403, as for an expired link
`redirect`    302 to the same link with a mark, whose target answers normally; or to `location`,
              where `loop` is the same link for ever

How no answer comes (`drop`, `lose`): `how: close` (the default), `reset`, `hang` until the client
gives up or for `seconds`, for `lose` also `cut` (half of the answer).

`lose`, `deny` and `garble` leave downloads alone. `seconds` with `refuse`, `drop`, `lose`, `deny`,
`garble` waits first. The first fault that matches wins; a fault counts the requests that match its
filters and time, also those another fault took.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from runner.emulator.backend import ExtraKey
from runner.emulator.reading import Reader
from runner.emulator.records import Knobs
from runner.emulator.rules import (
    BODIES,
    DOWNLOAD_FAULTS,
    ENDINGS,
    NO_FAULT,
    PLACES,
    SERVICE_FAULTS,
    TASK_FAULTS,
    Fault,
    Outage,
    Request,
    Scenario,
)
from runner.errors import UsageError

__all__ = ["NO_FAULT", "Fault", "Request", "Scenario", "load_scenario", "parse_scenario"]

#: outages in which connections are made -> the fault that strikes every request
OUTAGES: Mapping[str, Mapping[str, Any]] = {
    "refused": {},
    "unavailable": {"do": "refuse", "status": 503, "error": "The service is not available."},
    "gateway": {"do": "refuse", "status": 502, "body": "html"},
    "drop": {"do": "drop"},
}


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
    top.only("faults", "keys", "outages", "seed", "settings")
    spans = [(item, _span(item)) for item in top.items("outages")]
    how = [item.choice("how", tuple(OUTAGES), "refused") for item, _ in spans]
    return Scenario(
        faults=(
            *(
                _outage(word, span)
                for word, (_, span) in zip(how, spans, strict=True)
                if OUTAGES[word]
            ),
            *(_fault(item) for item in top.items("faults")),
        ),
        outages=tuple(
            span for word, (_, span) in zip(how, spans, strict=True) if not OUTAGES[word]
        ),
        keys=tuple(_key(item) for item in top.items("keys")),
        settings=read_settings(top.inner("settings")),
        rng=random.Random(top.whole("seed")) if top.has("seed") else rng,
    )


def read_settings(item: Reader) -> dict[str, float | bool]:
    """The fields of `Knobs` that are given.

    Raises:
        UsageError: names the place and what was expected.
    """
    names = [name for name in Knobs.__dataclass_fields__ if name != "id"]
    item.only(*names)
    least = {"date_skew_s": -math.inf}
    return {
        name: item.flag(name)
        if Knobs.__dataclass_fields__[name].type == "bool"
        else item.number(name, 0.0, least.get(name, 0.0))
        for name in names
        if item.has(name)
    }


def _span(item: Reader) -> Outage:
    item.only("begin", "end", "how")
    return Outage(begin=item.number("begin", 0.0), end=_end(item))


def _end(item: Reader) -> float:
    return item.number("end", 0.0) if item.has("end") else math.inf


def _outage(word: str, span: Outage) -> Fault:
    return Fault(**OUTAGES[word], begin=span.begin, end=span.end)


def _fault(item: Reader) -> Fault:
    item.only(*Fault.__dataclass_fields__)
    do = item.choice("do", (*SERVICE_FAULTS, *TASK_FAULTS, *DOWNLOAD_FAULTS))
    default = "create" if do in TASK_FAULTS else "download" if do in DOWNLOAD_FAULTS else "any"
    on = item.choice("on", PLACES, default)
    if do in TASK_FAULTS and on != "create":
        raise item.problem("on", f"`{do}` is for `create` only")
    if do in DOWNLOAD_FAULTS and on != "download":
        raise item.problem("on", f"`{do}` is for `download` only")
    how = item.choice("how", ENDINGS, "close")
    if how == "cut" and do != "lose":
        raise item.problem("how", "`cut` is for `lose` only")
    return Fault(
        do=do,
        on=on,
        endpoint=item.text("endpoint", "*"),
        model=item.text("model", "*"),
        prompt=item.text("prompt", "*"),
        method=item.text("method", "*").upper(),
        nth=frozenset(_ordinals(item)),
        each=item.has("each") and item.flag("each"),
        probability=item.number("probability", 1.0, 0.0, 1.0),
        count=item.whole("count") if item.has("count") else None,
        begin=item.number("begin", 0.0),
        end=_end(item),
        status=item.whole("status", 503, 100, 599),
        error=item.text("error", ""),
        body=item.choice("body", BODIES, "json"),
        retry_after=item.text("retry_after", ""),
        location=item.text("location", ""),
        how=how,
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
    names = ("do", "on", "endpoint", "model", "prompt")
    return {name: getattr(fault, name) for name in names}
