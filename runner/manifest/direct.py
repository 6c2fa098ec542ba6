"""A manifest without YAML: a table of rows, and settings of the command line.

`plan shots.csv --set model=gen4_turbo --set duration=5` is a manifest with one template that goes
through the table; everything behind it is the same code.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from runner.core.catalog import Catalog, Endpoint, Schema, closest
from runner.core.spec import Json
from runner.errors import UsageError
from runner.manifest import places
from runner.manifest.load import batch_name, manifest_of
from runner.manifest.model import Manifest
from runner.manifest.nowhere import told_document
from runner.manifest.rows.opening import STDIN, source_kind
from runner.manifest.rows.pattern import is_pattern
from runner.manifest.setting_values import put_setting
from runner.manifest.words import listed

#: settings that are keys of the job, not of its body
JOB_KEYS = ("takes", "tags", "priority", "max_credits", "unchecked", "output", "fill")
#: settings of the table
ROW_KEYS = ("key", "where", "sheet")
ENDPOINT = "endpoint"

_TABLES = frozenset({"csv", "tsv", "jsonl", "xlsx"})
_REQUEST = "request"
_WHOLE = re.compile(r"-?\d{1,18}")


def is_table(path: Path) -> bool:
    """Whether a file holds rows, by its name; `-` is a table on the standard input."""
    return str(path) == STDIN or source_kind(path.name) in _TABLES


def refuse_files(path: Path) -> None:
    """Turn a folder or a pattern away: which field takes the files, a manifest has to say.

    Raises:
        UsageError: it is one.
    """
    if path.is_dir() or (is_pattern(str(path)) and not path.exists()):
        raise UsageError(
            f"`{path}` names files, not a manifest or a table",
            hint=f"write a manifest over them: runway-batch init --from {shlex.quote(str(path))}",
        )


def direct_manifest(
    path: Path | None, settings: Mapping[str, str], catalog: Catalog, *, kind: str = "csv"
) -> Manifest:
    """The manifest that a table and settings stand for.

    Args:
        path: of the table; None: the standard input.
        settings: fields of the body, `endpoint`, JOB_KEYS and ROW_KEYS, as text.
        catalog: tells the endpoint by the model, and the types of fields.
        kind: of the table on the standard input.

    Raises:
        UsageError: a setting that is not known, or nothing tells the endpoint.
        ManifestError: a setting that cannot have this value.
    """
    endpoint = _endpoint(settings, catalog)
    body = _body(settings, endpoint, catalog)
    file = "stdin" if path is None else str(path)
    name = batch_name(file)
    rows = {key: settings[key] for key in ROW_KEYS if key in settings}
    source = {kind: STDIN} if path is None else {_kind(path): path.name}
    job: dict[str, Json] = {
        "id": name,
        "foreach": source | rows,
        **{key: _job_value(key, settings[key]) for key in JOB_KEYS if key in settings},
        **_endpoint_part(endpoint, body),
    }
    value = {"version": 1, "name": name, "jobs": [job]}
    return manifest_of(told_document(value, file=file, say=partial(_flag, settings)), catalog)


def bare_manifest(path: Path) -> Manifest:
    """What is known of the batch of a table without its settings: its name; it has no jobs."""
    file = "stdin" if str(path) == STDIN else str(path)
    return Manifest(
        file=file, name=batch_name(file), jobs=(), document=told_document({}, file=file, say=str)
    )


def _kind(path: Path) -> str:
    kind = source_kind(path.name)
    if kind not in _TABLES:
        raise UsageError(
            f"`{path}` is no table that can be read",
            hint="rows come from .csv, .tsv, .jsonl and .xlsx files, or from `-`",
        )
    return str(kind)


def _endpoint_part(endpoint: str, body: Mapping[str, Json]) -> dict[str, Json]:
    if "${{" in endpoint:
        return {_REQUEST: {"endpoint": endpoint, "body": body}}
    return {endpoint: body}


# The endpoint


def _endpoint(settings: Mapping[str, str], catalog: Catalog) -> str:
    named = settings.get(ENDPOINT)
    if named is not None:
        if "${{" not in named and catalog.endpoint(named) is None:
            raise UsageError(f"no such endpoint: {named}", hint=_guess(named, catalog.endpoints))
        return named
    model = settings.get("model")
    if model is None:
        raise UsageError(
            "nothing says what to make of the rows",
            hint="add `--set model=MODEL`, or `--set endpoint=NAME` where the model is a column",
        )
    return _endpoint_of(model, catalog)


def _endpoint_of(model: str, catalog: Catalog) -> str:
    found = catalog.endpoints_of(model)
    if len(found) == 1:
        return found[0]
    if found:
        choices = [f"--set {ENDPOINT}={name}" for name in found]
        raise UsageError(
            f"`{model}` is at {listed(found, last='and')}", hint=f"add {listed(choices)}"
        )
    known = {name for each in catalog.endpoints.values() for name in each.models}
    raise UsageError(f"no such model: {model}", hint=_guess(model, sorted(known)))


def _guess(word: str, choices: Mapping[str, Endpoint] | list[str]) -> str:
    near = closest(word, list(choices))
    return f"did you mean `{near}`?" if near else "`runway-batch models` lists them"


# Values


def _body(settings: Mapping[str, str], endpoint: str, catalog: Catalog) -> dict[str, Json]:
    others = (*JOB_KEYS, *ROW_KEYS, ENDPOINT)
    named = {key: text for key, text in settings.items() if key not in others}
    fields = _fields(catalog.endpoint(endpoint), settings.get("model"))
    if fields is not None and settings.get("unchecked") != "true":
        for key in named:
            if key.partition(".")[0] not in fields:
                raise _unknown(key, endpoint, [*fields, *others])
    body: dict[str, Json] = {}
    for key, text in named.items():
        put_setting(body, key, text, fields or {})
    return body


def _fields(endpoint: Endpoint | None, model: str | None) -> Mapping[str, Schema] | None:
    """The fields of the model; of any model where a column says which; None: not known."""
    if endpoint is None:
        return None
    if model in endpoint.models:
        return endpoint.models[str(model)].fields
    found: dict[str, Schema] = {}
    for info in endpoint.models.values():
        found = {**info.fields, **found}
    return found


def _unknown(key: str, endpoint: str, known: list[str]) -> UsageError:
    name, point, rest = key.partition(".")
    near = closest(name, known)
    hint = (
        f"did you mean `--set {near}{point}{rest}=…`?"
        if near
        else f"known here: {', '.join(known)}"
    )
    return UsageError(f"`--set {key}=…`: `{endpoint}` has no such field", hint=hint)


def _job_value(key: str, text: str) -> Json:
    if key == "tags":
        return [tag.strip() for tag in text.split(",") if tag.strip()]
    if key in {"unchecked", "fill"}:
        return {"true": True, "false": False}.get(text, text)
    is_number = key in {"takes", "priority", "max_credits"} and _WHOLE.fullmatch(text)
    return int(text) if is_number else text


def _flag(settings: Mapping[str, str], path: places.Path) -> str:
    """The setting that a path of the manifest stands for; empty where the rows are meant."""
    names = [step for step in path[2:] if isinstance(step, str)]
    ways = (".".join(names[begin:end]) for end in range(len(names), 0, -1) for begin in range(end))
    found = next((way for way in ways if way in settings), None)
    return "" if found is None else f"--set {found}"
