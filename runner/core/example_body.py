"""A body to start from, for each model: what it needs, and what people usually set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.core.catalog import ModelInfo, Schema, takes_media
from runner.core.spec import Json

#: set where the model takes them, although it may not need them
USUAL = ("promptText", "promptImage", "ratio", "duration", "resolution")

_FILES = {"image": "plates/shot.png", "video": "clips/shot.mp4", "audio": "voices/line.wav"}
_TEXTS = {
    "configId": "my-router",
    "targetLang": "es",
    "languageCode": "en",
    "prompt": "A lighthouse at dawn",
    "productInfo": "A flask that keeps tea hot for a day",
    "name": "shot",
}
_SPOKEN = "The last ferry leaves at nine, so bring a warm coat."
_HEARD = "Waves on rocks, a foghorn far away"
#: a prompt by what the endpoint does with it; others move a camera
_PROMPTS = {
    "text_to_image": "A lighthouse at dawn, soft mist",
    "generate/image": "A lighthouse at dawn, soft mist",
    "video_to_video": "Make it night, with light rain",
    "text_to_speech": _SPOKEN,
    "generate/audio": _SPOKEN,
    "sound_effect": _HEARD,
    "video_to_audio": _HEARD,
}
_PROMPT = "A lighthouse at dawn, slow push in"
_LIKED = ("1280:720", "1920:1080", "16:9", "720p", 5, "auto")


def example_body(info: ModelInfo) -> dict[str, Json]:
    """In the order of the catalogue's fields, which begins with the model and what it needs."""
    needed = {*info.required, *_given_by_rule(info)}
    usual = {name for name in USUAL if not info.fields.get(name, {}).get("deprecated")}
    body = {
        name: _value(name, schema, info)
        for name, schema in info.fields.items()
        if name in needed or name in usual
    }
    for rule in info.rules:
        if rule["rule"] == "total" and rule["list"] in body:
            body[rule["equals"]] = sum(item[rule["key"]] for item in body[rule["list"]])
    return body


def _given_by_rule(info: ModelInfo) -> Iterator[str]:
    """Fields that a rule of the model wants whatever the others are."""
    for rule in info.rules:
        if rule["rule"] == "when" and "if" not in rule and "any" not in rule:
            yield from (name for name, wanted in rule["then"].items() if wanted == "given")


def _value(name: str, schema: Schema, info: ModelInfo) -> Json:
    if info.model in schema.get("enum", ()):
        return info.model
    if "anyOf" in schema:
        return _value(name, schema["anyOf"][0], info)
    if "enum" in schema:
        return _choice(schema)
    if "default" in schema:
        return schema["default"]
    if media := takes_media(schema):
        return _FILES.get(media, _FILES["image"])
    match schema.get("type"):
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return True
        case "array":
            return [_value(name, schema["items"], info)] * max(1, schema.get("minItems", 1))
        case "object":
            return _object(schema, info)
        case _:
            return _text(name, schema, info)


def _choice(schema: Schema) -> Json:
    choices: list[Any] = schema["enum"]
    default = schema.get("default", choices[0])
    return next((liked for liked in _LIKED if liked in choices), default)


def _number(schema: Schema) -> Json:
    return max(schema.get("minimum", 0), min(schema.get("maximum", 5), 5))


def _object(schema: Schema, info: ModelInfo) -> dict[str, Json]:
    inner: Mapping[str, Schema] = schema.get("properties", {})
    return {name: _value(name, inner[name], info) for name in schema.get("required", ())}


def _text(name: str, schema: Schema, info: ModelInfo) -> str:
    text = _TEXTS.get(name) or _PROMPTS.get(info.endpoint, _PROMPT)
    return text.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength", len(text))]
