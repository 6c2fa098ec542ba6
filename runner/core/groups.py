"""Groups: jobs that share what may make them all fail, or all cost more than expected.

Until a group has one success, only a few of its jobs are in flight, so that one bad picture,
prompt or template, or one unknown price, costs a handful of jobs and not a night.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath
from urllib.parse import urlsplit

from runner.core.events import (
    Event,
    GaveUp,
    RetryScheduled,
    SubmitUnknown,
    TaskAccepted,
    TaskSucceeded,
)
from runner.core.job import AT_RUNWAY, Job, JobStatus
from runner.core.price_override import USER
from runner.core.spec import AssetRef, JobSpec, Json, as_ref

#: failure codes that say "moderation refused it" (dossier, section 9)
MODERATION = ("SAFETY", "INPUT_PREPROCESSING.SAFETY")
#: probes of a shape whose price is not known, at once and before the shape is held
PRICE_PROBES_AT_ONCE, PRICE_PROBES = 1, 3
#: fields of a body that decide nothing about its price
_FREE_TEXT = frozenset({"promptText", "negativePrompt", "seed"})
_LINKS = ("https://", "runway://", "data:")
#: a link within a text: it may be signed
_LINK = re.compile(r"\w+://\S+")
#: characters of a prompt that its label shows
_LABEL_CHARS = 60
#: confidence of a price that a first job has to find out
UNSURE = frozenset({"none", "low"})
#: a person's own price may be too low: a first job has to show it before others are sent
PROBED = UNSURE | {USER}


class GroupKind(StrEnum):
    """What the jobs of a group share; the narrowest first, which is the one that is named."""

    ASSET = "asset"  # one input: a file by content, or a link
    PROMPT = "prompt"
    TEMPLATE = "template"
    PRICE = "price"  # a shape whose price is unknown, a guess or a person's word


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    kind: GroupKind
    name: str  # digest of what is shared
    label: str  # for people

    @property
    def id(self) -> str:
        return f"{self.kind}:{self.name}"

    def most_in_flight(self, refusals: int, refused: int = 0) -> int:
        """Jobs at Runway at once until one of the group succeeds.

        Together with those that were refused already never more than may be refused: so no more
        than that are lost to one cause.
        """
        if self.kind is GroupKind.PRICE:
            return PRICE_PROBES_AT_ONCE if refused < PRICE_PROBES else 0
        return max(0, refusals - refused)

    def most_refused(self, refusals: int) -> int:
        """Failures without a success after which the group is held."""
        return PRICE_PROBES if self.kind is GroupKind.PRICE else refusals


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupChange:
    """What an event does to the counts of each group of its job."""

    in_flight: int = 0  # +1, -1 or 0
    refused: int = 0  # moderation refusals; for a price, attempts that may have cost and told none
    succeeded: int = 0
    credits: int | None = None  # for a price: what Runway asked


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupState:
    """A group with its counts."""

    group: Group
    in_flight: int = 0
    refused: int = 0
    succeeded: int = 0
    credits: int | None = None  # for a price: the most that Runway asked


def groups_of(batch: str, spec: JobSpec) -> tuple[Group, ...]:
    """All groups of a job, each once. Templates are a batch's own, the rest the state file's."""
    template = Group(
        kind=GroupKind.TEMPLATE,
        name=_digest([batch, spec.template]),
        label=f"template `{spec.template}`",
    )
    found = [*_inputs(spec.body), *_prompts(spec.body), template, *_price(spec)]
    return tuple({group.id: group for group in found}.values())


def group_change(before: Job, after: Job, event: Event, kind: GroupKind) -> GroupChange:
    """What the event does to the counts of a group of this kind."""
    in_flight = (after.status in AT_RUNWAY) - (before.status in AT_RUNWAY)
    if kind is GroupKind.PRICE:
        return _price_change(before, event, in_flight)
    refused = isinstance(event, GaveUp | RetryScheduled) and is_moderation(event.code)
    return GroupChange(
        in_flight=in_flight, refused=int(refused), succeeded=int(isinstance(event, TaskSucceeded))
    )


def is_moderation(code: str) -> bool:
    """Whether a failure code is a refusal by moderation."""
    return any(code == prefix or code.startswith(f"{prefix}.") for prefix in MODERATION)


def _price_change(before: Job, event: Event, in_flight: int) -> GroupChange:
    """The answer to the create prices the shape, else the end of its task.

    What was refused, or failed at no cost, was no surprise; a create whose answer was lost may be.
    Where Runway tells nothing, as of workflows, a person's own price stands.
    """
    told: int | None = None
    if isinstance(event, TaskAccepted):
        told = event.estimated
    elif isinstance(event, TaskSucceeded):
        told = event.credits
    ended = isinstance(event, GaveUp | RetryScheduled | TaskSucceeded) and event.credits is None
    was_made = before.status in {JobStatus.QUEUED, JobStatus.RUNNING}
    untold = told is None and ((ended and was_made) or isinstance(event, SubmitUnknown))
    is_own = before.spec.estimate.confidence == USER
    return GroupChange(
        in_flight=in_flight,
        refused=int(untold and not is_own),
        succeeded=int(told is not None or (is_own and ended and was_made)),
        credits=told,
    )


def _inputs(value: Json) -> Iterator[Group]:
    """Local files and links anywhere in the body; outputs of other jobs are nobody's fault."""
    ref = as_ref(value)
    if isinstance(ref, AssetRef):
        label = f"input `{PurePath(ref.path).name}`"
        yield Group(kind=GroupKind.ASSET, name=ref.sha256, label=label)
    elif ref is None and isinstance(value, Mapping):
        for item in value.values():
            yield from _inputs(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _inputs(item)
    elif isinstance(value, str) and value.startswith(_LINKS):
        yield Group(kind=GroupKind.ASSET, name=_digest(value), label=_link_label(value))


def _link_label(link: str) -> str:
    """A link may be signed, and may hold a password: people are told its host alone."""
    if not link.startswith("https://"):
        return "an embedded input" if link.startswith("data:") else "an uploaded input"
    try:
        host = urlsplit(link).hostname
    except ValueError:
        host = None
    return f"input at `{host}`" if host else "an input by link"


def _prompts(body: Mapping[str, Json]) -> Iterator[Group]:
    text = body.get("promptText")
    if isinstance(text, str) and text.strip():
        words = _LINK.sub("…", " ".join(text.split()))
        short = words if len(words) <= _LABEL_CHARS else f"{words[: _LABEL_CHARS - 1]}…"
        yield Group(kind=GroupKind.PROMPT, name=_digest(text), label=f"prompt `{short}`")


def _price(spec: JobSpec) -> Iterator[Group]:
    if spec.estimate.confidence not in PROBED:
        return
    shape = {key: value for key, value in spec.body.items() if _prices(key, value)}
    name = _digest([spec.endpoint, spec.model, shape])
    yield Group(kind=GroupKind.PRICE, name=name, label=f"price of `{spec.lane}`")


def _prices(key: str, value: Json) -> bool:
    """Whether a field may decide the price: sizes, lengths and switches, no texts or media."""
    if key in _FREE_TEXT:
        return False
    return isinstance(value, bool | int | float) or (
        isinstance(value, str) and not value.startswith(_LINKS)
    )


def _digest(value: Json) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
