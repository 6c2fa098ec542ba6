"""A job specification: what to make. Plain data, known before anything is sent.

A body is Runway's request body as JSON. Two kinds of values in it are ours, because they are
known only when the job starts; both are objects with one key, which no Runway body uses:

    {"$output": {"job": ID, "key": KEY, "index": 0, "media": "image"}}    an output of another job,
        with "frame": "first" or "last" a still of it
    {"$asset": {"path": P, "sha256": H, "bytes": N, "media": "image"}}    a local input file
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from runner.core.credits import CostBand

Json: TypeAlias = Any  # a JSON value: dict, list, str, int, float, bool, None
Body: TypeAlias = Mapping[str, Json]

_SCALARS = frozenset({str, int, float, bool, type(None)})
OUTPUT = "$output"
ASSET = "$asset"


_canonical = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputRef:
    """An output of another job, named by that job's key and never by link, file or id alone."""

    job: str
    key: str
    index: int = 0
    media: str = ""  # image, video or audio: what enters the body
    frame: str = ""  # `first` or `last`: a still of the output, as PNG

    def to_json(self) -> Json:
        marker: dict[str, Json] = {
            "job": self.job, "key": self.key, "index": self.index, "media": self.media
        }  # fmt: skip
        if self.frame:
            marker["frame"] = self.frame
        return {OUTPUT: marker}


@dataclass(frozen=True, kw_only=True, slots=True)
class AssetRef:
    """A local input file, named by its content."""

    path: str  # absolute
    sha256: str
    bytes: int
    media: str  # image, video or audio

    def to_json(self) -> Json:
        marker = {
            "path": self.path, "sha256": self.sha256, "bytes": self.bytes, "media": self.media
        }  # fmt: skip
        return {ASSET: marker}


@dataclass(frozen=True, kw_only=True, slots=True)
class JobSpec:
    """What to make. `id` is its name, `key` its content."""

    id: str
    key: str
    template: str  # the template's name in the manifest
    take: int  # 1-based
    endpoint: str  # `image_to_video`, `recipes/product_ad`
    model: str | None  # None where the endpoint has no model
    media: str  # what it makes: image, video or audio
    body: Body
    estimate: CostBand
    output: str  # pattern of the file name below the output folder: see core/naming.py
    needs: tuple[str, ...] = ()  # job ids
    tags: tuple[str, ...] = ()
    priority: int = 0  # higher first
    max_credits: int | None = None
    line: int = 0  # of the template in the manifest, 1-based
    row: str = ""  # where the row or cell stands that it was made of: `shots.csv:17`
    sidecar: bool = True
    unpack: bool = False  # extract a frame sequence that comes as an archive

    @property
    def lane(self) -> str:
        """What slots are counted by: the model, or the endpoint where there is none."""
        return self.model or self.endpoint

    @property
    def reserve(self) -> int:
        """Credits set aside before the create: the worst case, within `max_credits`.

        Never less than what Runway asked for such a job before.
        """
        worst, most = self.estimate.worst, self.max_credits
        known = (amount for amount in (worst, most) if amount is not None)
        return max(min(known, default=0), self.estimate.asked)


def job_key(endpoint: str, body: Body, take: int) -> str:
    """Hash of all that decides the result.

    Assets enter by their content, parents by their key and output index: never by path, link,
    file name or id, so that renaming and reordering cost nothing.
    """
    content = {"endpoint": endpoint, "take": take, "body": map_refs(body, _identity)}
    return hashlib.sha256(_canonical(content).encode()).hexdigest()


def router_of(body: Body) -> str | None:
    """The slug of the Model Router that a body of `generate/…` names; None in any other body."""
    slug = body.get("configId")
    return slug if isinstance(slug, str) else None


def map_refs(value: Json, replace: Callable[[OutputRef | AssetRef], Json]) -> Json:
    """A copy of a body with every reference replaced by what `replace` makes of it."""
    if type(value) in _SCALARS:  # most values; the slower tests are for the rest
        return value
    if isinstance(value, Mapping):
        ref = as_ref(value)
        if ref is not None:
            return replace(ref)
        return {
            key: item if type(item) in _SCALARS else map_refs(item, replace)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [map_refs(item, replace) for item in value]
    return value


def refs_in(value: Json) -> Iterator[OutputRef | AssetRef]:
    """All references of a body, in order."""
    found: list[OutputRef | AssetRef] = []
    map_refs(value, found.append)
    yield from found


def as_ref(value: Json) -> OutputRef | AssetRef | None:
    """The reference that an object of a body stands for, or None."""
    if isinstance(value, Mapping) and len(value) == 1:
        if OUTPUT in value:
            return OutputRef(**value[OUTPUT])
        if ASSET in value:
            return AssetRef(**value[ASSET])
    return None


def _identity(ref: OutputRef | AssetRef) -> Json:
    if isinstance(ref, OutputRef):
        named = [ref.key, ref.index]
        return {OUTPUT: [*named, ref.frame] if ref.frame else named}
    return {ASSET: ref.sha256}
