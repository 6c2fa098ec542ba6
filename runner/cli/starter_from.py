"""What `init --from` writes: a manifest over a table, or over files, with comments.

What a column says is taken from it, what the body needs besides is filled in as an example.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePath

from runner.core.catalog import Catalog, ModelInfo
from runner.core.example_body import example_body
from runner.core.spec import Json
from runner.errors import UsageError
from runner.manifest.assets import is_local
from runner.manifest.load import batch_name
from runner.manifest.rows.opening import open_table, source_kind
from runner.manifest.rows.pattern import is_pattern
from runner.manifest.rows.table import RowProblem, RowSource, Table
from runner.manifest.signatures import FORMATS

from .column_guess import Guess, guess
from .model_page import takes
from .output import clean

#: endpoint, model and field for files of one kind
_FOR_FILES = {
    "image": ("image_to_video", "gen4_turbo", "promptImage"),
    "video": ("video_to_video", "aleph2", "videoUri"),
    "audio": ("voice_isolation", "eleven_voice_isolation", "audioUri"),
}
#: a plain word of YAML that is text, also with templates in it
_PLAIN = re.compile(
    r"(?!(?:true|false|null)$)[A-Za-z][\w./-]*|\d+:\d+|[\w./-]*\$\{\{[\w .|()\[\]'-]*\}\}"
)
_COMMENT_AT = 44
LONGEST_NOTE = 50
#: folders beside a table that are looked into for its files
_MOST_FOLDERS = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """A manifest to write."""

    stem: str
    text: str


def draft_from(source: str, folder: Path, catalog: Catalog) -> Draft:
    """A manifest in `folder` that goes through `source`: a table, or a pattern of files.

    Raises:
        UsageError: it cannot be read, lies elsewhere, or nobody can tell what to make of it.
    """
    path = _relative(_pattern_of(source), folder)
    kind = source_kind(path)
    if kind is None:
        raise UsageError(
            f"nothing tells what `{source}` holds",
            hint="name a .csv, .tsv, .jsonl or .xlsx file, or a pattern such as 'plates/*.png'",
        )
    try:
        table = open_table(RowSource(kind=kind, path=path), base=folder, allow=())
        if kind == "glob":
            lines = list(_files(path, table, catalog))
        else:
            lines = list(_rows(path, table, catalog, folder))
    except RowProblem as problem:
        place = f"{problem.place}: " if problem.place else ""
        raise UsageError(f"{place}{problem.message}", hint=problem.hint) from None
    stem = PurePath(path).parts[0] if kind == "glob" else path
    name = "files" if is_pattern(stem) else batch_name(stem)
    return Draft(stem=name, text="\n".join([*_head(name), *lines, ""]))


def _pattern_of(source: str) -> str:
    """Of a folder a pattern of its files, with their ending where all have one; else itself."""
    folder = Path(source)
    if not folder.is_dir():
        return source
    try:
        names = [item.suffix for item in folder.iterdir() if not item.name.startswith(".")]
    except OSError:
        names = []
    ending = names[0] if len(set(names)) == 1 else ""
    return str(folder / f"*{ending}")


def _relative(source: str, folder: Path) -> str:
    """The source as the manifest names it: below its folder, with forward slashes."""
    base = folder.resolve()
    full = Path(source) if Path(source).is_absolute() else Path.cwd() / source
    parent = full.parent.resolve() / full.name if not is_pattern(str(full.parent)) else full
    if not parent.is_relative_to(base):
        raise UsageError(
            f"`{source}` lies outside {folder}", hint="name the folder that holds it: init DIR"
        )
    return parent.relative_to(base).as_posix()


def _head(name: str) -> Iterator[str]:
    yield "# yaml-language-server: $schema=manifest.schema.json"
    yield "version: 1"
    yield f"name: {name}"
    yield _noted("budget: 200", "credits; a run never passes it")
    yield "jobs:"


# A table


def _rows(path: str, table: Table, catalog: Catalog, base: Path) -> Iterator[str]:
    found = guess(table, catalog)
    if found is None:
        raise UsageError(
            f"no column of `{path}` looks like a field of a request",
            hint=f"name one `promptText` or `promptImage`; its columns: {', '.join(table.columns)}",
        )
    yield from _about(path, found)
    yield f"  - id: {batch_name(path)}"
    yield from _foreach(path, found)
    yield f"    {found.info.endpoint}:"
    mapped = {
        name: f"{_folder(found.first.get(column), base, path)}${{{{ {_column(column)} }}}}"
        for name, column in found.mapped.items()
    }
    if found.model_in_rows:
        yield "      # the column `model` names the model of each row"
    yield from _body(found.info, mapped, {*found.filled}, voice=found.voice)


def _about(path: str, found: Guess) -> Iterator[str]:
    if found.filled:
        names = ", ".join(found.filled)
        yield clean(f"  # columns of {path} that fill the request by themselves: {names}")
    if found.unused:
        yield clean(f"  # not used so far: {', '.join(found.unused)}")


def _foreach(path: str, found: Guess) -> Iterator[str]:
    if found.key is None:
        yield "    # no column has a short text of its own in every row: add one and name it as key"
    if found.key in (None, "id"):
        yield _noted(f"    foreach: {_word(path)}", "one job per row")
    else:
        kind = source_kind(path)
        text = f"    foreach: {{{kind}: {_flow(path)}, key: {_flow(str(found.key))}}}"
        yield _noted(text, "one job per row; the key names it")
    status = next((name for name in found.unused if name.lower() in {"status", "state"}), None)
    if status is not None and found.first.get(status) is not None:
        where = json.dumps(f"{_column(status)} == {str(found.first[status])!r}")
        yield clean(f"    # to leave rows out, add to `foreach`: where: {where}")


def _folder(value: Json, base: Path, path: str) -> str:
    """`plates/`, where a cell names a file of a folder beside the table; most often nothing.

    A cell alone is relative to its table, one with text before it to the manifest in `base`.
    """
    if not isinstance(value, str) or not is_local(value) or not PurePath(value).suffix:
        return ""
    beside = (base / path).parent
    try:
        if (beside / value).exists():
            return ""
        folders = sorted(item for item in islice(beside.iterdir(), _MOST_FOLDERS) if item.is_dir())
        found = next((item for item in folders if (item / value).is_file()), None)
    except OSError:
        return ""
    return "" if found is None else f"{found.relative_to(base).as_posix()}/"


def _column(name: str) -> str:
    return f"row.{name}" if name.isidentifier() and name.isascii() else f"row[{name!r}]"


# Files


def _files(path: str, table: Table, catalog: Catalog) -> Iterator[str]:
    kinds = Counter(_kind_of(str(row.values["file"])) for row in table)
    kind = next((each for each, _ in kinds.most_common() if each), None)
    if kind is None:
        raise UsageError(
            f"`{path}` names no files that can be an input",
            hint="name images, videos or audio files, as in 'plates/*.png'",
        )
    endpoint, model, name = _FOR_FILES[kind]
    info = catalog.find(endpoint, model)
    if info is None:
        raise UsageError(f"the catalogue has no `{model}` at `{endpoint}`")
    if len(kinds) > 1:
        yield "  # not all of these files are alike: narrow the pattern"
    yield f"  - id: {batch_name(PurePath(path).parts[0]) if '/' in path else kind}"
    yield _noted(f"    foreach: {_word(path)}", "one job per file, named by its stem")
    yield f"    {endpoint}:"
    yield from _body(info, {name: "${{ file }}"}, set())


def _kind_of(file: str) -> str:
    known = FORMATS.get(PurePath(file).suffix.lower().removeprefix("."))
    return "" if known is None else min(known.media)


# The body


def _body(
    info: ModelInfo, mapped: Mapping[str, str], filled: set[str], *, voice: str | None = None
) -> Iterator[str]:
    """Fields as lines: from columns, and as an example where the model needs more.

    Args:
        voice: the column that names one, which is a part of its field.
    """
    example = example_body(info)
    if voice is not None:
        preset = {"type": "runway-preset", "presetId": f"${{{{ {_column(voice)} }}}}"}
        example["voice"] = preset
    names = [name for name in info.fields if name in mapped or name in example]
    written = [name for name in names if name not in filled]
    for name in written:
        if name in mapped:
            yield f"      {name}: {_value(mapped[name])}"
        elif name == "voice" and voice is not None:
            yield f"      voice: {_value(example[name])}"
        else:
            yield _noted(f"      {name}: {_value(example[name])}", _note(info, name))
    if not written:
        yield "      {}"


def _note(info: ModelInfo, name: str) -> str:
    if name == "model":
        return f"all of it: runway-batch models {info.model}"
    text = takes(info.fields[name])
    if "file or URL" in text:
        return "an example: name your own file"
    if text.startswith("text"):
        return "an example: say it in your own words"
    return text if len(text) <= LONGEST_NOTE else "an example"


def _value(value: Json) -> str:
    return _word(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _word(text: str) -> str:
    """A text as YAML in a block, quoted where it has to be."""
    return text if _PLAIN.fullmatch(text) else _quoted(text)


def _flow(text: str) -> str:
    """A text as YAML inside `{ }`."""
    return text if re.fullmatch(r"[A-Za-z][\w./-]*", text) else _quoted(text)


def _quoted(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=not text.isprintable())
    return quoted.replace("\x7f", "\\u007f")


def _noted(line: str, note: str) -> str:
    return f"{line.ljust(_COMMENT_AT)} # {note}" if note else line
