"""Entries of `jobs` to templates: where the body stands, what a job is made for each of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.core.spec import Json
from runner.errors import Problem
from runner.manifest.matrix import Matrix
from runner.manifest.model import Foreach, JobTemplate
from runner.manifest.places import Document, Path
from runner.manifest.rows.opening import source_kind
from runner.manifest.rows.table import RowSource
from runner.manifest.shape import endpoint_keys

REQUEST = "request"
JOBS = "jobs"
#: of `foreach`; exactly one of them
_SOURCES = ("csv", "tsv", "jsonl", "xlsx", "glob", "rows", JOBS)
_NOT_SETTINGS = frozenset({"id", "defaults", "foreach", "matrix"})


def templates_of(document: Document, *, first: int, folder: str) -> list[JobTemplate]:
    """The templates of one file whose shape is sound.

    Args:
        document: the file.
        first: number of its first template.
        folder: of the file, below the manifest's.
    """
    return [
        _template(document, number, raw, first=first, folder=folder)
        for number, raw in enumerate(document.value.get("jobs", ()))
    ]


def template_problems(document: Document) -> Iterator[Problem]:
    """What the schema cannot say about `foreach` and `matrix`."""
    for number, raw in enumerate(document.value.get("jobs", ())):
        path: Path = ("jobs", number, "foreach")
        if raw.get("foreach") is not None:
            yield from _foreach_problems(document, path, raw["foreach"])
        if raw.get("matrix") is not None:
            yield from _matrix_problems(document, (*path[:-1], "matrix"), raw["matrix"])


def _template(
    document: Document, number: int, raw: Mapping[str, Json], *, first: int, folder: str
) -> JobTemplate:
    (key,) = endpoint_keys(raw)
    path: Path = ("jobs", number)
    is_request = key == REQUEST
    matrix = raw.get("matrix")
    return JobTemplate(
        index=first + number,
        path=path,
        document=document,
        folder=folder,
        id=raw["id"],
        endpoint=raw[key]["endpoint"] if is_request else key,
        body=raw[key].get("body", {}) if is_request else raw[key],
        body_path=(*path, key, "body") if is_request else (*path, key),
        keys={name: raw[name] for name in raw if name != key and name not in _NOT_SETTINGS},
        foreach=_foreach(raw.get("foreach"), (*path, "foreach")),
        matrix=None if matrix is None else Matrix(path=(*path, "matrix"), raw=matrix),
        uses_defaults="defaults" not in raw,
    )


def _foreach(raw: Json, path: Path) -> Foreach | None:
    if raw is None:
        return None
    if isinstance(raw, str):
        return Foreach(path=path, rows=RowSource(kind=source_kind(raw) or "", path=raw))
    kind = next(name for name in _SOURCES if name in raw)
    common: dict[str, Any] = {
        "path": path, "key": raw.get("key", ""), "where": raw.get("where", "")
    }  # fmt: skip
    if kind == JOBS:
        return Foreach(jobs=raw[JOBS], **common)
    if kind == "rows":
        return Foreach(rows=RowSource(kind=kind, rows=tuple(raw[kind])), **common)
    rows = RowSource(kind=kind, path=raw[kind], sheet=raw.get("sheet"))
    return Foreach(rows=rows, **common)


def _foreach_problems(document: Document, path: Path, raw: Json) -> Iterator[Problem]:
    if isinstance(raw, str):
        if source_kind(raw) is None:
            message = f"nothing tells what `{raw}` holds"
            hint = "name a .csv, .tsv, .jsonl or .xlsx file, a glob, or write `{csv: FILE}`"
            yield document.problem(path, message, hint)
        return
    named = [name for name in _SOURCES if name in raw]
    if len(named) != 1:
        hint = f"name one of: {', '.join(_SOURCES)}"
        message = "`foreach` names nothing to go through"
        if named:
            message = f"`foreach` goes through one thing, this one names {' and '.join(named)}"
        yield document.problem(path, message, hint)
    if "only" in raw:
        message = "`only` is not supported by this version"
        hint = 'name the takes instead, as in `where: "source.take == 2"`'
        yield document.problem((*path, "only"), message, hint, key=True)
    if JOBS in raw and "key" in raw:
        message, hint = "`key` names a row, and jobs have their names already", "leave it out"
        yield document.problem((*path, "key"), message, hint, key=True)
    if "sheet" in raw and "xlsx" not in raw:
        yield document.problem((*path, "sheet"), "only a workbook has sheets", key=True)


def _matrix_problems(document: Document, path: Path, raw: Json) -> Iterator[Problem]:
    """Two axes of one name would quietly be one."""
    zipped = raw.get("zip", [])
    groups = zipped if isinstance(zipped, list) else [zipped]
    names = [name for name in raw if name not in {"zip", "exclude", "include"}]
    for group in groups:
        for name in group:
            if name in names:
                message = f"the axis `{name}` is here twice"
                yield document.problem((*path, "zip", name), message, "give it another name")
            names.append(name)
