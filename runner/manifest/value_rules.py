"""Rules of the value of one field that a schema cannot hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from runner.core.catalog import ModelInfo
from runner.core.spec import Body, Json
from runner.manifest.conditions import BodyRule, Maker, Raw, field_path, items_of, value_at
from runner.manifest.findings import Finding, Path, dotted
from runner.manifest.words import field_words, name_of, plain

_SIZE = re.compile(r"(\d{1,9}):(\d{1,9})")


def _renamed(info: ModelInfo, raw: Raw) -> BodyRule:
    path, names = field_path(info, raw["field"]), raw["values"]

    def findings(body: Body) -> Iterator[Finding]:
        value = value_at(body, path)
        if isinstance(value, str) and value in names:
            yield Finding(
                path=path,
                message=f"{field_words(raw['field'], value)} is an old spelling",
                hint=f"write `{names[value]}`",
                severity="warning",
            )

    return BodyRule(trigger=str(path[0]), findings=findings)


def _pixels(info: ModelInfo, raw: Raw) -> BodyRule:
    path, least, most = field_path(info, raw["field"]), raw["min"], raw["max"]

    def findings(body: Body) -> Iterator[Finding]:
        value = value_at(body, path)
        size = _SIZE.fullmatch(value) if isinstance(value, str) else None
        if size is None:
            return
        pixels = int(size[1]) * int(size[2])
        if not least <= pixels <= most:
            yield Finding(
                path=path,
                message=f"`{dotted(path)}` of {plain(value)} has {pixels:,} pixels, "
                f"{name_of(info)} takes {least:,} to {most:,}",
            )

    return BodyRule(trigger=str(path[0]), findings=findings)


def _form(info: ModelInfo, raw: Raw) -> BodyRule:
    path, pattern = field_path(info, raw["field"]), re.compile(raw["pattern"])

    def findings(body: Body) -> Iterator[Finding]:
        for place, text in _texts(path, value_at(body, path)):
            if pattern.fullmatch(text) is None:
                yield Finding(
                    path=place,
                    message=f"`{dotted(place)}` must be written like `{raw['like']}`, "
                    f"got {plain(text)}",
                )

    return BodyRule(trigger=str(path[0]), findings=findings)


def _texts(path: Path, value: Json) -> Iterator[tuple[Path, str]]:
    """The text, or the texts of a list, with their places."""
    if isinstance(value, str):
        yield path, value
    for index, item in enumerate(items_of(value)):
        if isinstance(item, str):
            yield (*path, index), item


VALUE_RULES: Mapping[str, Maker] = {"renamed": _renamed, "pixels": _pixels, "form": _form}
