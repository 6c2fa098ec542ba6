"""Request bodies made from the catalogue: valid ones, and ones broken in one place.

A model added to the catalogue tomorrow is tested tomorrow. Where its rules ask for certain values
beside a field, `COMPANIONS` names them.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator

from runner.core.catalog import ModelInfo
from runner.manifest.body_rules import rule_findings
from runner.manifest.catalog_file import load_catalog
from runner.manifest.findings import Path

Raw = dict[str, Any]

CATALOG = load_catalog()
INFOS = [info for endpoint in CATALOG.endpoints.values() for info in endpoint.models.values()]
UUID = "0f1a2b3c-4d5e-4f60-8a1b-2c3d4e5f6071"
EMOJI = "😀"
#: texts that the patterns of the catalogue take
PATTERNED = ("aaa", "2048:2048")
IMAGE = "https://example.com/image"
IMAGES = [{"uri": IMAGE}, {"uri": IMAGE}]

SHOTS = {"multiPrompt": [{"duration": 3, "prompt": "a"}], "shotType": "intelligence"}
KLING = ("klingO3_4k", "kling3.0_4k", "kling3.0_pro", "kling3.0_standard", "klingO3_pro",
         "klingO3_standard")  # fmt: skip
TEN_SECONDS = [{"duration": seconds, "prompt": "abc"} for seconds in (2, 3, 5)]
FIVE_SECONDS = [{"duration": seconds, "prompt": "abc"} for seconds in (1, 1, 3)]

#: what the rules of a model ask for with a field, its own value too; `""`: with what it requires
COMPANIONS: Mapping[tuple[str, str], Mapping[str, Raw]] = {
    **{
        (endpoint, model): {"providerSettings": {"providerSettings": SHOTS, "promptText": "a"}}
        for endpoint in ("image_to_video", "text_to_video", "video_to_video")
        for model in KLING
        if model in CATALOG.endpoints[endpoint].models
    },
    ("image_to_video", "gen4.5"): {"proresProfile": {"outputFormat": "prores"}},
    ("text_to_video", "gen4.5"): {"proresProfile": {"outputFormat": "prores"}},
    ("text_to_video", "hailuo3"): {"ratio": {"references": IMAGES}},
    ("text_to_video", "grok_imagine_1_5"): {"referenceAudio": {"references": IMAGES}},
    ("video_to_video", "aleph2"): {"proresProfile": {"outputFormat": "prores"}},
    ("video_to_hdr", "ruby"): {"proresProfile": {"outputFormat": "hdr_prores"}},
    ("text_to_image", "bria_fibo_edit_1_5"): {"ratio": {"referenceImages": IMAGES}},
    ("text_to_image", "ideogram_4_5"): {
        "maskUri": {"referenceImages": IMAGES},
        "quality": {"referenceImages": IMAGES},
    },
    ("recipes/multi_shot_video", "custom"): {
        "": {"shots": TEN_SECONDS},
        "shots": {"shots": TEN_SECONDS},
        "duration": {"shots": FIVE_SECONDS},
    },
}


def named(info: ModelInfo) -> str:
    return f"{info.endpoint}-{info.model}"


def posted(info: ModelInfo) -> str:
    """The endpoint as a body is sent to it."""
    return info.endpoint.replace("{id}", "0f1a")


def chooser(info: ModelInfo) -> str | None:
    """The field that names the model, which is never changed here."""
    return CATALOG.endpoints[info.endpoint].discriminator


# Valid bodies


def least(schema: Mapping[str, Any]) -> Any:
    """A value as short and small as the schema allows."""
    if "anyOf" in schema:
        return least(schema["anyOf"][0])
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("format") == "media-uri":
        return f"https://example.com/{schema['media']}"
    match schema["type"]:
        case "integer":
            return schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
        case "number":
            return schema.get("minimum", 0)
        case "boolean":
            return False
        case "array":
            return [least(schema["items"]) for _ in range(schema.get("minItems", 0))]
        case "object":
            return {name: least(schema["properties"][name]) for name in schema.get("required", ())}
        case _ if schema.get("format") == "uuid":
            return UUID
        case _ if "pattern" in schema:
            return next(text for text in PATTERNED if re.search(schema["pattern"], text))
        case _:
            return "a" * max(schema.get("minLength", 1), 1)


def least_body(info: ModelInfo) -> Raw:
    """A body with what the model requires and nothing else."""
    return {name: least(info.fields[name]) for name in info.required} | _companions(info, "")


def full_body(info: ModelInfo) -> Raw:
    """A body with every field that the model has, whatever its rules say to that."""
    return {name: least(schema) for name, schema in info.fields.items()}


def body_with(info: ModelInfo, name: str, value: Any) -> Raw:
    """What the model requires, a field, and what its rules ask for with it."""
    return {**least_body(info), name: value, **_companions(info, name)}


def _companions(info: ModelInfo, name: str) -> Raw:
    return copy.deepcopy(COMPANIONS.get((info.endpoint, info.model), {}).get(name, {}))


def valid_bodies(info: ModelInfo) -> list[Raw]:
    """Bodies which together hold every field of a model, and every branch of its choices.

    One has what goes together; what the rules of the model part from it has bodies of its own.
    """
    bodies = [least_body(info)]
    for name, schema in info.fields.items():
        for one in filled(schema):
            together = {**bodies[0], name: one.value}
            if name in bodies[0] or any(rule_findings(info, together)):
                bodies.append(body_with(info, name, one.value))
            else:
                bodies[0] = together
    return bodies


# Broken bodies


@dataclass(frozen=True, kw_only=True, slots=True)
class Broken:
    """A body that is wrong in one place."""

    path: Path
    why: str
    body: Raw


@dataclass(frozen=True, kw_only=True, slots=True)
class Filled:
    """A value with all that its schema may hold, and every schema with its place in it."""

    value: Any
    places: tuple[tuple[Path, Mapping[str, Any]], ...]


def filled(schema: Mapping[str, Any]) -> list[Filled]:
    """Values that fill a schema, one for each branch of a choice in it."""
    if "anyOf" in schema:
        return [one for branch in schema["anyOf"] for one in filled(branch)]
    match schema.get("type"):
        case "array":
            return [_in_list(schema, one) for one in filled(schema["items"])]
        case "object":
            return _in_mapping(schema)
    return [Filled(value=least(schema), places=(((), schema),))]


def _in_list(schema: Mapping[str, Any], one: Filled) -> Filled:
    count = max(1, schema.get("minItems", 0))
    places = [((0, *path), inner) for path, inner in one.places]
    value = [copy.deepcopy(one.value) for _ in range(count)]
    return Filled(value=value, places=(((), schema), *places))


def _in_mapping(schema: Mapping[str, Any]) -> list[Filled]:
    properties = dict(schema.get("properties", {}))
    if not properties and isinstance(schema.get("additionalProperties"), Mapping):
        properties = {"node": schema["additionalProperties"]}
    each = {name: filled(inner) for name, inner in properties.items()}
    made = []
    for turn in range(max([1, *map(len, each.values())])):
        chosen = {name: ones[min(turn, len(ones) - 1)] for name, ones in each.items()}
        places = [
            ((name, *path), inner) for name, one in chosen.items() for path, inner in one.places
        ]
        value = {name: copy.deepcopy(one.value) for name, one in chosen.items()}
        made.append(Filled(value=value, places=(((), schema), *places)))
    return made


def broken_bodies(info: ModelInfo) -> Iterator[Broken]:
    """Every field of a model, nested ones too, broken in every way that its schema knows."""
    yield from _without_required(info)
    yield from _with_unknown(info)
    for name, schema in info.fields.items():
        if name == chooser(info) or name in info.tolerated:
            continue
        for one in filled(schema):
            body = {**body_with(info, name, one.value), name: one.value}
            for path, inner in one.places:
                for why, value in wrong_values(inner):
                    wrong = replaced(body, (name, *path), value)
                    if not (why.startswith("type") and _fits_otherwise(schema, wrong[name])):
                        yield Broken(path=(name, *path), why=why, body=wrong)
                yield from _broken_mapping(body, (name, *path), inner)


def _fits_otherwise(schema: Mapping[str, Any], value: Any) -> bool:
    """Whether a value of the wrong type for one branch of a choice is right for another."""
    return bool(Draft202012Validator(schema).is_valid(value))


def _without_required(info: ModelInfo) -> Iterator[Broken]:
    for name in info.required:
        body = least_body(info)
        del body[name]
        yield Broken(path=(name,), why="missing", body=body)


def _with_unknown(info: ModelInfo) -> Iterator[Broken]:
    for name in ("zzzzzz", *(name + "s" for name in info.fields)):
        if name not in info.fields:
            yield Broken(path=(name,), why="unknown", body={**least_body(info), name: 1})


def _broken_mapping(body: Raw, path: Path, schema: Mapping[str, Any]) -> Iterator[Broken]:
    if schema.get("type") != "object" or not schema.get("properties"):
        return
    yield Broken(path=(*path, "zzzzzz"), why="unknown", body=replaced(body, (*path, "zzzzzz"), 1))
    for name in schema.get("required", ()):
        yield Broken(path=(*path, name), why="missing", body=removed(body, (*path, name)))


#: values of a wrong type, by the type that is wanted; True is no number, 1 is no truth value
WRONG_TYPES: Mapping[str, list[Any]] = {
    "integer": ["1", "", True, False, [], {}, 1.5],
    "number": ["1", "", True, False, [], {}],
    "boolean": [0, 1, "", "true", [], {}],
    "string": [0, 1, True, False, [], {}],
    "array": ["", "a", 0, 1, True, False, {}, {"zzz": 1}],
    "object": ["", "a", 0, 1, True, False, []],
}


def wrong_values(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What no schema of that kind takes, and why."""
    yield "null", None
    for value in WRONG_TYPES.get(schema.get("type", ""), ()):
        yield f"type {value!r}", value
    if "enum" in schema:
        words = [each for each in schema["enum"] if isinstance(each, str)]
        yield "choice", words[0][:-1] + "§" if words else max(schema["enum"]) + 1
    if schema.get("format") == "media-uri":
        yield "media", "http://example.com/a"
    if schema.get("format") == "uuid":
        yield "uuid", "zzz"
    yield from _beyond(schema)


