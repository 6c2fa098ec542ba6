"""Models by a word of what they do: `lip`, `dub`, `upscale`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from runner.core.catalog import ModelInfo


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """A model that a word leads to."""

    info: ModelInfo
    #: what has the word where no name has it: a field and what it is for, or a note
    found: str = ""


def search_models(infos: Iterable[ModelInfo], words: str, notes: Mapping[str, str]) -> list[Match]:
    """The models that have every word in a name, or in what they or their fields are for.

    Args:
        infos: where to look.
        words: beginnings of words, in any case: `lip` finds `lip-sync`, but no `clip`.
        notes: what fields are for, by the field's name.

    Returns:
        Those whose name or endpoint has them first.
    """
    asked = [
        re.compile(rf"(?<![a-z0-9]){re.escape(word)}")
        for word in re.findall(r"[a-z0-9.]+", words.lower())
    ]
    matches = [_match(info, asked, notes) for info in infos] if asked else []
    return sorted((each for each in matches if each), key=lambda match: bool(match.found))


def _match(info: ModelInfo, asked: list[re.Pattern[str]], notes: Mapping[str, str]) -> Match | None:
    if _has(f"{info.model} {info.endpoint}", asked):
        return Match(info=info)
    fields = (
        f"`{name}`: {notes.get(name, '')} {schema.get('note', '')}".strip()
        for name, schema in info.fields.items()
    )
    found = next((text for text in (*fields, info.note) if _has(text, asked)), None)
    return None if found is None else Match(info=info, found=found)


def _has(text: str, asked: list[re.Pattern[str]]) -> bool:
    """Whether words begin so; the parts of `promptText` are words too."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower()
    return all(word.search(apart) for word in asked)
