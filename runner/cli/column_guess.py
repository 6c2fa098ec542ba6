"""What the columns of a table most likely mean: an endpoint, fields of its body, the row's key."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from runner.core.catalog import Catalog, ModelInfo, takes_media
from runner.core.spec import Json
from runner.manifest.rows.table import Table

#: rows that are looked at
MOST_ROWS = 10_000
#: a longer value names no row
LONGEST_KEY = 60

#: what a field may be called in a spreadsheet, apart from capitals, blanks and underlines
_NAMES: Mapping[str, Sequence[str]] = {
    "promptText": ("prompt", "text", "description", "action", "line", "script"),
    "promptImage": (
        "image",
        "plate",
        "still",
        "frame",
        "firstframe",
        "picture",
        "photo",
        "imageurl",
    ),
    "videoUri": ("video", "clip", "videourl", "footage"),
    "promptVideo": ("video", "clip", "videourl", "footage"),
    "audioUri": ("audio", "voice", "sound", "audiourl", "recording"),
    "duration": ("seconds", "length", "secs"),
    "ratio": ("aspect", "aspectratio", "size", "format"),
    "targetLang": ("language", "lang", "targetlanguage"),
}
_KEYS = ("id", "key", "shot", "name", "slug", "code", "sku", "number", "nr", "file", "title")
#: endpoint and model, by the first field that a column stands for; the model is a common one
_CHOICES = (
    ("targetLang", "voice_dubbing", "eleven_voice_dubbing"),
    ("videoUri", "video_to_video", "aleph2"),
    ("promptImage", "image_to_video", "gen4_turbo"),
    ("audioUri", "voice_isolation", "eleven_voice_isolation"),
    ("duration", "text_to_video", "gen4.5"),
    ("promptText", "text_to_image", "gen4_image"),
)
_SPEECH = ("text_to_speech", "eleven_multilingual_v2")
_VOICES = frozenset({"voice", "speaker", "voiceid", "presetid", "voicename"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Guess:
    """What a manifest over a table says."""

    info: ModelInfo  # the endpoint, and the model where no column names it
    model_in_rows: bool = False
    filled: tuple[str, ...] = ()  # columns that are named like fields
    mapped: Mapping[str, str] = field(default_factory=dict)  # field: its column
    unused: tuple[str, ...] = ()
    key: str | None = None  # None: no column names a row
    voice: str | None = None  # the column that names one of the model's voices
    first: Mapping[str, Json] = field(default_factory=dict)  # the first row


def guess(table: Table, catalog: Catalog) -> Guess | None:
    """The best guess; None where no column looks like a field of a body.

    Raises:
        RowProblem: a row cannot be read.
    """
    rows = [row.values for row in islice(iter(table), MOST_ROWS)]
    columns = list(table.columns) or list(dict.fromkeys(name for row in rows for name in row))
    info = _info(columns, rows, catalog)
    if info is None:
        return None
    filled = [name for name in columns if name in info.fields]
    mapped = {
        name: column
        for name in info.fields
        if name not in filled and (column := _column(name, columns))
    }
    voice = _voice(columns, rows) if "presetId" in str(info.fields.get("voice")) else None
    filled = [name for name in filled if name != voice]
    key = _key(columns, rows, info, mapped)
    used = {*filled, *mapped.values(), key, voice}
    return Guess(
        info=info,
        model_in_rows="model" in filled,
        filled=tuple(filled),
        mapped=mapped,
        unused=tuple(name for name in columns if name not in used),
        key=key,
        voice=voice,
        first=rows[0] if rows else {},
    )


def _info(
    columns: Sequence[str], rows: Sequence[Mapping[str, Json]], catalog: Catalog
) -> ModelInfo | None:
    """Of the model that the rows name, else of what the columns are about."""
    named = next((str(row["model"]) for row in rows if row.get("model")), "")
    infos = [catalog.find(endpoint, named) for endpoint in catalog.endpoints_of(named)]
    known = [info for info in infos if info is not None]
    if known:
        return min(known, key=lambda info: _lacking(info, columns))
    if _voice(columns, rows) and _column("promptText", columns):
        return catalog.find(*_SPEECH)
    for name, endpoint, model in _CHOICES:
        if _column(name, columns):
            return catalog.find(endpoint, model)
    return None


def _voice(columns: Sequence[str], rows: Sequence[Mapping[str, Json]]) -> str | None:
    """The column that names voices; a column of recordings names none."""
    voice = next((name for name in columns if _plain(name) in _VOICES), None)
    texts = _texts(voice, rows) if voice is not None else ()
    return voice if any(text and not re.search(r"[/.{]", text) for text in texts) else None


def _lacking(info: ModelInfo, columns: Sequence[str]) -> int:
    """How many fields that the model needs have no column."""
    return sum(_column(name, columns) is None for name in info.required)


def _column(name: str, columns: Sequence[str]) -> str | None:
    """The column that stands for a field: its name, else one that it usually has."""
    if name in columns:
        return name
    plain = {_plain(column): column for column in reversed(columns)}
    names = (_plain(name), *_NAMES.get(name, ()))
    return next((plain[each] for each in names if each in plain), None)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()


def _key(
    columns: Sequence[str],
    rows: Sequence[Mapping[str, Json]],
    info: ModelInfo,
    mapped: Mapping[str, str],
) -> str | None:
    """A column whose cells are all there, short and different; those with usual names first."""
    plain = {_plain(column): column for column in reversed(columns)}
    usual = [plain[name] for name in _KEYS if name in plain]
    content = {*info.fields, *mapped.values()}
    others = [name for name in columns if name not in content]
    files = [column for name, column in mapped.items() if takes_media(_branch(info, name))]
    return next((name for name in (*usual, *others, *files) if _is_key(name, rows)), None)


def _branch(info: ModelInfo, name: str) -> Mapping[str, Json]:
    schema = info.fields[name]
    first: Mapping[str, Json] = schema["anyOf"][0] if "anyOf" in schema else schema
    return first


def _is_key(name: str, rows: Iterable[Mapping[str, Json]]) -> bool:
    values = list(_texts(name, rows))
    return (
        bool(values)
        and all(0 < len(value) <= LONGEST_KEY for value in values)
        and len({value.casefold() for value in values}) == len(values)
    )


def _texts(name: str, rows: Iterable[Mapping[str, Json]]) -> Iterator[str]:
    return ("" if row.get(name) is None else str(row[name]).strip() for row in rows)