def _beyond(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if "enum" not in schema:
        for bound, step in (("minimum", -1), ("maximum", 1), ("exclusiveMinimum", 0)):
            if bound in schema:
                yield bound, schema[bound] + step
    if schema.get("minLength", 0) and "pattern" not in schema:
        yield "minLength", "a" * (schema["minLength"] - 1)
    if "maxLength" in schema:
        yield "maxLength", "a" * (schema["maxLength"] + 1)
        yield "maxLength in UTF-16 units", EMOJI * (schema["maxLength"] // 2 + 1)
    if "pattern" in schema:
        yield "pattern", "A!" * 2
    if schema.get("type") == "array":
        item = least(schema["items"])
        if "maxItems" in schema:
            yield "maxItems", [item] * (schema["maxItems"] + 1)
        if schema.get("minItems", 0):
            yield "minItems", [item] * (schema["minItems"] - 1)


def replaced(body: Raw, path: Path, value: Any) -> Raw:
    """A copy with another value at a path."""
    changed = copy.deepcopy(body)
    _holder(changed, path)[path[-1]] = value
    return changed


def removed(body: Raw, path: Path) -> Raw:
    """A copy without what lies at a path."""
    changed = copy.deepcopy(body)
    del _holder(changed, path)[path[-1]]
    return changed


def _holder(value: Any, path: Path) -> Any:
    for step in path[:-1]:
        value = value[step]
    return value
