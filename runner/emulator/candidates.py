"""Which models could serve a model-neutral request, and the body each would be sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runner.core.catalog import Catalog, ModelInfo
from runner.core.estimate import ratio_tier

Json = Any

_COPIED = ("promptText", "negativePrompt", "seed", "audio", "duration", "loop", "outputCount")
_DEFAULT_PRESET = "Maya"


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A model and the body it would get."""

    info: ModelInfo
    body: Mapping[str, Json]
    ratio: str = ""


def candidates(catalog: Catalog, media: str, wanted: Mapping[str, Json]) -> list[Candidate]:
    """Every current model of the matching endpoint. Their bodies still have to be checked."""
    endpoint = catalog.endpoints[endpoint_for(media, wanted)]
    return [
        candidate
        for info in endpoint.models.values()
        if not info.is_retired
        for candidate in _candidate(info, wanted)
    ]


def endpoint_for(media: str, wanted: Mapping[str, Json]) -> str:
    """The endpoint that does what the request asks for."""
    if media == "image":
        return "text_to_image"
    if media == "audio":
        return "text_to_speech" if wanted.get("type") == "speech" else "sound_effect"
    videos = wanted.get("referenceVideos", [])
    images = wanted.get("referenceImages", [])
    if any(item["role"] == "source" for item in videos):
        return "video_to_video"
    first = any(item["role"] == "first" for item in images) or wanted.get("keyframes")
    return "image_to_video" if first else "text_to_video"


def resolved_input(media: str, chosen: Candidate, wanted: Mapping[str, Json]) -> Json:
    """What the router says it made of the request."""
    if media == "audio":
        voice = wanted.get("voice")
        spoken = "default" if wanted["type"] == "speech" else "none"
        return {"type": wanted["type"], "voice": voice["type"] if voice else spoken}
    ratio = chosen.ratio or "auto"
    tier = ratio_tier(chosen.info, ratio) or wanted.get("resolution") or "720p"
    if media == "image":
        aspect = wanted.get("aspectRatio", "16:9")
        return {"aspectRatio": aspect, "ratio": ratio, "resolution": tier}
    return {"duration": chosen.body.get("duration", 5), "ratio": ratio, "resolution": tier}


def _candidate(info: ModelInfo, wanted: Mapping[str, Json]) -> Iterator[Candidate]:
    body = {name: wanted[name] for name in _COPIED if name in wanted}
    if set(body) - set(info.fields):
        return  # asks for something that this model does not have
    body["model"] = info.model
    ratio = _ratio(info, str(wanted.get("aspectRatio", "16:9")))
    if ratio:
        body["ratio"] = ratio
    if "duration" in info.required and "duration" not in body:
        body["duration"] = 5
    body |= _media(info, wanted)
    yield Candidate(info=info, body=body, ratio=ratio)


def _media(info: ModelInfo, wanted: Mapping[str, Json]) -> dict[str, Json]:
    """Inputs under the names that the endpoint gives them."""
    body: dict[str, Json] = {}
    images = [item["uri"] for item in wanted.get("referenceImages", [])]
    images += [item["uri"] for item in wanted.get("keyframes", [])]
    videos = [item["uri"] for item in wanted.get("referenceVideos", [])]
    if images:
        is_frame = "promptImage" in info.fields
        names = ("promptImage",) if is_frame else ("referenceImages", "references")
        name = next((n for n in names if n in info.fields), names[0])
        body[name] = images[0] if is_frame else [{"uri": uri} for uri in images]
    if videos:
        body["promptVideo" if "promptVideo" in info.fields else "videoUri"] = videos[0]
    if "voice" in info.required:
        preset = wanted.get("voice", {}).get("presetId", _DEFAULT_PRESET)
        body["voice"] = {"type": "runway-preset", "presetId": preset}
    return body


def _ratio(info: ModelInfo, aspect: str) -> str:
    """The ratio of the model that is nearest to the wanted aspect; empty where it has none."""
    choices = [c for c in info.fields.get("ratio", {}).get("enum", ()) if ":" in c]
    wanted = _quotient(aspect)
    return min(choices, key=lambda c: abs(_quotient(c) - wanted), default="")


def _quotient(ratio: str) -> float:
    width, _, height = ratio.partition(":")
    return float(width) / float(height)
